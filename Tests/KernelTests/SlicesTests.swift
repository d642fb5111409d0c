// Slices: who is preempted where, when time passes in guest code, and who is held back.

import LinuxABI
import Platform
import Testing

@testable import Kernel

/// Slices that a test wrote; ever again the last.
private final class ScriptedDecisions: Decisions {
  var slices: [Slice]
  private(set) var asked = 0
  init(_ slices: [Slice]) { self.slices = slices }
  let epoch = Nanoseconds.zero
  func shouldPreempt(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    switch point {
    case .yield, .sliceEnd: true
    case .beforeSyscall, .afterTrap, .blocked: false
    }
  }
  func pick(from queue: [TaskID], at point: SchedulingPoint, place: SchedulePlace?) -> Int { 0 }
  func slice(place: SchedulePlace, queue: [TaskID], age: SliceAge) -> Slice {
    asked += 1
    return slices.count > 1 ? slices.removeFirst() : slices[0]
  }
  func randomBytes(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
  func hostRealtime() -> Nanoseconds? { nil }
}

@Suite struct SlicesTests {
  private let counter = KernelFixture.scratch + 0x8000

  private func fixture(
    _ decisions: (any Decisions)? = nil, seed: UInt64 = 1, policy: SchedulePolicy = .roundRobin,
    configure: (inout KernelConfiguration) -> Void = { _ in }
  ) -> (KernelFixture, TickingGuest) {
    let f = KernelFixture(seed: seed, policy: policy, decisions: decisions) {
      $0.hasTicks = true
      configure(&$0)
    }
    return (f, TickingGuest(f))
  }

  private func run(_ f: KernelFixture, traps: UInt64) {
    try! f.kernel.run(untilTraps: f.kernel.statistics.traps + traps)
  }

  // MARK: Turns

  @Test func twoSpinningTasksTakeTurns() {
    let (f, guest) = fixture()
    let other = f.makeThread(of: f.task)
    guest.set(f.task.context.id, [.spin])
    guest.set(other.context.id, [.spin])
    run(f, traps: 6)
    #expect(guest.runs.map(\.context) == [f.task, other, f.task, other, f.task, other].map(\.context.id))
    #expect(guest.runs.allSatisfy { $0.ticks == SeededDecisions.quantumTicks })
    #expect(f.kernel.statistics.switches == 6)
    #expect(f.kernel.statistics.traps == 6)
  }

  @Test func aSliceLastsOverTraps() {
    let decisions = ScriptedDecisions([Slice(ticks: 100, instructions: 3)])
    let (f, guest) = fixture(decisions)
    let other = f.makeThread(of: f.task)
    guest.set(f.task.context.id, [.compute(30), .call(SyscallNumber.getpid), .compute(30), .rdtsc, .spin])
    guest.set(other.context.id, [.spin])
    run(f, traps: 4)
    #expect(guest.runs.map(\.limit.ticks) == [100, 70, 40, 100])
    #expect(guest.runs.map(\.limit.instructions) == [3, 3, 3, 3])
    #expect(guest.runs[2].trap == .budget(StopPoint(instructions: 3)))
    #expect(guest.runs.map(\.context) == [f.task, f.task, f.task, other].map(\.context.id))
    #expect(decisions.asked == 2)
  }

  @Test func aTaskAloneHasNoSliceUntilAnotherCanRun() {
    let decisions = ScriptedDecisions([Slice(ticks: 50)])
    let (f, guest) = fixture(decisions)
    let sleeper = f.makeThread(of: f.task)
    guest.set(f.task.context.id, [.spin])
    // 10 us are 2500 ticks.
    guest.set(sleeper.context.id, [.call(SyscallNumber.nanosleep, [f.putTime(10_000), 0]), .spin])
    f.kernel.scheduler.remove(sleeper)
    f.kernel.scheduler.current = sleeper
    run(f, traps: 1)
    #expect(guest.runs[0].limit.ticks == 1 << 26 && decisions.asked == 0)
    f.kernel.scheduler.enqueue(f.task)
    run(f, traps: 3)
    #expect(guest.runs[1].context == f.task.context.id && guest.runs[1].limit.ticks == 2500)
    #expect(guest.runs[2].context == f.task.context.id && guest.runs[2].limit.ticks == 50)
    #expect(guest.runs[3].context == sleeper.context.id)
  }

