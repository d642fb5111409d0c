// timer_create(2) and kin: kernel/time/posix-timers.c.

import LinuxABI
import Platform

/// One POSIX timer of a process.
final class PosixTimer: DeepCopyable, TimerTarget, WaitObserver {
  let id: Int32
  let clock: GuestClock
  /// Whose CPU time, for those clocks.
  private let cpuTarget: TaskID
  private var group: ThreadGroup
  /// SIGEV_THREAD_ID: the thread that gets the signal.
  private var target: Task?
  /// 0 for SIGEV_NONE.
  private let signal: Int
  private let value: UInt64

  private var interval = Nanoseconds.zero
  private var next: ClockDeadline?
  private var timer: TimerID?
  private(set) var cpuExpiry: Nanoseconds?
  /// The signal is on its way; the next expiry is armed when it is taken.
  private var signalIsPending = false
  private var overrunsSinceSend: Int64 = 0
  /// Of the last signal that was delivered.
  private(set) var overrun: Int32 = 0

  init(
    id: Int32, clock: GuestClock, cpuTarget: TaskID, group: ThreadGroup, target: Task?, signal: Int, value: UInt64
  ) {
    self.id = id
    self.clock = clock
    self.cpuTarget = cpuTarget
    self.group = group
    self.target = target
    self.signal = signal
    self.value = value
  }

  // MARK: Arming

  func set(value: Nanoseconds, interval: Nanoseconds, isAbsolute: Bool, _ kernel: Kernel) throws(Errno) {
    disarm(kernel)
    signalIsPending = false
    overrunsSinceSend = 0
    overrun = 0
    self.interval = interval
    if value == .zero { return }
    if clock.isCPUTime {
      cpuExpiry = isAbsolute ? value : try cpuTime(kernel) + value
      return
    }
    let deadline = isAbsolute ? ClockDeadline(time: value, isRealtime: clock.isRealtime) : kernel.deadline(in: value)
    next = deadline
    if deadline.isRealtime { kernel.ipc.realtimeChanges.add(self) }
    arm(kernel)
  }

  private func arm(_ kernel: Kernel) {
    // A timer that tells nobody needs no wake-up: its state follows from the time.
    guard signal != 0, let next, next.monotonic(kernel) < .max else { return }
    timer = kernel.timers.arm(next.monotonic(kernel), self)
  }

  func disarm(_ kernel: Kernel) {
    if let timer { kernel.timers.cancel(timer) }
    timer = nil
    next = nil
    cpuExpiry = nil
    kernel.ipc.realtimeChanges.remove(self)
  }

  private func cpuTime(_ kernel: Kernel) throws(Errno) -> Nanoseconds {
    switch clock {
    case .threadTime: return kernel.tasks[cpuTarget]?.usage.cpuTime ?? .zero
    default: return kernel.tasks.group(cpuTarget)?.cpuTime ?? .zero
    }
  }

  /// The realtime clock was set.
  func notified(_ kernel: Kernel, by queue: WaitQueue) {
    guard let timer else { return }
    kernel.timers.cancel(timer)
    arm(kernel)
  }

  // MARK: Expiring

  func timerFired(_ kernel: Kernel, token: UInt64) {
    timer = nil
    post(kernel)
    if interval == .zero { next = nil }
  }

  func checkCPUTime(_ kernel: Kernel, _ task: Task) {
    guard let expiry = cpuExpiry, let now = try? cpuTime(kernel), now >= expiry else { return }
    if interval > .zero {
      let periods = (now - expiry).rawValue / interval.rawValue + 1
      cpuExpiry = expiry + Nanoseconds(periods * interval.rawValue)
      if signalIsPending { overrunsSinceSend += periods } else { overrunsSinceSend += periods - 1 }
    } else {
      cpuExpiry = nil
    }
    if signal != 0 && !signalIsPending { post(kernel) }
  }

  private func post(_ kernel: Kernel) {
    signalIsPending = true
    let info = SignalInfo(signal: signal, code: -2, value: value, timerID: id)
    let outcome = target.map { kernel.send(info, to: $0) } ?? kernel.send(info, to: group)
    // posix_timer_fn: an ignored signal is not dequeued, so the timer goes on by itself.
    if outcome == .ignored { _ = signalTaken(kernel) }
  }

  /// posixtimer_rearm: counts the expiries that were missed and arms the next. Returns the overrun for si_overrun.
  func signalTaken(_ kernel: Kernel) -> Int32 {
    guard signalIsPending else { return 0 }
    signalIsPending = false
    var missed = overrunsSinceSend
    overrunsSinceSend = 0
    if interval > .zero, var deadline = next, timer == nil {
      let late = max(0, (kernel.clock.monotonic - deadline.monotonic(kernel)).rawValue)
      let periods = late / interval.rawValue
      missed += periods
      deadline.time += Nanoseconds((periods + 1) * interval.rawValue)
      next = deadline
      arm(kernel)
    }
    overrun = Int32(clamping: missed)
    return overrun
  }

