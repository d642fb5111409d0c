// What an instruction does to memory: where, how many bytes, and whether it may store. For the log of accesses and for
// scheduling points. What is not in these tables counts as a store of the most bytes; `DecoderCheck` compares them with Zydis.
// docs: Intel SDM 2, the instructions' own pages.
//
// Sound: reads the instruction's bytes, of which its decoding has seen `length`.

/// One access that an instruction makes.
public struct Access: Equatable, Sendable {
  public enum Place: Sendable {
    /// The operand that ModRM and SIB tell, or the address of A0-A3.
    case operand
    /// At rsi; at rdi; at rbx + al.
    case source, destination, table
  }
  public var place: Place
  /// Bytes; not fewer than it touches, but for saves of the processor's state, which have more than `sizeMax`.
  public var size: UInt8
  public var isWrite: Bool

  public static let sizeMax: UInt8 = 64

  static func load(_ size: Int, at place: Place = .operand) -> Access { Access(place: place, size: UInt8(size), isWrite: false) }
  static func store(_ size: Int, at place: Place = .operand) -> Access { Access(place: place, size: UInt8(size), isWrite: true) }
  static let unknown = store(Int(sizeMax))
}

extension Instruction {
  /// Whether it works on memory other than by pushing or popping a register; hints and `lea` do not. Branches by way of memory
  /// count, system calls do not.
  public var hasMemoryOperand: Bool {
    switch flow {
    case .plain: hasImplicitOperand || hasMemoryForm && !namesAddressOnly
    case .callIndirect, .jumpIndirect: hasMemoryForm
    default: false
    }
  }

  private var isVector: Bool { !prefixes.isDisjoint(with: [.vex, .evex, .xop]) }

  /// Strings, xlat, A0-A3, maskmovq and maskmovdqu. ins and outs only fault.
  private var hasImplicitOperand: Bool {
    if map == 1 { return prefixes.isDisjoint(with: [.evex, .xop]) && opcode == 0xf7 && hasModRM && modrm >= 0xc0 }
    guard map == 0, !isVector else { return false }
    switch opcode {
    case 0xa0...0xa7, 0xaa...0xaf, 0xd7: return true
    default: return false
    }
  }

  /// lea, prefetches and hints; and moves to and from control registers, whose ModRM always means a register.
  private var namesAddressOnly: Bool {
    if isVector { return false }
    switch (map, opcode) {
    case (0, 0x8d): return true
    case (1, 0x0d), (1, 0x18...0x1f), (1, 0x20...0x23): return opcodeOffset < modrmOffset
    default: return false
    }
  }

  /// A string instruction with a prefix that repeats it.
  var isRepeatedString: Bool {
    guard map == 0, !isVector, !prefixes.isDisjoint(with: [.rep, .repne]) else { return false }
    switch opcode {
    case 0x6c...0x6f, 0xa4...0xa7, 0xaa...0xaf: return true
    default: return false
    }
  }

  /// Its accesses in order, two at most; of a repeated string instruction those of one round. None of what is relative to gs
  /// or fs, of pushes and pops, of branches, of gathers, whose addresses are many, and of EVEX instructions, which may scale
  /// their displacements.
  public func accesses(_ bytes: UnsafePointer<UInt8>) -> [Access] {
    guard flow == .plain, hasMemoryOperand, !prefixes.contains(.gs), !prefixes.contains(.evex) else { return [] }
    let isThreadLocal = prefixes.contains(.fs)
    if hasImplicitOperand {
      // Of a string instruction the prefix moves the source only.
      return implicitAccesses(bytes).filter { !isThreadLocal || $0.place == .destination && map == 0 }
    }
    if isThreadLocal { return [] }
    let access: Access?
    if prefixes.contains(.vex) {
      access = vexAccess(VectorPrefix(self, bytes))
    } else if prefixes.contains(.xop) {
      access = .unknown
    } else {
      access = switch map {
      case 0: oneByteAccess
      case 1: opcodeOffset > modrmOffset ? .load(8) : twoByteAccess(plane(bytes))  // The first are 3DNow's.
      case 2: threeByteAccess(plane(bytes))
      default: immediateAccess(plane(bytes))
      }
    }
    return access.map { [$0] } ?? []
  }

  // MARK: Sizes

