// Instructions that flow on: copied, or copied with another address or around r11; and updates, which are counted and can be
// split into load and store.

extension Translator {
  func writePlain(
    _ instruction: Instruction, _ bytes: UnsafePointer<UInt8>, _ eleven: RuntimeSlot, _ pc: UInt64,
    _ emitter: inout Emitter, _ state: inout BlockState
  ) {
    if instruction.isSplittable {
      emitter.probeUpdates()
      state.r11Holds = nil
    }
    if instruction.prefixes.contains(.gs) || instruction.loadsGS { return stop(&emitter, &state) }
    if let save = instruction.stateSave {
      return writeStateSave(save, instruction, bytes, eleven, pc + UInt64(instruction.length), &emitter, &state)
    }
    if instruction.isRIPRelative {
      return writeRIPRelative(instruction, bytes, eleven, pc + UInt64(instruction.length), &emitter, &state)
    }
    guard instruction.readsR11 || instruction.writesR11 else {
      return emitter.copy(bytes, Int(instruction.length))
    }
    load(eleven, &emitter, &state)
    emitter.copy(bytes, Int(instruction.length))
    if instruction.writesR11 { emitter.storeR11(eleven) }
  }

  /// An instruction with both r10 and r11: the count makes room for the guest's r10.
  func writeWithBoth(
    _ instruction: Instruction, _ bytes: UnsafePointer<UInt8>, _ emitter: inout Emitter, _ state: inout BlockState
  ) {
    let isEVEX = instruction.prefixes.contains(.evex) && !allowsAVX512
    let isOdd =
      instruction.isRIPRelative || instruction.prefixes.contains(.gs) || instruction.loadsGS || instruction.stateSave != nil
    if instruction.flow != .plain || isOdd || isEVEX {
      return stop(&emitter, &state)
    }
    load(.r11, &emitter, &state)
    emitter.storeR10(.ticks)
    emitter.loadR10(.r10)
    emitter.copy(bytes, Int(instruction.length))
    state.heldR10 = true
    emitter.storeR10(.r10)
    if instruction.writesR11 { emitter.storeR11() }
    emitter.loadR10(.ticks)
  }

  /// Left to the machine, which executes the guest's own bytes.
  private func stop(_ emitter: inout Emitter, _ state: inout BlockState) {
    emitter.byte(0xcc)
    state.r11Holds = nil
  }

  /// Brings the guest's register into r11. Also for what only writes it: it may write a part.
  private func load(_ slot: RuntimeSlot, _ emitter: inout Emitter, _ state: inout BlockState) {
    if state.r11Holds != slot { emitter.loadR11(slot) }
    state.r11Holds = slot
  }

  private func writeRIPRelative(
    _ instruction: Instruction, _ bytes: UnsafePointer<UInt8>, _ eleven: RuntimeSlot, _ next: UInt64,
    _ emitter: inout Emitter, _ state: inout BlockState
  ) {
    let target = ripTarget(instruction, bytes, next)
    if target < 1 << 31 {
      if instruction.readsR11 || instruction.writesR11 { load(eleven, &emitter, &state) }
      writeAbsolute(instruction, bytes, Int32(target), &emitter)
      if instruction.writesR11 { emitter.storeR11(eleven) }
      return
    }
    let isVector = !instruction.prefixes.isDisjoint(with: [.vex, .evex, .xop])
    let highByte =
      instruction.rex == 0 && instruction.modrm >> 5 & 1 == 1 && instruction.opcode & 1 == 0
      && (instruction.map == 0 || instruction.map == 1 && (instruction.opcode == 0xb0 || instruction.opcode == 0xc0))
    if isVector || highByte || instruction.readsR11 || instruction.writesR11 || instruction.prefixes.contains(.addressSize) {
      return stop(&emitter, &state)
    }
    emitter.setR11(target)
    state.r11Holds = nil
    // The same with r11 as the base.
    emitter.copy(bytes, Int(instruction.prefixLength))
    emitter.byte(0x41 | instruction.rex & 0x4c)
    let afterREX = Int(instruction.prefixLength) + (instruction.rex == 0 ? 0 : 1)
    emitter.copy(bytes + afterREX, Int(instruction.modrmOffset) - afterREX)
    emitter.byte(instruction.modrm & 0x38 | 3)
    writeImmediates(instruction, bytes, &emitter)
  }

