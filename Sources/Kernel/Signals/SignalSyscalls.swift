// Calls on masks, actions and waiting for signals. Sending has a file of its own.

import LinuxABI
import Platform

extension SyscallTable {
  static var signalSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.rt_sigaction, .full, sysSigaction),
      SyscallEntry(SyscallNumber.rt_sigprocmask, .full, sysSigprocmask),
      SyscallEntry(SyscallNumber.rt_sigpending, .full, sysSigpending),
      SyscallEntry(SyscallNumber.rt_sigsuspend, .full, sysSigsuspend),
      SyscallEntry(SyscallNumber.rt_sigtimedwait, .full, sysSigtimedwait),
      SyscallEntry(SyscallNumber.rt_sigreturn, .partial("selectors are always those of 64-bit code"), sysSigreturn),
      SyscallEntry(SyscallNumber.sigaltstack, .full, sysSigaltstack),
      SyscallEntry(SyscallNumber.pause, .full, sysPause),
      SyscallEntry(SyscallNumber.restart_syscall, .full, sysRestartSyscall),
    ] + signalSendingSyscalls
  }

  /// sizeof(sigset_t) in the kernel; every call with a set checks it.
  private static func checkSetSize(_ size: UInt64) throws(Errno) {
    if size != 8 { throw .EINVAL }
  }

  private static func loadSet(_ call: Syscall, _ index: Int) throws(Errno) -> SignalSet {
    SignalSet(rawValue: try call.memory.load(call.address(index)))
  }

  /// rt_sigaction(2).
  private static func sysSigaction(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    try checkSetSize(call[3])
    let signal = Int(call.int32(0))
    var new: SignalAction?
    if call[1] != 0 {
      let bytes = try call.memory.copyIn(call.address(1), 32)
      new = SignalAction(
        handler: GuestAddress(bytes.integer(at: 0)),
        flags: bytes.integer(at: 8, as: UInt64.self) & SignalActionFlag.known,
        restorer: GuestAddress(bytes.integer(at: 16)),
        mask: SignalSet(rawValue: bytes.integer(at: 24)).blockable)
    }
    if signal < 1 || signal > SignalNumber.max { throw .EINVAL }
    if new != nil && SignalSet.unblockable.contains(signal) { throw .EINVAL }
    let group = call.task.group
    let old = group.handlers.actions[signal]
    if let new {
      group.handlers.actions[signal] = new
      // POSIX 3.3.1.3: to ignore a signal forgets a pending one, blocked or not.
      if new.ignores(signal) {
        call.kernel.discard(SignalSet(signal), in: group)
        for task in group.tasks { task.signals.needsRecheck = true }
      }
    }
    if call[2] != 0 {
      var bytes = [UInt8](repeating: 0, count: 32)
      bytes.setInteger(old.handler.rawValue, at: 0)
      bytes.setInteger(old.flags, at: 8)
      bytes.setInteger(old.restorer.rawValue, at: 16)
      bytes.setInteger(old.mask.rawValue, at: 24)
      try call.memory.copyOut(call.address(2), bytes)
    }
    return .success
  }

  /// rt_sigprocmask(2).
  private static func sysSigprocmask(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    try checkSetSize(call[3])
    let old = call.task.signals.mask
    if call[1] != 0 {
      let set = try loadSet(call, 1).blockable
      switch call.int32(0) {
      case 0: call.task.signals.mask = old.union(set)
      case 1: call.task.signals.mask = old.subtracting(set)
      case 2: call.task.signals.mask = set
      default: throw .EINVAL
      }
    }
    if call[2] != 0 { try call.memory.store(call.address(2), old.rawValue) }
    return .success
  }

  /// rt_sigpending(2): blocked signals that wait. The size may be smaller than the set.
  private static func sysSigpending(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call[1] > 8 { throw .EINVAL }
    let task = call.task
    let pending = task.signals.pending.set.union(task.group.signals.pending.set).intersection(task.signals.mask)
    var bytes = [UInt8](repeating: 0, count: 8)
    bytes.setInteger(pending.rawValue, at: 0)
    try call.memory.copyOut(call.address(0), bytes[..<Int(call[1])])
    return .success
  }

  /// rt_sigsuspend(2).
  private static func sysSigsuspend(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    // Woken by a signal: its handler's frame gets the saved mask.
    if call.wake != nil { throw .ERESTARTNOHAND }
    try checkSetSize(call[1])
    let set = try loadSet(call, 0)
    call.task.signals.savedMask = call.task.signals.mask
    call.task.signals.mask = set.blockable
    return .block(Block(on: [], reason: .signal))
  }

  /// pause(2).
  private static func sysPause(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call.wake != nil { throw .ERESTARTNOHAND }
    return .block(Block(on: [], reason: .signal))
  }

  /// rt_sigtimedwait(2), after do_sigtimedwait: what is waited for is unblocked for the time of the wait.
  private static func sysSigtimedwait(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let task = call.task
    let isResumed = call.wake != nil
    if isResumed {
      task.signals.mask.formUnion(task.signals.awaited)
      task.signals.awaited = []
    } else {
      try checkSetSize(call[3])
    }
    let wanted = try loadSet(call, 0).blockable
    var deadline: Nanoseconds?
    if !isResumed && call[2] != 0 {
      let seconds = try call.memory.load(call.address(2), as: Int64.self)
      let nanoseconds = try call.memory.load(call.address(2) + 8, as: Int64.self)
      if seconds < 0 || nanoseconds < 0 || nanoseconds >= 1_000_000_000 { throw .EINVAL }
      let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
      deadline = call.kernel.clock.monotonic + (overflow ? .max : Nanoseconds(product) + Nanoseconds(nanoseconds))
    }
    if let info = call.kernel.dequeueSignal(task, outside: SignalSet(rawValue: ~wanted.rawValue)) {
      if call[1] != 0 { try call.memory.copyOut(call.address(1), info.encoded()) }
      return .value(info.signal)
    }
    if isResumed { throw call.wake == .timeout ? .EAGAIN : .EINTR }
    if let deadline, deadline <= call.kernel.clock.monotonic { throw .EAGAIN }
    task.signals.awaited = wanted.intersection(task.signals.mask)
    task.signals.mask.subtract(wanted)
    return .block(Block(on: [], until: deadline, reason: .signal))
  }

  /// rt_sigreturn(2).
  private static func sysSigreturn(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    call.kernel.returnFromHandler(call.task)
    return .registersSet
  }

  /// sigaltstack(2).
  private static func sysSigaltstack(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let task = call.task
    let old = task.signals.alternateStack
    var oldFlags = old.flags & Int32.min
    if old.size == 0 {
      oldFlags |= 2
    } else if task.isOnAlternateStack(task.context.registers.rsp) {
      oldFlags |= 1
    }
    if call[0] != 0 {
      let bytes = try call.memory.copyIn(call.address(0), 24)
      try call.kernel.setAlternateStack(
        of: task,
        (
          GuestAddress(bytes.integer(at: 0)), bytes.integer(at: 16), bytes.integer(at: 8)
        ))
    }
    if call[1] != 0 {
      var bytes = [UInt8](repeating: 0, count: 24)
      bytes.setInteger(old.base.rawValue, at: 0)
      bytes.setInteger(oldFlags, at: 8)
      bytes.setInteger(old.size, at: 16)
      try call.memory.copyOut(call.address(1), bytes)
    }
    return .success
  }

  /// restart_syscall(2): goes on with the wait that a stop interrupted.
  private static func sysRestartSyscall(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    guard let kept = call.task.restartBlock else { throw .EINTR }
    call.task.restartBlock = nil
    call.kernel.invoke(
      Syscall(
        kernel: call.kernel, task: call.task, number: kept.number, arguments: kept.arguments, wake: nil,
        resume: kept.resume))
    return .registersSet
  }
}