  /// Of a general operand that is no byte.
  private var wordSize: Int { rex & 8 != 0 ? 8 : prefixes.contains(.operandSize) ? 2 : 4 }
  /// The same where the prefix 66 means something else.
  private var wideSize: Int { rex & 8 != 0 ? 8 : 4 }
  private var byteOrWord: Int { opcode & 1 == 0 ? 1 : wordSize }
  private var field: UInt8 { modrm >> 3 & 7 }

  /// 0 without a mandatory prefix, 1 for 66, 2 for F3, 3 for F2: of the last two the last counts.
  private func plane(_ bytes: UnsafePointer<UInt8>) -> Int {
    for index in (0..<Int(prefixLength)).reversed() {
      if bytes[index] == 0xf3 { return 2 }
      if bytes[index] == 0xf2 { return 3 }
    }
    return prefixes.contains(.operandSize) ? 1 : 0
  }

  // MARK: Opcodes

  private func implicitAccesses(_ bytes: UnsafePointer<UInt8>) -> [Access] {
    if map == 1 { return [.store(prefixes.contains(.vex) || plane(bytes) == 1 ? 16 : 8, at: .destination)] }
    let size = byteOrWord
    switch opcode {
    case 0xa0, 0xa1: return [.load(size)]
    case 0xa2, 0xa3: return [.store(size)]
    case 0xa4, 0xa5: return [.load(size, at: .source), .store(size, at: .destination)]
    case 0xa6, 0xa7: return [.load(size, at: .source), .load(size, at: .destination)]
    case 0xaa, 0xab: return [.store(size, at: .destination)]
    case 0xac, 0xad: return [.load(size, at: .source)]
    case 0xae, 0xaf: return [.load(size, at: .destination)]
    default: return [.load(1, at: .table)]
    }
  }

  private var oneByteAccess: Access? {
    let size = byteOrWord
    switch opcode {
    case 0x00...0x37: return opcode & 2 == 0 ? .store(size) : .load(size)
    case 0x38...0x3b, 0x84, 0x85, 0x8a, 0x8b: return .load(size)
    case 0x63: return .load(4)
    case 0x69, 0x6b: return .load(wordSize)
    case 0x80...0x83: return field == 7 ? .load(size) : .store(size)
    case 0x86...0x89, 0xc0, 0xc1, 0xc6, 0xc7, 0xd0...0xd3: return .store(size)
    case 0x8c: return .store(2)
    case 0x8e: return .load(2)
    case 0x8f: return nil
    case 0xd8...0xdf: return x87Access
    case 0xf6, 0xf7: return field == 2 || field == 3 ? .store(size) : .load(size)
    case 0xfe: return .store(1)
    case 0xff: return field < 2 ? .store(size) : nil
    default: return .unknown
    }
  }

  private var x87Access: Access {
    switch (opcode, field) {
    case (0xd8, _), (0xda, _), (0xd9, 0), (0xdb, 0): .load(4)
    case (0xd9, 2), (0xd9, 3), (0xdb, 1...3): .store(4)
    case (0xd9, 4): .load(28)
    case (0xd9, 5), (0xde, _), (0xdf, 0): .load(2)
    case (0xd9, 6): .store(28)
    case (0xd9, 7), (0xdd, 7), (0xdf, 1...3): .store(2)
    case (0xdb, 5), (0xdf, 4): .load(10)
    case (0xdb, 7), (0xdf, 6): .store(10)
    case (0xdc, _), (0xdd, 0), (0xdf, 5): .load(8)
    case (0xdd, 1...3), (0xdf, 7): .store(8)
    case (0xdd, 4): .load(Int(Access.sizeMax))
    default: .unknown
    }
  }

