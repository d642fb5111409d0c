// The opcode tables in memory: built once from the specifications, then only read.
//
// Unsafe because arrays would cost a reference count and a bounds check for each look-up. It is sound: memory is allocated and filled before
// `shared` exists, and never freed or written again, so that all threads may read it.

struct OpcodeTables: @unchecked Sendable {
  /// 256 one-byte opcodes; then 0F, 0F38 and 0F3A, each in the planes none, 66, F3 and F2; then 16 entries for each group.
  let opcodes: UnsafePointer<Opcode>
  /// For each kind of immediate, its size in the 8 states of the prefixes.
  let immediateSizes: UnsafePointer<UInt8>

  static let shared = OpcodeTables()

  @inline(__always) static func plane(map: Int, _ plane: Int) -> Int { map * 1024 - 768 + plane * 256 }
  @inline(__always) static func group(_ group: Int) -> Int { 256 + 3 * 1024 + group * 16 }

  private init() {
    let count = OpcodeTables.group(Group.allCases.count)
    let entries = UnsafeMutablePointer<Opcode>.allocate(capacity: count)
    var specification = OpcodeSpecification(count: count)
    specification.addOneByteOpcodes()
    specification.addTwoByteOpcodes()
    specification.addThreeByteOpcodes()
    specification.addGroups()
    specification.addSystemGroups()
    entries.initialize(from: specification.opcodes, count: count)
    opcodes = UnsafePointer(entries)
    let sizes = UnsafeMutablePointer<UInt8>.allocate(capacity: Immediate.sizes)
    sizes.initialize(repeating: 0, count: Immediate.sizes)
    for kind in Immediate.allCases {
      for state in 0..<8 { sizes[Int(kind.rawValue) * 8 + state] = kind.size(state) }
    }
    immediateSizes = UnsafePointer(sizes)
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
