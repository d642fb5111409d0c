// The opcode tables in memory: built once from the specifications, then only read.
//
// Unsafe because arrays would cost a reference count and a bounds check for each look-up. It is sound: memory is allocated and filled before
// `shared` exists, and never freed or written again, so that all threads may read it.

/// What the decoder loads for an opcode.
struct OpcodeKind: Equatable {
  var opcode: Opcode
  /// Sizes of the immediate: see `Immediate.sizes`.
  var sizes: UInt32

  init(_ opcode: Opcode) {
    self.opcode = opcode
    sizes = Immediate(rawValue: UInt8(opcode.immediate))!.sizes
  }

  @inline(__always) func size(_ state: Int) -> Int { Int(sizes >> UInt32(truncatingIfNeeded: state * 4) & 15) }
}

struct OpcodeTables: @unchecked Sendable {
  /// 256 one-byte opcodes; then 0F, 0F38 and 0F3A, each in the planes none, 66, F3 and F2. Each has the number of its kind in the low bits.
  let numbers: UnsafePointer<UInt16>
  /// Kinds of opcodes. Those that depend on ModRM have 16 in a row, for the values of ModRM.reg with memory operands, then with registers.
  let kinds: UnsafePointer<OpcodeKind>
  /// For each ModRM byte, the size of the displacement, and 8 if SIB follows.
  let forms: UnsafePointer<UInt8>

  static let shared = OpcodeTables()

  static let numberMask = 0x1fff
  static let isEscape = 0x2000
  static let isPrefix = 0x4000
  /// The topmost bit: the kind depends on ModRM.
  static let extendedShift = 15

  @inline(__always) static func plane(map: Int, _ plane: Int) -> Int { map * 1024 - 768 + plane * 256 }
  private static let opcodeCount = 256 + 3 * 1024
  static func group(_ group: Int) -> Int { opcodeCount + group * 16 }

  private init() {
    var specification = OpcodeSpecification(count: OpcodeTables.group(Group.allCases.count))
    specification.addOneByteOpcodes()
    specification.addTwoByteOpcodes()
    specification.addThreeByteOpcodes()
    specification.addGroups()
    specification.addSystemGroups()
    let numbers = UnsafeMutablePointer<UInt16>.allocate(capacity: OpcodeTables.opcodeCount)
    var layout = KindLayout()
    for index in 0..<OpcodeTables.opcodeCount { numbers[index] = layout.number(specification.opcodes[index], specification.opcodes) }
    precondition(layout.kinds.count <= OpcodeTables.numberMask + 1, "more kinds of opcodes than a number can name")
    let kinds = UnsafeMutablePointer<OpcodeKind>.allocate(capacity: layout.kinds.count)
    kinds.initialize(from: layout.kinds, count: layout.kinds.count)
    let forms = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
    for modrm in 0..<256 {
      let size: UInt8 = modrm < 0x40 ? (modrm & 7 == 5 ? 4 : 0) : modrm < 0x80 ? 1 : modrm < 0xc0 ? 4 : 0
      forms[modrm] = size | (modrm < 0xc0 && modrm & 7 == 4 ? 8 : 0)
    }
    self.numbers = UnsafePointer(numbers)
    self.kinds = UnsafePointer(kinds)
    self.forms = UnsafePointer(forms)
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
