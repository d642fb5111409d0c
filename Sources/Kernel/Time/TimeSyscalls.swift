// Clocks and sleeping: clock_gettime(2), clock_settime(2), clock_nanosleep(2), gettimeofday(2), sched_yield(2).
// kernel/time/posix-timers.c, hrtimer.c, time.c.

import LinuxABI
import Platform

extension SyscallTable {
  static var timeSyscalls: [SyscallEntry] {
    clockSyscalls + intervalTimerSyscalls
  }

  private static var clockSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.clock_gettime) { call throws(Errno) in try call.kernel.clockGetTime(call) },
      SyscallEntry(SyscallNumber.clock_getres) { call throws(Errno) in try call.kernel.clockGetResolution(call) },
      SyscallEntry(SyscallNumber.clock_settime) { call throws(Errno) in try call.kernel.clockSetTime(call) },
      SyscallEntry(SyscallNumber.gettimeofday) { call throws(Errno) in try call.kernel.getTimeOfDay(call) },
      SyscallEntry(SyscallNumber.settimeofday) { call throws(Errno) in try call.kernel.setTimeOfDay(call) },
      SyscallEntry(SyscallNumber.time) { call throws(Errno) in try call.kernel.time(call) },
      SyscallEntry(SyscallNumber.nanosleep) { call throws(Errno) in
        try call.kernel.sleep(
          call, request: call.address(0), remaining: call.address(1), isAbsolute: false, isRealtime: false)
      },
      SyscallEntry(SyscallNumber.clock_nanosleep, .partial("no sleep on CPU-time clocks")) { call throws(Errno) in
        try call.kernel.clockNanosleep(call)
      },
      SyscallEntry(SyscallNumber.adjtimex, .partial("reads only")) { call throws(Errno) in
        try call.kernel.adjustTime(call, at: call.address(0))
      },
      SyscallEntry(SyscallNumber.clock_adjtime, .partial("reads only")) { call throws(Errno) in
        if call.int32(0) != 0 { throw .EINVAL }
        return try call.kernel.adjustTime(call, at: call.address(1))
      },
      SyscallEntry(SyscallNumber.sched_yield) { call throws(Errno) in
        call.task.yielding = true
        call.kernel.nothingWasReady()
        return .success
      },
    ]
  }
}

/// A clock id, decoded.
enum GuestClock: Hashable, Sendable {
  case realtime, monotonic, monotonicRaw, realtimeCoarse, monotonicCoarse, bootTime, atomic
  case realtimeAlarm, bootTimeAlarm
  /// CPU time of a process or thread; 0 for the caller's own.
  case processTime(TaskID)
  case threadTime(TaskID)

  /// EINVAL for a clock that does not exist.
  init(_ id: Int32) throws(Errno) {
    switch id {
    case 0: self = .realtime
    case 1: self = .monotonic
    case 2: self = .processTime(TaskID(0))
    case 3: self = .threadTime(TaskID(0))
    case 4: self = .monotonicRaw
    case 5: self = .realtimeCoarse
    case 6: self = .monotonicCoarse
    case 7: self = .bootTime
    case 8: self = .realtimeAlarm
    case 9: self = .bootTimeAlarm
    case 11: self = .atomic
    case ..<0:
      // MAKE_PROCESS_CPUCLOCK: the id's complement above three bits; bit 2 means a thread, 3 in the low bits a file.
      if id & 3 == 3 { throw .EINVAL }
      let target = TaskID(~(id >> 3))
      self = id & 4 != 0 ? .threadTime(target) : .processTime(target)
    default: throw .EINVAL
    }
  }

  var isRealtime: Bool {
    switch self {
    case .realtime, .realtimeCoarse, .realtimeAlarm, .atomic: true
    default: false
    }
  }
  var isCPUTime: Bool {
    switch self {
    case .processTime, .threadTime: true
    default: false
    }
  }
}

extension Kernel {
  /// CONFIG_HZ=250: what the coarse clocks count in.
  private static let coarseResolution = Nanoseconds(4_000_000)

  // MARK: Readings

  /// The guest reads a clock: time passes faster while it does nothing else, and the reader is charged for it.
  func noteClockReading(by task: Task) {
    let before = clock.monotonic
    clock.clockWasRead()
    if let host = decisions.hostRealtime() { clock.jump(to: host - clock.realtimeOffset) }
    task.usage.userTime += clock.monotonic - before
  }

  /// The time on a clock. EINVAL for the CPU time of a task that does not exist.
  func read(_ which: GuestClock, for task: Task) throws(Errno) -> Nanoseconds {
    switch which {
    case .realtime, .realtimeAlarm, .atomic: return clock.realtime
    case .monotonic, .monotonicRaw, .bootTime, .bootTimeAlarm: return clock.monotonic
    case .realtimeCoarse: return coarse(clock.realtime)
    case .monotonicCoarse: return coarse(clock.monotonic)
    case .processTime(let id):
      if id.rawValue == 0 { return task.group.cpuTime }
      guard let group = tasks.group(id) else { throw .EINVAL }
      return group.cpuTime
    case .threadTime(let id):
      if id.rawValue == 0 { return task.usage.cpuTime }
      guard let other = tasks[id], other.group === task.group else { throw .EINVAL }
      return other.usage.cpuTime
    }
  }

  private func coarse(_ time: Nanoseconds) -> Nanoseconds {
    Nanoseconds(time.rawValue - time.rawValue % Self.coarseResolution.rawValue)
  }

  func clockGetTime(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let which = try GuestClock(call.int32(0))
    noteClockReading(by: call.task)
    try call.memory.copyOutTimespec(call.address(1), try read(which, for: call.task))
    return .success
  }

