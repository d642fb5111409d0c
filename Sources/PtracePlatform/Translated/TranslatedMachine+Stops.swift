// Why translated code stopped, in the guest's terms.
import CLinux
import Platform
import Translator

extension TranslatedMachine {
  func systemCall(_ turn: inout Turn) throws(MachineError) -> Step {
    let code = turn.stub.held.rip
    guard let image = image(ofCode: code) else {
      throw MachineError("a host call at \(GuestAddress(code)), outside translated code")
    }
    if let place = image.isExit(code) ? code : image.stopped(at: code) {
      turn.registers.rax = turn.stub.held.origRax
      turn.registers.rcx = turn.stub.held.rcx
      return try breakpoint(place, &turn)
    }
    // The code has said it (`Translator.write`).
    let next = turn.stub.held.rcx
    if arena.gate.pointee.word_address != 0 { spaceOfWord = turn.id }
    turn.registers.rip = next
    turn.registers.rcx = next
    // The processor's own r11 would have undefined flags in it, which a program has no use for and a replay elsewhere would miss.
    turn.registers.r11 = turn.stub.held.r11 & ~Registers.statusFlags
    if turn.mode == .trapFlag { turn.registers.r11 |= Self.trapFlag }
    turn.registers.origRax = turn.stub.held.origRax
    turn.task.resume = scratch.owns(code) ? nil : (next, code, image, image.generation)
    return .trap(.syscall)
  }

  func fault(_ info: rsb_signal_info, _ turn: inout Turn) throws(MachineError) -> Step {
    let code = turn.stub.held.rip
    if info.signal == HostSignal.trap {
      if code - 1 == arena.dispatchMiss { return try indirect(turn.stub.held.r11, site: nil, &turn) }
      return try breakpoint(code - 1, &turn)
    }
    guard let image = image(ofCode: code) else {
      if CodeArena.isDispatch(code) && RuntimeLayout.isInHashTable(info.address) { restoreFromDispatch(&turn) }
      // A mirror entry of 0, or a branch far beyond the mirror that read something else.
      return try indirect(turn.stub.held.r11, site: nil, &turn)
    }
    if info.signal == HostSignal.segmentation, image.isMirrorJump(code) {
      return try indirect(turn.stub.held.r11, site: (image, code), &turn)
    }
    let pc: UInt64, index: Int
    switch image.place(of: code) {
    case .instruction(let address, _, let number, let holdsR10):
      (pc, index) = (address, number)
      if info.signal == HostSignal.segmentation, let step = observed(pc, code, info.address, &turn) { return step }
      if holdsR10 {
        turn.count = arena[.ticks] &- RuntimeLayout.countFault
        turn.registers.r10 = turn.stub.held.r10
      }
    case .counting(let target) where info.address == RuntimeLayout.countFault: return countUsedUp(target, &turn)
    case .counting, .cold, .nothing:
      throw MachineError("signal \(info.signal) in translated code at \(GuestAddress(code)), which is no instruction's")
    }
    turn.registers.rip = pc
    if info.signal == HostSignal.segmentation {
      if info.address == RuntimeLayout.countFault { return try update(pc, image, &turn) }
      if info.address == RuntimeLayout.clockClosed { return try special(pc, index, image, &turn) }
      let page = info.address & ~(GuestAddress.pageSize - 1)
      if turn.space.protectedPages.contains(page) {
        let range = GuestRange(GuestAddress(page), GuestAddress(page + GuestAddress.pageSize))
        try invalidate(range, in: turn.space, turn.id)
        return again(at: pc, index: index, &turn)
      }
    }
    if let flags = turn.flagsBeforeStore {
      // The store of a split update: the instruction has not happened.
      turn.registers.eflags = turn.registers.eflags & ~Registers.statusFlags | flags & Registers.statusFlags
    }
    return .trap(.fault(described(info, at: pc)))
  }

  /// The dispatch blob looked into a hash table that this space does not have: a fork, or code that another space dispatched
  /// first. It had put away rax, rcx and the flags (by lahf and seto).
  private func restoreFromDispatch(_ turn: inout Turn) {
    turn.registers.rax = arena[.dispatchA]
    turn.registers.rcx = arena[.dispatchC]
    let saved = arena[.dispatchFlags]
    let overflow: UInt64 = saved & 1 == 0 ? 0 : 0x800
    turn.registers.eflags = turn.registers.eflags & ~Registers.statusFlags | saved >> 8 & 0xd5 | overflow
  }

  private func described(_ info: rsb_signal_info, at pc: UInt64) -> Fault {
    let hasAddress = info.signal == HostSignal.segmentation || info.signal == HostSignal.bus
    return Fault(
      signal: UInt8(truncatingIfNeeded: info.signal), code: info.code,
      address: GuestAddress(hasAddress ? info.address : pc))
  }

  // MARK: Branches