  /// common_timer_get: a nanosecond for one that has expired and is not armed again yet.
  func remaining(_ kernel: Kernel) -> (value: Nanoseconds, interval: Nanoseconds) {
    if clock.isCPUTime {
      guard let cpuExpiry, let now = try? cpuTime(kernel) else { return (.zero, interval) }
      return (max(Nanoseconds(1), cpuExpiry - now), interval)
    }
    guard let next else { return (.zero, interval) }
    let left = next.monotonic(kernel) - kernel.clock.monotonic
    if left > .zero { return (left, interval) }
    if interval == .zero { return (signal == 0 ? .zero : Nanoseconds(1), interval) }
    // Where the next period stands although nothing was armed for it.
    return (Nanoseconds(interval.rawValue - (-left.rawValue) % interval.rawValue), interval)
  }

  func shallowCopy() -> PosixTimer {
    let new = PosixTimer(
      id: id, clock: clock, cpuTarget: cpuTarget, group: group, target: target, signal: signal, value: value)
    new.interval = interval
    new.next = next
    new.timer = timer
    new.cpuExpiry = cpuExpiry
    new.signalIsPending = signalIsPending
    new.overrunsSinceSend = overrunsSinceSend
    new.overrun = overrun
    return new
  }
  func copyReferences(_ context: CopyContext) {
    group = context.copy(group)
    target = context.copy(target)
  }
}

extension SyscallTable {
  static var posixTimerSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.timer_create) { call throws(Errno) in try call.kernel.createTimer(call) },
      SyscallEntry(SyscallNumber.timer_settime) { call throws(Errno) in try call.kernel.setTimer(call) },
      SyscallEntry(SyscallNumber.timer_gettime) { call throws(Errno) in
        let (value, interval) = try call.kernel.posixTimer(call).remaining(call.kernel)
        try call.memory.copyOut(call.address(1), interval.timespecBytes + value.timespecBytes)
        return .success
      },
      SyscallEntry(SyscallNumber.timer_getoverrun) { call throws(Errno) in
        .value(Int64(try call.kernel.posixTimer(call).overrun))
      },
      SyscallEntry(SyscallNumber.timer_delete) { call throws(Errno) in try call.kernel.deleteTimer(call) },
    ]
  }
}

extension Kernel {
  fileprivate func posixTimer(_ call: Syscall) throws(Errno) -> PosixTimer {
    guard let timer = call.task.group.timers.posix[call.int32(0)] else { throw .EINVAL }
    return timer
  }

  /// timer_create(2). struct sigevent: value, signal, notify, thread id.
  fileprivate func createTimer(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let clock = try GuestClock(call.int32(0))
    switch clock {
    case .monotonicRaw, .realtimeCoarse, .monotonicCoarse: throw .EOPNOTSUPP
    case .realtimeAlarm, .bootTimeAlarm:
      if !call.task.credentials.hasCapability(35) { throw .EPERM }
    default: break
    }
    _ = try read(clock, for: call.task)
    let group = call.task.group
    let id = group.timers.takeID()
    var value = UInt64(UInt32(bitPattern: id))
    var signal: Int32 = 14
    var notify: Int32 = 0
    var target: Task?
    if call[1] != 0 {
      let event = try call.memory.copyIn(call.address(1), 64)
      value = event.integer(at: 0)
      signal = event.integer(at: 8)
      notify = event.integer(at: 12)
      // SIGEV_SIGNAL 0, SIGEV_NONE 1, SIGEV_THREAD 2, SIGEV_THREAD_ID 4 (with SIGEV_SIGNAL).
      switch notify {
      case 0, 2: break
      case 1: signal = 0
      case 4:
        let thread: Int32 = event.integer(at: 16)
        guard let task = tasks[TaskID(thread)], task.group === group else { throw .EINVAL }
        target = task
      default: throw .EINVAL
      }
      if notify != 1 && (signal <= 0 || signal > 64) { throw .EINVAL }
    }
    let cpuTarget: TaskID
    switch clock {
    case .processTime(let id): cpuTarget = id.rawValue == 0 ? group.id : id
    case .threadTime(let id): cpuTarget = id.rawValue == 0 ? call.task.id : id
    default: cpuTarget = TaskID(0)
    }
    try call.memory.store(call.address(2), id)
    group.timers.add(
      PosixTimer(
        id: id, clock: clock, cpuTarget: cpuTarget, group: group, target: target, signal: Int(signal), value: value))
    return .value(0 as Int64)
  }

  /// timer_settime(2). Flag 1: TIMER_ABSTIME.
  fileprivate func setTimer(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call[2] == 0 { throw .EINVAL }
    let interval = try call.memory.copyInTimespec(call.address(2))
    let value = try call.memory.copyInTimespec(call.address(2) + 16)
    let timer = try posixTimer(call)
    let old = timer.remaining(self)
    try timer.set(value: value, interval: interval, isAbsolute: call.int32(1) & 1 != 0, self)
    if call[3] != 0 {
      try call.memory.copyOut(call.address(3), old.interval.timespecBytes + old.value.timespecBytes)
    }
    return .success
  }

  fileprivate func deleteTimer(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let timer = try posixTimer(call)
    timer.disarm(self)
    call.task.group.timers.remove(timer)
    return .success
  }
}
