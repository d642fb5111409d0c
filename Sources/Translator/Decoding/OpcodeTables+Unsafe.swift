// The opcode tables in memory: built once from the specifications, then only read.
//
// Unsafe because arrays would cost a reference count and a bounds check for each look-up. It is sound: the block is filled before its address is
// stored, and never freed or written again, so that all threads may read it; and every index is one or two bytes plus a plane, or a number
// that the tables themselves gave.
import Synchronization

/// What ModRM, SIB and the bits R, X and B say together, one bit for each fact; and the same bits as a mask of what an opcode does with it.
enum OperandFact {
  /// The size of the displacement.
  static let displacement = 7
  static let sib = 1 << 4
  /// ModRM.reg, and ModRM.rm as a register, are r11.
  static let reg = 1 << 5
  static let rm = 1 << 6
  /// Base and index of an address are.
  static let base = 1 << 7
  static let index = 1 << 8
  /// VEX.vvvv, and the opcode's low bits, are.
  static let vvvv = 1 << 9
  static let embedded = 1 << 10
  /// Always there, for opcodes that use r11 without naming it.
  static let always = 1 << 11
  static let memory = 1 << 12
  /// The base is rsp or rbp.
  static let stack = 1 << 13
  /// From here, which of the 16 kinds of an opcode that ModRM extends: ModRM.reg, and 8 for registers.
  static let selectorShift = 16

  /// Which facts the bits R (4), X (2) and B (1) allow: those about r11 need theirs, the stack's registers have no B.
  @inline(__always) static func mask(_ rex: Int) -> Int {
    (rex & 4 != 0 ? reg : 0) | (rex & 2 != 0 ? index : 0) | (rex & 1 != 0 ? rm | base | embedded : stack) | displacement | sib | always | memory
  }

  /// Of a ModRM byte, without SIB.
  static func modrm(_ byte: Int) -> Int {
    let rm = byte & 7
    var facts = (byte >> 3 & 7 == 3 ? reg : 0) | (byte >> 3 & 7) << selectorShift
    if byte >= 0xc0 { return facts | 8 << selectorShift | (rm == 3 ? OperandFact.rm : 0) }
    facts |= memory
    if rm == 4 { facts |= sib }
    if rm == 3 { facts |= base }
    if rm == 5 && byte >= 0x40 { facts |= stack }
    return facts | (byte >= 0x80 || (byte < 0x40 && rm == 5) ? 4 : byte >= 0x40 ? 1 : 0)
  }

  /// Of a SIB byte. Base 5 means rbp if ModRM has a mod, otherwise that there is no base but a displacement.
  static func sib(_ byte: Int, hasMod: Bool) -> Int {
    (byte >> 3 & 7 == 3 ? index : 0) | (byte & 7 == 3 ? base : 0) | (byte & 7 == 4 ? stack : 0) | (byte & 7 == 5 ? (hasMod ? stack : 4) : 0)
  }
}

/// What the decoder loads for an opcode.
struct OpcodeKind: Equatable {
  var opcode: Opcode
  /// Sizes of the immediate: see `Immediate.sizes`.
  var sizes: UInt32
  /// Which facts about r11 mean that it is read, and written.
  var reads: UInt16
  var writes: UInt16

  init(_ opcode: Opcode) {
    self.opcode = opcode
    sizes = Immediate(rawValue: UInt8(opcode.immediate))!.sizes
    func mask(_ reg: Opcode, _ rm: Opcode, _ vvvv: Opcode, _ embedded: Opcode) -> Int {
      (opcode.has(reg) ? OperandFact.reg : 0) | (opcode.has(rm) ? OperandFact.rm : 0) | (opcode.has(vvvv) ? OperandFact.vvvv : 0)
        | (opcode.has(embedded) ? OperandFact.embedded : 0) | (opcode.has(.hiddenR11) ? OperandFact.always : 0)
    }
    let address = opcode.has(.modrm) ? OperandFact.base | (opcode.has(.vectorIndex) ? 0 : OperandFact.index) : 0
    reads = UInt16(mask(.regRead, .rmRead, .vvvvRead, .embeddedRead) | address)
    writes = UInt16(mask(.regWrite, .rmWrite, .vvvvWrite, .embeddedWrite))
  }

  @inline(__always) func size(_ state: Int) -> Int { Int(sizes >> UInt32(truncatingIfNeeded: state &* 4) & 15) }
}

/// All tables in one block, so that one register leads to them.
struct OpcodeTables {
  let base: UnsafeRawPointer

  /// The block's address, or 0. Not a lazy global, whose every use is a call of the run-time.
  private static let address = Atomic<UInt>(0)

  @inline(__always) static var shared: OpcodeTables {
    OpcodeTables(base: UnsafeRawPointer(bitPattern: address.load(ordering: .acquiring)) ?? make())
  }

