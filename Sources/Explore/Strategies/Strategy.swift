// The strategies by name, and what each makes of the number of an execution. All that an execution does follows from the search's
// seed, its number, and what was known when it began: never from when it runs, or beside which others.

import Kernel
import Platform

/// How schedules are chosen.
public enum Strategy: String, Hashable, Sendable, CaseIterable {
  /// Changes of turn at random steps, at a rate that is drawn anew for each execution.
  case walk
  /// Random priorities and a few random drops.
  case pct
  /// Tasks are held at random scheduling points until nobody else can go on, or all are held.
  case hold
  /// The same, and what led to new places is tried again with one more.
  case feedback
  /// The four above in turn.
  case mix
  /// All schedules with few preemptions are enumerated: nothing is drawn.
  case bounded

  /// The strategy of execution `number`.
  func part(of number: UInt64) -> Strategy {
    if self != .mix { return self }
    return number % 2 == 0 ? .feedback : number % 4 == 1 ? .pct : .walk
  }

  /// What the random choices of execution `number` come from.
  static func generator(number: UInt64, seed: UInt64) -> SeededGenerator {
    SeededGenerator(seed: seed &+ number &* 0x9e37_79b9_7f4a_7c15)
  }

  /// The decisions of execution `number`. Not of those that go by a plan: the search makes it, from what it has seen.
  /// `stepsExpected`: scheduling points and traps of an ordinary execution, at least 1.
  func decisions(
    number: UInt64, seed: UInt64, stepsExpected: UInt64, epoch: Nanoseconds, random: SeededGenerator
  ) -> ExploringDecisions {
    var draw = Self.generator(number: number, seed: seed)
    let own = draw.next()
    switch self {
    case .walk:
      // On every scale from every second step to a few changes in the whole run.
      var scales = 1
      while 1 << UInt64(scales) < stepsExpected && scales < 20 { scales += 1 }
      let interval = UInt64(2) << UInt64(draw.next(below: scales))
      let trapInterval = 1 + draw.next(below: 8)
      return WalkDecisions(epoch: epoch, random: random, seed: own, interval: interval, trapInterval: trapInterval)
    case .pct:
      let depth = 1 + draw.next(below: 4)
      return PriorityDecisions(epoch: epoch, random: random, seed: own, depth: depth, stepsExpected: stepsExpected)
    case .hold, .feedback, .bounded: preconditionFailure("execution \(number) goes by a plan")
    case .mix:
      let part = part(of: number)
      return part.decisions(
        number: number, seed: seed &+ 1, stepsExpected: stepsExpected, epoch: epoch, random: random)
    }
  }
}
