import Testing

@Suite struct RecordReplayPlaceholder { @Test func builds() { #expect(Bool(true)) } }