  func clockGetResolution(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let which = try GuestClock(call.int32(0))
    _ = try read(which, for: call.task)
    if call[1] == 0 { return .success }
    let isCoarse = which == .realtimeCoarse || which == .monotonicCoarse
    try call.memory.copyOutTimespec(call.address(1), isCoarse ? Self.coarseResolution : Nanoseconds(1))
    return .success
  }

  func getTimeOfDay(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    noteClockReading(by: call.task)
    if call[0] != 0 { try call.memory.copyOutTimeval(call.address(0), clock.realtime) }
    // The kernel's timezone: minutes west of Greenwich and DST, both zero.
    if call[1] != 0 { try call.memory.store(call.address(1), 0 as UInt64) }
    return .success
  }

  func time(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    noteClockReading(by: call.task)
    let seconds = clock.realtime.parts.seconds
    if call[0] != 0 { try call.memory.store(call.address(0), seconds) }
    return .value(seconds)
  }

  // MARK: Setting

  func clockSetTime(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    guard try GuestClock(call.int32(0)) == .realtime else { throw .EINVAL }
    let time = try call.memory.copyInTimespec(call.address(1))
    try setRealtime(call, time)
    return .success
  }

  func setTimeOfDay(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    guard call[0] != 0 else {
      if call[1] != 0 { try requireTimeCapability(call) }
      return .success
    }
    try setRealtime(call, try call.memory.copyInTimeval(call.address(0)))
    return .success
  }

  private func requireTimeCapability(_ call: Syscall) throws(Errno) {
    // CAP_SYS_TIME
    if !call.task.credentials.hasCapability(25) { throw .EPERM }
  }

  /// do_settimeofday64: absolute waits and timers on the realtime clock follow.
  private func setRealtime(_ call: Syscall, _ time: Nanoseconds) throws(Errno) {
    try requireTimeCapability(call)
    // timekeeping_validate: the boot may not come before 1970.
    if time < clock.monotonic { throw .EINVAL }
    clock.realtimeOffset = time - clock.monotonic
    try updateVvar()
    ipc.realtimeChanges.wakeAll(self)
  }

  /// adjtimex(2) with no modes: the state of a clock that is synchronised. EPERM for changes without CAP_SYS_TIME.
  func adjustTime(_ call: Syscall, at address: GuestAddress) throws(Errno) -> SyscallOutcome {
    let modes: UInt32 = try call.memory.load(address)
    if modes != 0 {
      try requireTimeCapability(call)
      throw .EINVAL
    }
    noteClockReading(by: call.task)
    var bytes = [UInt8](repeating: 0, count: 208)
    // status STA_PLL; constant 2, precision 1 us, tolerance 500 ppm, tick 10 ms.
    bytes.setInteger(1 as Int32, at: 40)
    bytes.setInteger(2 as Int64, at: 48)
    bytes.setInteger(1 as Int64, at: 56)
    bytes.setInteger(32_768_000 as Int64, at: 64)
    bytes.replaceSubrange(72..<88, with: clock.realtime.timevalBytes)
    bytes.setInteger(10_000 as Int64, at: 88)
    try call.memory.copyOut(address, bytes)
    return .success
  }

  // MARK: Sleeping

  func clockNanosleep(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let which = try GuestClock(call.int32(0))
    switch which {
    case .threadTime(TaskID(0)): throw .EINVAL
    case .processTime, .threadTime, .monotonicRaw, .realtimeCoarse, .monotonicCoarse: throw .EOPNOTSUPP
    case .realtime, .monotonic, .bootTime, .atomic, .realtimeAlarm, .bootTimeAlarm: break
    }
    return try sleep(
      call, request: call.address(2), remaining: call.address(3), isAbsolute: call.int32(1) & 1 != 0,
      isRealtime: which.isRealtime)
  }

  /// What a sleeping task keeps.
  private struct SleepWait: Resumption {
    var deadline: ClockDeadline
  }

  func sleep(
    _ call: Syscall, request: GuestAddress, remaining: GuestAddress, isAbsolute: Bool, isRealtime: Bool
  ) throws(Errno) -> SyscallOutcome {
    let deadline: ClockDeadline
    if let state = call.resume as? SleepWait {
      deadline = state.deadline
    } else {
      let time = try call.memory.copyInTimespec(request)
      deadline = isAbsolute ? ClockDeadline(time: time, isRealtime: isRealtime) : self.deadline(in: time)
    }
    let end = deadline.monotonic(self)
    if call.wake == .timeout || end <= clock.monotonic { return .success }
    if call.wake == .signal {
      if isAbsolute { throw .ERESTARTNOHAND }
      if remaining.rawValue != 0 { try call.memory.copyOutTimespec(remaining, end - clock.monotonic) }
      call.task.restartBlock = RestartBlock(
        number: call.number, arguments: call.arguments, resume: SleepWait(deadline: deadline))
      throw .ERESTART_RESTARTBLOCK
    }
    return .block(
      Block(on: deadline.queues(self), until: end, resume: SleepWait(deadline: deadline), reason: .sleep))
  }
}

extension TaskUsage {
  /// A trap takes as long as virtual time says; half of it counts as the guest's own.
  mutating func chargeTrap() {
    let half = Nanoseconds(Timekeeper.stepPerSyscall.rawValue / 2)
    userTime += half
    systemTime += half
  }
  var cpuTime: Nanoseconds { userTime + systemTime }
}

extension ThreadGroup {
  /// CPU time of the living and the ended tasks.
  var cpuTime: Nanoseconds { tasks.reduce(usageOfEndedTasks.cpuTime) { $0 + $1.usage.cpuTime } }
}
