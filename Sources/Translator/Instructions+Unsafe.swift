// One instruction. Most are copied. Rewritten are branches, what uses r11 or an address relative to rip, calls of the
// kernel, and what is counted (updates); what cannot run in another place stops in the machine (int3), which looks at the
// guest's bytes to see why.

extension Translator {
  /// Writes the code of one instruction. Returns whether execution flows on at its end. `followedBy`: the offset of the
  /// guest code whose code comes next.
  func write(
    _ instruction: Instruction, at offset: UInt32, followedBy: UInt32?, _ emitter: inout Emitter, _ state: inout BlockState
  ) -> Bool {
    let bytes = emitter.image.source + Int(offset)
    guard instruction.mayUseR10, let renamed = Self.renamed(instruction, bytes) else {
      return write(instruction, bytes, .r11, at: offset, followedBy: followedBy, &emitter, &state)
    }
    if instruction.readsR11 || instruction.writesR11 {
      writeWithBoth(instruction, bytes, &emitter, &state)
      return instruction.flow == .plain
    }
    var copy = renamed.bytes
    return withUnsafeBytes(of: &copy) {
      write(
        renamed.instruction, $0.baseAddress!.assumingMemoryBound(to: UInt8.self), .r10, at: offset, followedBy: followedBy,
        &emitter, &state)
    }
  }

  /// The same for bytes in which r11 stands for the guest's register with the slot `eleven`.
  func write(
    _ instruction: Instruction, _ bytes: UnsafePointer<UInt8>, _ eleven: RuntimeSlot, at offset: UInt32,
    followedBy: UInt32?, _ emitter: inout Emitter, _ state: inout BlockState
  ) -> Bool {
    let image = emitter.image
    let pc = image.start + UInt64(offset)
    let next = pc + UInt64(instruction.length)
    switch instruction.flow {
    case .plain:
      if instruction.prefixes.contains(.evex) && !allowsAVX512 {
        emitter.byte(0xcc)
        return true
      }
      writePlain(instruction, bytes, eleven, pc, &emitter, &state)
      return true
    case .conditional:
      let target = next &+ UInt64(bitPattern: Int64(instruction.branchDisplacement(bytes)))
      writeConditional(0x80 | instruction.opcode & 15, pc, target, &emitter)
      return true
    case .counted:
      let target = next &+ UInt64(bitPattern: Int64(instruction.branchDisplacement(bytes)))
      if instruction.prefixes.contains(.addressSize) { emitter.byte(0x67) }
      emitter.byte(instruction.opcode)
      emitter.byte(2)
      writeSkippedJump(target, counted: target <= pc, &emitter)
      return true
    case .jump:
      let target = next &+ UInt64(bitPattern: Int64(instruction.branchDisplacement(bytes)))
      if let followedBy, target == image.start + UInt64(followedBy), target > pc { return true }
      jump(to: target, counted: target <= pc, &emitter)
      return false
    case .call:
      let target = next &+ UInt64(bitPattern: Int64(instruction.branchDisplacement(bytes)))
      emitter.pushReturn(next)
      jump(to: target, counted: target <= pc, &emitter)
      return false
    case .callIndirect, .jumpIndirect:
      if instruction.flow == .callIndirect, next < RuntimeLayout.window {
        emitter.prefetchEntry(next)
        state.r11Holds = nil
      }
      if !loadTarget(instruction, bytes, eleven, next, &emitter, &state) {
        emitter.byte(0xcc)
        return false
      }
      if instruction.flow == .callIndirect { pushKeepingR11(next, &emitter) }
      emitter.jumpThroughMirror()
      return false
    case .ret:
      writeReturn(instruction, bytes, &emitter)
      emitter.jumpThroughMirror()
      return false
    case .syscall:
      // The rcx that the call leaves: it tells the machine where the guest is, and whoever goes on here finds it there. r11
      // comes by its slot.
      emitter.bytes(0xb9_48, 2)  // movabsq $imm64, %rcx
      emitter.int64(next)
      emitter.callGate()
      state.r11Holds = nil
      return true
    case .popFlags:
      // With the trap flag on the stack the machine goes on by single instructions. All that will be popped is read
      // before the test spoils the flags.
      if instruction.prefixes.contains(.operandSize) {
        emitter.bytes(0x24_1cb7_0f44, 5)  // movzwl (%rsp), %r11d
      } else {
        emitter.bytes(0x241c_8b4c, 4)  // movq (%rsp), %r11
      }
      state.r11Holds = nil
      emitter.bytes(0x0100_c3f7_41, 7)  // testl $0x100, %r11d
      emitter.bytes(0x01_74, 2)  // jz over the next
      emitter.byte(0xcc)
      emitter.copy(bytes, Int(instruction.length))
      return true
    case .rdtsc:
      emitter.readClock()
      state.r11Holds = nil
      return true
    case .cpuid:
      emitter.stopThroughGate(orAt: RuntimeLayout.cpuidOffset)
      state.r11Holds = nil
      return true
    case .rdtscp, .rdrand, .rdseed, .rdpid, .xgetbv, .gsBase:
      emitter.stopThroughGate()
      state.r11Holds = nil
      return true
    case .sysenter, .breakpoint, .interrupt, .icebp, .far, .transaction, .undefined, .unknown:
      emitter.byte(0xcc)
      return false
    }
  }