  private func twoByteAccess(_ plane: Int) -> Access {
    let scalar = plane == 2 ? 4 : plane == 3 ? 8 : 16
    let packed = plane == 0 ? 8 : 16
    switch opcode {
    case 0x00: return field < 2 ? .store(2) : .load(2)
    case 0x02, 0x03, 0xb7, 0xbf, 0xc4: return .load(2)
    case 0x10, 0x51...0x59, 0x5c...0x5f, 0xc2: return .load(scalar)
    case 0x11: return .store(scalar)
    case 0x12, 0x16: return .load(plane == 2 ? 16 : 8)
    case 0x13, 0x17, 0xd6: return .store(8)
    case 0x14, 0x15, 0x28, 0x5b, 0x7c, 0x7d, 0xc6, 0xd0, 0xf0: return .load(16)
    case 0x29, 0x2b: return .store(16)
    case 0x2a: return .load(plane < 2 ? 8 : wideSize)
    case 0x2c, 0x2d, 0x5a: return .load([8, 16, 4, 8][plane])
    case 0x2e, 0x2f: return .load(plane == 1 ? 8 : 4)
    case 0x40...0x4f, 0xa3, 0xaf, 0xb8, 0xbc, 0xbd: return .load(wordSize)
    case 0x6e: return .load(wideSize)
    case 0x7e: return plane == 2 ? .load(8) : .store(wideSize)
    case 0x60...0x6d, 0x6f, 0x70, 0x74...0x76, 0xd1...0xd5, 0xd8...0xe5, 0xe8...0xef, 0xf1...0xf6, 0xf8...0xfe:
      return .load(packed)
    case 0x7f, 0xe7: return .store(packed)
    case 0x90...0x9f, 0xb0, 0xc0: return .store(1)
    case 0xa4, 0xa5, 0xab, 0xac, 0xad, 0xb1, 0xb3, 0xbb, 0xc1: return .store(wordSize)
    case 0xae: return stateAccess(plane)
    case 0xb2, 0xb4, 0xb5: return .load(10)
    case 0xb6, 0xbe: return .load(1)
    case 0xba: return field == 4 ? .load(wordSize) : .store(wordSize)
    case 0xc3: return .store(wideSize)
    case 0xc7 where field == 1: return .store(rex & 8 != 0 ? 16 : 8)
    case 0xe6: return .load(plane == 2 ? 8 : 16)
    default: return .unknown
    }
  }

  /// ldmxcsr and stmxcsr; restores, and flushes of a line, which only read.
  private func stateAccess(_ plane: Int) -> Access {
    switch field {
    case 2 where plane == 0: .load(4)
    case 3 where plane == 0: .store(4)
    case 1 where plane == 0, 5 where plane == 0, 7 where plane < 2, 6 where plane == 1: .load(Int(Access.sizeMax))
    default: .unknown
    }
  }

  private func threeByteAccess(_ plane: Int) -> Access {
    switch opcode {
    case 0x00...0x0b, 0x1c...0x1e: return .load(plane == 0 ? 8 : 16)
    case 0x20, 0x23, 0x25, 0x30, 0x33, 0x35: return .load(8)
    case 0x21, 0x24, 0x31, 0x34: return .load(4)
    case 0x22, 0x32: return .load(2)
    case 0x10, 0x14, 0x15, 0x17, 0x28...0x2b, 0x37...0x41, 0xc8...0xcd, 0xcf: return .load(16)
    case 0xdb...0xdf where plane == 1: return .load(16)
    case 0xf0: return .load(plane == 3 ? 1 : wordSize)
    case 0xf1: return plane == 3 ? .load(wordSize) : .store(wordSize)
    case 0xf6: return plane == 0 ? .store(wideSize) : .load(wideSize)
    default: return .unknown
    }
  }

  /// Map 0F3A.
  private func immediateAccess(_ plane: Int) -> Access {
    switch opcode {
    case 0x08, 0x09, 0x0c...0x0e, 0x40...0x42, 0x44, 0x60...0x63, 0xcc, 0xce, 0xcf, 0xdf: .load(16)
    case 0x0f: .load(plane == 0 ? 8 : 16)
    case 0x0a, 0x21: .load(4)
    case 0x0b: .load(8)
    case 0x14: .store(1)
    case 0x15: .store(2)
    case 0x16: .store(wideSize)
    case 0x17: .store(4)
    case 0x20: .load(1)
    case 0x22: .load(wideSize)
    default: .unknown
    }
  }

  // MARK: VEX

  private func vexAccess(_ vector: VectorPrefix) -> Access? {
    switch map {
    case 1: vexTwoByteAccess(vector)
    case 2: vexThreeByteAccess(vector)
    case 3: vexImmediateAccess(vector)
    default: .unknown
    }
  }

