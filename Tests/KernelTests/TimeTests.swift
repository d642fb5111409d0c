// Clocks, sleeping, timer descriptors and POSIX timers.

import LinuxABI
import Platform
import Testing

@testable import Kernel

@Suite struct TimeTests {
  let f = KernelFixture()

  private func clock(_ id: Int64) -> Int64 {
    let out = f.allocate(16)
    #expect(f.call(SyscallNumber.clock_gettime, UInt64(bitPattern: id), out) == 0)
    return f.word(out, as: Int64.self) * 1_000_000_000 + f.word(out + 8, as: Int64.self)
  }

  @Test func clocksGoForward() {
    var last = clock(1)
    for _ in 0..<100 {
      let now = clock(1)
      #expect(now > last)
      last = now
    }
    #expect(clock(0) > 1_700_000_000_000_000_000)
    #expect(f.call(SyscallNumber.clock_gettime, 77, f.allocate(16)) == failure(.EINVAL))
    #expect(f.call(SyscallNumber.clock_gettime, 0, 8) == failure(.EFAULT))
  }

  @Test func pollingAClockEndsSoon() {
    let start = clock(1)
    var readings = 0
    while clock(1) - start < 1_000_000_000 { readings += 1 }
    #expect(readings < 2100)
    let cpuStart = clock(2)
    readings = 0
    while clock(2) - cpuStart < 100_000_000 { readings += 1 }
    #expect(readings < 1200)
  }

  @Test func sleepTakesVirtualTime() {
    let before = f.kernel.clock.monotonic
    #expect(f.call(SyscallNumber.nanosleep, f.putTime(3_600_000_000_000), 0) == nil)
    f.passTime()
    #expect(f.resume(f.task) == 0)
    #expect((f.kernel.clock.monotonic - before).rawValue >= 3_600_000_000_000)
    let bad = f.allocate(16)
    f.set(bad + 8, 1_000_000_000 as Int64)
    #expect(f.call(SyscallNumber.nanosleep, bad, 0) == failure(.EINVAL))
    #expect(f.call(SyscallNumber.clock_nanosleep, 3, 0, f.putTime(1), 0) == failure(.EINVAL))
    #expect(f.call(SyscallNumber.clock_nanosleep, 1, 1, f.putTime(1), 0) == 0)
  }

  @Test func anInterruptedSleepTellsTheRest() {
    let rest = f.allocate(16)
    #expect(f.call(SyscallNumber.nanosleep, f.putTime(10_000_000_000), rest) == nil)
    f.kernel.clock.jump(to: f.kernel.clock.monotonic + Nanoseconds(4_000_000_000))
    f.kernel.wake(f.task, .signal)
    #expect(f.resume(f.task) == failure(.ERESTART_RESTARTBLOCK))
    let left = f.word(rest, as: Int64.self) * 1_000_000_000 + f.word(rest + 8, as: Int64.self)
    #expect(left > 5_999_000_000 && left <= 6_000_000_000)
    #expect(f.task.restartBlock != nil)
  }

  @Test func settingTheClockNeedsACapability() {
    #expect(f.call(SyscallNumber.clock_settime, 0, f.putTime(2_000_000_000_000_000_000)) == failure(.EPERM))
    f.task.credentials.effectiveCapabilities = Credentials.allCapabilities
    #expect(f.call(SyscallNumber.clock_settime, 0, f.putTime(2_000_000_000_000_000_000)) == 0)
    #expect(clock(0) >= 2_000_000_000_000_000_000)
    #expect(f.call(SyscallNumber.clock_settime, 1, f.putTime(1)) == failure(.EINVAL))
  }

  @Test func timerFilesCountExpirations() {
    let file = f.call(SyscallNumber.timerfd_create, 1, 0o4000)
    let setting = f.put(Nanoseconds(1_000_000).timespecBytes + Nanoseconds(5_000_000).timespecBytes)
    #expect(f.call(SyscallNumber.timerfd_settime, UInt64(file!), 0, setting, 0) == 0)
    #expect(f.read(file, 8) == .failure(.EAGAIN))
    f.passTime()
    f.kernel.clock.jump(to: f.kernel.clock.monotonic + Nanoseconds(2_500_000))
    #expect(f.read(file, 8) == .success([3, 0, 0, 0, 0, 0, 0, 0]))
    #expect(f.read(file, 8) == .failure(.EAGAIN))
    let out = f.allocate(32)
    #expect(f.call(SyscallNumber.timerfd_gettime, UInt64(file!), out) == 0)
    #expect(f.word(out + 8, as: Int64.self) == 1_000_000)
    #expect(f.word(out + 24, as: Int64.self) <= 500_000)
    f.passTime()
    #expect(f.read(file, 8) == .success([1, 0, 0, 0, 0, 0, 0, 0]))
    let stop = f.put([UInt8](repeating: 0, count: 32))
    #expect(f.call(SyscallNumber.timerfd_settime, UInt64(file!), 0, stop, 0) == 0)
    #expect(f.kernel.timers.nextDeadline() == nil)
  }

  @Test func alarmTellsWhatWasLeft() {
    #expect(f.call(SyscallNumber.alarm, 10) == 0)
    #expect(f.call(SyscallNumber.alarm, 0) == 10)
    #expect(f.call(SyscallNumber.alarm, 0) == 0)
    #expect(f.kernel.timers.nextDeadline() == nil)
  }

  @Test func posixTimersWithoutSignalsTellTheTime() {
    var event = [UInt8](repeating: 0, count: 64)
    event.setInteger(1 as Int32, at: 12)
    let id = f.allocate(4)
    #expect(f.call(SyscallNumber.timer_create, 1, f.put(event), id) == 0)
    let timer = UInt64(f.word(id, as: UInt32.self))
    let setting = f.put(Nanoseconds(0).timespecBytes + Nanoseconds(5_000_000_000).timespecBytes)
    #expect(f.call(SyscallNumber.timer_settime, timer, 0, setting, 0) == 0)
    let out = f.allocate(32)
    #expect(f.call(SyscallNumber.timer_gettime, timer, out) == 0)
    #expect(f.word(out + 16, as: Int64.self) == 4)
    #expect(f.call(SyscallNumber.timer_delete, timer) == 0)
    #expect(f.call(SyscallNumber.timer_delete, timer) == failure(.EINVAL))
  }
}
