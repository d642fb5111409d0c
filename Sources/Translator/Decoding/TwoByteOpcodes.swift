// The opcodes behind 0F: Intel SDM volume 2, appendix A, table A-3. Vector and mask registers do not count as registers here.

extension OpcodeSpecification {
  mutating func addTwoByteOpcodes() {
    two(0x00, .group(.descriptor))
    two(0x01, .group(.system))
    two(0x01, .pF3, .group(.systemF3))
    // lar and lsl write their register only if the selector is good.
    two(0x02...0x03, .modrm + .regUpdate + .rmRead + .writes(.zero))
    // r11 becomes the flags.
    two(0x05, Opcode(.syscall) + .readsAll + .hiddenR11)
    two(0x06, .none)
    two(0x07, Opcode(.far) + .writesAll + .hiddenR11)
    two(0x08...0x09, .none)
    two(0x0b, .undefined)
    two(0x0d, .group(.prefetch))
    two(0x0e, .none)
    two(0x0f, .modrm + Opcode(.suffix) + .oddImmediate)
    addMovesOfVectors()
    // Hints, among them MPX (1A, 1B) on processors without it: what they name is not used.
    two(0x18...0x1f, .modrm + .regRead + .rmRead)
    // rdssp writes its register.
    two(0x1e, .pF3, .group(.hintF3))
    two(0x20...0x21, .modrm + .rmWrite + .alwaysRegister + .special)
    two(0x22...0x23, .modrm + .rmRead + .alwaysRegister + .special)
    two(0x30, .none)
    two(0x31, Opcode(.rdtsc))
    two(0x32...0x33, .none)
    two(0x34, Opcode(.sysenter))
    two(0x35, Opcode(.far))
    two(0x37, .np, .readsAll)
    for code in 0..<16 {
      two(0x40 + code, .modrm + .regUpdate + .rmRead + .reads(.condition(code)))
      two(0x80 + code, Opcode(.conditional) + Opcode(.distance) + .reads(.condition(code)))
      two(0x90 + code, .modrm + .rmWrite + .byte + .reads(.condition(code)))
    }
    addArithmeticOfVectors()
    addGeneral()
  }

  /// 10-17, 28-2F.
  private mutating func addMovesOfVectors() {
    two(0x10...0x11, .modrm)
    two(0x12, [.np, .pF3, .pF2], .modrm)
    two(0x16, [.np, .pF3], .modrm)
    for byte in [0x12, 0x13, 0x16, 0x17] { two(byte, .p66, .modrm + .memoryOnly) }
    two(0x13, .np, .modrm + .memoryOnly)
    two(0x17, .np, .modrm + .memoryOnly)
    two(0x14...0x15, .packed, .modrm)
    two(0x28...0x29, .packed, .modrm)
    two(0x2a, .packed, .modrm)
    two(0x2a, [.pF3, .pF2], .modrm + .rmRead)
    two(0x2b, .modrm + .memoryOnly)
    two(0x2c...0x2d, .packed, .modrm)
    two(0x2c...0x2d, [.pF3, .pF2], .modrm + .regWrite)
    two(0x2e...0x2f, .packed, .modrm + .writesAll)
  }