  private func vexTwoByteAccess(_ vector: VectorPrefix) -> Access {
    let whole = vector.size
    let scalar = vector.plane == 2 ? 4 : vector.plane == 3 ? 8 : whole
    switch opcode {
    case 0x10, 0x51...0x59, 0x5c...0x5f, 0xc2: return .load(scalar)
    case 0x11: return .store(scalar)
    case 0x12: return .load(vector.plane == 2 || vector.plane == 3 && whole == 32 ? whole : 8)
    case 0x16: return .load(vector.plane == 2 ? whole : 8)
    case 0x13, 0x17, 0xd6: return .store(8)
    case 0x29, 0x2b, 0x7f, 0xe7: return .store(whole)
    case 0x2a, 0x6e: return .load(vector.wideSize)
    case 0x2c, 0x2d: return .load(vector.plane == 2 ? 4 : 8)
    case 0x2e, 0x2f: return .load(vector.plane == 1 ? 8 : 4)
    case 0x5a: return .load([whole / 2, whole, 4, 8][vector.plane])
    case 0x7e: return vector.plane == 2 ? .load(8) : .store(vector.wideSize)
    case 0x90: return .load(8)
    case 0x91: return .store(8)
    case 0xae: return field == 2 ? .load(4) : .store(4)
    case 0xc4: return .load(2)
    case 0xd1...0xd3, 0xe1, 0xe2, 0xf1...0xf3: return .load(16)
    case 0xe6: return .load(vector.plane == 2 ? whole / 2 : whole)
    case 0x14, 0x15, 0x28, 0x5b, 0x60...0x6d, 0x6f, 0x70, 0x74...0x76, 0x7c, 0x7d, 0xc6, 0xd0, 0xd4, 0xd5, 0xd8...0xe0, 0xe3...0xe5,
      0xe8...0xf0, 0xf4...0xf6, 0xf8...0xfe:
      return .load(whole)
    default: return .unknown
    }
  }

  private func vexThreeByteAccess(_ vector: VectorPrefix) -> Access? {
    let whole = vector.size
    switch opcode {
    case 0x13, 0x20, 0x23, 0x25, 0x30, 0x33, 0x35: return .load(whole / 2)
    case 0x21, 0x24, 0x31, 0x34: return .load(whole / 4)
    case 0x22, 0x32: return .load(whole / 8)
    case 0x18, 0x58: return .load(4)
    case 0x19, 0x59: return .load(8)
    case 0x1a, 0x5a: return .load(16)
    case 0x2e, 0x2f, 0x8e: return .store(whole)
    case 0x78: return .load(1)
    case 0x79: return .load(2)
    case 0x90...0x93: return nil
    case 0x99, 0x9b, 0x9d, 0x9f, 0xa9, 0xab, 0xad, 0xaf, 0xb9, 0xbb, 0xbd, 0xbf: return .load(vector.wideSize)
    case 0x00...0x0f, 0x16, 0x17, 0x1c...0x1e, 0x28...0x2d, 0x36...0x41, 0x45...0x47, 0x50...0x53, 0x8c, 0x96...0x9e, 0xa6...0xae,
      0xb6...0xbe, 0xcf, 0xdb...0xdf:
      return .load(whole)
    case 0xf2, 0xf3, 0xf5...0xf7: return .load(vector.wideSize)
    default: return .unknown
    }
  }

  private func vexImmediateAccess(_ vector: VectorPrefix) -> Access {
    let whole = vector.size
    switch opcode {
    case 0x00...0x02, 0x04...0x06, 0x08, 0x09, 0x0c...0x0f, 0x40...0x42, 0x44, 0x46, 0x4a...0x4c, 0xce, 0xcf: return .load(whole)
    case 0x0a, 0x21: return .load(4)
    case 0x0b: return .load(8)
    case 0x14: return .store(1)
    case 0x15: return .store(2)
    case 0x16: return .store(vector.wideSize)
    case 0x17: return .store(4)
    case 0x18, 0x38, 0x60...0x63, 0xdf: return .load(16)
    case 0x19, 0x39: return .store(16)
    case 0x1d: return .store(whole / 2)
    case 0x20: return .load(1)
    case 0x22, 0xf0: return .load(vector.wideSize)
    default: return .unknown
    }
  }
}

/// What VEX and XOP prefixes say beside the map.
struct VectorPrefix {
  /// As `Instruction.plane`.
  var plane: Int
  /// Of the vectors.
  var size: Int
  /// Of a general operand, or of a scalar.
  var wideSize: Int
  /// The bits R, X and B, as in REX.
  var extensions: UInt8

  init(_ instruction: Instruction, _ bytes: UnsafePointer<UInt8>) {
    let start = Int(instruction.prefixLength)
    let isShort = bytes[start] == 0xc5
    let last = bytes[start + (isShort ? 1 : 2)]
    plane = Int(last & 3)
    size = last & 4 == 0 ? 16 : 32
    wideSize = !isShort && last & 0x80 != 0 ? 8 : 4
    extensions = ~bytes[start + 1] >> 5 & (isShort ? 4 : 7)
  }
}
