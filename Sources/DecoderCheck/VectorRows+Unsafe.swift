// Makes the rows of VexOpcodes.swift and EvexOpcodes.swift: asks Zydis about every form of every VEX, EVEX and XOP opcode.
// Unsafe because the bytes that are asked about lie behind a pointer.
import CZydisFacts

/// One of the three encodings.
private enum VectorEncoding: String {
  case vex, evex, xop

  var maps: ClosedRange<Int> {
    switch self {
    case .vex: 1...3
    case .evex: 0...7
    case .xop: 8...10
    }
  }
  /// W, and L or L'L and b, as their fields count them.
  var forms: Int { self == .evex ? 16 : 4 }
  var mandatory: ClosedRange<Int> { self == .xop ? 0...0 : 0...3 }

  /// The instruction with these fields. The planes of our tables are none, 66, F3, F2; and so are those of pp.
  func bytes(_ map: Int, _ plane: Int, _ opcode: Int, form: Int, modrm: Int, sib: Int, vvvv: Int, mask: Int) -> [40 of UInt8] {
    let head: [Int]
    switch self {
    case .vex, .xop:
      // Form: W * 2 + L.
      head = [self == .vex ? 0xc4 : 0x8f, 0xe0 | map, form << 6 & 0x80 | vvvv << 3 | form << 2 & 4 | plane]
    case .evex:
      // Form: b * 8 + W * 4 + L'L.
      head = [0x62, 0xf0 | map, form << 5 & 0x80 | vvvv << 3 | 4 | plane, form << 5 & 0x60 | form << 1 & 0x10 | 8 | mask]
    }
    var bytes: [40 of UInt8] = .init(repeating: 0)
    for (index, byte) in (head + [opcode, modrm, sib]).enumerated() { bytes[index] = UInt8(byte) }
    return bytes
  }
}

/// What is true of an opcode for one value of ModRM.reg.
private struct VectorFacts: Hashable {
  var forms: UInt32 = 0
  var letters = ""
}

/// Rows with the same facts, with their opcodes.
func printRows(_ name: String) {
  guard let encoding = VectorEncoding(rawValue: name) else { return }
  for map in encoding.maps {
    for plane in encoding.mandatory {
      var rows: [(regs: Int, facts: VectorFacts, opcodes: [Int])] = []
      for opcode in 0..<256 {
        // Values of ModRM.reg with the same facts stand together.
        var kinds: [(regs: Int, facts: VectorFacts)] = []
        for reg in 0..<8 {
          let facts = probe(encoding, map, plane, opcode, reg: reg)
          if facts.forms == 0 { continue }
          if let index = kinds.firstIndex(where: { $0.facts == facts }) {
            kinds[index].regs |= 1 << reg
          } else {
            kinds.append((1 << reg, facts))
          }
        }
        for kind in kinds {
          if let index = rows.firstIndex(where: { $0.regs == kind.regs && $0.facts == kind.facts }) {
            rows[index].opcodes.append(opcode)
          } else {
            rows.append((kind.regs, kind.facts, [opcode]))
          }
        }
      }
      for row in rows {
        print(
          "  \(map) \(["np", "66", "f3", "f2"][plane]) \(hexadecimal(Int(row.facts.forms), encoding == .evex ? 8 : 2)) \(hexadecimal(row.regs, 2))"
            + " \(row.facts.letters) \(ranges(row.opcodes))")
      }
    }
  }
}

private func probe(_ encoding: VectorEncoding, _ map: Int, _ plane: Int, _ opcode: Int, reg: Int) -> VectorFacts {
  var forms: UInt32 = 0
  var found: [zydis_facts] = []
  // Whether another vvvv than 1111b is allowed with memory, with a register.
  var isFree = [false, false]
  // Which values of ModRM.rm there are, with memory and with a register.
  var rms = [0, 0]
  for form in 0..<encoding.forms {
    for mod in 0..<2 {
      // Some registers must differ from others, or be unused; a mask may be needed, or forbidden.
      for variant in 0..<128 {
        let rm = variant & 7
        if mod == 0 && rm == 5 { continue }
        let vvvv = [15, 11, 13, 12][variant >> 5]
        var bytes = encoding.bytes(
          map, plane, opcode, form: form, modrm: mod * 0xc0 | reg << 3 | rm, sib: variant & 8 != 0 ? 0x3b : 0x0b, vvvv: vvvv,
          mask: variant >> 4 & 1)
        var facts = zydis_facts()
        withUnsafeBytes(of: &bytes) { zydis_decode($0.baseAddress!.assumingMemoryBound(to: UInt8.self), 40, &facts) }
        if facts.refusal != zydis_accepts || facts.is_foreign { continue }
        forms |= 1 << UInt32(form * 2 + mod)
        if vvvv != 15 { isFree[mod] = true }
        rms[mod] |= 1 << rm
        found.append(facts)
      }
    }
  }
  guard let first = found.first else { return VectorFacts() }
  precondition(found.allSatisfy { $0.immediate_size == first.immediate_size && $0.flags_read == 0 }, "forms that differ in more than registers")
  var letters = ""
  func add(_ letter: String, _ isTrue: Bool) { if isTrue { letters += letter } }
  add("0", !first.has_modrm)
  add("i", first.immediate_size == 1)
  add("d", first.immediate_size == 4)
  add("x", found.contains { $0.is_vector_index })
  add("s", rms[0] == 1 << 4)
  add("n", first.has_modrm && rms[1] == 1)
  add("u", !isFree[0] && !isFree[1])
  add("U", !isFree[0] && isFree[1] && forms & 0x5555_5555 != 0)
  for (reads, writes, field) in [("g", "G", \zydis_facts.reg_general), ("m", "M", \.rm_general), ("v", "V", \.vvvv_general)] {
    add(reads, found.contains { $0[keyPath: field] & 1 != 0 })
    add(writes, found.contains { $0[keyPath: field] & 2 != 0 })
  }
  let written = found.reduce(0x3f) { $0 & $1.flags_written }
  precondition([0, 0x3f, 9, 1].contains(written), "flags that no letter stands for")
  add("f", written == 0x3f)
  add("z", written == 9)
  add("c", written == 1)
  return VectorFacts(forms: forms, letters: letters.isEmpty ? "-" : letters)
}

private func hexadecimal(_ number: Int, _ digits: Int) -> String {
  let text = String(number, radix: 16)
  return String(repeating: "0", count: max(0, digits - text.count)) + text
}

private func ranges(_ opcodes: [Int]) -> String {
  var ranges: [ClosedRange<Int>] = []
  for opcode in opcodes {
    if let last = ranges.last, last.upperBound == opcode - 1 {
      ranges[ranges.count - 1] = last.lowerBound...opcode
    } else {
      ranges.append(opcode...opcode)
    }
  }
  return ranges.map { $0.count == 1 ? hexadecimal($0.lowerBound, 2) : "\(hexadecimal($0.lowerBound, 2))-\(hexadecimal($0.upperBound, 2))" }
    .joined(separator: " ")
}
