// Random walk: at each step the turn changes with the same probability, to any task that can run.

import Kernel
import Platform

/// The turn changes on average after `interval` scheduling points, and after one trap in `trapInterval`.
public final class WalkDecisions: ExploringDecisions {
  private var generator: SeededGenerator
  private let interval: UInt64
  private let trapInterval: Int
  /// Whether timers may expire while tasks could run.
  private let hasClock: Bool

  init(
    epoch: Nanoseconds, random: SeededGenerator, history: History? = nil, seed: UInt64, interval: UInt64, trapInterval: Int
  ) {
    generator = SeededGenerator(seed: seed)
    self.interval = max(1, interval)
    self.trapInterval = max(1, trapInterval)
    hasClock = generator.next(below: 2) == 0
    super.init(epoch: epoch, random: random, history: history)
  }

  override func wantsToEnter(_ update: SchedulePlace) -> Bool { generator.next(below: 2) == 0 }

  override func wantsPreemption(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    if case .sliceEnd = point { return true }
    return generator.next(below: trapInterval) == 0
  }

  override func wantsDelay(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    hasClock && generator.next(below: 4 * (queue.count + 1)) == 0
  }

  override func next(from queue: [TaskID], after place: SchedulePlace?, kind: Switch.Kind) -> Int {
    queue.count == 1 ? 0 : generator.next(below: queue.count)
  }

  override func limit(_ slice: inout Slice, place: SchedulePlace, queue: [TaskID]) {
    slice.points = generator.nextGeometric(mean: interval)
  }
}
