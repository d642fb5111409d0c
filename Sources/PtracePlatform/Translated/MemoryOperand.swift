// The address of an instruction's memory operand, from the guest's registers. docs: Intel SDM 2A, 2.1.3.
import Platform
import Translator

struct MemoryOperand {
  var address: UInt64
  /// Bytes, of an update.
  var size: Int

  /// Of the instruction at `pc`, which has one.
  init(_ image: CodeImage, _ pc: UInt64, _ registers: Registers) {
    let instruction = image.instruction(at: pc)
    let bytes = image.bytes(at: pc, Int(instruction.length))
    size = instruction.updateSize
    address = 0
    let mode = instruction.modrm >> 6, field = instruction.modrm & 7
    let rex = instruction.rex
    if instruction.hasSIB {
      let index = instruction.sib >> 3 & 7 | (rex & 2) << 2
      let base = instruction.sib & 7
      if index != 4 { address = registers.general(index) << UInt64(instruction.sib >> 6) }
      if !(base == 5 && mode == 0) { address &+= registers.general(base | (rex & 1) << 3) }
    } else if mode == 0 && field == 5 {
      address = pc &+ UInt64(instruction.length)
    } else {
      address = registers.general(field | (rex & 1) << 3)
    }
    address &+= Self.displacement(instruction, bytes)
    if instruction.prefixes.contains(.addressSize) { address &= 0xffff_ffff }
    if instruction.prefixes.contains(.fs) { address &+= registers.fsBase }
    if instruction.prefixes.contains(.gs) { address &+= registers.gsBase }
  }

  private static func displacement(_ instruction: Instruction, _ bytes: [UInt8]) -> UInt64 {
    let offset = Int(instruction.displacementOffset)
    switch instruction.displacementSize {
    case 1: return UInt64(bitPattern: Int64(Int8(bitPattern: bytes[offset])))
    case 4:
      let raw = (0..<4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32(bytes[offset + $1]) }
      return UInt64(bitPattern: Int64(Int32(bitPattern: raw)))
    default: return 0
    }
  }
}

extension Registers {
  /// By the number that instructions use.
  func general(_ number: UInt8) -> UInt64 {
    switch number {
    case 0: rax
    case 1: rcx
    case 2: rdx
    case 3: rbx
    case 4: rsp
    case 5: rbp
    case 6: rsi
    case 7: rdi
    case 8: r8
    case 9: r9
    case 10: r10
    case 11: r11
    case 12: r12
    case 13: r13
    case 14: r14
    default: r15
    }
  }
}
