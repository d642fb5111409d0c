// What happens to pending signals before a task goes on in guest code: get_signal of kernel/signal.c and
// arch_do_signal_or_restart of arch/x86/kernel/signal.c.

import LinuxABI
import Platform

extension Kernel {
  /// What get_signal found.
  private enum Delivery {
    /// Nothing (more) to deliver.
    case none
    case handler(SignalInfo, SignalAction)
    /// The task stopped or is ending.
    case leftUser
  }

  /// Delivers what is pending before the task goes on in guest code: builds frames, stops, ends, or restarts the
  /// interrupted syscall. Afterwards the task may no longer be in `.user`.
  func deliverSignals(_ task: Task) {
    while true {
      switch nextDelivery(task) {
      case .handler(let info, let action):
        handle(info, action, in: task)
      case .leftUser:
        return
      case .none:
        restartWithoutHandler(task)
        if let mask = task.signals.savedMask {
          task.signals.savedMask = nil
          task.signals.mask = mask
          if hasDeliverableSignal(task) { continue }
        }
        return
      }
    }
  }

  /// get_signal.
  private func nextDelivery(_ task: Task) -> Delivery {
    let group = task.group
    while true {
      if group.exitStatus != nil || (group.execTask != nil && group.execTask !== task) {
        endTask(task, status: group.exitStatus ?? 0)
        return .leftUser
      }
      if task.signals.stopPending {
        enterGroupStop(task)
        return .leftUser
      }
      guard let info = dequeueSignal(task, outside: task.signals.mask) else { return .none }
      let action = group.handlers.actions[info.signal]
      if action.isIgnore { continue }
      if !action.isDefault {
        if action.flags & SignalActionFlag.resetHandler != 0 {
          group.handlers.actions[info.signal].handler = GuestAddress(0)
        }
        return .handler(info, action)
      }
      if SignalSet.ignoredByDefault.contains(info.signal) || group === initProcess { continue }
      noteDelivery(info, to: task, handler: GuestAddress(0))
      if SignalSet.stopping.contains(info.signal) {
        if info.signal != SignalNumber.stop && isOrphaned(group.processGroup) { continue }
        beginGroupStop(group, by: info.signal)
        enterGroupStop(task)
        return .leftUser
      }
      noteFatalSignal(info, task)
      beginGroupExit(group, status: Int32(info.signal), cause: nil, except: task)
      endTask(task, status: Int32(info.signal))
      return .leftUser
    }
  }

  /// dequeue_signal: the task's own queue first, then that of its process.
  func dequeueSignal(_ task: Task, outside mask: SignalSet) -> SignalInfo? {
    defer { task.signals.needsRecheck = true }
    guard
      var info = task.signals.pending.take(outside: mask) ?? task.group.signals.pending.take(outside: mask)
    else { return nil }
    timerSignalTaken(&info, by: task)
    return info
  }

  // MARK: Restarting syscalls

  /// No handler runs: the syscall is made again, by restart_syscall(2) where it has kept state.
  private func restartWithoutHandler(_ task: Task) {
    guard let number = task.syscallInProgress else { return }
    task.syscallInProgress = nil
    switch Errno(rawValue: Int32(truncatingIfNeeded: -Int64(bitPattern: task.context.registers.rax))) {
    case .ERESTARTNOHAND, .ERESTARTSYS, .ERESTARTNOINTR:
      repeatSyscall(task, number)
    case .ERESTART_RESTARTBLOCK:
      repeatSyscall(task, SyscallNumber.restart_syscall)
    default:
      break
    }
  }

  private func repeatSyscall(_ task: Task, _ number: UInt64) {
    task.context.registers.rax = number
    task.context.registers.rip &-= 2
  }

