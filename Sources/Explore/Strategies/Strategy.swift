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
  /// Random priorities of events, drawn anew for those that conflict with what has come.
  case pos
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
    // What is easy to find is found soon by any of them, and what is hard by what was learnt.
    if number <= 64 { return [.feedback, .pct, .feedback, .walk, .feedback, .pct, .feedback, .pos][Int(number % 8)] }
    switch number % 16 {
    case 1, 9: return .pct
    case 3: return .walk
    case 11: return .pos
    default: return .feedback
    }
  }

  /// What the random choices of execution `number` come from.
  static func generator(number: UInt64, seed: UInt64) -> SeededGenerator {
    SeededGenerator(seed: seed &+ number &* 0x9e37_79b9_7f4a_7c15)
  }

  /// How often a walk or POS stops at scheduling points, about: programs with loops have hundreds of thousands.
  private static let stopsMax: UInt64 = 4096

  /// What execution `number` is asked to do. `stepsExpected`: scheduling points and traps of an ordinary execution, at least 1.
  func manner(
    number: UInt64, seed: UInt64, stepsExpected: UInt64, conflicts: Conflicts, _ corpus: inout Corpus
  ) -> Trial.Manner {
    var draw = Self.generator(number: number, seed: seed)
    switch self {
    case .walk:
      let own = draw.next()
      // On every scale from every second step to a few changes in the whole run.
      var scales = 1
      while 1 << UInt64(scales) < stepsExpected && scales < 20 { scales += 1 }
      let interval = max(UInt64(2) << UInt64(draw.next(below: scales)), stepsExpected / Self.stopsMax)
      return .walk(seed: own, interval: interval, trapInterval: 1 + draw.next(below: 8))
    case .pct:
      return .priorities(seed: draw.next(), depth: 1 + draw.next(below: 4), stepsExpected: stepsExpected)
    case .pos:
      return .sample(seed: draw.next(), conflicts: conflicts, interval: max(1, stepsExpected / Self.stopsMax))
    case .hold: return .hold(.random(of: corpus.arrivals, &draw))
    case .feedback: return .hold(corpus.plan(&draw))
    case .bounded: preconditionFailure("schedule \(number) of an enumeration is not drawn")
    case .mix:
      return part(of: number).manner(
        number: number, seed: seed &+ 1, stepsExpected: stepsExpected, conflicts: conflicts, &corpus)
    }
  }
}
