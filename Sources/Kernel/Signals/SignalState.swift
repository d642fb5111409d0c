// Signal state of tasks and processes: signal(7).

import LinuxABI
import Platform

/// A set of signals 1...64, bit n-1 for signal n, as sigset_t.
struct SignalSet: OptionSet, Hashable, Sendable {
  var rawValue: UInt64
  init(rawValue: UInt64) { self.rawValue = rawValue }
  init(_ signal: Int) { rawValue = 1 << UInt64(signal - 1) }
  func contains(_ signal: Int) -> Bool { rawValue & (1 << UInt64(signal - 1)) != 0 }

  private static func of(_ signals: Int...) -> SignalSet { SignalSet(signals.map { SignalSet($0) }) }
  /// SIGKILL and SIGSTOP: no mask and no handler reaches them.
  static let unblockable = of(SignalNumber.kill, SignalNumber.stop)
  /// Their default action stops the process.
  static let stopping = of(SignalNumber.stop, SignalNumber.tstp, SignalNumber.ttin, SignalNumber.ttou)
  /// Their default action does nothing.
  static let ignoredByDefault = of(SignalNumber.cont, SignalNumber.chld, SignalNumber.winch, SignalNumber.urg)
  /// Their default action would dump core.
  static let dumping = of(
    SignalNumber.quit, SignalNumber.ill, SignalNumber.trap, SignalNumber.abrt, SignalNumber.fpe, SignalNumber.segv,
    SignalNumber.bus, SignalNumber.sys, SignalNumber.xcpu, SignalNumber.xfsz)
  /// SYNCHRONOUS_MASK: delivered before all others.
  static let synchronous = of(
    SignalNumber.segv, SignalNumber.bus, SignalNumber.ill, SignalNumber.trap, SignalNumber.fpe, SignalNumber.sys)
  /// A mask as a program gives it: what cannot be blocked is left out.
  var blockable: SignalSet { subtracting(.unblockable) }
}

/// What a signal carries: siginfo_t, decoded.
struct SignalInfo: Hashable, Sendable {
  var signal: Int
  /// si_code.
  var code: Int32 = 0
  var errno: Int32 = 0
  /// si_pid and si_uid for kill, sigqueue, SIGCHLD.
  var sender: TaskID = TaskID(0)
  var senderUser: UInt32 = 0
  /// si_value for sigqueue and timers; si_status for SIGCHLD.
  var value: UInt64 = 0
  /// si_addr for faults.
  var address = GuestAddress(0)
  /// si_timerid and si_overrun.
  var timerID: Int32 = 0
  var overrun: Int32 = 0
  /// si_utime and si_stime for SIGCHLD, in clock ticks.
  var userTime: Int64 = 0
  var systemTime: Int64 = 0
}

/// Per-task signal state.
struct TaskSignals {
  /// Blocked signals. A change makes the next `hasDeliverableSignal` look at the queues again.
  var mask: SignalSet = [] { didSet { needsRecheck = true } }
  /// The mask to restore after sigsuspend, ppoll and kin, when no handler's frame does it.
  var savedMask: SignalSet?
  var pending = SignalQueue()
  /// What sigtimedwait waits for and had blocked (real_blocked): unblocked for the time of the wait.
  var awaited: SignalSet = []
  /// None while the size is 0. flags: SS_DISABLE is 2, SS_AUTODISARM bit 31; a first task's are 0, as in Linux.
  var alternateStack: (base: GuestAddress, size: UInt64, flags: Int32) = (GuestAddress(0), 0, 0)
  /// TIF_SIGPENDING: the task was told to look at its signals.
  var isNotified = false
  var needsRecheck = false
  /// JOBCTL_STOP_PENDING: the process is stopping and this task has yet to.
  var stopPending = false
  /// What the last processor exception was: thread.trap_nr, error_code and cr2, for signal frames.
  var lastFault: (trap: UInt64, error: UInt64, address: UInt64) = (0, 0, 0)
}

