// Timers that send signals: alarm(2), setitimer(2), timer_create(2). kernel/time/itimer.c, posix-timers.c,
// posix-cpu-timers.c.
//
// An interval timer on a wall clock is armed again only when its signal is dequeued, and the expiries in between count as
// overruns then. That is what Linux does against floods; here it also lets a deadlock show although a timer ticks.

import LinuxABI
import OrderedCollections
import Platform

/// What the timers of a process are kept in. One object, so that armed timers can name it.
final class ProcessTimers: DeepCopyable, TimerTarget {
  private(set) var group: ThreadGroup?

  // ITIMER_REAL.
  fileprivate var realTimer: TimerID?
  fileprivate var realDeadline: Nanoseconds?
  fileprivate var realInterval = Nanoseconds.zero

  /// ITIMER_VIRTUAL and ITIMER_PROF, on the process's user and whole CPU time. nil when disarmed.
  fileprivate var virtual: (expiry: Nanoseconds, interval: Nanoseconds)?
  fileprivate var profile: (expiry: Nanoseconds, interval: Nanoseconds)?

  /// POSIX timers by id.
  private(set) var posix: OrderedDictionary<Int32, PosixTimer> = [:]
  private var nextID: Int32 = 0

  init() {}

  func takeID() -> Int32 {
    defer { nextID &+= 1 }
    return nextID
  }
  func add(_ timer: PosixTimer) { posix[timer.id] = timer }
  func remove(_ timer: PosixTimer) { posix.removeValue(forKey: timer.id) }

  /// Anything that CPU time can make expire.
  var watchesCPUTime: Bool {
    virtual != nil || profile != nil || posix.values.contains { $0.clock.isCPUTime && $0.cpuExpiry != nil }
  }

  /// it_real_fn.
  func timerFired(_ kernel: Kernel, token: UInt64) {
    realTimer = nil
    guard let group else { return }
    kernel.send(SignalInfo(signal: 14, code: 0x80), to: group)
  }

  fileprivate func armReal(_ kernel: Kernel, for group: ThreadGroup, value: Nanoseconds, interval: Nanoseconds) {
    self.group = group
    if let realTimer { kernel.timers.cancel(realTimer) }
    realTimer = nil
    realDeadline = nil
    realInterval = interval
    if value == .zero { return }
    realDeadline = kernel.clock.monotonic + value
    realTimer = kernel.timers.arm(realDeadline!, self)
  }

  /// SIGALRM was dequeued: an interval timer goes on.
  fileprivate func realSignalTaken(_ kernel: Kernel) {
    guard realTimer == nil, realInterval > .zero, var deadline = realDeadline else { return }
    let late = max(0, (kernel.clock.monotonic - deadline).rawValue)
    deadline += Nanoseconds((late / realInterval.rawValue + 1) * realInterval.rawValue)
    realDeadline = deadline
    realTimer = kernel.timers.arm(deadline, self)
  }

  /// itimer_get_remtime: a microsecond for a timer that has expired but was not looked at.
  fileprivate func realRemaining(_ kernel: Kernel) -> (value: Nanoseconds, interval: Nanoseconds) {
    guard let realDeadline, realTimer != nil || realInterval > .zero else { return (.zero, realInterval) }
    return (max(Nanoseconds(1000), realDeadline - kernel.clock.monotonic), realInterval)
  }

  fileprivate func cancelAll(_ kernel: Kernel) {
    if let realTimer { kernel.timers.cancel(realTimer) }
    realTimer = nil
    realDeadline = nil
    realInterval = .zero
    virtual = nil
    profile = nil
    deletePosixTimers(kernel)
  }

  fileprivate func deletePosixTimers(_ kernel: Kernel) {
    for timer in posix.values { timer.disarm(kernel) }
    posix = [:]
  }

  func shallowCopy() -> ProcessTimers {
    let new = ProcessTimers()
    new.group = group
    new.realTimer = realTimer
    new.realDeadline = realDeadline
    new.realInterval = realInterval
    new.virtual = virtual
    new.profile = profile
    new.posix = posix
    new.nextID = nextID
    return new
  }
  func copyReferences(_ context: CopyContext) {
    group = context.copy(group)
    posix = posix.mapValues { context.copy($0) }
  }
}

extension Kernel {
  // MARK: Hooks for the rest of the kernel

  /// Signal code calls this when it takes a signal off a queue: timers whose signal it was are armed again, and a POSIX
  /// timer's overrun count is filled in.
  func timerSignalTaken(_ info: inout SignalInfo, by task: Task) {
    let timers = task.group.timers
    if info.signal == 14 && info.code == 0x80 { timers.realSignalTaken(self) }
    if info.code == -2, let timer = timers.posix[info.timerID] { info.overrun = timer.signalTaken(self) }
  }

