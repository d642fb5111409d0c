// What the translator knows about one instruction of 64-bit mode: a plain value without references.

/// What an instruction does to the flow of control, or why the translator cannot copy it.
public enum Flow: UInt8, BitwiseCopyable, Sendable, CaseIterable {
  /// Falls through; may be copied, subject to its operands.
  case plain
  /// E9, EB.
  case jump
  /// 70-7F, 0F 80-8F.
  case conditional
  /// E0-E3: loopne, loope, loop, jrcxz and jecxz.
  case counted
  /// E8.
  case call
  /// C3, and C2 with an immediate of 2 bytes.
  case ret
  /// FF /4 and FF /2.
  case jumpIndirect, callIndirect
  /// 0F 05 and 0F 34.
  case syscall, sysenter
  /// CC, CD nn, F1.
  case breakpoint, interrupt, icebp
  /// Instructions whose result depends on the machine, or on the moment.
  case cpuid, rdtsc, rdtscp, rdrand, rdseed, rdpid, xgetbv
  /// 9D: its result depends on the trap flag.
  case popFlags
  /// Far jump, call and return, iret, sysret, sysexit.
  case far
  /// xbegin.
  case transaction
  /// rdgsbase and wrgsbase.
  case gsBase
  /// Raises #UD in 64-bit mode, or has more than 15 bytes (#GP).
  case undefined
  /// The decoder does not know it; its length may be wrong.
  case unknown
}

/// The prefixes that stand before an instruction. Of several segment overrides the last fs or gs counts, as cs, ds, es and ss mean nothing here.
public struct Prefixes: OptionSet, BitwiseCopyable, Sendable {
  public let rawValue: UInt16
  @inline(__always) public init(rawValue: UInt16) { self.rawValue = rawValue }

  public static let operandSize = Prefixes(rawValue: 1 << 0)
  public static let addressSize = Prefixes(rawValue: 1 << 1)
  public static let repne = Prefixes(rawValue: 1 << 2)
  public static let rep = Prefixes(rawValue: 1 << 3)
  public static let lock = Prefixes(rawValue: 1 << 4)
  public static let fs = Prefixes(rawValue: 1 << 5)
  public static let gs = Prefixes(rawValue: 1 << 6)
  public static let vex = Prefixes(rawValue: 1 << 7)
  public static let evex = Prefixes(rawValue: 1 << 8)
  public static let xop = Prefixes(rawValue: 1 << 9)
}

/// The six arithmetic flags. The direction flag is not among them.
public struct Flags: OptionSet, BitwiseCopyable, Sendable {
  public let rawValue: UInt8
  @inline(__always) public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static let carry = Flags(rawValue: 1 << 0)
  public static let parity = Flags(rawValue: 1 << 1)
  public static let auxiliary = Flags(rawValue: 1 << 2)
  public static let zero = Flags(rawValue: 1 << 3)
  public static let sign = Flags(rawValue: 1 << 4)
  public static let overflow = Flags(rawValue: 1 << 5)
  public static let all = Flags(rawValue: 0x3f)
}

/// One decoded instruction. Offsets count from its first byte, sizes are in bytes, and a size of 0 means that there is none.
public struct Instruction: BitwiseCopyable, Sendable {
  /// 0 when the bytes ran out before its end.
  public var length: UInt8 = 0
  /// 0, or 0x40 to 0x4f. Always 0 with VEX, EVEX and XOP.
  public var rex: UInt8 = 0
  /// 0 for one-byte opcodes, 1 for 0F, 2 for 0F38, 3 for 0F3A; the map's own number with VEX, EVEX and XOP (8 to 10).
  public var map: UInt8 = 0
  public var opcode: UInt8 = 0
  /// Bytes before the REX, VEX, EVEX or XOP prefix that counts, or before the opcode's escape: legacy prefixes, and REX that are ignored.
  public var prefixLength: UInt8 = 0
  public var opcodeOffset: UInt8 = 0
  public var modrm: UInt8 = 0
  public var modrmOffset: UInt8 = 0
  public var sib: UInt8 = 0
  /// The displacement of a memory operand; the address of A0-A3 counts as one.
  public var displacementOffset: UInt8 = 0
  public var displacementSize: UInt8 = 0
  /// Immediate operands, all of them together (enter has 3 bytes); a relative branch's distance, and what selects a register (is4).
  public var immediateOffset: UInt8 = 0
  public var immediateSize: UInt8 = 0
  public var flow: Flow = .plain
  public var prefixes: Prefixes = []
  /// Flags that may be read, or whose old value may survive where it depends on an operand (a shift by 0).
  public var flagsRead: Flags = []
  /// Flags that are surely overwritten, or left undefined, whatever the operands.
  public var flagsWritten: Flags = []
  var traits: Traits = []

  /// Facts of one bit each.
  struct Traits: OptionSet, Sendable {
    let rawValue: UInt8
    static let modrm = Traits(rawValue: 1 << 0)
    static let sib = Traits(rawValue: 1 << 1)
    static let readsR11 = Traits(rawValue: 1 << 2)
    static let writesR11 = Traits(rawValue: 1 << 3)
    static let update = Traits(rawValue: 1 << 4)
  }

  @inline(__always) public var hasModRM: Bool { traits.contains(.modrm) }
  @inline(__always) public var hasSIB: Bool { traits.contains(.sib) }
  /// Whether r11, in any width, may be read: as an operand, in an address, or because a write leaves a part of it.
  @inline(__always) public var readsR11: Bool { traits.contains(.readsR11) }
  /// Whether r11, in any width, may be written.
  @inline(__always) public var writesR11: Bool { traits.contains(.writesR11) }
  /// Whether it reads and writes the same memory operand without a lock, and is an ordinary one: see `Opcode.update`.
  @inline(__always) public var isUpdate: Bool { traits.contains(.update) }
  /// Whether it exceeds 15 bytes, for which the exception is #GP. (So says one of 15 that is undefined anyway.)
  @inline(__always) public var isTooLong: Bool { flow == .undefined && length == lengthLimit }
  /// Whether there is a memory operand, or a hint or an address computed like one.
  @inline(__always) public var hasMemoryForm: Bool { hasModRM && modrm < 0xc0 }
  /// Whether the operand's address counts from the next instruction (from its low 32 bits with an addressSize prefix).
  @inline(__always) public var isRIPRelative: Bool { hasModRM && modrm & 0xc7 == 0x05 && displacementSize == 4 }
}
