// The check: a schedule that was found with one build, tried with another. Exit statuses are those that `git bisect run` asks for.

import CLinux
import Explore
import Kernel
import RecordReplay
import Trace

/// What a check is asked to do.
public struct CheckOptions: Sendable {
  public var predicate = FailurePredicate()
  /// A failure of another kind than the one that was found counts too.
  public var acceptsAnyFailure = false
  /// Executions at most.
  public var executionsMax = 200
  public init() {}
}

/// What a check came to.
public struct CheckResult: Sendable {
  public enum Verdict: Sendable, Equatable {
    /// The failure comes again.
    case fails
    /// The schedule was followed, and nothing failed.
    case passes
    /// In words.
    case unknown(String)
  }
  public var verdict = Verdict.unknown("")
  /// The failure, as `FailurePredicate` calls it; of an unknown verdict one of another kind.
  public var failure: String?
  public var failing: Outcome?
  /// Places of the schedule that decide, and how many of them were found in this build.
  public var places = 0
  public var placesFound = 0
  /// Places that this build has, and that the program did not come to under the schedule.
  public var placesNotReached = 0
  /// The search's preemptions whose operations came in the order that failed, of those of which it is known.
  public var ordersMade = 0
  public var orders = 0
  /// What was matched to what, in words.
  public var matches: [String] = []
  public var executions = 0
  /// It is the very build that the schedule was found with.
  public var isSameProgram = false

  public var exitStatus: Int32 {
    switch verdict {
    case .fails: 1
    case .passes: 0
    case .unknown: 125
    }
  }
}

public enum CheckSession {
  /// What a trace says of its search, for who sets up the run. Throws when no search made it.
  public static func header(_ path: String) throws(SessionError) -> TraceHeader {
    let header: TraceHeader
    do throws(TraceError) { header = try TraceReader(path: path).header } catch { throw SessionError(error.description) }
    if header.search == nil { throw SessionError("\(path) has no schedule: only traces of hunt can be checked") }
    return header
  }

  /// Tries the schedule of a trace with the program of `options`.
  public static func run(
    _ path: String, _ options: RunOptions, _ check: CheckOptions, input: CapturedInput?
  ) throws(SessionError) -> CheckResult {
    guard let note = try header(path).search else { throw SessionError("\(path) has no schedule") }
    // First the replay, then the program: one machine at a time.
    let traced = try TracedPlaces(path, note)
    let machine = try RetraceMachine(options, input: input)
    defer { machine.end() }
    var checker = Checker(note, traced, machine, check)
    try checker.run(HostFile.bytes(options.program, sizeMax: CodeImages.sizeMax))
    checker.result.executions = machine.executions
    return checker.result
  }
}