  /// Operand facts: for each ModRM byte; for each SIB byte, without mod, then with it; for each state of R, X and B, what they allow.
  @inline(__always) func facts(modrm: Int) -> Int { fact(modrm) }
  @inline(__always) func facts(sib: Int, hasMod: Int) -> Int { fact(256 &+ hasMod &* 256 &+ sib) }
  @inline(__always) func facts(rex: Int) -> Int { fact(768 &+ rex & 7) }
  @inline(__always) private func fact(_ index: Int) -> Int { Int(base.load(fromByteOffset: index &* 4, as: UInt32.self)) }
  private static let factCount = 776

  /// 256 one-byte opcodes; then 0F, 0F38 and 0F3A, each in the planes none, 66, F3 and F2. Each has the number of its kind in the low bits.
  @inline(__always) func number(_ opcode: UInt8) -> Int { number(at: Int(opcode)) }
  @inline(__always) func number(map: Int, plane: UInt8, _ opcode: UInt8) -> Int {
    number(at: OpcodeTables.plane(map: map, Int(plane)) &+ Int(opcode))
  }
  @inline(__always) private func number(at index: Int) -> Int {
    Int(base.load(fromByteOffset: OpcodeTables.numbersOffset &+ index &* 2, as: UInt16.self))
  }
  static let numberMask = 0x1fff
  static let isEscape = 0x2000
  static let isPrefix = 0x4000
  /// The topmost bit: the kind depends on ModRM.
  static let extendedShift = 15
  private static let numbersOffset = factCount * 4
  @inline(__always) static func plane(map: Int, _ plane: Int) -> Int { map &* 1024 &- 768 &+ plane &* 256 }
  private static let opcodeCount = 256 + 3 * 1024
  static func group(_ group: Int) -> Int { opcodeCount + group * 16 }

  /// Kinds of opcodes. Those that depend on ModRM have 16 in a row, for the values of ModRM.reg with memory operands, then with registers.
  @inline(__always) func kind(_ index: Int) -> OpcodeKind {
    base.load(fromByteOffset: OpcodeTables.kindsOffset &+ index &* MemoryLayout<OpcodeKind>.stride, as: OpcodeKind.self)
  }
  private static let kindsOffset = numbersOffset + opcodeCount * 2
  private static let kindLimit = 2048

  /// The kind of a vector opcode. `plane` is where its map and prefix begin in `VectorTables`; negative if there is no such map.
  @inline(__always) func vectorKind(plane: Int, _ opcode: UInt8) -> VectorOpcode {
    plane < 0 ? .none : vectorKind(base.load(fromByteOffset: OpcodeTables.vectorNumbersOffset &+ plane &+ Int(opcode), as: UInt8.self))
  }
  @inline(__always) func vectorKind(_ number: UInt8) -> VectorOpcode {
    base.load(fromByteOffset: OpcodeTables.vectorKindsOffset &+ Int(number) &* MemoryLayout<VectorOpcode>.stride, as: VectorOpcode.self)
  }
  private static let vectorNumbersOffset = kindsOffset + kindLimit * MemoryLayout<OpcodeKind>.stride
  private static let vectorKindsOffset = vectorNumbersOffset + VectorTables.count
  private static let size = vectorKindsOffset + 256 * MemoryLayout<VectorOpcode>.stride

  /// Makes the tables. Should two threads do so at once, one of them wins.
  @inline(never) private static func make() -> UnsafeRawPointer {
    let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
    fillFacts(block)
    fillOpcodes(block)
    let vectors = VectorTables()
    for (index, number) in vectors.numbers.enumerated() { block.storeBytes(of: number, toByteOffset: vectorNumbersOffset + index, as: UInt8.self) }
    for number in 0..<256 {
      let kind = number < vectors.kinds.count ? vectors.kinds[number] : .none
      block.storeBytes(of: kind, toByteOffset: vectorKindsOffset + number * MemoryLayout<VectorOpcode>.stride, as: VectorOpcode.self)
    }
    let (isFirst, other) = address.compareExchange(expected: 0, desired: UInt(bitPattern: block), ordering: .acquiringAndReleasing)
    if isFirst { return UnsafeRawPointer(block) }
    block.deallocate()
    return UnsafeRawPointer(bitPattern: other)!
  }

  private static func fillFacts(_ block: UnsafeMutableRawPointer) {
    func put(_ index: Int, _ facts: Int) { block.storeBytes(of: UInt32(facts), toByteOffset: index * 4, as: UInt32.self) }
    for byte in 0..<256 {
      put(byte, OperandFact.modrm(byte) | OperandFact.always)
      put(256 + byte, OperandFact.sib(byte, hasMod: false))
      put(512 + byte, OperandFact.sib(byte, hasMod: true))
    }
    for rex in 0..<8 { put(768 + rex, OperandFact.mask(rex)) }
  }

