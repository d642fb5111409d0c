// One turn of a guest task: instruction by instruction, until one traps or the limit is reached.
import CLinux
import Platform
import Translator

/// A run in progress.
struct SteppedTurn {
  let id: AddressSpaceID
  let space: SteppedSpace
  let stub: Stub
  let state: ContextState
  let task: SteppedTask
  let limit: RunLimit
  /// The guest's, without its trap flag.
  var registers: Registers
  var trapFlag: Bool
  /// Of the limit; nil without one, and once they are used up.
  var ticksLeft: UInt64?
  /// Of the limit, once its ticks are used up.
  var instructionsLeft: UInt32?
  /// The limit's ticks are used up, and updates count: those to come until the stop, those since the last tick, and ticks
  /// until there is a stop without.
  var updatesLeft: UInt32?
  var updatesSinceTick: UInt32 = 0
  var ticksForUpdatesLeft = RunLimit.ticksForUpdatesMax
  /// What the split update that the turn starts with has loaded.
  var loaded: UInt64?
}

extension SteppedMachine {
  private static let trapFlag: UInt64 = 0x100
  private static let debugBreakpoint: Int32 = 1, debugTrace: Int32 = 2, illegalOperand: Int32 = 2, fromKernel: Int32 = 128

  public func run(_ context: ExecutionContext, limit: RunLimit) throws(MachineError) -> Trap {
    precondition(limit.ticks != 0 || limit.instructions > 0 || limit.updates > 0, "a limit that lets nothing run")
    var turn = SteppedTurn(
      id: context.space, space: try space(context.space), stub: try host.stub(context.space),
      state: try host.state(context.id), task: try task(context.id), limit: limit, registers: context.registers,
      trapFlag: context.registers.eflags & Self.trapFlag != 0)
    clock.begin(context.id, ticks: turn.task.ticks)
    turn.registers.origRax = ~0
    turn.registers.eflags &= ~(Self.trapFlag | Registers.resumeFlag)
    turn.ticksLeft = limit.ticks
    if (limit.ticks ?? 0) == 0 && limit.updates > 0 {
      turn.ticksLeft = nil
      turn.updatesLeft = limit.updates
    } else if limit.ticks == 0 {
      turn.ticksLeft = nil
      turn.instructionsLeft = limit.instructions
    }
    if let split = turn.task.split, split.pc == turn.registers.rip { turn.loaded = split.value }
    turn.task.split = nil
    if !turn.stub.queue.isEmpty { try turn.stub.flush() }
    _ = try turn.state.prepare(in: turn.stub, mayDetour: false)
    while true {
      if rsb_interrupt_requested() != 0 { return .interrupted }
      guard let trap = try advance(&turn) else { continue }
      // The processor sets it in what it saves at a fault (Intel SDM 3B, 18.3.1.1), not at a trap.
      if case .fault(let fault) = trap, fault.signal != UInt8(HostSignal.trap) { turn.registers.eflags |= Registers.resumeFlag }
      if turn.trapFlag { turn.registers.eflags |= Self.trapFlag }
      context.registers = turn.registers
      return trap
    }
  }

  /// One instruction. Returns why the run ends, if it does.
  private func advance(_ turn: inout SteppedTurn) throws(MachineError) -> Trap? {
    let pc = turn.registers.rip
    if let number = VsyscallPage.number(at: pc) {
      turn.registers.rax = number
      return .vsyscall
    }
    // In the vsyscall page no other address is code, whatever the host's kernel makes of that.
    if !Self.isCanonical(pc) || VsyscallPage.contains(pc) { return .fault(Fault(signal: 11, code: Self.fromKernel, address: GuestAddress(0))) }
    let bytes = try code(at: pc, SteppedCode.instructionBytesMax, turn)
    let instruction = bytes.instruction(at: 0)
    if instruction.length == 0 {
      let outcome = try step(&turn)
      guard case .fault(let fault) = outcome else { throw wrong(pc, bytes, "executed, though its bytes are cut off") }
      return .fault(fault)
    }
    if instruction.flow == .rdtsc, clock.isOpen { return try readClock(instruction, &turn) }
    if instruction.flow == .cpuid, let answer = answer(turn.registers) { return try take(answer, instruction, &turn) }
    if let trap = try trapped(instruction, bytes, &turn) { return trap }
    instructionsExecuted += 1
    if let update = SteppedUpdate(instruction, bytes) {
      if let value = turn.loaded {
        turn.loaded = nil
        return try store(value, update, instruction, bytes, &turn)
      }
      if !turn.trapFlag, let trap = try count(update, &turn) { return trap }
    }
    turn.loaded = nil
    return try execute(instruction, bytes, &turn)
  }

