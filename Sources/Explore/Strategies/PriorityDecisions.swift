// PCT: Burckhardt, Kothari, Musuvathi, Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs",
// ASPLOS 2010. Tasks have random priorities, the highest that can run runs, and at d - 1 random steps the running task's drops
// below all others. A bug of depth d (d orderings of events that must hold) is found by one execution with a probability of at
// least 1 / (n k^(d-1)), with n tasks and k steps.
//
// A task that spins, or yields, drops below all others too, which the paper leaves out: what it waits for must run some time.

import Kernel
import Platform

public final class PriorityDecisions: ExploringDecisions {
  private var generator: SeededGenerator
  /// Steps at which the running task's priority drops, rising.
  private var changes: [UInt64]
  private var priorities: [(task: TaskID, priority: Int)] = []
  /// The next priority below all others.
  private var lowest = 0

  /// `depth`: d. `stepsExpected`: k, of an execution before.
  /// The clock's priority, as if it were a task: when it is the highest, the next timer expires. nil: it waits for all others.
  private var clock: Int?

  init(
    epoch: Nanoseconds, random: SeededGenerator, history: History? = nil, seed: UInt64, depth: Int, stepsExpected: UInt64
  ) {
    var generator = SeededGenerator(seed: seed)
    let steps = Int(clamping: max(1, stepsExpected))
    changes = (1..<max(1, depth)).map { _ in 1 + UInt64(generator.next(below: steps)) }.sorted()
    if generator.next(below: 2) == 0 { clock = generator.next(below: 1 << 30) }
    self.generator = generator
    super.init(epoch: epoch, random: random, history: history)
  }

  private func priority(of task: TaskID) -> Int {
    if let known = priorities.first(where: { $0.task == task }) { return known.priority }
    // Between the others: positive, and equal with no known one.
    var priority = 1 + generator.next(below: 1 << 30)
    while priorities.contains(where: { $0.priority == priority }) { priority = 1 + generator.next(below: 1 << 30) }
    priorities.append((task, priority))
    return priority
  }

  private func drop(_ task: TaskID) {
    _ = priority(of: task)
    lowest -= 1
    priorities[priorities.firstIndex { $0.task == task }!].priority = lowest
  }

  override func spins(_ task: TaskID) { drop(task) }

  override func wantsToEnter(_ update: SchedulePlace) -> Bool { generator.next(below: 2) == 0 }

  override func wantsPreemption(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    while let change = changes.first, steps >= change {
      changes.removeFirst()
      drop(place.task)
    }
    let own = priority(of: place.task)
    return queue.map { priority(of: $0) }.max()! > own
  }

  override func wantsDelay(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    guard let clock, !queue.isEmpty, clock > queue.map({ priority(of: $0) }).max()! else { return false }
    lowest -= 1
    self.clock = lowest
    return true
  }

  override func next(from queue: [TaskID], after place: SchedulePlace?, kind: Switch.Kind) -> Int {
    let all = queue.map { priority(of: $0) }
    return all.indices.max { all[$0] < all[$1] }!
  }

  override func limit(_ slice: inout Slice, place: SchedulePlace, queue: [TaskID]) {
    if let change = changes.first { slice.points = UInt32(clamping: change > steps ? change - steps : 1) }
  }
}