  private static func fillOpcodes(_ block: UnsafeMutableRawPointer) {
    var specification = OpcodeSpecification(count: group(Group.allCases.count))
    specification.addOneByteOpcodes()
    specification.addTwoByteOpcodes()
    specification.addThreeByteOpcodes()
    specification.addGroups()
    specification.addSystemGroups()
    var layout = KindLayout()
    for index in 0..<opcodeCount {
      // An opcode's low bits name r11 when they are 3, with REX.B.
      var opcode = specification.opcodes[index]
      if index & 7 != 3 { opcode.bits &= ~(Opcode.embeddedRead + .embeddedWrite).bits }
      let number = layout.number(opcode, specification.opcodes)
      block.storeBytes(of: number, toByteOffset: numbersOffset + index * 2, as: UInt16.self)
    }
    precondition(layout.kinds.count <= min(kindLimit, numberMask + 1), "more kinds of opcodes than there is room for")
    for (index, kind) in layout.kinds.enumerated() {
      block.storeBytes(of: kind, toByteOffset: kindsOffset + index * MemoryLayout<OpcodeKind>.stride, as: OpcodeKind.self)
    }
  }
}

/// Gives opcodes the numbers of their kinds.
private struct KindLayout {
  var kinds: [OpcodeKind] = []
  private var known: [UInt64: UInt16] = [:]

  mutating func number(_ opcode: Opcode, _ all: [Opcode]) -> UInt16 {
    if let number = known[opcode.bits] { return number }
    var number = UInt16(kinds.count)
    let refused = Opcode.undefined + .modrm + Opcode(bits: opcode.bits & 15 << 5)
    if opcode.group != 0 {
      let start = OpcodeTables.group(opcode.group)
      kinds += all[start..<start + 16].map { OpcodeKind($0 + .modrm) }
    } else if opcode.has(.memoryOnly) {
      kinds += (0..<16).map { OpcodeKind($0 < 8 ? opcode : refused) }
    } else if opcode.has(.registerOnly) {
      kinds += (0..<16).map { OpcodeKind($0 < 8 ? refused : opcode) }
    } else {
      kinds.append(OpcodeKind(opcode))
    }
    if kinds.count - Int(number) > 1 { number |= 1 << UInt16(OpcodeTables.extendedShift) }
    if opcode.has(.prefix) { number |= UInt16(OpcodeTables.isPrefix) }
    if opcode.has(.escape) { number |= UInt16(OpcodeTables.isEscape) }
    known[opcode.bits] = number
    return number
  }
}

/// Which mandatory prefixes an opcode of the two-byte and three-byte maps exists with.
struct Planes: OptionSet {
  let rawValue: UInt8
  static let np = Planes(rawValue: 1)
  static let p66 = Planes(rawValue: 2)
  static let pF3 = Planes(rawValue: 4)
  static let pF2 = Planes(rawValue: 8)
  static let any: Planes = [.np, .p66, .pF3, .pF2]
  static let packed: Planes = [.np, .p66]
}

/// The tables while they are made.
struct OpcodeSpecification {
  var opcodes: [Opcode]

  init(count: Int) { opcodes = [Opcode](repeating: .unknown, count: count) }

  mutating func one(_ range: ClosedRange<Int>, _ opcode: Opcode) { for byte in range { opcodes[byte] = opcode } }
  mutating func one(_ byte: Int, _ opcode: Opcode) { opcodes[byte] = opcode }

  mutating func add(_ map: Int, _ range: ClosedRange<Int>, _ planes: Planes, _ opcode: Opcode) {
    for plane in 0..<4 where planes.rawValue >> UInt8(plane) & 1 != 0 {
      for byte in range { opcodes[OpcodeTables.plane(map: map, plane) + byte] = opcode }
    }
  }

  mutating func two(_ range: ClosedRange<Int>, _ planes: Planes, _ opcode: Opcode) { add(1, range, planes, opcode) }
  mutating func two(_ byte: Int, _ planes: Planes, _ opcode: Opcode) { add(1, byte...byte, planes, opcode) }
  mutating func two(_ range: ClosedRange<Int>, _ opcode: Opcode) { add(1, range, .any, opcode) }
  mutating func two(_ byte: Int, _ opcode: Opcode) { add(1, byte...byte, .any, opcode) }

  /// A member of a group: with memory operands, with registers, or both.
  mutating func member(_ group: Group, _ reg: Int, memory: Opcode? = nil, register: Opcode? = nil) {
    if let memory { opcodes[OpcodeTables.group(Int(group.rawValue)) + reg] = memory + .modrm }
    if let register { opcodes[OpcodeTables.group(Int(group.rawValue)) + 8 + reg] = register + .modrm }
  }
  mutating func member(_ group: Group, _ reg: Int, _ both: Opcode) { member(group, reg, memory: both, register: both) }
}