  /// An indirect branch to `target` that the mirror or the hash table does not know. `site`: the branch, where it could
  /// not even look.
  private func indirect(_ target: UInt64, site: (CodeImage, UInt64)?, _ turn: inout Turn) throws(MachineError) -> Step {
    turn.registers.rip = target
    if VsyscallPage.number(at: target) != nil { return countTick(target, &turn) ?? .guest(target, counted: false) }
    let entry = try entry(target, counted: true, turn.space, turn.id)
    guard case .code(let code) = entry else { return .guest(target, counted: true) }
    if target >= RuntimeLayout.window {
      if let (image, place) = site { image.useDispatch(at: place) }
      try addToHashTable(target, code, turn.space, turn.id)
    }
    return .code(code)
  }

  private func breakpoint(_ code: UInt64, _ turn: inout Turn) throws(MachineError) -> Step {
    guard let image = image(ofCode: code) else {
      throw MachineError("a breakpoint at \(GuestAddress(code)), outside translated code")
    }
    switch image.place(of: code) {
    case .nothing, .counting: throw MachineError("a breakpoint at \(GuestAddress(code)), which is no instruction's")
    case .instruction(let pc, _, let index, _): return try special(pc, index, image, &turn)
    case .cold(let kind, let target, let exit):
      switch kind {
      case .link, .countedLink: return try link(target, exit, counted: kind == .countedLink, image, &turn)
      case .stretched: return stretchEnded(target, tick: false, &turn)
      case .stretchedTick: return stretchEnded(target, tick: true, &turn)
      case .stretchedIndirect: return stretchEnded(turn.stub.held.r11, tick: true, &turn)
      }
    }
  }

  private func link(
    _ target: UInt64, _ exit: Int, counted: Bool, _ image: CodeImage, _ turn: inout Turn
  ) throws(MachineError) -> Step {
    turn.registers.rip = target
    let generation = image.generation
    guard case .code(let code) = try entry(target, counted: counted, turn.space, turn.id) else {
      return .guest(target, counted: counted)
    }
    if image.generation == generation && image.ownsCode(code) { image.link(exit: exit, to: code) }
    return .code(code)
  }

  // MARK: Updates

  /// An update is about to begin at `pc`, and updates count. At the limit's last the load happens and the run stops.
  private func update(_ pc: UInt64, _ image: CodeImage, _ turn: inout Turn) throws(MachineError) -> Step {
    if turn.ticksExecuted != turn.tickOfLastUpdate { turn.updatesSinceTick = 0 }
    turn.tickOfLastUpdate = turn.ticksExecuted
    turn.updatesSinceTick += 1
    turn.updatesLeft -= 1
    if turn.updatesLeft == 0 {
      let operand = MemoryOperand(image, pc, turn.registers)
      let bytes = try host.read(turn.id, GuestAddress(operand.address), operand.size)
      if bytes.count == operand.size {
        let value = bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
        turn.task.split = (pc, value)
        return .trap(.budget(StopPoint(updates: turn.updatesSinceTick, loadedValue: value)))
      }
      // The instruction faults, as a whole; it was not the last, then.
      turn.updatesLeft = 1
    }
    turn.mode = .short
    turn.isLogged = true
    return .stretch(pc, 1)
  }

  // MARK: Instructions that are not executed as code

  private func special(_ pc: UInt64, _ index: Int, _ image: CodeImage, _ turn: inout Turn) throws(MachineError) -> Step {
    turn.registers.rip = pc
    let instruction = image.instruction(at: pc)
    let length = UInt8(instruction.length)
    let next = pc + UInt64(length)
    func trapped(_ instruction: SpecialInstruction) -> Step {
      counters.specialInstructions += 1
      return .trap(.instruction(instruction, length: length))
    }
    let undefined = Step.trap(.fault(Fault(signal: 4, code: 2, address: GuestAddress(pc))))
    switch instruction.flow {
    case .cpuid: return trapped(.cpuid)
    case .rdtsc: return trapped(.rdtsc)
    case .rdtscp: return trapped(.rdtscp)
    case .rdrand: return trapped(.rdrand)
    case .rdseed: return trapped(.rdseed)
    case .rdpid: return trapped(.rdpid)
    case .xgetbv: return trapped(.xgetbv)
    case .breakpoint:
      turn.registers.rip = next
      return .trap(.fault(Fault(signal: 5, code: 128, address: GuestAddress(0))))
    case .icebp:
      turn.registers.rip = next
      return .trap(.fault(Fault(signal: 5, code: 1, address: GuestAddress(next))))
    case .interrupt:
      let number = image.bytes(at: next - 1, 1)[0]
      if number == 0x80 { return .trap(.foreignSyscall) }
      if number == 3 {
        turn.registers.rip = next
        return .trap(.fault(Fault(signal: 5, code: 128, address: GuestAddress(0))))
      }
      // #OF, the one other vector that user mode may raise, is a trap.
      if number == 4 { turn.registers.rip = next }
      return .trap(.fault(Fault(signal: 11, code: 128, address: GuestAddress(0))))
    case .popFlags: return try popFlags(next, index, instruction, &turn)
    case .undefined where instruction.isTooLong:
      return .trap(.fault(Fault(signal: 11, code: 128, address: GuestAddress(0))))
    case .sysenter, .far, .transaction, .gsBase, .undefined: return undefined
    case .unknown:
      let bytes = image.bytes(at: pc, 15).map { String($0, radix: 16) }.joined(separator: " ")
      throw MachineError("an instruction that the translator does not know, at \(GuestAddress(pc)): \(bytes)")
    case .plain where instruction.prefixes.contains(.evex) && !translator.allowsAVX512: return undefined
    case .plain, .callIndirect, .jumpIndirect, .jump, .conditional, .counted, .call, .ret, .syscall:
      let before = turn.registers
      let step = try executeInPlace(pc, index, isTick: instruction.flow != .plain, &turn)
      if turn.registers.rip == next { try hideHost(instruction, MemoryOperand(image, pc, before), turn.id) }
      return step
    }
  }