  @Test func everyScheduleIsFair() {
    let (f, guest) = fixture(seed: 5, policy: .random)
    let tasks = [f.task, f.makeThread(of: f.task), f.makeThread(of: f.task), f.makeThread(of: f.task)]
    for task in tasks { guest.set(task.context.id, [.compute(7_000), .add(1, to: counter)], repeats: true) }
    run(f, traps: 3000)
    for task in tasks { #expect(guest.runs.count { $0.context == task.context.id } > 300) }
  }

  @Test func theSeedIsTheSchedule() {
    func schedule(_ seed: UInt64) -> [[UInt64]] {
      let (f, guest) = fixture(seed: seed, policy: .random)
      let other = f.makeThread(of: f.task)
      for task in [f.task, other] { guest.set(task.context.id, [.compute(9_000), .add(1, to: counter)], repeats: true) }
      run(f, traps: 500)
      return guest.runs.map { [UInt64($0.context.rawValue), $0.ticks] }
    }
    #expect(schedule(3) == schedule(3))
    #expect(schedule(3) != schedule(4))
  }

  // MARK: Races

  @Test func aTaskThatStoppedInAnUpdateIsHeldBack() {
    let stop = Slice(updateAtOnce: 3)
    let (f, guest) = fixture(ScriptedDecisions([stop, Slice(ticks: 10)]))
    let (second, third) = (f.makeThread(of: f.task), f.makeThread(of: f.task))
    guest.set(f.task.context.id, [.compute(5), .add(1, to: counter), .spin])
    guest.set(second.context.id, [.add(7, to: counter), .spin])
    guest.set(third.context.id, [.spin])
    run(f, traps: 6)
    #expect(guest.runs[0].trap == .budget(StopPoint(updates: 1, loadedValue: 0)))
    // Not in the queue at the first pick; passed over at three more.
    #expect(
      guest.runs.map(\.context) == [f.task, second, third, second, third, f.task].map(\.context.id))
    // What the second added is lost.
    #expect(f.word(counter.rawValue, as: UInt64.self) == 1)
  }

  @Test func aHeldTaskRunsWhenNobodyElseCan() {
    let stop = Slice(updateAtOnce: 50)
    let (f, guest) = fixture(ScriptedDecisions([stop, Slice(ticks: 10)]))
    let other = f.makeThread(of: f.task)
    guest.set(f.task.context.id, [.add(1, to: counter), .spin])
    guest.set(other.context.id, [.compute(25), .call(SyscallNumber.pause), .spin])
    run(f, traps: 5)
    #expect(guest.runs.map(\.context) == [f.task, other, other, other, f.task].map(\.context.id))
    #expect(f.task.picksHeldBack == 0)
  }

  /// Two threads that each add a million at once, in one instruction or in a loop.
  @Test(arguments: [false, true]) func countersLoseUpdates(inALoop: Bool) {
    var lost = 0
    for seed in 1...200 as ClosedRange<UInt64> {
      let (f, guest) = fixture(seed: seed, policy: .random)
      let other = f.makeThread(of: f.task)
      let once: [GuestStep] = [.add(1_000_000, to: counter)]
      let often = [[GuestStep]](repeating: [.add(10_000, to: counter), .compute(1)], count: 100).flatMap { $0 }
      for task in [f.task, other] {
        guest.set(task.context.id, [.compute(40)] + (inALoop ? often : once) + [.call(SyscallNumber.pause)])
      }
      while f.kernel.verdict == nil && f.kernel.statistics.traps < 10_000 { run(f, traps: 1) }
      // Both are done and wait.
      guard case .deadlock = f.kernel.verdict else { Issue.record("seed \(seed) does not end"); return }
      if f.word(counter.rawValue, as: UInt64.self) != 2_000_000 { lost += 1 }
    }
    #expect(lost > 100, "\(lost) of 200")
  }

  // MARK: Time

  @Test func timePassesByTicks() {
    let (f, guest) = fixture()
    guest.set(f.task.context.id, [.compute(1_000_000), .call(SyscallNumber.getpid), .spin])
    let before = f.kernel.clock.monotonic
    run(f, traps: 1)
    #expect((f.kernel.clock.monotonic - before).rawValue == 4_000_000 + 1_000)
    #expect(f.task.usage.userTime.rawValue == 4_000_000 + 500)
    #expect(f.task.usage.systemTime.rawValue == 500)
    // A stop at a limit is no trap of the guest's.
    run(f, traps: 1)
    #expect((f.kernel.clock.monotonic - before).rawValue == 4_000_000 + 1_000 + 4 << 26)
    #expect(f.kernel.statistics.syscalls == 1)
  }

