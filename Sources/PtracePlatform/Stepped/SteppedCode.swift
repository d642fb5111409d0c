// Bytes of guest code as the stepped machine reads them, and which instructions are updates: written again from the seam's
// definition, beside Translator's.
import Platform
import Translator

struct SteppedCode {
  static let instructionBytesMax = 15
  /// Those that can be fetched, and one more, so that there is an address.
  let bytes: [UInt8]
  var count: Int { bytes.count - 1 }

  /// Length 0 when its bytes are cut off.
  func instruction(at offset: Int) -> Instruction {
    // Sound: the decoder reads as many bytes as it is given.
    bytes.withUnsafeBufferPointer { buffer in
      decode(buffer.baseAddress! + min(offset, bytes.count - 1), available: max(0, count - offset))
    }
  }

  func signed(_ offset: Int, _ size: Int) -> Int64 {
    var value: UInt64 = 0
    for index in 0..<size { value |= UInt64(bytes[offset + index]) << UInt64(8 * index) }
    let unused = UInt64(64 - 8 * size)
    return size == 0 ? 0 : Int64(bitPattern: value << unused) >> Int64(unused)
  }

  func branchDisplacement(_ branch: Instruction) -> Int64 {
    signed(Int(branch.immediateOffset), Int(branch.immediateSize))
  }
}

extension Instruction {
  /// Whether it goes round on its own: a string instruction with a repeat prefix.
  func isRepeatedString(_ code: SteppedCode) -> Bool {
    guard map == 0, prefixes.isDisjoint(with: [.vex, .evex, .xop]) else { return false }
    guard prefixes.contains(.rep) || prefixes.contains(.repne) else { return false }
    return [0x6c, 0x6d, 0x6e, 0x6f, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf].contains(opcode)
  }
}

/// An update as the seam counts them (`RunLimit.updates`), and its operand. Beyond that text are left whole: those that name
/// r11 or a high byte register, and those with gs or 32-bit addresses.
struct SteppedUpdate {
  /// Bytes.
  let size: Int
  private let base: UInt8?
  private let index: UInt8?
  private let scale: UInt64
  private let usesFS: Bool
  private let displacement: UInt64
  private let length: UInt64
  private let isRIPRelative: Bool

  init?(_ instruction: Instruction, _ code: SteppedCode) {
    let prefixes = instruction.prefixes
    guard instruction.flow == .plain, instruction.map == 0, prefixes.isDisjoint(with: [.vex, .evex, .xop]) else { return nil }
    guard prefixes.isDisjoint(with: [.lock, .gs, .addressSize]) else { return nil }
    let opcode = instruction.opcode, modrm = instruction.modrm
    let selector = modrm >> 3 & 7
    let hasRegister: Bool
    switch opcode {
    // ADD OR ADC SBB AND SUB XOR with a register.
    case 0x00...0x37 where opcode & 7 < 2: hasRegister = true
    // The same with an immediate; 7 is CMP.
    case 0x80, 0x81, 0x83:
      hasRegister = false
      if selector == 7 { return nil }
    // Shifts and rotates.
    case 0xc0, 0xc1, 0xd0...0xd3: hasRegister = false
    // NOT, NEG.
    case 0xf6, 0xf7:
      hasRegister = false
      if selector != 2 && selector != 3 { return nil }
    // INC, DEC.
    case 0xfe, 0xff:
      hasRegister = false
      if selector > 1 { return nil }
    default: return nil
    }
    let mode = modrm >> 6
    guard mode < 3 else { return nil }
    let rex = instruction.rex
    let extendBase = (rex & 1) << 3, extendIndex = (rex & 2) << 2, extendRegister = (rex & 4) << 1
    var base: UInt8?, index: UInt8?
    var scale: UInt64 = 1
    var isRIPRelative = false
    if modrm & 7 == 4 {
      let sib = instruction.sib
      if mode != 0 || sib & 7 != 5 { base = sib & 7 | extendBase }
      if sib >> 3 & 7 | extendIndex != 4 { index = sib >> 3 & 7 | extendIndex }
      scale = 1 << UInt64(sib >> 6)
    } else if mode == 0 && modrm & 7 == 5 {
      isRIPRelative = true
    } else {
      base = modrm & 7 | extendBase
    }
    let stackPointer: UInt8 = 4, framePointer: UInt8 = 5, r11: UInt8 = 11
    if base == stackPointer || base == framePointer { return nil }
    if base == r11 || index == r11 { return nil }
    if hasRegister {
      if selector | extendRegister == r11 { return nil }
      if opcode & 1 == 0 && rex == 0 && selector >= 4 { return nil }
    }
    size = opcode & 1 == 0 ? 1 : rex & 8 != 0 ? 8 : prefixes.contains(.operandSize) ? 2 : 4
    (self.base, self.index, self.scale, self.isRIPRelative) = (base, index, scale, isRIPRelative)
    usesFS = prefixes.contains(.fs)
    length = UInt64(instruction.length)
    let offset = Int(instruction.displacementOffset)
    displacement = UInt64(bitPattern: code.signed(offset, Int(instruction.displacementSize)))
  }

  func address(_ registers: Registers) -> GuestAddress {
    var address = displacement
    if isRIPRelative { address &+= registers.rip &+ length }
    if let base { address &+= registers.general(base) }
    if let index { address &+= registers.general(index) &* scale }
    if usesFS { address &+= registers.fsBase }
    return GuestAddress(address)
  }
}
