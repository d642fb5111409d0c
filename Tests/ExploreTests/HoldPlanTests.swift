// Who is held where, and until when.

import Kernel
import Platform
import Testing

@testable import Explore

extension ExploreTests {
  @Suite struct HoldPlanTests {
    private static let earlier = GuestAddress(0x401000), later = GuestAddress(0x402000)
    private static let space = AddressSpaceID(rawValue: 1)

    private func place(_ task: Int32, _ pc: GuestAddress) -> SchedulePlace {
      SchedulePlace(task: TaskID(task), ticks: UInt64(task), pc: pc)
    }

    /// Tasks 2 and 3 do the same, and task 4 does once what they shall wait for.
    private func plan(holdsAll: Bool) -> HoldPlan {
      var generator = SeededGenerator(seed: 1)
      var plan = HoldPlan(&generator)
      plan.trapInterval = 0
      plan.letsTimePass = false
      let reversal = Reversal(
        earlier: Moment(task: TaskID(2), pc: Self.earlier, occurrence: 1),
        later: Moment(task: TaskID(4), pc: Self.later, occurrence: 1), isOwn: true, startsInUpdate: false)
      plan.add(reversal, distance: 1, isInside: false, holdsAll: holdsAll)
      return plan
    }

    @Test(arguments: [true, false])
    func equalTasksAreHeldTogetherButForTheAwaited(_ holdsAll: Bool) {
      let history = History()
      for pc in [Self.earlier, Self.later] { _ = history.points.number(of: pc) }
      history.begin(nil)
      for task in Int32(2)...4 {
        history.note(
          .taskStarted(task: task, context: ContextID(rawValue: UInt32(task)), process: 2, parent: 1, name: "task"))
      }
      let decisions = HoldDecisions(
        epoch: Nanoseconds(0), random: SeededGenerator(seed: 1), plan: plan(holdsAll: holdsAll), history: history)
      func arrives(_ task: Int32, _ others: [Int32]) -> Bool {
        decisions.shouldPreempt(at: .sliceEnd, place: place(task, Self.earlier), queue: others.map { TaskID($0) })
      }
      func next(after task: Int32, _ queue: [Int32]) -> Int32 {
        queue[decisions.pick(from: queue.map { TaskID($0) }, at: .sliceEnd, place: place(task, Self.earlier))]
      }
      let first = arrives(2, [3, 4])
      #expect(first)
      #expect([3, 4].contains(next(after: 2, [3, 4])))
      let second = arrives(3, [4, 2])
      #expect(second == holdsAll, "it does what task 2 is held for")
      if second { #expect(next(after: 3, [2, 4]) == 4, "the others are held") }
      let awaited = arrives(4, [2, 3])
      #expect(!awaited, "for task 4 they wait")
      history.touched(
        [MemoryAccess(pc: Self.later, address: GuestAddress(0x1000), size: 8, isWrite: true)], aliases: [],
        by: ContextID(rawValue: 4), handler: nil, in: Self.space)
      // It has happened: nobody is held any more, whoever asks.
      let again = arrives(4, [2, 3])
      #expect(!again)
      let chosen = Set((0..<32).map { _ in next(after: 4, [2, 3]) })
      #expect(chosen == [2, 3])
      #expect(decisions.isMet)
    }
  }
}
