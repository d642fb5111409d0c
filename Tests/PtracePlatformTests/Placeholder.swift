import Testing

@Suite struct PtracePlatformPlaceholder { @Test func builds() { #expect(Bool(true)) } }
