// What the first, unpreempted execution tells before any search: that the program cannot start, or that a test always fails.

import Kernel
import RecordReplay

extension Hunt {
  /// Schedules that are tried when the first one fails; few when it did not end, since each lasts as long as is allowed.
  private static func othersMax(_ first: Outcome) -> UInt64 {
    switch first.verdict {
    case .exited, .deadlock, .interrupted: 9
    case .spin, .timedOut, nil: 2
    }
  }

  /// What to try when the first execution failed: others, with turns at random.
  func othersThanFirst(_ first: Outcome, trapsMax: UInt64) -> [Trial] {
    let last = min(options.schedulesMax, 1 + Self.othersMax(first))
    return (2..<max(2, last + 1)).map { number in
      let manner = Trial.Manner.walk(
        seed: options.seed &+ number, interval: 1 << (4 * (number % 4)), trapInterval: 1 + Int(number % 3))
      return Trial(manner: manner, number: number, trapsMax: trapsMax)
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

/// Why a search makes no sense though the program was executed.
enum Obstacle {
  /// In words. `isAlone`: the program made no task.
  static func find(_ outcome: Outcome, isAlone: Bool) -> String? {
    guard case .exited(let status) = outcome.verdict, status & 0x7f == 0 else { return nil }
    let code = status >> 8 & 0xff
    let text = String(decoding: outcome.standardError.prefix(65536), as: UTF8.self)
    if code != 0 && text.contains("LeakSanitizer has encountered a fatal error") {
      return "the leak check of this program's sanitizer needs ptrace, which the sandbox does not give, and so every run fails: "
        + "set ASAN_OPTIONS=detect_leaks=0 (LSAN_OPTIONS=detect_leaks=0)"
    }
    if !isAlone { return nil }
    // What the dynamic linker says, glibc's (127; 1 for a version that a library does not have) or musl's. What a shell says
    // may be the test's own failure.
    let phrases =
      switch code {
      case 127: ["error while loading shared libraries: ", "symbol lookup error: ", "Error loading shared library "]
      case 1: ["' not found (required by "]
      default: [String]()
      }
    let line = text.split(separator: "\n").first { line in phrases.contains { line.contains($0) } }
    return line.map { "the program cannot start: \($0)" }
  }
}
