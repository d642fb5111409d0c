import Testing

@Suite struct KernelPlaceholder { @Test func builds() { #expect(Bool(true)) } }
