// The order of steps with the fewest preemptions: against all orders of small executions, one step at a time.

import Kernel
import Platform
import Testing

@testable import Explore

/// Steps of some tasks on some objects, at random.
private func randomSteps(_ generator: inout SeededGenerator, tasks: Int, steps: Int) -> [Step] {
  var done = [Int](repeating: 0, count: tasks)
  return (0..<steps).map { _ in
    let task = generator.next(below: tasks)
    done[task] += 1
    let object = UInt64(generator.next(below: 4))
    let kind = generator.next(below: 8)
    let footprint =
      kind == 0 ? .ordered : kind < 3 ? Footprint() : kind < 6 ? Footprint(read: [object]) : Footprint(written: [object])
    let place = SchedulePlace(task: TaskID(Int32(task)), ticks: UInt64(done[task]), pc: GuestAddress(1))
    return Step(
      task: place.task, footprint: footprint, likely: footprint,
      end: Step.End(canGoOn: generator.next(below: 3) > 0, isInCode: true, place: place))
  }
}

/// The fewest preemptions by trying every step that can come next, in every state.
private struct EveryOrder {
  let steps: [Step]
  let all: Bool
  private struct State: Hashable {
    var done: Set<Int>
    var last: Int?
  }
  private var known: [State: Int] = [:]

  init(_ steps: [Step], all: Bool) {
    self.steps = steps
    self.all = all
  }

  mutating func fewest() -> Int { fewest(State(done: [], last: nil)) }

  private func canCome(_ index: Int, _ done: Set<Int>) -> Bool {
    !done.contains(index)
      && (0..<index).allSatisfy {
        done.contains($0) || steps[$0].task != steps[index].task && !steps[$0].footprint.conflicts(with: steps[index].footprint)
      }
  }

  private mutating func fewest(_ state: State) -> Int {
    if all ? state.done.count == steps.count : state.done.contains(steps.count - 1) { return 0 }
    if let known = known[state] { return known }
    var best = 1000
    for index in steps.indices where canCome(index, state.done) {
      // The turn is the first task's in the beginning.
      if state.last == nil && steps[index].task != steps[0].task { continue }
      var cost = 0
      if let last = state.last, steps[last].task != steps[index].task, steps[last].end.canGoOn { cost = 1 }
      best = min(best, cost + fewest(State(done: state.done.union([index]), last: index)))
    }
    known[state] = best
    return best
  }
}

extension ExploreTests {
  @Suite struct StepOrderTests {
    @Test(arguments: [(2, 8), (3, 9), (4, 10)]) func fewestOfAllOrders(_ tasks: Int, _ count: Int) throws {
      var generator = SeededGenerator(seed: UInt64(tasks))
      var sums = [0, 0]
      for _ in 0..<60 {
        let steps = randomSteps(&generator, tasks: tasks, steps: count)
        let order = try #require(StepOrder(steps) { $0.footprint })
        for all in [false, true] {
          let turns = try #require(order.fewest(all: all))
          var every = EveryOrder(steps, all: all)
          let fewest = every.fewest()
          #expect(order.preemptions(of: turns) == fewest)
          #expect(order.fewest(all: all, below: fewest) == nil)
          #expect(order.fewest(all: all, below: fewest + 1) != nil)
          try check(turns, steps, all: all)
          sums[0] += fewest
          sums[1] += zip(steps, steps.dropFirst()).count { $0.task != $1.task && $0.end.canGoOn }
        }
      }
      // It is of use.
      #expect(sums[0] * 3 < sums[1] * 2)
    }

    /// Each step once, a task's own and those that conflict in the order in which they came.
    private func check(_ turns: [StepOrder.Turn], _ steps: [Step], all: Bool) throws {
      var sequence: [Int] = []
      for turn in turns {
        let own = steps.indices.filter { steps[$0].task == turn.task }
        sequence += own[turn.steps]
      }
      #expect(Set(sequence).count == sequence.count)
      #expect(sequence.contains(steps.count - 1))
      if all { #expect(sequence.count == steps.count) }
      for (position, index) in sequence.enumerated() {
        for earlier in 0..<index
        where steps[earlier].task == steps[index].task || steps[earlier].footprint.conflicts(with: steps[index].footprint) {
          let before = try #require(sequence.firstIndex(of: earlier), "\(earlier) is missing before \(index)")
          #expect(before < position)
        }
      }
    }

    /// Five that each take a lock and want the next one's, each preempted in between: one preemption is enough.
    @Test func ringOfLocks() throws {
      func step(_ task: Int, _ position: Int, _ lock: Int, blocks: Bool) -> Step {
        let place = SchedulePlace(task: TaskID(Int32(task)), ticks: UInt64(position), pc: GuestAddress(UInt64(position)))
        let footprint = Footprint(written: [UInt64(lock)])
        return Step(
          task: place.task, footprint: footprint, likely: footprint,
          end: Step.End(canGoOn: !blocks, isInCode: !blocks, place: place))
      }
      let steps = (0..<5).map { step($0, 1, $0, blocks: false) } + (0..<5).map { step($0, 2, ($0 + 1) % 5, blocks: true) }
      let order = try #require(StepOrder(steps) { $0.footprint })
      let turns = try #require(order.fewest(all: true))
      #expect(order.preemptions(of: turns) == 1)
      let schedule = order.schedule(of: turns)
      #expect(schedule.switches.map(\.kind) == [.preemption, .choice, .choice, .choice, .choice])
      #expect(schedule.switches.map(\.next.rawValue) == [4, 3, 2, 1, 0])
      #expect(schedule.switches[0].place == steps[0].end.place)
    }

    @Test func footprints() {
      let one = Footprint(read: [1, 2], written: [3]), other = Footprint(read: [3], written: [4])
      #expect(one.conflicts(with: other) && other.conflicts(with: one))
      #expect(one.contended(with: other) == [3] && other.contended(with: one) == [3])
      #expect(!one.conflicts(with: Footprint(read: [1, 2])) && !one.without(3).conflicts(with: other))
      #expect(Footprint.ordered.conflicts(with: Footprint()) && !Footprint.ordered.isEmpty && Footprint().isEmpty)
      #expect(one.union(other) == Footprint(read: [1, 2], written: [3, 4]))
    }
  }
}
