// Sending signals: who gets it, whether it is dropped, and whom it wakes. After kernel/signal.c.

import LinuxABI
import Platform

/// What became of a signal that was sent.
enum SendOutcome: Hashable, Sendable {
  case queued
  /// A standard signal that was pending already, or one more expiry of a timer whose signal waits.
  case alreadyPending
  /// Dropped: ignored by the process, or the process is ending.
  case ignored
  /// RLIMIT_SIGPENDING is reached: EAGAIN for sigqueue.
  case full
}

extension Kernel {
  /// Sends a signal to one task (tgkill, faults, SIGPIPE).
  @discardableResult func send(_ info: SignalInfo, to task: Task) -> SendOutcome {
    post(info, task, toProcess: false, force: false)
  }

  /// Sends a signal to a process.
  @discardableResult func send(_ info: SignalInfo, to group: ThreadGroup) -> SendOutcome {
    guard let leader = group.leader else { return .ignored }
    return post(info, leader, toProcess: true, force: false)
  }

  /// Whether the task was told of a signal that it does not block: its waits end, and it looks at signals before it
  /// goes on in guest code. Asked at every step, so it is two loads unless something changed.
  func hasDeliverableSignal(_ task: Task) -> Bool {
    if task.signals.needsRecheck { recheckSignals(task) }
    return task.signals.isNotified
  }

  /// Whether SIGKILL waits: even waits that signals do not interrupt end.
  func isKilled(_ task: Task) -> Bool { task.signals.pending.set.contains(SignalNumber.kill) }

  /// recalc_sigpending; and other tasks are told of process signals that this one blocks (retarget_shared_pending).
  func recheckSignals(_ task: Task) {
    task.signals.needsRecheck = false
    let shared = task.group.signals.pending.set
    let mask = task.signals.mask
    let open = task.signals.pending.set.union(shared).subtracting(mask)
    task.signals.isNotified = task.signals.stopPending || !open.isEmpty
    let blockedHere = shared.intersection(mask)
    if !blockedHere.isEmpty && task.group.tasks.count > 1 { retarget(blockedHere, from: task) }
  }

  /// Tells one other task for each process signal in `signals` that may take it.
  func retarget(_ signals: SignalSet, from task: Task) {
    var rest = signals
    for other in task.group.tasks where other !== task && !other.hasEnded {
      let takes = rest.subtracting(other.signals.mask)
      if takes.isEmpty { continue }
      rest.subtract(takes)
      if !other.signals.isNotified { wakeForSignal(other, fatal: false) }
      if rest.isEmpty { return }
    }
  }

  // MARK: Sending

  /// __send_signal_locked.
  private func post(_ info: SignalInfo, _ target: Task, toProcess: Bool, force: Bool) -> SendOutcome {
    let signal = info.signal
    if signal == 0 { return .ignored }
    precondition(signal > 0 && signal <= SignalNumber.max, "signal \(signal) does not exist")
    let group = target.group
    if !prepare(signal, target, force: force) { return .ignored }
    if target.hasEnded && !toProcess { return .ignored }
    let pending = toProcess ? group.signals.pending.set : target.signals.pending.set
    if signal < SignalNumber.realtimeMin && pending.contains(signal) { return .alreadyPending }
    if info.code == SignalCode.timer {
      let absorbed =
        toProcess
        ? group.signals.pending.addOverrun(timer: info.timerID, signal: signal)
        : target.signals.pending.addOverrun(timer: info.timerID, signal: signal)
      if absorbed { return .alreadyPending }
    }
    var keepsInformation = signal != SignalNumber.kill
    if signal >= SignalNumber.realtimeMin && info.code != SignalCode.timer && queueIsFull(for: target) {
      if info.code != SignalCode.user { return .full }
      keepsInformation = false
    }
    switch (toProcess, keepsInformation) {
    case (true, true): group.signals.pending.append(info)
    case (true, false): group.signals.pending.mark(signal)
    case (false, true): target.signals.pending.append(info)
    case (false, false): target.signals.pending.mark(signal)
    }
    group.handlers.arrivals.wakeAll(self)
    complete(signal, target, toProcess: toProcess)
    return .queued
  }

  /// RLIMIT_SIGPENDING, counted over the real user of the receiver as Linux does.
  private func queueIsFull(for target: Task) -> Bool {
    let user = target.credentials.realUser
    var count = 0
    for task in tasks.tasks.values where task.credentials.realUser == user {
      count += task.signals.pending.entries.count
      if task.group.leader === task { count += task.group.signals.pending.entries.count }
    }
    return UInt64(count) >= target.group.limits[ResourceLimits.signalQueue].current
  }

  /// prepare_signal: stop signals and SIGCONT cancel each other; false when the signal is dropped.
  private func prepare(_ signal: Int, _ target: Task, force: Bool) -> Bool {
    let group = target.group
    if group.exitStatus != nil { return false }
    if SignalSet.stopping.contains(signal) {
      discard(SignalSet(SignalNumber.cont), in: group)
    } else if signal == SignalNumber.cont {
      discard(.stopping, in: group)
      continueGroup(group)
    }
    return !isIgnored(signal, by: target, force: force)
  }

  /// sig_ignored: a blocked signal is kept even when it is ignored now, since the action may change.
  private func isIgnored(_ signal: Int, by target: Task, force: Bool) -> Bool {
    if target.signals.mask.contains(signal) || target.signals.awaited.contains(signal) { return false }
    let action = target.group.handlers.actions[signal]
    if target.group === initProcess && action.isDefault && !force { return true }
    return action.ignores(signal)
  }

  /// Forgets pending signals of a whole process.
  func discard(_ signals: SignalSet, in group: ThreadGroup) {
    group.signals.pending.discard(signals)
    for task in group.tasks { task.signals.pending.discard(signals) }
  }

