// The one-byte opcodes: Intel SDM volume 2, appendix A, table A-2.

extension Flags {
  /// What a condition code (the low 4 bits of jcc, setcc and cmovcc) looks at.
  static func condition(_ code: Int) -> Flags {
    switch code >> 1 & 7 {
    case 0: .overflow
    case 1: .carry
    case 2: .zero
    case 3: [.carry, .zero]
    case 4: .sign
    case 5: .parity
    case 6: [.sign, .overflow]
    default: [.sign, .overflow, .zero]
    }
  }
}

extension Opcode {
  static let writesAll = Opcode.writes(.all)
  static let readsAll = Opcode.reads(.all)
  static let readsCarry = Opcode.reads(.carry)
  static let writesCarry = Opcode.writes(.carry)

  /// ADD OR ADC SBB AND SUB XOR CMP: their flags, and those that write what they read.
  static func arithmetic(_ number: Int) -> Opcode { writesAll + (number == 2 || number == 3 ? readsCarry : .none) }
}

extension OpcodeSpecification {
  mutating func addOneByteOpcodes() {
    for number in 0..<8 {
      let base = number * 8
      let isCompare = number == 7
      let common = Opcode.arithmetic(number)
      let memory = common + .modrm + .regRead + .rmRead + (isCompare ? .none : .rmWrite + .lockable + .update)
      one(base, memory + .byte)
      one(base + 1, memory)
      let register = common + .modrm + .rmRead + .regRead + (isCompare ? .none : .regWrite)
      one(base + 2, register + .byte)
      one(base + 3, register)
      one(base + 4, common + Opcode(.byte))
      one(base + 5, common + Opcode(.doubleword))
      one(base + 6...base + 7, .undefined)
    }
    for prefix in [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3] { one(prefix, .prefix) }
    one(0x0f, .escape)
    one(0x40...0x4f, .prefix)
    one(0x50...0x57, .embeddedRead)
    one(0x58...0x5f, .embeddedWrite)
    one(0x60...0x61, .undefined)
    for escape in [0x62, 0xc4, 0xc5] { one(escape, .escape) }
    // pop, or XOP.
    one(0x8f, .escape + .group(.pop))
    one(0x63, .modrm + .regWrite + .rmRead)
    one(0x68, Opcode(.doubleword))
    one(0x69, .modrm + .regWrite + .rmRead + .writesAll + Opcode(.doubleword))
    one(0x6a, Opcode(.byte))
    one(0x6b, .modrm + .regWrite + .rmRead + .writesAll + Opcode(.byte))
    one(0x6c...0x6f, .none)
    for code in 0..<16 { one(0x70 + code, Opcode(.conditional) + Opcode(.shortDistance) + .reads(.condition(code))) }
    one(0x80, .group(.arithmeticByte))
    one(0x81, .group(.arithmetic))
    one(0x82, .undefined)
    one(0x83, .group(.arithmeticSigned))
    addMoves()
    addControl()
  }

  /// 84-BF: moves, exchanges, strings.
  private mutating func addMoves() {
    one(0x84, .modrm + .regRead + .rmRead + .byte + .writesAll)
    one(0x85, .modrm + .regRead + .rmRead + .writesAll)
    one(0x86, .modrm + .regUpdate + .rmUpdate + .byte + .lockable)
    one(0x87, .modrm + .regUpdate + .rmUpdate + .lockable)
    one(0x88, .modrm + .regRead + .rmWrite + .byte)
    one(0x89, .modrm + .regRead + .rmWrite)
    one(0x8a, .modrm + .regWrite + .rmRead + .byte)
    one(0x8b, .modrm + .regWrite + .rmRead)
    // Segment registers: which of them exist is seen in the whole ModRM.
    one(0x8c, .modrm + .rmWrite + .special)
    one(0x8d, .modrm + .regWrite + .memoryOnly)
    one(0x8e, .modrm + .rmRead + .special)
    one(0x90...0x97, .embeddedRead + .embeddedWrite)
    one(0x98...0x99, .none)
    one(0x9a, .undefined)
    one(0x9b, .none)
    one(0x9c, .readsAll)
    one(0x9d, Opcode(.popFlags) + .writesAll)
    one(0x9e, .writes([.sign, .zero, .auxiliary, .parity, .carry]))
    one(0x9f, .reads([.sign, .zero, .auxiliary, .parity, .carry]))
    one(0xa0...0xa3, Opcode(.address) + .oddImmediate)
    one(0xa4...0xa5, .none)
    one(0xa6...0xa7, .writesAll + .repeated)
    one(0xa8, .writesAll + Opcode(.byte))
    one(0xa9, .writesAll + Opcode(.doubleword))
    one(0xaa...0xad, .none)
    one(0xae...0xaf, .writesAll + .repeated)
    one(0xb0...0xb7, .embeddedWrite + .byte + Opcode(.byte))
    one(0xb8...0xbf, .embeddedWrite + Opcode(.full))
  }

  /// C0-FF: shifts, control flow, flags.
  private mutating func addControl() {
    one(0xc0, .group(.shiftByteImmediate))
    one(0xc1, .group(.shiftImmediate))
    one(0xc2, Opcode(.ret) + Opcode(.word))
    one(0xc3, Opcode(.ret))
    one(0xc6, .group(.moveByte))
    one(0xc7, .group(.move))
    one(0xc8, Opcode(.wordAndByte))
    one(0xc9, .none)
    one(0xca, Opcode(.far) + Opcode(.word))
    one(0xcb, Opcode(.far))
    one(0xcc, Opcode(.breakpoint))
    one(0xcd, Opcode(.interrupt) + Opcode(.byte))
    one(0xce, .undefined)
    one(0xcf, Opcode(.far))
    one(0xd0, .group(.shiftByteOne))
    one(0xd1, .group(.shiftOne))
    one(0xd2, .group(.shiftByteCL))
    one(0xd3, .group(.shiftCL))
    one(0xd4...0xd6, .undefined)
    one(0xd7, .none)
    one(0xd8...0xdf, .modrm + .special)
    one(0xe0...0xe1, Opcode(.counted) + Opcode(.shortDistance) + .reads(.zero))
    one(0xe2...0xe3, Opcode(.counted) + Opcode(.shortDistance))
    one(0xe4...0xe7, Opcode(.byte))
    one(0xe8, Opcode(.call) + Opcode(.distance))
    one(0xe9, Opcode(.jump) + Opcode(.distance))
    one(0xea, .undefined)
    one(0xeb, Opcode(.jump) + Opcode(.shortDistance))
    one(0xec...0xef, .none)
    one(0xf1, Opcode(.icebp))
    one(0xf4, .none)
    one(0xf5, .readsCarry + .writesCarry)
    one(0xf6, .group(.unaryByte))
    one(0xf7, .group(.unary))
    one(0xf8...0xf9, .writesCarry)
    one(0xfa...0xfd, .none)
    one(0xfe, .group(.incrementByte))
    one(0xff, .group(.increment))
  }
}
