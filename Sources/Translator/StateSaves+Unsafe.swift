// Instructions that store facts of the host along with the guest's state. FXSAVE stores the mask of MXCSR, which depends on
// the processor's maker; and like FNSTENV and FNSAVE it stores where the last x87 instruction and its operand were, which
// makers do at different times, and the instruction's place is code of ours. Once such an instruction is done, constants go
// there: 0 for the last x87 instruction, and the mask without misaligned SSE (as in the baseline's signal frames).
// docs: Intel SDM 1, 10.5.1 (FXSAVE area), 8.1.10 (x87 environment).
//
// XSAVE, XSAVEOPT and XSAVEC are copied as they are: what they store depends on edx:eax and on the processor's in-use bits.

extension Instruction {
  enum StateSave { case fxsave, environment, shortEnvironment }

  var stateSave: StateSave? {
    guard hasMemoryForm else { return nil }
    let field = modrm >> 3 & 7
    if map == 1 && opcode == 0xae && field == 0 {
      return prefixes.isDisjoint(with: [.operandSize, .rep, .repne, .lock, .vex, .evex, .xop]) ? .fxsave : nil
    }
    if map == 0 && (opcode == 0xd9 || opcode == 0xdd) && field == 6 && !prefixes.contains(.lock) {
      return prefixes.contains(.operandSize) ? .shortEnvironment : .environment
    }
    return nil
  }
}

extension Instruction {
  /// What goes over the operand of a state save that is executed where it stands: offsets and bytes.
  public var constantsOverStateSave: [(offset: UInt64, bytes: [UInt8])] {
    func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
    switch stateSave {
    case .fxsave: return [(6, zeros(2)), (8, zeros(16)), (28, [0xff, 0xff, 0, 0])]
    case .environment: return [(12, zeros(16))]
    case .shortEnvironment: return [(6, zeros(8))]
    case nil: return []
    }
  }
}

extension Translator {
  /// The instruction with r11 as the address of its operand, and stores over what it should not tell. They cannot fault
  /// where the instruction did not.
  func writeStateSave(
    _ save: Instruction.StateSave, _ instruction: Instruction, _ bytes: UnsafePointer<UInt8>, _ eleven: RuntimeSlot,
    _ next: UInt64, _ emitter: inout Emitter, _ state: inout BlockState
  ) {
    if instruction.readsR11 && state.r11Holds != eleven { emitter.loadR11(eleven) }
    state.r11Holds = nil
    let lea: UInt8 = 0x8d
    writeMemoryForm(lea, register: 11, wide: true, instruction, bytes, next, &emitter)
    let usesFS = instruction.prefixes.contains(.fs)
    if usesFS { emitter.byte(0x64) }
    if save == .shortEnvironment { emitter.byte(0x66) }
    emitter.byte(0x41 | instruction.rex & 8)
    if instruction.map == 1 { emitter.byte(0x0f) }
    emitter.byte(instruction.opcode)
    emitter.byte(instruction.modrm & 0x38 | 3)

    func store(_ value: Int32, at offset: UInt8, size: Int, _ emitter: inout Emitter) {
      if usesFS { emitter.byte(0x64) }
      if size == 2 { emitter.byte(0x66) }
      emitter.byte(size == 8 ? 0x49 : 0x41)
      emitter.bytes(0x43_c7, 2)  // mov $imm, offset(%r11)
      emitter.byte(offset)
      if size == 2 { emitter.bytes(UInt64(UInt32(bitPattern: value)), 2) } else { emitter.int32(value) }
    }
    switch save {
    case .fxsave:
      store(0, at: 6, size: 2, &emitter)
      store(0, at: 8, size: 8, &emitter)
      store(0, at: 16, size: 8, &emitter)
      store(0xffff, at: 28, size: 4, &emitter)
    case .environment:
      store(0, at: 12, size: 8, &emitter)
      store(0, at: 20, size: 8, &emitter)
    case .shortEnvironment:
      store(0, at: 6, size: 8, &emitter)
    }
  }
}
