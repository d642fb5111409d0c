// One entry of the opcode tables, in 64 bits: what the decoder must know of an opcode besides its operands' bytes.

/// Facts about an opcode. Tables hold them by value, so that decoding touches one word.
struct Opcode: Sendable, Equatable {
  var bits: UInt64

  @inline(__always) init(bits: UInt64) { self.bits = bits }

  // Bits 0-4: the flow. Bits 5-8: the immediate. Bits 9-14 and 15-20: flags read and written. Bits 21-28: a group's number.
  @inline(__always) var immediate: Int { Int(truncatingIfNeeded: bits >> 5 & 15) }
  @inline(__always) var flagsRead: Flags { Flags(rawValue: UInt8(truncatingIfNeeded: bits >> 9 & 0x3f)) }
  @inline(__always) var flagsWritten: Flags { Flags(rawValue: UInt8(truncatingIfNeeded: bits >> 15 & 0x3f)) }
  @inline(__always) var group: Int { Int(truncatingIfNeeded: bits >> 21 & 0xff) }

  /// How ModRM.reg, ModRM.rm (a register when mod is 3), VEX.vvvv and the opcode's low bits name general registers.
  static let regRead = Opcode(bit: 32)
  static let regWrite = Opcode(bit: 33)
  static let rmRead = Opcode(bit: 34)
  static let rmWrite = Opcode(bit: 35)
  static let vvvvRead = Opcode(bit: 36)
  static let vvvvWrite = Opcode(bit: 37)
  static let embeddedRead = Opcode(bit: 38)
  static let embeddedWrite = Opcode(bit: 39)
  /// Uses r11 without naming it.
  static let hiddenR11 = Opcode(bit: 40)

  static let modrm = Opcode(bit: 42)
  /// A legacy prefix or REX; an escape to another table, VEX, EVEX or XOP.
  static let prefix = Opcode(bit: 43)
  static let escape = Opcode(bit: 44)
  /// A register that is written keeps its other bytes.
  static let byte = Opcode(bit: 45)
  /// May have a lock prefix with a memory operand.
  static let lockable = Opcode(bit: 46)
  /// One of the read-modify-write instructions that count as an update with a memory operand: ADD OR ADC SBB AND SUB XOR (00-31, 80, 81, 83),
  /// NOT NEG INC DEC, shifts and rotates (C0, C1, D0-D3). Not with lock or gs, nor with an address based on rsp or rbp.
  static let update = Opcode(bit: 47)
  /// Undefined with a register; with memory. The tables are laid out so that the decoder need not look.
  static let memoryOnly = Opcode(bit: 48)
  static let registerOnly = Opcode(bit: 49)
  /// ModRM names a register whatever its mod says (moves from and to control and debug registers).
  static let alwaysRegister = Opcode(bit: 50)
  /// Flags survive when the immediate, a shift count, is 0.
  static let countedByImmediate = Opcode(bit: 51)
  /// Flags survive when a repeat prefix is there, as the count may be 0.
  static let repeated = Opcode(bit: 52)
  /// The rest depends on the whole ModRM byte: see `resolve`.
  static let special = Opcode(bit: 53)
  /// VSIB: the index is a vector register.
  static let vectorIndex = Opcode(bit: 54)
  /// VEX.vvvv must be 1111b; must be with a memory operand.
  static let vvvvUnused = Opcode(bit: 55)
  static let vvvvUnusedWithMemory = Opcode(bit: 56)
  /// Must have a SIB byte with a memory operand; ModRM.rm must be 0 in a register form.
  static let sibNeeded = Opcode(bit: 58)
  static let rmIsZero = Opcode(bit: 59)
  /// The immediate needs a second look: an address, or 3DNow's suffix.
  static let oddImmediate = Opcode(bit: 57)

  static let none = Opcode(bits: 0)
  static let undefined = Opcode(.undefined)
  static let unknown = Opcode(.unknown)

  static let regUpdate = regRead + regWrite
  static let rmUpdate = rmRead + rmWrite

  @inline(__always) private init(bit: UInt64) { bits = 1 << bit }
  @inline(__always) init(_ flow: Flow) { bits = UInt64(flow.rawValue) }
  @inline(__always) init(_ immediate: Immediate) { bits = UInt64(immediate.rawValue) << 5 }
  static func group(_ group: Group) -> Opcode { Opcode(bits: UInt64(group.rawValue) << 21) + modrm }
  static func reads(_ flags: Flags) -> Opcode { Opcode(bits: UInt64(flags.rawValue) << 9) }
  static func writes(_ flags: Flags) -> Opcode { Opcode(bits: UInt64(flags.rawValue) << 15) }

  @inline(__always) static func + (left: Opcode, right: Opcode) -> Opcode { Opcode(bits: left.bits | right.bits) }
  @inline(__always) func has(_ fact: Opcode) -> Bool { bits & fact.bits != 0 }
  /// 1 or 0.
  @inline(__always) func bit(_ fact: Opcode) -> Int { Int(truncatingIfNeeded: bits >> UInt64(fact.bits.trailingZeroBitCount) & 1) }
}

/// What follows the opcode and its operand.
enum Immediate: UInt8, CaseIterable {
  case none
  case byte, word
  /// 2 bytes with an operand-size prefix, otherwise 4.
  case doubleword
  /// 2, 4 or 8 bytes (mov to a register).
  case full
  /// An address, of 4 bytes with an address-size prefix, otherwise 8.
  case address
  /// enter: a word and a byte. extrq, insertq: two bytes.
  case wordAndByte, twoBytes
  /// A distance of 1 byte; of 4 whatever the operand-size prefix says, as on Intel's processors (AMD's would read 2).
  case shortDistance, distance
  /// 3DNow's opcode, which stands last.
  case suffix
  /// Always 4 bytes (XOP map 10).
  case four

  /// Its size in 4 bits for each state of the prefixes: 4 for REX.W, 2 for operand size, 1 for address size.
  var sizes: UInt32 { (0..<8).reduce(0) { $0 | UInt32(size($1)) << UInt32($1 * 4) } }

  private func size(_ state: Int) -> UInt8 {
    let wide = state & 4 != 0
    let small = state & 2 != 0 && !wide
    return switch self {
    case .none: 0
    case .byte, .shortDistance, .suffix: 1
    case .word, .twoBytes: 2
    case .wordAndByte: 3
    case .doubleword: small ? 2 : 4
    case .full: wide ? 8 : small ? 2 : 4
    case .address: state & 1 != 0 ? 4 : 8
    case .distance, .four: 4
    }
  }
}

/// Opcodes that ModRM.reg extends. Each has 16 entries: for memory operands, then for registers.
enum Group: UInt8, CaseIterable {
  case none
  case arithmeticByte, arithmetic, arithmeticSigned, pop
  case shiftByteImmediate, shiftImmediate, shiftByteOne, shiftOne, shiftByteCL, shiftCL
  case moveByte, move, unaryByte, unary, incrementByte, increment
  case descriptor, system, systemF3, prefetch, hint, hintF3, bitTest
  case vectorWord, vectorDouble, vectorQuad, vectorQuad66, extract
  case state, state66, stateF3, stateF2, exchange, exchange66, exchangeF3, exchangeF2
  case wideKey, loadKey
}