/// Per-process signal state.
struct GroupSignals {
  var pending = SignalQueue()
  /// The signal by which the process is stopping or stopped; 0 when it runs.
  var stopSignal = 0
  /// Every task has stopped.
  var isStopped = false
  /// The stop that wait has yet to report; 0 for none.
  var unreportedStop = 0
  /// Continued, and wait has yet to report it.
  var unreportedContinue = false
  mutating func copyReferences(_ context: CopyContext) {}
}

/// Pending signals: standard ones once, real-time ones in order.
struct SignalQueue: Hashable, Sendable {
  private(set) var entries: [SignalInfo] = []
  /// May hold signals without an entry: SIGKILL, and those whose information did not fit the limit.
  private(set) var set: SignalSet = []

  mutating func append(_ info: SignalInfo) {
    entries.append(info)
    set.insert(SignalSet(info.signal))
  }

  /// Pending, with nothing to say about it.
  mutating func mark(_ signal: Int) { set.insert(SignalSet(signal)) }

  /// A POSIX timer's signal is queued once: a further expiry counts as overrun. True when it was queued already.
  mutating func addOverrun(timer: Int32, signal: Int) -> Bool {
    guard
      let index = entries.firstIndex(where: {
        $0.signal == signal && $0.code == SignalCode.timer && $0.timerID == timer
      })
    else { return false }
    entries[index].overrun &+= 1
    return true
  }

  /// Removes the next signal that is not in `mask`: synchronous ones first, then by number; equal ones in order.
  mutating func take(outside mask: SignalSet) -> SignalInfo? {
    var candidates = set.subtracting(mask)
    if candidates.isEmpty { return nil }
    let urgent = candidates.intersection(.synchronous)
    if !urgent.isEmpty { candidates = urgent }
    let signal = candidates.rawValue.trailingZeroBitCount + 1
    guard let index = entries.firstIndex(where: { $0.signal == signal }) else {
      set.remove(SignalSet(signal))
      return SignalInfo(signal: signal)
    }
    let info = entries.remove(at: index)
    if !entries.contains(where: { $0.signal == signal }) { set.remove(SignalSet(signal)) }
    return info
  }

  /// Forgets every pending signal of `discarded`.
  mutating func discard(_ discarded: SignalSet) {
    if set.isDisjoint(with: discarded) { return }
    set.subtract(discarded)
    entries.removeAll { discarded.contains($0.signal) }
  }

  /// Forgets the signal of a deleted POSIX timer.
  mutating func discard(timer: Int32) {
    guard let index = entries.firstIndex(where: { $0.code == SignalCode.timer && $0.timerID == timer }) else { return }
    let signal = entries.remove(at: index).signal
    if !entries.contains(where: { $0.signal == signal }) { set.remove(SignalSet(signal)) }
  }
}

/// One sigaction.
struct SignalAction: Hashable, Sendable {
  var handler = GuestAddress(0)
  var flags: UInt64 = 0
  var restorer = GuestAddress(0)
  var mask: SignalSet = []

  var isDefault: Bool { handler.rawValue == 0 }
  var isIgnore: Bool { handler.rawValue == 1 }
  /// sig_handler_ignored.
  func ignores(_ signal: Int) -> Bool { isIgnore || (isDefault && SignalSet.ignoredByDefault.contains(signal)) }
}

/// The table that CLONE_SIGHAND shares.
public final class SignalHandlers: DeepCopyable {
  /// By signal number; 0 unused.
  var actions: [SignalAction] = Array(repeating: SignalAction(), count: 65)
  /// Woken by every arriving signal: what signalfd waits on.
  private(set) var arrivals = WaitQueue()
  init() {}

  /// fork(2): the same actions in a table of their own.
  func fork() -> SignalHandlers {
    let new = SignalHandlers()
    new.actions = actions
    return new
  }

  /// flush_signal_handlers: execve(2) keeps only what is ignored.
  func resetHandlers() {
    for signal in 1...64 {
      actions[signal] = SignalAction(handler: actions[signal].isIgnore ? GuestAddress(1) : GuestAddress(0))
    }
  }

  public func shallowCopy() -> SignalHandlers {
    let new = SignalHandlers()
    new.actions = actions
    new.arrivals = arrivals
    return new
  }
  public func copyReferences(_ context: CopyContext) { arrivals = context.copy(arrivals) }
}