  /// What an instruction that was executed in place stored of the host.
  private func hideHost(
    _ instruction: Instruction, _ operand: @autoclosure () -> MemoryOperand, _ id: AddressSpaceID
  ) throws(MachineError) {
    let constants = instruction.constantsOverStateSave
    if constants.isEmpty { return }
    let start = GuestAddress(operand().address)
    for (offset, bytes) in constants { _ = try host.write(id, start + offset, bytes[...]) }
  }

  /// `popf` with the trap flag on the stack.
  private func popFlags(
    _ next: UInt64, _ index: Int, _ instruction: Instruction, _ turn: inout Turn
  ) throws(MachineError) -> Step {
    let size = instruction.prefixes.contains(.operandSize) ? 2 : 8
    let bytes = try host.read(turn.id, GuestAddress(turn.registers.rsp), size)
    if bytes.count < size {
      return .trap(.fault(Fault(signal: 11, code: 1, address: GuestAddress(turn.registers.rsp))))
    }
    let value = bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    // What popf may change in user mode: CF PF AF ZF SF TF DF OF NT AC ID.
    let mask: UInt64 = size == 2 ? 0x4dd5 : 0x24_4dd5
    turn.registers.eflags = turn.registers.eflags & ~mask | value & mask
    turn.registers.rsp += UInt64(size)
    turn.registers.rip = next
    if turn.mode == .trapFlag {
      turn.popSetsTrapFlag = true
      return stretchEnded(next, tick: false, &turn)
    }
    if case .last(let left) = turn.mode, left == index + 1 || turn.isWanted(next) {
      return .trap(.budget(StopPoint(instructions: UInt32(turn.instructionsMost - left + index + 1))))
    }
    // The trap comes after the next instruction.
    return try trapFlagStep(next, &turn)
  }

  /// Executes the guest's own instruction where it stands: an ordinary one whose form has no equivalent elsewhere.
  func executeInPlace(_ pc: UInt64, _ index: Int, isTick: Bool, _ turn: inout Turn) throws(MachineError) -> Step {
    counters.instructionsExecutedInPlace += 1
    let bytes = try host.read(turn.id, GuestAddress(pc), 15)
    let flow = bytes.withUnsafeBufferPointer { decode($0.baseAddress!, available: $0.count).flow }
    if flow.isSpecial { counters.specialInstructionsInPlace += 1 }
    let status = host.step(turn.stub, turn.registers)
    try host.checkStopped(turn.stub, status)
    guard case .fault(let info) = try host.stop(turn.stub, status) else {
      throw MachineError("an instruction at \(GuestAddress(pc)) could not be executed in place")
    }
    turn.stub.heldIsKnown = true
    turn.registers = turn.stub.held
    turn.registers.origRax = ~0
    turn.registers.eflags &= ~(Self.trapFlag | Registers.resumeFlag)
    if info.signal == HostSignal.trap {
      scratch.count = index + 1
      if turn.mode == .normal { turn.mode = .short }
      return stretchEnded(turn.registers.rip, tick: isTick, &turn)
    }
    let page = info.address & ~(GuestAddress.pageSize - 1)
    if info.signal == HostSignal.segmentation, turn.space.protectedPages.contains(page) {
      let range = GuestRange(GuestAddress(page), GuestAddress(page + GuestAddress.pageSize))
      try invalidate(range, in: turn.space, turn.id)
      if !turn.stub.queue.isEmpty { try turn.stub.flush() }
      return try executeInPlace(pc, index, isTick: isTick, &turn)
    }
    return .trap(.fault(described(info, at: pc)))
  }
}

extension Flow {
  /// Whether the result depends on the machine or the moment.
  fileprivate var isSpecial: Bool {
    switch self {
    case .cpuid, .rdtsc, .rdtscp, .rdrand, .rdseed, .rdpid, .xgetbv: true
    default: false
    }
  }
}