  // MARK: Branches

  private func writeConditional(_ opcode: UInt8, _ pc: UInt64, _ target: UInt64, _ emitter: inout Emitter) {
    if emitter.image.contains(target) {
      emitter.byte(0x0f)
      emitter.byte(opcode)
      let place = emitter.displacement()
      addFixup(place, target, counted: target <= pc, emitter.image)
      return
    }
    // The opposite condition jumps over a jump.
    emitter.byte(0x70 | (opcode & 15 ^ 1))
    emitter.byte(0)
    let start = emitter.offset
    jump(to: target, counted: target <= pc, &emitter)
    emitter.image.code[start - 1] = UInt8(emitter.offset - start)
  }

  /// Takes the return address off the stack, into r11.
  func writeReturn(_ instruction: Instruction, _ bytes: UnsafePointer<UInt8>, _ emitter: inout Emitter) {
    emitter.bytes(0x5b_41, 2)  // popq %r11
    if instruction.immediateSize == 2 {
      let count = UInt32(UnsafeRawPointer(bytes + Int(instruction.immediateOffset)).loadUnaligned(as: UInt16.self))
      emitter.bytes(0x24a4_8d48, 4)  // leaq imm(%rsp), %rsp
      emitter.int32(Int32(count))
    }
  }

  /// `jmp` over a jump to `target`, for branches that are only short.
  private func writeSkippedJump(_ target: UInt64, counted: Bool, _ emitter: inout Emitter) {
    emitter.byte(0xeb)
    emitter.byte(0)
    let start = emitter.offset
    jump(to: target, counted: counted, &emitter)
    emitter.image.code[start - 1] = UInt8(emitter.offset - start)
  }

  /// Goes to a guest address known now. Outside the image through the mirror, whose entries count a tick: what must
  /// not count adds one first.
  func jump(to target: UInt64, counted: Bool, _ emitter: inout Emitter) {
    if emitter.image.contains(target) {
      emitter.byte(0xe9)
      let place = emitter.displacement()
      addFixup(place, target, counted: counted, emitter.image)
      return
    }
    if !counted { emitter.bytes(0x0152_8d4d, 4) }  // leaq 1(%r10), %r10
    emitter.setR11(target)
    emitter.jumpThroughMirror()
  }

  private func addFixup(_ place: Int, _ target: UInt64, counted: Bool, _ image: CodeImage) {
    fixups.append(Fixup(patch: place, target: UInt32(target - image.start), counted: counted))
  }

