// The core that everything stands on: virtual time, timers in order, decisions that follow from a seed.

import Platform
import Testing

@testable import Kernel

@Suite struct TimekeeperTests {
  @Test func advancesOneMicrosecondATrap() {
    var clock = Timekeeper(epoch: Nanoseconds(1_000_000_000_000))
    let start = clock.monotonic
    for _ in 0..<10 { clock.trapPassed() }
    #expect((clock.monotonic - start).rawValue == 10_000)
    #expect(clock.realtime.rawValue == 1_000_000_000_000 + 10_000)
  }

  @Test func pollingTheClockMakesTimeRunFaster() {
    var clock = Timekeeper(epoch: .zero)
    let start = clock.monotonic
    var readings = 0
    while (clock.monotonic - start) < Nanoseconds.second {
      clock.trapPassed()
      clock.clockWasRead()
      readings += 1
    }
    #expect(readings < 2100)
    clock.trapPassed()
    clock.trapPassed()
    let before = clock.monotonic
    clock.clockWasRead()
    #expect((clock.monotonic - before).rawValue == 1_000)
  }

  @Test func arithmeticSaturates() {
    #expect(Nanoseconds.max + Nanoseconds(1) == .max)
    #expect(Nanoseconds(Int64.min) - Nanoseconds(1) == Nanoseconds(Int64.min))
  }
}

@Suite struct TimerQueueTests {
  final class Target: TimerTarget {
    func timerFired(_ kernel: Kernel, token: UInt64) {}
    func shallowCopy() -> Target { Target() }
    func copyReferences(_ context: CopyContext) {}
  }

  @Test func firesByDeadlineThenByOrderOfArming() {
    var queue = TimerQueue()
    let target = Target()
    _ = queue.arm(Nanoseconds(20), target, token: 1)
    _ = queue.arm(Nanoseconds(10), target, token: 2)
    _ = queue.arm(Nanoseconds(20), target, token: 3)
    let cancelled = queue.arm(Nanoseconds(5), target, token: 4)
    queue.cancel(cancelled)
    #expect(queue.nextDeadline() == Nanoseconds(10))
    var fired: [UInt64] = []
    while let entry = queue.popDue(Nanoseconds(20)) { fired.append(entry.token) }
    #expect(fired == [2, 1, 3])
    #expect(queue.nextDeadline() == nil)
  }

  @Test func manyCancelledTimersDoNotPileUp() {
    var queue = TimerQueue()
    let target = Target()
    _ = queue.arm(Nanoseconds(1_000_000), target)
    for i in 0..<10_000 { queue.cancel(queue.arm(Nanoseconds(Int64(i)), target)) }
    #expect(queue.nextDeadline() == Nanoseconds(1_000_000))
  }
}

@Suite struct DecisionsTests {
  @Test func sameSeedSameChoices() {
    func choices(_ seed: UInt64) -> [Int] {
      let decisions = SeededDecisions(seed: seed, policy: .random, epoch: .zero)
      return (0..<200).map { _ in
        let queue = [TaskID(3), TaskID(4), TaskID(5)]
        let place = SchedulePlace(task: TaskID(2), ticks: 0, pc: GuestAddress(0))
        return decisions.shouldPreempt(at: .blocked, place: place, queue: queue)
          ? decisions.pick(from: queue, at: .blocked, place: place) : -1
      }
    }
    #expect(choices(7) == choices(7))
    #expect(choices(7) != choices(8))
  }

  @Test func generatorIsTheSameForEver() {
    // xoshiro256** seeded with splitmix64(0): fixed, because seeds are part of traces and of people's notes.
    var generator = SeededGenerator(seed: 0)
    let first = (0..<3).map { _ in generator.next() }
    #expect(first == [0x99ec_5f36_cb75_f2b4, 0xbf6e_1f78_4956_452a, 0x1a5f_849d_4933_e6e0])
  }

  @Test func picksAreInRange() {
    var generator = SeededGenerator(seed: 3)
    var seen: Set<Int> = []
    for _ in 0..<1000 { seen.insert(generator.next(below: 5)) }
    #expect(seen == [0, 1, 2, 3, 4])
  }
}

@Suite struct SyscallTableTests {
  @Test func hasNoDoubleEntries() {
    // `standard()` traps on a double entry.
    #expect(SyscallTable.standard.rows.count == Set(SyscallTable.standard.rows.map(\.number)).count)
  }
}
