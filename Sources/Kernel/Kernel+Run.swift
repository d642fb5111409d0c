// The run loop: pick a task, let it take one step, and do what its trap asks for, until the run has a verdict.

import LinuxABI
import Platform

extension Kernel {
  /// Runs until there is a verdict, or so many traps were taken since the start, or, with `untilClone`, a task is about to
  /// create another one: then the trap is held (`isHeld`), and the next `run` begins with handling it. A verdict may
  /// come first. Throws when the host cannot go on.
  public func run(untilTraps trapsMax: UInt64 = .max, untilClone: Bool = false) throws(MachineError) {
    if heldTrap != nil && verdict == nil && statistics.traps < trapsMax { try handleHeldTrap() }
    while verdict == nil && statistics.traps < trapsMax {
      if configuration.timeout != nil && endIfTimeIsOver() { return }
      fireDueTimers()
      takeHostSignals()
      guard let task = nextTask() else {
        waitForSomething()
        continue
      }
      try step(task, holdsClone: untilClone)
      if heldTrap != nil { return }
      if let machineError { throw machineError }
    }
  }

  /// Whether a task's call that creates another task has trapped and was not handled yet.
  public var isHeld: Bool { heldTrap != nil }

  /// The rest of the step that was held.
  private func handleHeldTrap() throws(MachineError) {
    guard let trap = heldTrap, let task = scheduler.current else { preconditionFailure("a held trap of nobody") }
    heldTrap = nil
    finishStep(task, trap)
    if let machineError { throw machineError }
  }

  /// One step of a task's run loop. `holdsClone`: it may end at a call that creates a task, before that is handled.
  private func step(_ task: Task, holdsClone: Bool) throws(MachineError) {
    idleJumps = 0
    switch task.runState {
    case .user:
      if hasDeliverableSignal(task) || task.syscallInProgress != nil {
        deliverSignals(task)
        guard case .user = task.runState else { return leave(task) }
      }
      let trap = try runGuest(task)
      if holdsClone, case .syscall = trap, Self.createsTask(task.context.registers.origRax) {
        heldTrap = trap
        return
      }
      if case .syscall = trap, decisions.asksBeforeSyscalls, preemptBeforeSyscall(task) { return }
      return finishStep(task, trap)
    case .resumeSyscall(let reason):
      resumeSyscall(task, reason)
    case .exiting:
      finishExit(task)
    case .blocked, .groupStopped, .zombie, .dead:
      preconditionFailure("task \(task.id) was scheduled in state \(task.runState)")
    }
    leave(task)
  }

  /// What follows a trap, up to the end of the step.
  private func finishStep(_ task: Task, _ trap: Trap) {
    handle(trap, of: task)
    checkCPUTimers(of: task)
    // Not the slice's end: a stop to look at timers and the host.
    if case .budget = trap, scheduler.slice?.isUsedUp != true { return }
    leave(task)
  }

  private static func createsTask(_ number: UInt64) -> Bool {
    switch number {
    case SyscallNumber.clone, SyscallNumber.clone3, SyscallNumber.fork, SyscallNumber.vfork: true
    default: false
    }
  }

  // MARK: Traps

  private func handle(_ trap: Trap, of task: Task) {
    switch trap {
    case .syscall:
      statistics.syscalls += 1
      let registers = task.context.registers
      invoke(
        Syscall(
          kernel: self, task: task, number: registers.origRax, arguments: registers.syscallArguments, wake: nil,
          resume: nil))
    case .foreignSyscall:
      // A 64-bit kernel without CONFIG_IA32_EMULATION: `int 0x80` is a general protection fault.
      raiseFault(Fault(signal: 11, code: 128, address: GuestAddress(0)), in: task)
    case .vsyscall:
      emulateVsyscall(task)
    case .fault(let fault):
      raiseFault(fault, in: task)
    case .instruction(let instruction, let length):
      emulate(instruction, length: length, in: task)
    case .budget:
      break
    case .unresponsive:
      verdict = .spin(
        "task \(task.id) (\(task.name)) made no trap for \(wallSecondsMax) s at pc "
          + "\(GuestAddress(task.context.registers.rip))"
          + (scheduler.hasOthers || sleepers > 0 ? " while other tasks could run" : ""))
    case .interrupted:
      verdict = .interrupted
    }
  }