  /// Pushes a return address while r11 holds the target.
  func pushKeepingR11(_ value: UInt64, _ emitter: inout Emitter) {
    if value < 1 << 31 { return emitter.push(value) }
    // Both halves: a push of the low one, sign-extended, then the high one stored over its upper half. The push writes
    // all eight bytes, so a fault comes before anything is done.
    emitter.byte(0x68)
    emitter.int32(Int32(truncatingIfNeeded: value))
    emitter.bytes(0x04_2444_c7, 4)  // movl $imm32, 4(%rsp)
    emitter.int32(Int32(truncatingIfNeeded: value >> 32))
  }

  /// The target of an indirect branch into r11. False when that takes the machine.
  func loadTarget(
    _ instruction: Instruction, _ bytes: UnsafePointer<UInt8>, _ eleven: RuntimeSlot, _ next: UInt64,
    _ emitter: inout Emitter, _ state: inout BlockState
  ) -> Bool {
    if instruction.prefixes.contains(.gs) || instruction.prefixes.contains(.operandSize) { return false }
    if instruction.readsR11 && state.r11Holds != eleven { emitter.loadR11(eleven) }
    state.r11Holds = nil
    if instruction.modrm >> 6 == 3 {
      let register = instruction.modrm & 7
      // movq %reg, %r11; nothing for r11 itself.
      if !instruction.readsR11 { emitter.bytes(0xc08b_4c | UInt64(instruction.rex & 1) | UInt64(0x18 | register) << 16, 3) }
      return true
    }
    writeMemoryForm(0x8b, register: 11, wide: true, instruction, bytes, next, &emitter)
    return true
  }

  // MARK: Operands

  /// A one-byte opcode with the instruction's memory operand and another register. The operand's address relative to rip
  /// becomes absolute; above 2 GiB it goes through r11, which only `register` 11 allows.
  func writeMemoryForm(
    _ opcode: UInt8, register: UInt8, wide: Bool, operandSize: Bool = false, _ instruction: Instruction,
    _ bytes: UnsafePointer<UInt8>, _ next: UInt64, _ emitter: inout Emitter
  ) {
    let base = 0x40 | (wide ? 8 : 0) | (register >> 3) << 2
    let field = (register & 7) << 3
    if instruction.isRIPRelative {
      let target = ripTarget(instruction, bytes, next)
      if target < 1 << 31 {
        writePrefixes(instruction, operandSize, &emitter)
        emitter.byte(base)
        emitter.byte(opcode)
        emitter.byte(4 | field)
        emitter.byte(0x25)
        emitter.int32(Int32(target))
      } else {
        precondition(register == 11)
        emitter.setR11(target)
        writePrefixes(instruction, operandSize, &emitter)
        emitter.byte(base | 1)
        emitter.byte(opcode)
        emitter.byte(3 | field)
      }
      return
    }
    writePrefixes(instruction, operandSize, &emitter)
    emitter.byte(base | instruction.rex & 3)
    emitter.byte(opcode)
    emitter.byte(instruction.modrm & 0xc7 | field)
    if instruction.hasSIB { emitter.byte(instruction.sib) }
    emitter.copy(bytes + Int(instruction.displacementOffset), Int(instruction.displacementSize))
  }

  private func writePrefixes(_ instruction: Instruction, _ operandSize: Bool, _ emitter: inout Emitter) {
    if operandSize { emitter.byte(0x66) }
    if instruction.prefixes.contains(.fs) { emitter.byte(0x64) }
    if instruction.prefixes.contains(.addressSize) { emitter.byte(0x67) }
  }

  func ripTarget(_ instruction: Instruction, _ bytes: UnsafePointer<UInt8>, _ next: UInt64) -> UInt64 {
    let displacement = UnsafeRawPointer(bytes + Int(instruction.displacementOffset)).loadUnaligned(as: Int32.self)
    let target = next &+ UInt64(bitPattern: Int64(displacement))
    return instruction.prefixes.contains(.addressSize) ? target & 0xffff_ffff : target
  }
}
