// The tables of VEX, EVEX and XOP: a byte for each map, plane and opcode, which numbers one of a few kinds of opcode.
//
// Unsafe because it reads the text of the rows, which is a constant, through its pointer and count.

/// What many vector opcodes have in common.
struct VectorOpcode: Equatable {
  static let none = VectorOpcode()

  /// What is unknown has a ModRM byte, as nearly all of them do.
  var opcode = Opcode.unknown + .modrm
  /// Which facts about r11 mean that it is read, and written.
  var reads: UInt16 = 0
  var writes: UInt16 = 0
  /// A bit for each form that exists. VEX and XOP: W * 4 + L * 2 + (mod is 3). EVEX: b * 16 + W * 8 + L'L * 2 + (mod is 3).
  var forms: UInt32 = 0
  /// A bit for each value of ModRM.reg that exists.
  var regs: UInt8 = 0
  /// The immediate's size.
  var immediateSize: UInt8 = 0
  /// The kind of other values of ModRM.reg; 0 if there is none.
  var next: UInt8 = 0

  @inline(__always) func allows(form: Int, modrm: Int) -> Bool {
    forms >> UInt32(truncatingIfNeeded: form | (modrm >= 0xc0 && opcode.has(.modrm) ? 1 : 0)) & 1 != 0 && regs >> UInt8(modrm >> 3 & 7) & 1 != 0
  }
}

/// The tables while they are made.
struct VectorTables {
  /// For each plane of 256 opcodes, the number of its kind; 0 is unknown.
  var numbers = [UInt8](repeating: 0, count: VectorTables.count)
  var kinds = [VectorOpcode.none]

  /// Where the four planes of a map begin; negative for maps that do not exist.
  @inline(__always) static func vex(_ map: Int) -> Int { map < 4 ? map << 10 : -1 }
  @inline(__always) static func evex(_ map: Int) -> Int { (4 + map) << 10 }
  @inline(__always) static func xop(_ map: Int) -> Int { map < 11 ? (4 + map) << 10 : -1 }
  static let count = 15 << 10

  init() {
    for (text, map) in [(vexOpcodes, VectorTables.vex), (evexOpcodes, VectorTables.evex), (xopOpcodes, VectorTables.xop)] {
      var rows = VectorRows(text: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
      while var row = rows.next() {
        for byte in row.opcodes.joined() {
          let index = map(row.map) + row.plane << 8 + byte
          row.kind.next = numbers[index]
          let number = kinds.firstIndex(of: row.kind) ?? kinds.count
          if number == kinds.count { kinds.append(row.kind) }
          precondition(number < 256, "more kinds of vector opcodes than a byte can number")
          numbers[index] = UInt8(number)
        }
      }
    }
  }
}

/// Reads the rows of VexOpcodes.swift and EvexOpcodes.swift: map, plane, forms, regs, facts, opcodes.
private struct VectorRows {
  struct Row {
    var map = 0
    var plane = 0
    var kind = VectorOpcode.none
    var opcodes: [ClosedRange<Int>] = []
  }

  let text: UnsafeBufferPointer<UInt8>
  var at = 0

  init(text: UnsafeBufferPointer<UInt8>) { self.text = text }

  mutating func next() -> Row? {
    if at >= text.count { return nil }
    var row = Row()
    row.map = word().reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    switch word().last! {
    case UInt8(ascii: "p"): row.plane = 0
    case UInt8(ascii: "6"): row.plane = 1
    case UInt8(ascii: "3"): row.plane = 2
    default: row.plane = 3
    }
    row.kind.forms = UInt32(hexadecimal(word()))
    row.kind.regs = UInt8(hexadecimal(word()))
    row.kind.opcode = .modrm
    for letter in word() { addFact(letter, &row.kind) }
    row.kind.reads = OpcodeKind(row.kind.opcode).reads
    row.kind.writes = OpcodeKind(row.kind.opcode).writes
    while at < text.count && text[at - 1] != UInt8(ascii: "\n") {
      let range = word()
      row.opcodes.append(hexadecimal(range.prefix(2))...hexadecimal(range.suffix(2)))
    }
    return row
  }

  private func addFact(_ letter: UInt8, _ kind: inout VectorOpcode) {
    switch letter {
    case UInt8(ascii: "0"): kind.opcode = .none
    case UInt8(ascii: "i"): kind.immediateSize = 1
    case UInt8(ascii: "d"): kind.immediateSize = 4
    case UInt8(ascii: "x"): kind.opcode = kind.opcode + .vectorIndex
    case UInt8(ascii: "s"): kind.opcode = kind.opcode + .sibNeeded
    case UInt8(ascii: "n"): kind.opcode = kind.opcode + .rmIsZero
    case UInt8(ascii: "u"): kind.opcode = kind.opcode + .vvvvUnused
    case UInt8(ascii: "U"): kind.opcode = kind.opcode + .vvvvUnusedWithMemory
    case UInt8(ascii: "g"): kind.opcode = kind.opcode + .regRead
    case UInt8(ascii: "G"): kind.opcode = kind.opcode + .regWrite
    case UInt8(ascii: "m"): kind.opcode = kind.opcode + .rmRead
    case UInt8(ascii: "M"): kind.opcode = kind.opcode + .rmWrite
    case UInt8(ascii: "v"): kind.opcode = kind.opcode + .vvvvRead
    case UInt8(ascii: "V"): kind.opcode = kind.opcode + .vvvvWrite
    case UInt8(ascii: "f"): kind.opcode = kind.opcode + .writesAll
    case UInt8(ascii: "z"): kind.opcode = kind.opcode + .writes([.carry, .zero])
    case UInt8(ascii: "c"): kind.opcode = kind.opcode + .writesCarry
    default: precondition(letter == UInt8(ascii: "-"), "an unknown letter in the vector opcodes")
    }
  }

  /// The bytes up to the next space or end of line, which is passed over.
  private mutating func word() -> Slice<UnsafeBufferPointer<UInt8>> {
    let start = at
    while at < text.count && text[at] != UInt8(ascii: " ") && text[at] != UInt8(ascii: "\n") { at += 1 }
    defer { at += 1 }
    return text[start..<at]
  }

  private func hexadecimal(_ digits: Slice<UnsafeBufferPointer<UInt8>>) -> Int {
    digits.reduce(0) { $0 << 4 | Int($1 < 0x3a ? $1 - 0x30 : $1 - 0x57) }
  }
}
