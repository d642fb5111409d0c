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

/// Where an instruction's memory operand lies. docs: Intel SDM 2A, 2.1.3 to 2.1.5 and 2.2.1.
struct SteppedOperand {
  private(set) var base: UInt8?
  private(set) var index: UInt8?
  private var scale: UInt64 = 1
  private var isRIPRelative = false
  private let displacement: UInt64
  private let length: UInt64
  private let prefixes: Prefixes

  /// nil without one.
  init?(_ instruction: Instruction, _ code: SteppedCode) {
    let mode = instruction.modrm >> 6, field = instruction.modrm & 7
    guard instruction.hasModRM, mode < 3 else { return nil }
    let extendBase = (instruction.rex & 1) << 3, extendIndex = (instruction.rex & 2) << 2
    if field == 4 {
      let sib = instruction.sib
      if mode != 0 || sib & 7 != 5 { base = sib & 7 | extendBase }
      if sib >> 3 & 7 | extendIndex != 4 { index = sib >> 3 & 7 | extendIndex }
      scale = 1 << UInt64(sib >> 6)
    } else if mode == 0 && field == 5 {
      isRIPRelative = true
    } else {
      base = field | extendBase
    }
    prefixes = instruction.prefixes
    length = UInt64(instruction.length)
    displacement = UInt64(
      bitPattern: code.signed(Int(instruction.displacementOffset), Int(instruction.displacementSize)))
  }

  func names(_ register: UInt8) -> Bool { base == register || index == register }

  func address(_ registers: Registers) -> GuestAddress {
    var address = displacement
    if isRIPRelative { address &+= registers.rip &+ length }
    if let base { address &+= registers.general(base) }
    if let index { address &+= registers.general(index) &* scale }
    if prefixes.contains(.addressSize) { address &= 0xffff_ffff }
    if prefixes.contains(.fs) { address &+= registers.fsBase }
    if prefixes.contains(.gs) { address &+= registers.gsBase }
    return GuestAddress(address)
  }
}

/// An update as the seam counts them (`RunLimit.updates`), and its operand. Beyond that text are left whole: those that name
/// r10, r11 or a high byte register, and those with gs or 32-bit addresses.
struct SteppedUpdate {
  /// Bytes.
  let size: Int
  let operand: SteppedOperand

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
    guard let operand = SteppedOperand(instruction, code) else { return nil }
    self.operand = operand
    let rex = instruction.rex
    let stackPointer: UInt8 = 4, framePointer: UInt8 = 5
    if operand.base == stackPointer || operand.base == framePointer { return nil }
    if operand.names(10) || operand.names(11) { return nil }
    if hasRegister {
      let register = selector | (rex & 4) << 1
      if register == 10 || register == 11 { return nil }
      if opcode & 1 == 0 && rex == 0 && selector >= 4 { return nil }
    }
    size = opcode & 1 == 0 ? 1 : rex & 8 != 0 ? 8 : prefixes.contains(.operandSize) ? 2 : 4
  }
}

/// Instructions that store facts of the host along with the guest's state; over those go constants: where the last x87
/// instruction and its operand were, and the processor's mask of MXCSR.
enum SteppedStateSave {
  /// What is stored over its operand: offsets and bytes.
  static func constants(_ instruction: Instruction) -> [(offset: UInt64, bytes: [UInt8])] {
    guard instruction.hasModRM, instruction.modrm < 0xc0, instruction.prefixes.isDisjoint(with: [.lock, .vex, .evex, .xop])
    else { return [] }
    let selector = instruction.modrm >> 3 & 7
    func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
    switch (instruction.map, instruction.opcode, selector) {
    // FXSAVE: FOP; FIP and FDP; MXCSR_MASK.
    case (1, 0xae, 0) where instruction.prefixes.isDisjoint(with: [.operandSize, .rep, .repne]):
      return [(6, zeros(2)), (8, zeros(16)), (28, [0xff, 0xff, 0, 0])]
    // FNSTENV, FNSAVE: from FIP on, in 14 or 28 bytes.
    case (0, 0xd9, 6), (0, 0xdd, 6):
      if instruction.prefixes.contains(.operandSize) { return [(6, zeros(8))] }
      return [(12, zeros(16))]
    default: return []
    }
  }
}
