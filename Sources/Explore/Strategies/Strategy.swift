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
  /// The others in turn.
  case mix

  /// The strategy of execution `number`.
  func part(of number: UInt64) -> Strategy {
    if self != .mix { return self }
    return number % 2 == 0 ? .feedback : number % 4 == 1 ? .pct : .walk
  }

  /// What the random choices of execution `number` come from.
  static func generator(number: UInt64, seed: UInt64) -> SeededGenerator {
    SeededGenerator(seed: seed &+ number &* 0x9e37_79b9_7f4a_7c15)
  }

  /// What execution `number` is asked to do. `stepsExpected`: scheduling points and traps of an ordinary execution, at least 1.
  func manner(
    number: UInt64, seed: UInt64, stepsExpected: UInt64, _ corpus: inout Corpus
  ) -> Trial.Manner {
    var draw = Self.generator(number: number, seed: seed)
    switch self {
    case .walk:
      let own = draw.next()
      // On every scale from every second step to a few changes in the whole run.
      var scales = 1
      while 1 << UInt64(scales) < stepsExpected && scales < 20 { scales += 1 }
      let interval = UInt64(2) << UInt64(draw.next(below: scales))
      return .walk(seed: own, interval: interval, trapInterval: 1 + draw.next(below: 8))
    case .pct:
      return .priorities(seed: draw.next(), depth: 1 + draw.next(below: 4), stepsExpected: stepsExpected)
    case .hold: return .hold(.random(of: corpus.arrivals, &draw))
    case .feedback: return .hold(corpus.plan(&draw))
    case .mix:
      return part(of: number).manner(
        number: number, seed: seed &+ 1, stepsExpected: stepsExpected, &corpus)
    }
  }
}
