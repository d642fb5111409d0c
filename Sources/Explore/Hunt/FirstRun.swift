// What the first, unpreempted execution tells before any search: a program that cannot start, or a test that always fails.

import Kernel
import RecordReplay

extension Hunt {
  /// Schedules that are tried when the first one fails; few when it did not end, since each lasts as long as is allowed.
  private static func othersMax(_ first: Outcome) -> UInt64 {
    if case .exited = first.verdict { return 9 }
    return 2
  }

  /// The first execution failed: others show whether all do. No search is needed then, nor if some pass.
  func tryOthersThanFirst(_ first: Outcome) throws(SessionError) {
    while result.schedulesTried < min(options.schedulesMax, 1 + Self.othersMax(first)) {
      let number = result.schedulesTried + 1
      let tried = try execute {
        WalkDecisions(
          epoch: epoch, random: random, seed: options.seed &+ number, interval: 1 << (4 * (number % 4)),
          trapInterval: 1 + Int(number % 3))
      }
      result.schedulesTried = number
      _ = note(tried, number: number)
    }
  }
}

extension HuntResult {
  /// How the failures of all schedules that were tried are called, when all failed alike; nil otherwise, and for a single
  /// schedule of several.
  public var alwaysFailing: String? {
    guard failures == schedulesTried, schedulesTried > 1 || hasOneTask, let kind = distinct.all.first?.key.kind,
      distinct.all.allSatisfy({ $0.key.kind == kind })
    else { return nil }
    return kind
  }

  public var estimate: FailureEstimate? { FailureEstimate(failed: failures, of: schedulesTried) }
}

/// The program never came to run: what ld.so says of it. Not for what a shell says, which may be the test's own failure.
enum StartProblem {
  /// In words, for the first execution of a program that made no task.
  static func find(_ outcome: Outcome) -> String? {
    guard case .exited(let status) = outcome.verdict, status & 0x7f == 0 else { return nil }
    let text = String(decoding: outcome.standardError.prefix(65536), as: UTF8.self)
    let lines = text.split(separator: "\n")
    // glibc's elf/dl-support.c and dl-error.c: 127, and 1 for a version that a library does not have.
    let phrases =
      switch status >> 8 & 0xff {
      case 127: ["error while loading shared libraries: ", "symbol lookup error: ", "Error loading shared library "]
      case 1: ["' not found (required by "]
      default: [String]()
      }
    return lines.first { line in phrases.contains { line.contains($0) } }.map { "the program cannot start: \($0)" }
  }
}
