import Testing

@Suite struct LinuxABIPlaceholder { @Test func builds() { #expect(Bool(true)) } }