  /// Steps over an ordinary instruction and looks at where it led.
  private func execute(
    _ instruction: Instruction, _ bytes: SteppedCode, _ turn: inout SteppedTurn
  ) throws(MachineError) -> Trap? {
    let pc = turn.registers.rip
    let next = pc &+ UInt64(instruction.length)
    let wasTraced = turn.trapFlag
    let before = turn.registers
    let popped = try poppedTrapFlag(instruction, turn)
    if instruction.prefixes.contains(.operandSize), instruction.flow.isNearBranch {
      throw wrong(pc, bytes, "a branch with an operand-size prefix: processors of different makers disagree")
    }
    if case .fault(let fault) = try step(&turn) {
      guard let target = try nonCanonicalTarget(instruction, bytes, turn) else { return .fault(fault) }
      return try arrive(at: target, instruction, pushing: next, wasTraced: wasTraced, &turn)
    }
    while !wasTraced && turn.registers.rip == pc && instruction.isRepeatedString(bytes) {
      if case .fault(let fault) = try step(&turn) { return .fault(fault) }
    }
    if let popped { turn.trapFlag = popped }
    if !wasTraced { try hideTrapFlag(instruction, turn) }
    try hideHost(instruction, bytes, before, turn)
    let reached = turn.registers.rip
    var isTick = false
    switch instruction.flow {
    case .ret, .callIndirect, .jumpIndirect: isTick = true
    case .jump, .conditional, .counted, .call:
      let target = next &+ UInt64(bitPattern: Int64(bytes.branchDisplacement(instruction)))
      let mayFallThrough = instruction.flow == .conditional || instruction.flow == .counted
      if reached != target && !(mayFallThrough && reached == next) { throw wrong(pc, bytes, "led to \(GuestAddress(reached))") }
      isTick = reached == target && target <= pc
    default:
      let isRound = wasTraced && reached == pc && instruction.isRepeatedString(bytes)
      if reached != next && !isRound { throw wrong(pc, bytes, "led to \(GuestAddress(reached)), not to its end") }
    }
    return try executed(isTick: isTick, wasTraced: wasTraced, &turn)
  }

  /// Where an indirect branch leads, if no address can be that. Processors fault at the branch then; translated code gets
  /// there, and faults there (`TickDefinition`).
  private func nonCanonicalTarget(
    _ instruction: Instruction, _ code: SteppedCode, _ turn: SteppedTurn
  ) throws(MachineError) -> UInt64? {
    let place: GuestAddress
    switch instruction.flow {
    case .ret: place = GuestAddress(turn.registers.rsp)
    case .callIndirect, .jumpIndirect:
      if let operand = SteppedOperand(instruction, code) {
        place = operand.address(turn.registers)
      } else {
        let target = turn.registers.general(instruction.modrm & 7 | (instruction.rex & 1) << 3)
        return Self.isCanonical(target) ? nil : target
      }
    default: return nil
    }
    let bytes = try host.read(turn.id, place, 8)
    let target = bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    return bytes.count < 8 || Self.isCanonical(target) ? nil : target
  }

  private static func isCanonical(_ address: UInt64) -> Bool { address >> 47 == 0 || address >> 47 == 0x1_ffff }