  /// handle_signal: resolves the restart errno for a handler, and builds its frame.
  private func handle(_ info: SignalInfo, _ action: SignalAction, in task: Task) {
    if let number = task.syscallInProgress {
      task.syscallInProgress = nil
      switch Errno(rawValue: Int32(truncatingIfNeeded: -Int64(bitPattern: task.context.registers.rax))) {
      case .ERESTART_RESTARTBLOCK, .ERESTARTNOHAND:
        interruptSyscall(task)
      case .ERESTARTSYS where action.flags & SignalActionFlag.restart == 0:
        interruptSyscall(task)
      case .ERESTARTSYS, .ERESTARTNOINTR:
        repeatSyscall(task, number)
      default:
        break
      }
    }
    noteDelivery(info, to: task, handler: action.handler)
    if buildFrame(info, action, for: task) {
      var mask = task.signals.mask.union(action.mask)
      if action.flags & SignalActionFlag.noDefer == 0 { mask.insert(SignalSet(info.signal)) }
      task.signals.mask = mask.blockable
      task.signals.savedMask = nil
    } else {
      // force_sigsegv: when the frame of SIGSEGV itself cannot be written, its handler goes.
      force(
        SignalInfo(signal: SignalNumber.segv, code: SignalCode.kernel), on: task,
        alwaysDefault: info.signal == SignalNumber.segv)
    }
  }

  private func interruptSyscall(_ task: Task) {
    task.restartBlock = nil
    task.context.registers.rax = UInt64(bitPattern: -Int64(Errno.EINTR.rawValue))
  }

  // MARK: Stopping and continuing

  /// do_signal_stop: every task of the process is asked to stop.
  private func beginGroupStop(_ group: ThreadGroup, by signal: Int) {
    group.signals.stopSignal = signal
    group.signals.isStopped = false
    for task in group.tasks where !task.hasEnded {
      if case .groupStopped = task.runState { continue }
      task.signals.stopPending = true
      wakeForSignal(task, fatal: false)
    }
  }

  private func enterGroupStop(_ task: Task) {
    task.signals.stopPending = false
    task.signals.needsRecheck = true
    task.runState = .groupStopped
    completeGroupStop(task.group)
  }

  /// When the last task has stopped (or ended), the parent is told.
  func completeGroupStop(_ group: ThreadGroup) {
    guard group.signals.stopSignal != 0, !group.signals.isStopped else { return }
    var anyStopped = false
    for task in group.tasks where !task.hasEnded {
      guard case .groupStopped = task.runState else { return }
      anyStopped = true
    }
    guard anyStopped else { return }
    group.signals.isStopped = true
    group.signals.unreportedStop = group.signals.stopSignal
    group.signals.unreportedContinue = false
    tellParentOfJobControl(group, code: SignalCode.childStopped, status: group.signals.stopSignal)
  }

  /// SIGCONT was sent: stopped tasks go on, whether or not the signal itself is blocked or ignored.
  func continueGroup(_ group: ThreadGroup) {
    let signal = group.signals.stopSignal
    let wasStopped = group.signals.isStopped
    for task in group.tasks {
      task.signals.stopPending = false
      task.signals.needsRecheck = true
      if case .groupStopped = task.runState {
        task.runState = .user
        scheduler.enqueue(task)
      }
    }
    guard signal != 0 else { return }
    group.signals.stopSignal = 0
    group.signals.isStopped = false
    group.signals.unreportedStop = 0
    group.signals.unreportedContinue = true
    tellParentOfJobControl(
      group, code: wasStopped ? SignalCode.childContinued : SignalCode.childStopped,
      status: wasStopped ? SignalNumber.cont : signal)
  }

  /// do_notify_parent_cldstop.
  private func tellParentOfJobControl(_ group: ThreadGroup, code: Int32, status: Int) {
    guard let parent = group.parent else { return }
    let action = parent.handlers.actions[SignalNumber.chld]
    if !action.isIgnore && action.flags & SignalActionFlag.noChildStop == 0 {
      send(childSignal(SignalNumber.chld, from: group, code: code, status: Int32(status)), to: parent)
    }
    parent.childEvents.wakeAll(self)
  }

  /// The siginfo that tells a parent of its child.
  func childSignal(_ signal: Int, from group: ThreadGroup, code: Int32, status: Int32) -> SignalInfo {
    let usage = group.totalUsage
    return SignalInfo(
      signal: signal, code: code, sender: group.id, senderUser: group.leader?.credentials.realUser ?? 0,
      value: UInt64(UInt32(bitPattern: status)), userTime: usage.userTime.rawValue / 10_000_000,
      systemTime: usage.systemTime.rawValue / 10_000_000)
  }
}