  /// The same with an absolute address below 2 GiB: no base, no index.
  private func writeAbsolute(
    _ instruction: Instruction, _ bytes: UnsafePointer<UInt8>, _ target: Int32, _ emitter: inout Emitter
  ) {
    let start = emitter.offset
    let prefix = Int(instruction.prefixLength)
    emitter.copy(bytes, Int(instruction.modrmOffset))
    let code = emitter.image.code
    // The bit that would extend the index: rip-relative forms ignore it.
    if instruction.rex != 0 { code[start + prefix] &= ~2 }
    if bytes[prefix] == 0xc4 && instruction.prefixes.contains(.vex) || instruction.prefixes.contains(.evex)
      || instruction.prefixes.contains(.xop)
    {
      code[start + prefix + 1] |= 0x40
    }
    emitter.byte(instruction.modrm & 0x38 | 4)
    emitter.byte(0x25)
    emitter.int32(target)
    writeImmediates(instruction, bytes, &emitter)
  }

  /// What follows the displacement.
  private func writeImmediates(_ instruction: Instruction, _ bytes: UnsafePointer<UInt8>, _ emitter: inout Emitter) {
    let from = Int(instruction.displacementOffset) + Int(instruction.displacementSize)
    emitter.copy(bytes + from, Int(instruction.length) - from)
  }
}

extension Instruction {
  /// mov, pop and lgs to gs: they change its base, where code has the mirror.
  var loadsGS: Bool {
    guard prefixes.isDisjoint(with: [.vex, .evex, .xop]) else { return false }
    return map == 0 && opcode == 0x8e && modrm >> 3 & 7 == 5 || map == 1 && (opcode == 0xa9 || opcode == 0xb5)
  }
}

// MARK: - Updates

extension Instruction {
  /// Whether an extended register field with the number of r10 or r11 is possible at all.
  @inline(__always) var mayUseR10: Bool { rex & 7 != 0 || !prefixes.isDisjoint(with: [.vex, .evex, .xop]) }

  /// An update as the seam counts them: one that can also be split into its load and its store. Those that name r10 or r11,
  /// or a high byte register beside the operand, are left whole. (r10 has become r11 when this is asked.)
  var isSplittable: Bool {
    guard isUpdate, !readsR11, !writesR11, !prefixes.contains(.gs), !prefixes.contains(.addressSize) else { return false }
    let namesHighByte = opcode & 1 == 0 && opcode < 0x80 && rex == 0 && modrm >> 5 & 1 == 1
    return !namesHighByte
  }

  /// Bytes of its memory operand.
  public var updateSize: Int {
    if opcode & 1 == 0 { return 1 }
    if rex & 8 != 0 { return 8 }
    return prefixes.contains(.operandSize) ? 2 : 4
  }
}

extension Translator {
  /// The second half of a split update: works on what the slot `loaded` holds and stores the result.
  func writeSecondHalf(
    _ instruction: Instruction, _ bytes: UnsafePointer<UInt8>, _ pc: UInt64, _ emitter: inout Emitter
  ) {
    let next = pc + UInt64(instruction.length)
    emitter.onSlot(0x1d_8b_4c, .loaded)  // movq loaded, %r11
    // The operand becomes r11.
    emitter.copy(bytes, Int(instruction.prefixLength))
    emitter.byte(0x41 | instruction.rex & 0x4c)
    emitter.byte(instruction.opcode)
    emitter.byte(0xc0 | instruction.modrm & 0x38 | 3)
    let from = Int(instruction.modrmOffset) + 1 + (instruction.hasSIB ? 1 : 0) + Int(instruction.displacementSize)
    emitter.copy(bytes + from, Int(instruction.length) - from)
    let size = instruction.updateSize
    writeMemoryForm(
      size == 1 ? 0x88 : 0x89, register: 11, wide: size == 8, operandSize: size == 2, instruction, bytes, next, &emitter)
  }
}