  /// complete_signal: picks the task that is told, and starts the end of the process for a fatal signal.
  private func complete(_ signal: Int, _ target: Task, toProcess: Bool) {
    let group = target.group
    var chosen = target
    if !wants(signal, target) {
      guard toProcess, let other = group.tasks.first(where: { $0 !== target && wants(signal, $0) }) else { return }
      chosen = other
    }
    let isFatal =
      group.handlers.actions[signal].isDefault && !SignalSet.stopping.contains(signal)
      && !SignalSet.ignoredByDefault.contains(signal)
    if isFatal && !SignalSet.dumping.contains(signal) && !chosen.signals.awaited.contains(signal)
      && group !== initProcess
    {
      beginGroupExit(group, status: Int32(signal), cause: chosen)
      return
    }
    wakeForSignal(chosen, fatal: signal == SignalNumber.kill)
  }

  /// wants_signal.
  private func wants(_ signal: Int, _ task: Task) -> Bool {
    if task.signals.mask.contains(signal) || task.hasEnded { return false }
    if signal == SignalNumber.kill { return true }
    if case .groupStopped = task.runState { return false }
    return task === scheduler.current || !hasDeliverableSignal(task)
  }

  /// signal_wake_up: ends an interruptible wait; a fatal signal ends every wait and every stop.
  func wakeForSignal(_ task: Task, fatal: Bool) {
    task.signals.isNotified = true
    switch task.runState {
    case .blocked:
      if fatal || task.blocked?.block.interruptible == true { wake(task, .signal) }
    case .groupStopped:
      if fatal {
        task.runState = .user
        scheduler.enqueue(task)
      }
    case .user, .resumeSyscall, .exiting, .zombie, .dead:
      break
    }
  }

  /// The whole process ends with this status: every task gets SIGKILL. `cause` is the task that is told of the signal,
  /// for the report.
  func beginGroupExit(_ group: ThreadGroup, status: Int32, cause: Task?, except survivor: Task? = nil) {
    guard group.exitStatus == nil else { return }
    group.exitStatus = status
    group.signals.stopSignal = 0
    group.signals.isStopped = false
    group.signals.unreportedStop = 0
    if let cause, status & 0x7f != 0 {
      let info = lastSent(Int(status & 0x7f), to: cause)
      noteDelivery(info, to: cause, handler: GuestAddress(0))
      noteFatalSignal(info, cause)
    }
    killTasks(of: group, except: survivor)
  }

  /// zap_other_threads.
  func killTasks(of group: ThreadGroup, except survivor: Task?) {
    for task in group.tasks where task !== survivor && !task.hasEnded {
      task.signals.stopPending = false
      task.signals.pending.mark(SignalNumber.kill)
      wakeForSignal(task, fatal: true)
    }
  }

  /// What is queued about a fatal signal.
  private func lastSent(_ signal: Int, to task: Task) -> SignalInfo {
    task.group.signals.pending.entries.last { $0.signal == signal }
      ?? task.signals.pending.entries.last { $0.signal == signal } ?? SignalInfo(signal: signal)
  }

  func noteDelivery(_ info: SignalInfo, to task: Task, handler: GuestAddress) {
    observer.note(
      .signalDelivered(
        task: task.id.rawValue, signal: UInt8(info.signal), code: info.code, senderProcess: info.sender.rawValue,
        handler: handler))
  }

  // MARK: Forced signals

  /// Raises the signal of a processor exception; not blockable (force_sig_fault).
  func raiseFault(_ fault: Fault, in task: Task) {
    task.signals.lastFault = frameFault(fault, pc: task.context.registers.rip)
    force(SignalInfo(signal: Int(fault.signal), code: fault.code, address: fault.address), on: task)
  }

  /// force_sig: a signal of the kernel's own that the task cannot escape.
  func force(_ signal: Int, on task: Task) {
    force(SignalInfo(signal: signal, code: SignalCode.kernel), on: task)
  }

  /// force_sig_info_to_task: a blocked or ignored signal gets its default action.
  func force(_ info: SignalInfo, on task: Task, alwaysDefault: Bool = false) {
    let signal = info.signal
    let isBlocked = task.signals.mask.contains(signal)
    if isBlocked || alwaysDefault || task.group.handlers.actions[signal].isIgnore {
      task.group.handlers.actions[signal].handler = GuestAddress(0)
      if isBlocked { task.signals.mask.remove(SignalSet(signal)) }
    }
    _ = post(info, task, toProcess: false, force: true)
    task.signals.needsRecheck = true
  }

  /// The exception number and error code that a signal frame shows. The host's siginfo does not say whether a page
  /// fault was a write: a protection fault is taken for one, since readable read-only memory is the common case.
  private func frameFault(_ fault: Fault, pc: UInt64) -> (trap: UInt64, error: UInt64, address: UInt64) {
    let address = fault.address.rawValue
    switch Int(fault.signal) {
    case SignalNumber.segv, SignalNumber.bus:
      if fault.code == SignalCode.kernel { return (13, 0, 0) }
      // X86_PF_USER, X86_PF_PROT, X86_PF_WRITE, X86_PF_INSTR.
      var error: UInt64 = 4
      if fault.code == 2 { error |= 1 }
      if address == pc { error |= 16 } else if fault.code == 2 { error |= 2 }
      return (14, error, address)
    case SignalNumber.fpe: return (fault.code == 1 ? 0 : 19, 0, 0)
    case SignalNumber.ill: return (6, 0, 0)
    case SignalNumber.trap: return (fault.code == 2 ? 1 : 3, 0, 0)
    default: return (0, 0, 0)
    }
  }
}
