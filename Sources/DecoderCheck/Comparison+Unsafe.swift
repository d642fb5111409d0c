// Decodes the same bytes with our decoder and with Zydis, and counts how they differ.
// Unsafe because both read from a pointer; they are told how many bytes there are.
import CZydisFacts
import Translator

/// In what two answers may differ.
enum Difference: String, CaseIterable {
  // Wrong.
  case accepted = "accepted what does not exist"
  case refused = "refused what exists"
  case length, fields = "ModRM, SIB or opcode", displacement, immediate, ripRelative = "RIP-relative", flow
  case r11 = "missed a use of r11"
  case flags = "flags claimed written that may survive, or a read missed"
  case update = "update"
  case truncated = "ended early"
  case access = "a store called a load, or an access too small or missed"
  // Meant: see README.md.
  case carefulR11 = "careful: r11"
  case carefulFlagsRead = "careful: flags read"
  case carefulFlagsWritten = "careful: flags written"
  case carefulAccess = "careful: an access larger than it is, or called a store"
  case operands = "operands that only Zydis checks"
  case foreign = "Knights Corner and PadLock"

  var isMeant: Bool {
    switch self {
    case .carefulR11, .carefulFlagsRead, .carefulFlagsWritten, .carefulAccess, .operands, .foreign: true
    default: false
    }
  }
}

/// Results of a comparison, with a few examples of each difference.
struct Comparison {
  var instructions = 0
  var undecodable = 0
  var counts: [Difference: Int] = [:]
  /// At most one example for each mnemonic.
  var examples: [Difference: [String]] = [:]
  private var exampleNames: Set<String> = []
  let exampleLimit: Int

  init(exampleLimit: Int = 8) { self.exampleLimit = exampleLimit }

  /// Differences that are errors.
  var wrong: Int { counts.reduce(0) { $0 + ($1.key.isMeant ? 0 : $1.value) } }

  /// Compares one instruction. Returns its length after Zydis, or 1 when that cannot decode it.
  @discardableResult
  mutating func compare(_ bytes: UnsafePointer<UInt8>, available: Int) -> Int {
    var facts = zydis_facts()
    zydis_decode(bytes, available, &facts)
    let ours = decode(bytes, available: available)
    let isRefused = ours.flow == .undefined || ours.flow == .unknown
    func note(_ difference: Difference) { add(difference, bytes, available, facts, ours) }
    if facts.refusal == zydis_accepts {
      instructions += 1
      if facts.is_foreign {
        if isRefused { note(.foreign) } else { note(.accepted) }
      } else if ours.length == 0 {
        note(.truncated)
      } else if isRefused && facts.flow != Flow.undefined.rawValue {
        note(.refused)
      } else {
        for difference in differences(ours, facts) + accessDifferences(ours, facts, bytes) { note(difference) }
      }
      return Int(facts.length)
    }
    undecodable += 1
    if facts.refusal == zydis_needs_more {
      if ours.length != 0 && !isRefused { note(.accepted) }
    } else if !isRefused && ours.length != 0 {
      note(facts.refusal == zydis_operands ? .operands : .accepted)
    }
    return 1
  }