  /// The branch to such a target.
  private func arrive(
    at target: UInt64, _ instruction: Instruction, pushing next: UInt64, wasTraced: Bool, _ turn: inout SteppedTurn
  ) throws(MachineError) -> Trap? {
    switch instruction.flow {
    case .ret:
      turn.registers.rsp &+= 8
      if instruction.immediateSize == 2 {
        let immediate = try host.read(turn.id, GuestAddress(turn.registers.rip + UInt64(instruction.immediateOffset)), 2)
        turn.registers.rsp &+= UInt64(immediate[0]) | UInt64(immediate[1]) << 8
      }
    case .callIndirect:
      let bytes = (0..<8).map { UInt8(truncatingIfNeeded: next >> UInt64(8 * $0)) }
      let place = GuestAddress(turn.registers.rsp &- 8)
      // Where nothing can be pushed the call itself faults.
      if try host.write(turn.id, place, bytes[...]) < 8 { return .fault(Fault(signal: 11, code: 1, address: place)) }
      turn.registers.rsp = place.rawValue
    default: break
    }
    turn.registers.rip = target
    return try executed(isTick: true, wasTraced: wasTraced, &turn)
  }

  /// Counts what was executed.
  private func executed(isTick: Bool, wasTraced: Bool, _ turn: inout SteppedTurn) throws(MachineError) -> Trap? {
    if isTick { turn.task.ticks += 1 }
    if wasTraced {
      return .fault(Fault(signal: 5, code: Self.debugTrace, address: GuestAddress(turn.registers.rip)))
    }
    if isTick {
      if turn.instructionsLeft != nil { return .budget(StopPoint()) }
      if turn.updatesLeft != nil {
        turn.updatesSinceTick = 0
        turn.ticksForUpdatesLeft -= 1
        if turn.ticksForUpdatesLeft == 0 { return .budget(StopPoint()) }
      }
      if let left = turn.ticksLeft {
        turn.ticksLeft = left - 1
        if left == 1 {
          turn.ticksLeft = nil
          if turn.limit.updates > 0 {
            turn.updatesLeft = turn.limit.updates
            return nil
          }
          if turn.limit.instructions == 0 { return .budget(StopPoint()) }
          turn.instructionsLeft = turn.limit.instructions
        }
      }
    } else if let left = turn.instructionsLeft {
      turn.instructionsLeft = left - 1
      if left == 1 { return .budget(StopPoint(instructions: turn.limit.instructions)) }
    }
    return nil
  }

  /// RDTSC while the clock is the machine's to answer for.
  private func readClock(_ instruction: Instruction, _ turn: inout SteppedTurn) throws(MachineError) -> Trap? {
    clockReadings += 1
    let time = UInt64(bitPattern: clock.nanoseconds(ticks: turn.task.ticks, readings: clockReadings))
    turn.registers.rax = time & 0xffff_ffff
    turn.registers.rdx = time >> 32
    return try answered(instruction, &turn)
  }

  private func answer(_ registers: Registers) -> ProcessorAnswer? {
    answers.first { $0.matches(leaf: UInt32(truncatingIfNeeded: registers.rax), subleaf: UInt32(truncatingIfNeeded: registers.rcx)) }
  }

  /// CPUID that is answered here.
  private func take(_ answer: ProcessorAnswer, _ instruction: Instruction, _ turn: inout SteppedTurn) throws(MachineError) -> Trap? {
    (turn.registers.rax, turn.registers.rbx) = (UInt64(answer.eax), UInt64(answer.ebx))
    (turn.registers.rcx, turn.registers.rdx) = (UInt64(answer.ecx), UInt64(answer.edx))
    return try answered(instruction, &turn)
  }

  /// Goes on behind an instruction whose results are in the registers.
  private func answered(_ instruction: Instruction, _ turn: inout SteppedTurn) throws(MachineError) -> Trap? {
    instructionsExecuted += 1
    turn.loaded = nil
    turn.registers.rip &+= UInt64(instruction.length)
    return try executed(isTick: false, wasTraced: turn.trapFlag, &turn)
  }

  // MARK: Updates

  /// Stops before an update that is the limit's last.
  private func count(_ update: SteppedUpdate, _ turn: inout SteppedTurn) throws(MachineError) -> Trap? {
    guard let left = turn.updatesLeft else { return nil }
    turn.updatesSinceTick += 1
    turn.updatesLeft = left - 1
    if left > 1 { return nil }
    let present = try host.read(turn.id, update.operand.address(turn.registers), update.size)
    guard present.count == update.size else {
      // It faults as a whole, and was not the last.
      turn.updatesLeft = 1
      return nil
    }
    let value = present.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    turn.task.split = (turn.registers.rip, value)
    return .budget(StopPoint(updates: turn.updatesSinceTick, loadedValue: value))
  }