  @Test(arguments: [0, 1, 2] as [UInt64]) func timersFireInACalculation(which: UInt64) {
    let (f, guest) = fixture()
    let value = f.put(Nanoseconds(0).timevalBytes + Nanoseconds(3_000_000).timevalBytes)
    guest.set(f.task.context.id, [.call(SyscallNumber.setitimer, [which, value, 0]), .spin])
    let before = f.kernel.clock.monotonic
    for _ in 0..<20 where f.kernel.verdict == nil { run(f, traps: 1) }
    #expect(f.kernel.verdict == .exited(status: [14, 26, 27][Int(which)]))
    let late = (f.kernel.clock.monotonic - before).rawValue - 3_000_000
    #expect(late >= 0 && late < 1_100_000)
  }

  @Test func theTimeoutEndsACalculation() {
    let (f, guest) = fixture { $0.timeout = Nanoseconds(7 * 1_000_000_000) }
    guest.set(f.task.context.id, [.spin])
    for _ in 0..<100 where f.kernel.verdict == nil { run(f, traps: 1) }
    guard case .timedOut = f.kernel.verdict else { Issue.record("no time-out"); return }
    #expect(f.kernel.virtualTimeElapsed.rawValue == 7_000_000_000)
  }

  @Test func pollingAClockEndsThoughPreempted() {
    let (f, guest) = fixture(ScriptedDecisions([Slice(ticks: 10)]))
    let other = f.makeThread(of: f.task)
    let time = f.allocate(16)
    guest.set(f.task.context.id, [.compute(3), .call(SyscallNumber.clock_gettime, [1, time])], repeats: true)
    guest.set(other.context.id, [.spin])
    let before = f.kernel.clock.monotonic
    while (f.kernel.clock.monotonic - before).rawValue < 2_000_000_000 && guest.runs.count < 20_000 { run(f, traps: 1) }
    #expect(guest.runs.count < 10_000)
  }

  // MARK: Copies

  @Test func copiesHaveTheSliceAndWhoIsHeldBack() {
    let (f, guest) = fixture(ScriptedDecisions([Slice(updateAtOnce: 30), Slice(ticks: 100)]))
    let other = f.makeThread(of: f.task)
    guest.set(f.task.context.id, [.add(1, to: counter), .spin])
    guest.set(other.context.id, [.compute(20), .call(SyscallNumber.getpid), .spin])
    run(f, traps: 2)
    #expect(f.kernel.scheduler.slice?.ticks == 80)
    #expect(f.task.picksHeldBack == 30)
    expectIndependentCopy(of: f)
  }
}

@Suite struct SliceDrawingTests {
  private func slices(_ age: SliceAge) -> [Slice] {
    var generator = SeededGenerator(seed: 9)
    let slices = (0..<4000).map { _ in generator.nextSlice(age: age) }
    #expect(slices.allSatisfy { $0.ticks > 0 && $0.instructions < 8 })
    #expect(slices.allSatisfy { ($0.updates == 0) == ($0.picksHeldBack == 0) })
    return slices
  }

  @Test func lateSlicesHaveEveryScale() {
    let slices = slices(SliceAge(ofRun: 1_000_000, ofTask: 1000))
    for exponent in 4..<20 as Range<UInt64> {
      #expect(slices.count { $0.ticks >> exponent == 1 } > 150)
    }
    #expect(slices.allSatisfy { $0.ticks < 1 << 20 && $0.picksHeldBack < 64 })
    #expect(slices.count { $0.instructions > 0 } > 700)
    #expect(slices.count { $0.updates == 1 } > 350)
    // Each that is not the last costs two stops.
    #expect(slices.allSatisfy { $0.updates < 8 && !$0.updatesCountAtOnce })
  }

  @Test func earlySlicesAreDense() {
    for (age, held) in [(SliceAge(ofRun: 0, ofTask: 100), 1..<16), (SliceAge(ofRun: 1_000_000, ofTask: 39), 16..<2048)] {
      let slices = slices(age)
      #expect(slices.allSatisfy { $0.ticks < 1 << 12 && $0.updates < 8 })
      #expect(slices.count { $0.instructions > 0 } > 700)
      #expect(slices.count { $0.updates == 1 && $0.updatesCountAtOnce } > 2300)
      #expect(slices.allSatisfy { $0.updates == 0 || held.contains($0.picksHeldBack) })
    }
  }

  @Test func denseSlicesBecomeRare() {
    let dense = { slices(SliceAge(ofRun: $0, ofTask: 100)).count { $0.updates == 1 } }
    #expect(dense(300) > 1700)
    #expect(dense(300) > dense(1000) && dense(1000) > dense(10_000))
  }
}

extension Slice {
  /// Ends inside the next update; its task is then held back for so many picks.
  fileprivate init(updateAtOnce picksHeldBack: Int) {
    self.init(ticks: 1000, updates: 1, picksHeldBack: picksHeldBack)
    updatesCountAtOnce = true
  }
}
