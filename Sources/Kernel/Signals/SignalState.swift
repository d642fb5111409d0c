// Signal state of tasks and processes: signal(7).

import LinuxABI
import Platform

/// A set of signals 1...64, bit n-1 for signal n, as sigset_t.
struct SignalSet: OptionSet, Hashable, Sendable {
  var rawValue: UInt64
  init(rawValue: UInt64) { self.rawValue = rawValue }
  init(_ signal: Int) { rawValue = 1 << UInt64(signal - 1) }
  func contains(_ signal: Int) -> Bool { rawValue & (1 << UInt64(signal - 1)) != 0 }
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
  var mask: SignalSet = []
  /// The mask to restore after sigsuspend, ppoll and kin.
  var savedMask: SignalSet?
  var pending = SignalQueue()
  /// What sigtimedwait waits for.
  var awaited: SignalSet = []
  var alternateStack: (base: GuestAddress, size: UInt64, flags: Int32) = (GuestAddress(0), 0, 2)
}

/// Per-process signal state.
struct GroupSignals {
  var pending = SignalQueue()
  mutating func copyReferences(_ context: CopyContext) {}
}

/// Pending signals: standard ones once, real-time ones in order.
struct SignalQueue: Hashable, Sendable {
  private(set) var entries: [SignalInfo] = []
  private(set) var set: SignalSet = []
}

/// One sigaction.
struct SignalAction: Hashable, Sendable {
  var handler = GuestAddress(0)
  var flags: UInt64 = 0
  var restorer = GuestAddress(0)
  var mask: SignalSet = []
}

/// The table that CLONE_SIGHAND shares.
public final class SignalHandlers: DeepCopyable {
  /// By signal number; 0 unused.
  var actions: [SignalAction] = Array(repeating: SignalAction(), count: 65)
  init() {}
  public func shallowCopy() -> SignalHandlers {
    let new = SignalHandlers()
    new.actions = actions
    return new
  }
  public func copyReferences(_ context: CopyContext) {}
}