  /// Calls a handler and does what it answers.
  func invoke(_ call: Syscall) {
    let task = call.task
    guard let entry = syscalls[call.number] else {
      countUnknownSyscall(call)
      return finish(call, -Int64(Errno.ENOSYS.rawValue))
    }
    do throws(Errno) {
      switch try entry.handler(call) {
      case .value(let value): finish(call, value)
      case .registersSet: break
      case .block(let block): self.block(task, call, block)
      }
    } catch {
      if error == .ERESTART_RESTARTBLOCK, task.restartBlock == nil {
        task.restartBlock = RestartBlock(number: call.number, arguments: call.arguments, resume: call.resume)
      }
      finish(call, -Int64(error.rawValue))
    }
  }

  private func finish(_ call: Syscall, _ value: Int64) {
    call.task.context.registers.rax = UInt64(bitPattern: value)
    // Looked at by signal delivery: only restart errnos need it.
    call.task.syscallInProgress = value <= -512 && value >= -516 ? call.number : nil
  }

  private func countUnknownSyscall(_ call: Syscall) {
    if let index = statistics.unknownSyscalls.firstIndex(where: { $0.number == call.number }) {
      statistics.unknownSyscalls[index].count += 1
    } else {
      statistics.unknownSyscalls.append((call.number, 1))
    }
    observer.note(.unknownSyscall(task: call.task.id.rawValue, number: call.number))
  }

  // MARK: Blocking

  private func block(_ task: Task, _ call: Syscall, _ block: Block) {
    var blocked = BlockedSyscall(number: call.number, arguments: call.arguments, block: block, timer: nil)
    if let deadline = block.deadline, deadline < .max {
      task.waitTicket += 1
      blocked.timer = timers.arm(deadline, task, token: task.waitTicket)
      sleepers += 1
    }
    for queue in block.queues { queue.add(task) }
    task.blocked = blocked
    task.runState = .blocked
    task.usage.voluntarySwitches += 1
    if block.interruptible ? hasDeliverableSignal(task) : isKilled(task) { wake(task, .signal) }
  }

  /// Ends a task's wait. Does nothing when it is not blocked (any more).
  func wake(_ task: Task, _ reason: WakeReason) {
    guard case .blocked = task.runState else { return }
    // Piece by piece: all of it would be copied.
    if let queues = task.blocked?.block.queues { for queue in queues { queue.remove(task) } }
    if let timer = task.blocked?.timer {
      timers.cancel(timer)
      sleepers -= 1
    }
    task.runState = .resumeSyscall(reason)
    scheduler.enqueue(task)
  }

  private func resumeSyscall(_ task: Task, _ reason: WakeReason) {
    guard let blocked = task.blocked.take() else { preconditionFailure("task \(task.id) resumes no syscall") }
    task.runState = .user
    invoke(
      Syscall(
        kernel: self, task: task, number: blocked.number, arguments: blocked.arguments, wake: reason,
        resume: blocked.block.resume))
  }

  // MARK: Time and the host

  func fireDueTimers() {
    while let entry = timers.popDue(clock.monotonic) {
      entry.target.timerFired(self, token: entry.token)
    }
  }

  /// Jumps of time that let no task run, after which the timers that are left count for nothing: their signals are
  /// ignored, and they tick for ever.
  private static let idleJumpsMax = 100_000

  /// Nothing can run now: go to the next timer, wait for host input, or say that this is a deadlock.
  private func waitForSomething() {
    if host.endIsRequested { return verdict = .interrupted }
    idleJumps += 1
    let waitsForInput = tasks.tasks.values.contains { task in
      if case .blocked = task.runState, let blocked = task.blocked {
        return blocked.block.queues.contains { $0 === hostInputQueue }
      }
      return false
    }
    if waitsForInput {
      if host.inputIsReady() { return hostInputQueue.wakeAll(self) }
      if timers.nextDeadline() == nil || idleJumps >= Self.idleJumpsMax {
        host.waitForInput()
        if host.inputIsReady() { hostInputQueue.wakeAll(self) }
        return
      }
    }
    // A suspected cycle need not have its time when nothing else is left that could happen.
    if idleJumps < Self.idleJumpsMax, !timers.hasOnly(FutexWaiter.self), let deadline = timers.nextDeadline() {
      return pass(until: deadline)
    }
    verdict = .deadlock(describeDeadlock())
  }

  /// Lets time pass without work up to a timer, at most to the end of the run.
  func pass(until deadline: Nanoseconds) {
    var deadline = deadline
    if let timeout = configuration.timeout { deadline = min(deadline, Timekeeper.uptimeAtStart + timeout) }
    clock.jump(to: deadline)
    observer.note(.timeJumped(nanoseconds: UInt64(max(0, deadline.rawValue))))
  }
}

extension Task: TimerTarget {
  /// The deadline of the wait numbered `token`.
  func timerFired(_ kernel: Kernel, token: UInt64) {
    if token == waitTicket { kernel.wake(self, .timeout) }
  }
}
