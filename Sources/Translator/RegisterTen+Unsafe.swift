// The guest's r10. The register r10 counts ticks, so an instruction that names it is written with r11 in its place, which the
// encoding makes easy: the two differ in one bit of a three-bit field. Whether a field names a general register or a vector
// register of that number is for the decoder to say.
//
// Sound: copies of an instruction are at most 15 bytes in 16, and offsets come from decoding the same bytes.

/// An instruction with r11 where it names r10.
struct RenamedInstruction {
  var bytes: InlineArray<16, UInt8>
  /// Of the new bytes: its r11 is the guest's r10.
  var instruction: Instruction
}

extension Translator {
  /// nil when the instruction does not use r10.
  static func renamed(_ instruction: Instruction, _ bytes: UnsafePointer<UInt8>) -> RenamedInstruction? {
    let fields = Fields(instruction, bytes)
    if fields.ofTen.isEmpty { return nil }
    var copy = InlineArray<16, UInt8>(repeating: 0)
    for index in 0..<Int(instruction.length) { copy[index] = bytes[index] }
    var neutral = copy
    for field in fields.ofEleven { neutral[field.offset] ^= 2 << field.shift }  // r11 to r9
    var isUsed = false
    for field in fields.ofTen {
      var probe = neutral
      probe[field.offset] ^= 1 << field.shift
      let decoded = decodeCopy(probe)
      if decoded.readsR11 || decoded.writesR11 {
        copy[field.offset] ^= 1 << field.shift
        isUsed = true
      }
    }
    return isUsed ? RenamedInstruction(bytes: copy, instruction: decodeCopy(copy)) : nil
  }

  private static func decodeCopy(_ bytes: InlineArray<16, UInt8>) -> Instruction {
    var copy = bytes
    return withUnsafeBytes(of: &copy) {
      decode($0.baseAddress!.assumingMemoryBound(to: UInt8.self), available: $0.count)
    }
  }

  private typealias Field = (offset: Int, shift: UInt8)

  /// The three-bit fields that hold 2 or 3 and are extended, so that they may name r10 or r11.
  private struct Fields {
    var ofTen: [Field] = []
    var ofEleven: [Field] = []

    init(_ instruction: Instruction, _ bytes: UnsafePointer<UInt8>) {
      var extensions = instruction.rex & 7
      var vvvv: Int?
      if !instruction.prefixes.isDisjoint(with: [.vex, .evex, .xop]) {
        let prefix = Int(instruction.prefixLength)
        extensions = ~bytes[prefix + 1] >> 5 & 7
        vvvv = prefix + 2
        if bytes[prefix] == 0xc5 {
          extensions &= 4
          vvvv = prefix + 1
        }
      }
      if extensions == 0 && vvvv == nil { return }
      if instruction.hasModRM {
        let modrm = Int(instruction.modrmOffset)
        if extensions & 4 != 0 { add(instruction.modrm >> 3, modrm, 3) }
        if instruction.hasSIB {
          if extensions & 2 != 0 { add(instruction.sib >> 3, modrm + 1, 3) }
          if extensions & 1 != 0 { add(instruction.sib, modrm + 1, 0) }
        } else if extensions & 1 != 0 {
          add(instruction.modrm, modrm, 0)
        }
      } else if extensions & 1 != 0 {
        add(instruction.opcode, Int(instruction.opcodeOffset), 0)
      }
      if let vvvv {
        let register = ~bytes[vvvv] >> 3 & 15
        if register == 10 { ofTen.append((vvvv, 3)) }
        if register == 11 { ofEleven.append((vvvv, 3)) }
      }
    }

    private mutating func add(_ value: UInt8, _ offset: Int, _ shift: UInt8) {
      if value & 7 == 2 { ofTen.append((offset, shift)) }
      if value & 7 == 3 { ofEleven.append((offset, shift)) }
    }
  }
}
