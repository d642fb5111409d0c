// timerfd_create(2): a timer that is read. fs/timerfd.c. Like the kernel's, an expired interval timer is not armed again
// until somebody asks; the expiries in between are counted then.

import LinuxABI
import Platform

final class TimerFile: OpenFile, TimerTarget, WaitObserver {
  private let clock: GuestClock
  private var interval = Nanoseconds.zero
  /// The next expiry; nil when disarmed.
  private var next: ClockDeadline?
  private var expirations: UInt64 = 0
  private var hasExpired = false
  private var timer: TimerID?
  /// TFD_TIMER_CANCEL_ON_SET: a change of the realtime clock is told once.
  private var mayBeCancelled = false
  private var isCancelled = false
  private var queue = WaitQueue()

  init(clock: GuestClock, flags: UInt32) {
    self.clock = clock
    super.init(flags: flags)
  }

  // MARK: Arming

  func set(value: Nanoseconds, interval: Nanoseconds, isAbsolute: Bool, cancelOnSet: Bool, _ kernel: Kernel) {
    disarm(kernel)
    expirations = 0
    hasExpired = false
    isCancelled = false
    self.interval = interval
    next = nil
    if value == .zero { return }
    let deadline = isAbsolute ? ClockDeadline(time: value, isRealtime: clock.isRealtime) : kernel.deadline(in: value)
    mayBeCancelled = cancelOnSet && isAbsolute && clock.isRealtime
    next = deadline
    if deadline.isRealtime { kernel.ipc.realtimeChanges.add(self) }
    arm(kernel)
  }

  private func arm(_ kernel: Kernel) {
    guard let next, next.monotonic(kernel) < .max else { return }
    timer = kernel.timers.arm(next.monotonic(kernel), self)
  }

  private func disarm(_ kernel: Kernel) {
    if let timer { kernel.timers.cancel(timer) }
    timer = nil
    kernel.ipc.realtimeChanges.remove(self)
  }

  /// Time to the next expiry, zero when disarmed.
  func remaining(_ kernel: Kernel) -> (value: Nanoseconds, interval: Nanoseconds) {
    countMissed(kernel)
    guard let next, !hasExpired else { return (.zero, interval) }
    return (max(Nanoseconds(1), next.monotonic(kernel) - kernel.clock.monotonic), interval)
  }

  /// timerfd_read: intervals that passed since the expiry are counted, and the timer is armed for the next.
  private func countMissed(_ kernel: Kernel) {
    guard hasExpired, interval > .zero, var deadline = next else { return }
    hasExpired = false
    let late = kernel.clock.monotonic - deadline.monotonic(kernel)
    let missed = late.rawValue / interval.rawValue
    expirations &+= UInt64(max(0, missed))
    deadline.time += Nanoseconds((missed + 1) * interval.rawValue)
    next = deadline
    arm(kernel)
  }

  func timerFired(_ kernel: Kernel, token: UInt64) {
    timer = nil
    expirations &+= 1
    hasExpired = true
    queue.wakeAll(kernel)
  }

  /// The realtime clock was set.
  func notified(_ kernel: Kernel, by queue: WaitQueue) {
    if mayBeCancelled {
      isCancelled = true
      self.queue.wakeAll(kernel)
    }
    guard let timer else { return }
    kernel.timers.cancel(timer)
    arm(kernel)
  }

  override func release(_ kernel: Kernel) { disarm(kernel) }

  // MARK: The file

  override func read(_ call: Syscall, _ count: Int) throws(Errno) -> [UInt8] {
    if count < 8 { throw .EINVAL }
    if isCancelled {
      isCancelled = false
      expirations = 0
      throw .ECANCELED
    }
    if expirations == 0 { throw .EAGAIN }
    countMissed(call.kernel)
    var bytes: [UInt8] = []
    bytes.appendInteger(expirations)
    expirations = 0
    return bytes
  }
  override func readiness(_ kernel: Kernel) -> PollEvents { expirations > 0 || isCancelled ? .in : [] }
  override var waitQueues: [WaitQueue] { [queue] }
  override func blockReason(reading: Bool) -> BlockReason { .timer }
  override func displayPath(_ kernel: Kernel) -> [UInt8] { Array("anon_inode:[timerfd]".utf8) }

  override func shallowCopy() -> Self {
    let new = TimerFile(clock: clock, flags: flags)
    new.interval = interval
    new.next = next
    new.expirations = expirations
    new.hasExpired = hasExpired
    new.timer = timer
    new.mayBeCancelled = mayBeCancelled
    new.isCancelled = isCancelled
    new.queue = queue
    new.copyBaseFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }
  override func copyReferences(_ context: CopyContext) {
    super.copyReferences(context)
    queue = context.copy(queue)
  }
}

extension SyscallTable {
  static var timerFileSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.timerfd_create) { call throws(Errno) in try call.kernel.makeTimerFile(call) },
      SyscallEntry(SyscallNumber.timerfd_settime) { call throws(Errno) in try call.kernel.setTimerFile(call) },
      SyscallEntry(SyscallNumber.timerfd_gettime) { call throws(Errno) in
        let file = try call.kernel.timerFile(call)
        let (value, interval) = file.remaining(call.kernel)
        try call.memory.copyOut(call.address(1), interval.timespecBytes + value.timespecBytes)
        return .success
      },
    ]
  }
}

extension Kernel {
  fileprivate func timerFile(_ call: Syscall) throws(Errno) -> TimerFile {
    guard let file = try call.task.files.file(call.int32(0)) as? TimerFile else { throw .EINVAL }
    return file
  }

  fileprivate func makeTimerFile(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let flags = call.uint32(1)
    if flags & ~(OpenFlag.nonblocking | OpenFlag.closeOnExec) != 0 { throw .EINVAL }
    let clock = try GuestClock(call.int32(0))
    switch clock {
    case .realtime, .monotonic, .bootTime: break
    case .realtimeAlarm, .bootTimeAlarm:
      // CAP_WAKE_ALARM
      if !call.task.credentials.hasCapability(35) { throw .EPERM }
    default: throw .EINVAL
    }
    let file = TimerFile(clock: clock, flags: OpenFlag.readWrite | flags & OpenFlag.nonblocking)
    return try installNew(call, file, closeOnExec: flags & OpenFlag.closeOnExec != 0)
  }

  /// timerfd_settime(2). Flags: 1 TFD_TIMER_ABSTIME, 2 TFD_TIMER_CANCEL_ON_SET.
  fileprivate func setTimerFile(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let flags = call.int32(1)
    let interval = try call.memory.copyInTimespec(call.address(2))
    let value = try call.memory.copyInTimespec(call.address(2) + 16)
    if flags & ~3 != 0 { throw .EINVAL }
    let file = try timerFile(call)
    let old = file.remaining(self)
    file.set(
      value: value, interval: interval, isAbsolute: flags & 1 != 0, cancelOnSet: flags & 2 != 0, self)
    if call[3] != 0 {
      try call.memory.copyOut(call.address(3), old.interval.timespecBytes + old.value.timespecBytes)
    }
    return .success
  }
}