  /// The rest of a split update: the instruction itself, with what it has loaded in place of what is there now.
  private func store(
    _ value: UInt64, _ update: SteppedUpdate, _ instruction: Instruction, _ bytes: SteppedCode, _ turn: inout SteppedTurn
  ) throws(MachineError) -> Trap? {
    let address = update.operand.address(turn.registers)
    let present = try host.read(turn.id, address, update.size)
    let loaded = (0..<update.size).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
    let replaced = try host.write(turn.id, address, loaded[...])
    let trap = try execute(instruction, bytes, &turn)
    if case .fault(let fault) = trap, fault.signal != UInt8(HostSignal.trap) {
      _ = try host.write(turn.id, address, present.prefix(replaced))
    }
    return trap
  }

  // MARK: Instructions that are not stepped over

  private func trapped(
    _ instruction: Instruction, _ bytes: SteppedCode, _ turn: inout SteppedTurn
  ) throws(MachineError) -> Trap? {
    let pc = turn.registers.rip
    let length = instruction.length
    let undefined = Trap.fault(Fault(signal: 4, code: Self.illegalOperand, address: GuestAddress(pc)))
    switch instruction.flow {
    case .cpuid: return .instruction(.cpuid, length: length)
    case .rdtsc: return .instruction(.rdtsc, length: length)
    case .rdtscp: return .instruction(.rdtscp, length: length)
    case .rdrand: return .instruction(.rdrand, length: length)
    case .rdseed: return .instruction(.rdseed, length: length)
    case .rdpid: return .instruction(.rdpid, length: length)
    case .xgetbv: return .instruction(.xgetbv, length: length)
    case .syscall: return try native(&turn)
    case .interrupt where bytes.bytes[Int(instruction.immediateOffset)] == 0x80: return .foreignSyscall
    case .breakpoint, .interrupt: return try native(&turn)
    case .icebp:
      // A trap by the manual (Intel SDM 2A, INT n), which hypervisors may make a fault.
      turn.registers.rip = pc &+ UInt64(length)
      return .fault(Fault(signal: 5, code: Self.debugBreakpoint, address: GuestAddress(turn.registers.rip)))
    // What a guest shall not have, or no program of user mode can.
    case .sysenter, .far, .transaction, .gsBase: return undefined
    case .undefined:
      // Too long is another exception than undefined: the processor tells which.
      let before = turn.registers
      if case .fault(let fault) = try step(&turn) { return .fault(fault) }
      turn.registers = before
      return undefined
    case .unknown: throw wrong(pc, bytes, "an instruction that the decoder does not know")
    case .plain:
      return instruction.prefixes.contains(.evex) && !allowsAVX512 ? undefined : nil
    case .jump, .conditional, .counted, .call, .ret, .jumpIndirect, .callIndirect, .popFlags: return nil
    }
  }

  /// An instruction that certainly traps, executed by the processor as in the direct engine: single steps would show in
  /// what a call leaves in r11, and hide in the debug exceptions of others.
  private func native(_ turn: inout SteppedTurn) throws(MachineError) -> Trap {
    var registers = turn.registers
    if turn.trapFlag { registers.eflags |= Self.trapFlag }
    guard var status = try host.turn(turn.stub, turn.state, registers, wallSeconds: 0) else { return .interrupted }
    while true {
      try host.checkStopped(turn.stub, status)
      let stop = try host.stop(turn.stub, status)
      turn.stub.heldIsKnown = true
      switch stop {
      case .other: status = host.resume(turn.stub)
      case .systemCall:
        take(&turn)
        turn.registers.origRax = turn.stub.held.origRax
        turn.registers.r11 &= ~Registers.statusFlags
        return .syscall
      case .fault(let info):
        take(&turn)
        return .fault(
          Fault(signal: UInt8(truncatingIfNeeded: info.signal), code: info.code, address: GuestAddress(info.address)))
      case .interrupted: return .interrupted
      case .unresponsive: return .unresponsive
      }
    }
  }

  // MARK: Steps

