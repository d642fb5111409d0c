// Schedules are followed exactly, also where several switches stand at one place.

import Kernel
import Platform
import Testing

@testable import Explore

extension ExploreTests {
  @Suite struct FollowTests {
    private static let place = SchedulePlace(task: TaskID(4), ticks: 39, pc: GuestAddress(0x401000))
    /// Time passes twice, which wakes up task 3, and that takes the turn.
    private static let delayed = Schedule([
      Switch(.delay, isInCode: true, at: place, to: TaskID(4)), Switch(.delay, isInCode: true, at: place, to: TaskID(4)),
      Switch(.preemption, isInCode: true, at: place, to: TaskID(3)),
    ])

    private func follows(_ decisions: ExploringDecisions) {
      let place = Self.place
      let begin = SchedulePlace(task: TaskID(4), ticks: 0, pc: GuestAddress(0x400000))
      _ = decisions.slice(place: begin, queue: [TaskID(2)], age: SliceAge(ofRun: 0, ofTask: 0))
      let isPreempted = decisions.shouldPreempt(at: .sliceEnd, place: place, queue: [TaskID(2)])
      #expect(isPreempted, "though task 3 cannot run yet")
      let passes = (0..<3).map { _ in decisions.letsTimePass(at: .sliceEnd, place: place, queue: [TaskID(2)]) }
      #expect(passes == [true, true, false])
      let next = decisions.pick(from: [TaskID(2), TaskID(3)], at: .sliceEnd, place: place)
      #expect(next == 1)
      #expect(decisions.schedule == Self.delayed)
    }

    @Test func delaysBeforeAPreemptionAreFollowed() {
      follows(FollowDecisions(epoch: Nanoseconds(0), random: SeededGenerator(seed: 1), schedule: Self.delayed))
    }

    @Test func delaysBeforeAPreemptionAreFollowedByTheEnumeration() {
      let decisions = BoundedDecisions(epoch: Nanoseconds(0), random: SeededGenerator(seed: 1), schedule: Self.delayed)
      follows(decisions)
      #expect(decisions.run.hasFollowed)
    }
  }
}
