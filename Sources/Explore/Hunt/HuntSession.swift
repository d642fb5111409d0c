// A search from options to a trace: the machines, the tries, what was found shrunk and recorded.

import Kernel
import Platform
import RecordReplay

public enum HuntSession {
  /// Searches, and shrinks what was found. `progress` is called now and then; false ends the search.
  public static func run(
    _ options: RunOptions, _ search: HuntOptions, input: CapturedInput? = nil, progress: (HuntResult) -> Bool
  ) throws(SessionError) -> HuntResult {
    let crew = try WorkerPool(options, input: input, count: search.jobs)
    defer { crew.end() }
    let hunt = Hunt(crew, search)
    var result = try hunt.run(hasOneTask: crew.hasOneTask, progress: progress)
    result.refusal = crew.refusal
    if let found = result.first { result.first = try hunt.shrunk(found) }
    return result
  }

  /// Records the schedule that was found, from exec. False when the recording does not fail in the same way.
  public static func record(
    _ found: FoundFailure, _ options: RunOptions, to path: String, input: CapturedInput? = nil
  ) throws(SessionError) -> Bool {
    let decisions = FollowDecisions(
      epoch: Nanoseconds(options.epochNanoseconds), random: SeededDecisions.randomSource(seed: options.seed),
      schedule: found.schedule)
    let output = KeptOutput()
    var options = options
    // A livelock is recorded as far as it was watched.
    if found.outcome.verdict == nil { options.timeoutSeconds = Double(found.outcome.virtualNanoseconds) / 1e9 }
    let result = try RecordSession.record(
      options, to: path, input: input.map { .captured($0) } ?? .captured(CapturedInput(bytes: [], kind: .null)),
      outputs: .keep(output), decisions: decisions)
    switch (result.end, found.outcome.verdict) {
    case (.exited(let recorded), .exited(let found)?): return recorded == found
    case (.deadlock, .deadlock?), (.timedOut, .timedOut?), (.spin, .spin?): return true
    // The search stopped it at its bound of traps.
    case (.timedOut, nil): return found.outcome.standingCycle == nil
    case (.deadlock, nil): return found.outcome.standingCycle != nil
    default: return false
    }
  }
}

extension Hunt {
  /// The same failure with as few switches as delta debugging finds.
  func shrunk(_ found: FoundFailure) throws(SessionError) -> FoundFailure {
    if found.schedule.switches.isEmpty { return found }
    var best = found
    var shrink = Shrink { [self] (schedule) throws(SessionError) in
      let tried = try follow(schedule)
      guard options.predicate.failure(tried.outcome, first: firstOutcome) == found.kind else { return nil }
      return tried.schedule
    }
    best.schedule = try shrink.minimal(found.schedule)
    best.executionsOfShrinking = shrink.executions
    let last = try follow(best.schedule)
    best.outcome = last.outcome
    best.schedule = last.schedule
    return best
  }
}