  private enum Outcome {
    case stepped
    case fault(Fault)
  }

  /// One instruction, or one round of a repeated one, by the processor.
  private func step(_ turn: inout SteppedTurn) throws(MachineError) -> Outcome {
    let pc = turn.registers.rip
    while true {
      let status = host.step(turn.stub, turn.registers)
      try host.checkStopped(turn.stub, status)
      let stop = try host.stop(turn.stub, status)
      turn.stub.heldIsKnown = true
      switch stop {
      case .fault(let info):
        take(&turn)
        if info.signal == HostSignal.trap { return .stepped }
        let hasAddress = info.signal == HostSignal.segmentation || info.signal == HostSignal.bus
        return .fault(
          Fault(
            signal: UInt8(truncatingIfNeeded: info.signal), code: info.code,
            address: GuestAddress(hasAddress ? info.address : pc)))
      // A signal for the stub came first: nothing was executed.
      case .other: if turn.stub.held.rip != pc { throw MachineError("a step over \(GuestAddress(pc)) was lost") }
      case .systemCall, .interrupted, .unresponsive: throw MachineError("a step at \(GuestAddress(pc)) stopped oddly")
      }
    }
  }

  private func take(_ turn: inout SteppedTurn) {
    turn.registers = turn.stub.held
    turn.registers.origRax = ~0
    turn.registers.eflags &= ~(Self.trapFlag | Registers.resumeFlag)
  }

  /// Whether `popf`, which comes next, sets the trap flag; nil for other instructions.
  private func poppedTrapFlag(_ instruction: Instruction, _ turn: SteppedTurn) throws(MachineError) -> Bool? {
    guard instruction.flow == .popFlags else { return nil }
    let high = try host.read(turn.id, GuestAddress(turn.registers.rsp &+ 1), 1)
    return high.first.map { $0 & 1 != 0 } ?? false
  }

  /// `pushf` shows the trap flag of the step.
  private func hideTrapFlag(_ instruction: Instruction, _ turn: SteppedTurn) throws(MachineError) {
    guard instruction.map == 0, instruction.opcode == 0x9c, instruction.prefixes.isDisjoint(with: [.vex, .evex, .xop]) else {
      return
    }
    let place = GuestAddress(turn.registers.rsp &+ 1)
    guard let high = try host.read(turn.id, place, 1).first else { return }
    _ = try host.write(turn.id, place, [high & ~1])
  }

  /// What `instruction`, executed with these registers, stored of the host.
  private func hideHost(
    _ instruction: Instruction, _ code: SteppedCode, _ registers: Registers, _ turn: SteppedTurn
  ) throws(MachineError) {
    for (offset, bytes) in SteppedStateSave.constants(instruction) {
      guard let operand = SteppedOperand(instruction, code) else { return }
      _ = try host.write(turn.id, operand.address(registers) + offset, bytes[...])
    }
  }

  // MARK: Code

  /// What can be fetched from `pc` on, at most `count` bytes.
  private func code(at pc: UInt64, _ count: Int, _ turn: SteppedTurn) throws(MachineError) -> SteppedCode {
    var end = pc
    while end &- pc < UInt64(count), let mapping = turn.space.mappings.mapping(at: GuestAddress(end)),
      mapping.protection.contains(.execute)
    {
      end = mapping.range.end.rawValue
    }
    var bytes = [UInt8](repeating: 0, count: min(count, Int(clamping: end &- pc)))
    if !bytes.isEmpty { bytes.removeLast(bytes.count - max(0, rsb_process_read(turn.stub.pid, &bytes, pc, bytes.count))) }
    return SteppedCode(bytes: bytes + [0])
  }

  private func wrong(_ pc: UInt64, _ code: SteppedCode, _ what: String) -> MachineError {
    let bytes = code.bytes.prefix(code.count).map { String($0, radix: 16) }.joined(separator: " ")
    return MachineError("the instruction at \(GuestAddress(pc)), \(bytes): \(what)")
  }
}

extension Flow {
  fileprivate var isNearBranch: Bool {
    switch self {
    case .jump, .conditional, .counted, .call, .ret, .jumpIndirect, .callIndirect: true
    default: false
    }
  }
}