  /// 50-7F, C2-C6, D0-FE.
  private mutating func addArithmeticOfVectors() {
    two(0x50, .packed, .modrm + .regWrite + .registerOnly)
    two(0x51, .modrm)
    two(0x52...0x53, [.np, .pF3], .modrm)
    two(0x54...0x57, .packed, .modrm)
    two(0x58...0x5a, .modrm)
    two(0x5b, [.np, .p66, .pF3], .modrm)
    two(0x5c...0x5f, .modrm)
    two(0x60...0x6b, .packed, .modrm)
    two(0x6c...0x6d, .p66, .modrm)
    two(0x6e, .packed, .modrm + .rmRead)
    two(0x6f, [.np, .p66, .pF3], .modrm)
    two(0x70, .modrm + Opcode(.byte))
    two(0x71, .packed, .group(.vectorWord))
    two(0x72, .packed, .group(.vectorDouble))
    two(0x73, .np, .group(.vectorQuad))
    two(0x73, .p66, .group(.vectorQuad66))
    two(0x74...0x76, .packed, .modrm)
    two(0x77, .np, .none)
    two(0x78, .np, .modrm + .rmWrite + .regRead + .writesAll)
    two(0x79, .np, .modrm + .rmRead + .regRead + .writesAll)
    // extrq and insertq (SSE4a).
    two(0x78, .p66, .group(.extract))
    two(0x78, .pF2, .modrm + .registerOnly + Opcode(.twoBytes))
    two(0x79, [.p66, .pF2], .modrm + .registerOnly)
    two(0x7c...0x7d, [.p66, .pF2], .modrm)
    two(0x7e, .packed, .modrm + .rmWrite)
    two(0x7e, .pF3, .modrm)
    two(0x7f, [.np, .p66, .pF3], .modrm)
    two(0xc2, .modrm + Opcode(.byte))
    two(0xc4, .packed, .modrm + .rmRead + Opcode(.byte))
    two(0xc5, .packed, .modrm + .regWrite + .registerOnly + Opcode(.byte))
    two(0xc6, .packed, .modrm + Opcode(.byte))
    two(0xd0, [.p66, .pF2], .modrm)
    two(0xd1...0xd5, .packed, .modrm)
    two(0xd6, .p66, .modrm)
    two(0xd6, [.pF3, .pF2], .modrm + .registerOnly)
    two(0xd7, .packed, .modrm + .regWrite + .registerOnly)
    two(0xd8...0xe5, .packed, .modrm)
    two(0xe6, [.p66, .pF3, .pF2], .modrm)
    two(0xe7, .packed, .modrm + .memoryOnly)
    two(0xe8...0xef, .packed, .modrm)
    two(0xf0, .pF2, .modrm + .memoryOnly)
    two(0xf1...0xf6, .packed, .modrm)
    two(0xf7, .packed, .modrm + .registerOnly)
    two(0xf8...0xfe, .packed, .modrm)
  }

  /// 77, A0-CF, FF: general registers.
  private mutating func addGeneral() {
    two(0xa0...0xa1, .none)
    two(0xa2, Opcode(.cpuid))
    // bt and its kin leave the zero flag alone.
    let bit = Opcode.writes([.carry, .parity, .auxiliary, .sign, .overflow]) + .modrm
    two(0xa3, bit + .rmRead + .regRead)
    for byte in [0xab, 0xb3, 0xbb] { two(byte, bit + .rmUpdate + .regRead + .lockable) }
    two(0xba, .group(.bitTest))
    for byte in [0xa4, 0xac] {
      two(byte, .modrm + .rmUpdate + .regRead + .writesAll + .countedByImmediate + Opcode(.byte))
      two(byte + 1, .modrm + .rmUpdate + .regRead + .readsAll)
    }
    two(0xa8...0xa9, .none)
    two(0xaa, .writesAll)
    two(0xae, .np, .group(.state))
    two(0xae, .p66, .group(.state66))
    two(0xae, .pF3, .group(.stateF3))
    two(0xae, .pF2, .group(.stateF2))
    two(0xaf, .modrm + .regUpdate + .rmRead + .writesAll)
    two(0xb0, .modrm + .rmUpdate + .regRead + .byte + .lockable + .writesAll)
    two(0xb1, .modrm + .rmUpdate + .regRead + .lockable + .writesAll)
    for byte in [0xb2, 0xb4, 0xb5] { two(byte, .modrm + .regWrite + .memoryOnly) }
    for byte in [0xb6, 0xb7, 0xbe, 0xbf] { two(byte, .modrm + .regWrite + .rmRead) }
    // Without F3 this was jmpe, of Itanium.
    two(0xb8, .pF3, .modrm + .regWrite + .rmRead + .writesAll)
    two(0xb9, .undefined + .modrm + .regRead + .rmRead)
    // bsf and bsr keep the register when the operand is 0.
    two(0xbc...0xbd, .modrm + .regUpdate + .rmRead + .writesAll)
    two(0xc0, .modrm + .regUpdate + .rmUpdate + .byte + .lockable + .writesAll)
    two(0xc1, .modrm + .regUpdate + .rmUpdate + .lockable + .writesAll)
    two(0xc3, .np, .modrm + .regRead + .memoryOnly)
    two(0xc7, .np, .group(.exchange))
    two(0xc7, .pF2, .group(.exchangeF2))
    two(0xc7, .p66, .group(.exchange66))
    two(0xc7, .pF3, .group(.exchangeF3))
    two(0xc8...0xcf, .embeddedRead + .embeddedWrite)
    two(0xff, .undefined + .modrm + .regRead + .rmRead)
  }
}