  /// CPU time of the task's process advanced: check_process_timers.
  func checkCPUTimers(of task: Task) {
    let group = task.group
    let timers = group.timers
    guard timers.watchesCPUTime else { return }
    let userTime = group.tasks.reduce(group.usageOfEndedTasks.userTime) { $0 + $1.usage.userTime }
    if let state = timers.virtual, userTime >= state.expiry {
      timers.virtual = state.interval > .zero ? (userTime + state.interval, state.interval) : nil
      send(SignalInfo(signal: 26, code: 0x80), to: group)
    }
    if let state = timers.profile, group.cpuTime >= state.expiry {
      timers.profile = state.interval > .zero ? (group.cpuTime + state.interval, state.interval) : nil
      send(SignalInfo(signal: 27, code: 0x80), to: group)
    }
    for timer in timers.posix.values { timer.checkCPUTime(self, task) }
  }

  /// The last task of the process is ending: exit_itimers and the interval timers.
  func processReleasesTimers(_ group: ThreadGroup) { group.timers.cancelAll(self) }

  /// execve(2): POSIX timers are deleted, interval timers go on.
  func execReleasesTimers(_ group: ThreadGroup) { group.timers.deletePosixTimers(self) }
}

// MARK: alarm and setitimer

extension SyscallTable {
  static var intervalTimerSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.alarm) { call throws(Errno) in call.kernel.alarm(call) },
      SyscallEntry(SyscallNumber.getitimer) { call throws(Errno) in
        let (value, interval) = try call.kernel.intervalTimer(call.int32(0), of: call.task.group)
        try call.memory.copyOut(call.address(1), interval.timevalBytes + value.timevalBytes)
        return .success
      },
      SyscallEntry(SyscallNumber.setitimer) { call throws(Errno) in try call.kernel.setIntervalTimer(call) },
    ] + posixTimerSyscalls
  }
}

extension Kernel {
  /// Seconds left of the last alarm, rounded to the nearest but never down to zero.
  fileprivate func alarm(_ call: Syscall) -> SyscallOutcome {
    let timers = call.task.group.timers
    let left = timers.realRemaining(self).value
    let wasArmed = timers.realDeadline != nil && timers.realTimer != nil
    timers.armReal(
      self, for: call.task.group, value: Nanoseconds(Int64(call.uint32(0)) * 1_000_000_000), interval: .zero)
    if !wasArmed { return .value(0 as Int64) }
    var (seconds, nanoseconds) = left.parts
    if seconds == 0 || nanoseconds >= 500_000_000 {
      seconds += 1
      nanoseconds = 0
    }
    return .value(seconds)
  }

  fileprivate func intervalTimer(
    _ which: Int32, of group: ThreadGroup
  ) throws(Errno) -> (value: Nanoseconds, interval: Nanoseconds) {
    let timers = group.timers
    switch which {
    case 0: return timers.realRemaining(self)
    case 1:
      let userTime = group.tasks.reduce(group.usageOfEndedTasks.userTime) { $0 + $1.usage.userTime }
      return timers.virtual.map { (max(Nanoseconds(1000), $0.expiry - userTime), $0.interval) } ?? (.zero, .zero)
    case 2:
      return timers.profile.map { (max(Nanoseconds(1000), $0.expiry - group.cpuTime), $0.interval) } ?? (.zero, .zero)
    default: throw .EINVAL
    }
  }

  /// setitimer(2). A null new value disarms, as Linux has it.
  fileprivate func setIntervalTimer(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let group = call.task.group
    let timers = group.timers
    var interval = Nanoseconds.zero
    var value = Nanoseconds.zero
    if call[1] != 0 {
      interval = try call.memory.copyInTimeval(call.address(1))
      value = try call.memory.copyInTimeval(call.address(1) + 16)
    }
    let old = try intervalTimer(call.int32(0), of: group)
    switch call.int32(0) {
    case 0: timers.armReal(self, for: group, value: value, interval: interval)
    case 1:
      let userTime = group.tasks.reduce(group.usageOfEndedTasks.userTime) { $0 + $1.usage.userTime }
      timers.virtual = value == .zero ? nil : (userTime + value, interval)
    default: timers.profile = value == .zero ? nil : (group.cpuTime + value, interval)
    }
    if call[2] != 0 { try call.memory.copyOut(call.address(2), old.interval.timevalBytes + old.value.timevalBytes) }
    return .success
  }
}