  private func differences(_ ours: Instruction, _ facts: zydis_facts) -> [Difference] {
    var found: [Difference] = []
    if ours.length != facts.length { found.append(.length) }
    if ours.hasModRM != facts.has_modrm || ours.hasSIB != facts.has_sib || ours.opcode != facts.opcode
      || (facts.has_modrm && ours.modrmOffset != facts.modrm_offset)
    {
      found.append(.fields)
    }
    if ours.displacementSize != facts.displacement_size || (facts.displacement_size != 0 && ours.displacementOffset != facts.displacement_offset) {
      found.append(.displacement)
    }
    if ours.immediateSize != facts.immediate_size || (facts.immediate_size != 0 && ours.immediateOffset != facts.immediate_offset) {
      found.append(.immediate)
    }
    if ours.isRIPRelative != facts.is_rip_relative { found.append(.ripRelative) }
    if ours.flow.rawValue != facts.flow { found.append(.flow) }
    if (facts.reads_r11 && !ours.readsR11) || (facts.writes_r11 && !ours.writesR11) {
      found.append(.r11)
    } else if ours.readsR11 != facts.reads_r11 || ours.writesR11 != facts.writes_r11 {
      found.append(.carefulR11)
    }
    if ours.flagsWritten.rawValue & ~facts.flags_written != 0 || facts.flags_read & ~ours.flagsRead.rawValue != 0 {
      found.append(.flags)
    } else {
      if ours.flagsRead.rawValue != facts.flags_read { found.append(.carefulFlagsRead) }
      if ours.flagsWritten.rawValue != facts.flags_written { found.append(.carefulFlagsWritten) }
    }
    if ours.isUpdate != facts.is_update { found.append(.update) }
    return found
  }

  /// Of the operand that is written out. Hints, pushes and pops are none to us, nor is what is relative to fs and gs.
  private func accessDifferences(_ ours: Instruction, _ facts: zydis_facts, _ bytes: UnsafePointer<UInt8>) -> [Difference] {
    guard ours.flow == .plain, ours.prefixes.isDisjoint(with: [.fs, .gs, .evex]), !facts.is_vector_index else { return [] }
    let size = min(facts.memory_size, UInt16(Access.sizeMax))
    guard let access = ours.accesses(bytes).first(where: { $0.place == .operand }) else {
      let isPushOrPop = ours.map == 0 && (ours.opcode == 0xff && ours.modrm >> 3 & 7 == 6 || ours.opcode == 0x8f)
      return size == 0 || isPushOrPop || !ours.hasMemoryOperand ? [] : [.access]
    }
    if UInt16(access.size) < size || facts.writes_memory && !access.isWrite { return [.access] }
    return UInt16(access.size) > size || access.isWrite != facts.writes_memory ? [.carefulAccess] : []
  }

  private mutating func add(
    _ difference: Difference, _ bytes: UnsafePointer<UInt8>, _ available: Int, _ facts: zydis_facts, _ ours: Instruction
  ) {
    counts[difference, default: 0] += 1
    if examples[difference, default: []].count >= exampleLimit { return }
    let shown = facts.length != 0 ? Int(facts.length) : min(available, 15)
    let hexadecimal = (0..<shown).map { (bytes[$0] < 16 ? "0" : "") + String(bytes[$0], radix: 16) }.joined()
    let name = facts.refusal == zydis_accepts ? String(cString: zydis_mnemonic(facts.mnemonic)) : "refused \(facts.refusal.rawValue)"
    if !exampleNames.insert("\(difference) \(name)").inserted && facts.length != 0 { return }
    let example =
      "\(hexadecimal) \(name): ours length \(ours.length) \(ours.flow) r11 \(ours.readsR11) \(ours.writesR11)"
      + " flags \(ours.flagsRead.rawValue) \(ours.flagsWritten.rawValue); Zydis length \(facts.length) flow \(facts.flow)"
      + " r11 \(facts.reads_r11) \(facts.writes_r11) flags \(facts.flags_read) \(facts.flags_written)"
      + " memory \(facts.memory_size) \(facts.writes_memory), ours \(ours.accesses(bytes).map { "\($0.size) \($0.isWrite)" })"
    examples[difference, default: []].append(example)
  }

  /// Lines for people: the counts, then examples of what is wrong (of everything when `isVerbose`).
  func report(isVerbose: Bool) -> String {
    var lines = ["\(instructions) instructions, \(undecodable) undecodable, \(wrong) wrong"]
    for difference in Difference.allCases {
      guard let count = counts[difference] else { continue }
      lines.append("  \(difference.isMeant ? "" : "WRONG: ")\(difference.rawValue): \(count)")
      if !difference.isMeant || isVerbose { lines += examples[difference, default: []].map { "    " + $0 } }
    }
    return lines.joined(separator: "\n")
  }
}
