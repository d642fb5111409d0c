import Testing

@Suite struct TracePlaceholder { @Test func builds() { #expect(Bool(true)) } }
