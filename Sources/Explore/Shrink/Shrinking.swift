// From a failure that was found to what is worth showing: fewer switches, the fewest preemptions, the operations whose order decides.

import Kernel
import RecordReplay

/// What shrinking makes of a failing schedule.
public struct ShrinkResult: Sendable {
  public var schedule: Schedule
  public var fewest = Fewest.notProved
  public var reorderings: [Reordering] = []
  public var unclearPreemptions: [UnclearPreemption] = []
  /// Executions that it took, in all, and of these until the fewest preemptions were found.
  public var executions = 0
  public var executionsToFewest = 0
  /// Preemptions after delta debugging alone.
  public var preemptionsBefore = 0
}

/// Shrinks by executing other schedules.
struct Shrinking {
  var runner: ScheduleRunner
  /// Scheduling points and traps of an ordinary execution: what an execution costs.
  let steps: UInt64
  /// Executions of delta debugging at most.
  private static let reductionMax = 2000
  /// Executions of the enumeration at most, and their steps, so that it takes seconds: fewer of long executions.
  private static let enumerationMax: UInt64 = 3000
  private static let enumerationStepsMax: UInt64 = 800_000
  /// Executions that preempt where the failing one does, at most with each number of preemptions.
  private static let guidedMax = 300

  /// nil when the schedule does not fail again.
  mutating func shrunk(_ failing: Schedule) throws(SessionError) -> ShrinkResult? {
    guard var best = try runner.failing(failing) else { return nil }
    best = try Shrink(executionsMax: Self.reductionMax).minimal(best, &runner)
    var result = ShrinkResult(schedule: best, preemptionsBefore: best.preemptions)
    let most = min(Self.enumerationMax, Self.enumerationStepsMax / max(1, steps))
    let search = FewestPreemptions(executionsMax: Int(most), guidedMax: Self.guidedMax)
    let found = try search.search(best, &runner)
    if found.schedule != best, let again = try runner.failing(found.schedule) {
      best = try Shrink(executionsMax: runner.executions + Self.reductionMax).minimal(again, &runner)
    }
    result.fewest = best.preemptions == found.schedule.preemptions ? found.fewest : .notProved
    result.executionsToFewest = runner.executions
    (best, result.reorderings, result.unclearPreemptions) = try Narrow().narrowed(best, &runner)
    result.schedule = best
    result.executions = runner.executions
    return result
  }
}

extension Hunt {
  /// The same failure with as few preemptions as can be found, and what their order means. Known scheduling points are taken;
  /// accesses are not logged.
  func shrunk(_ found: FoundFailure) throws(SessionError) -> FoundFailure {
    try setLog(false)
    try usePoints()
    let isSame = { (outcome: Outcome) in self.options.predicate.failure(outcome, first: self.firstOutcome) == found.kind }
    let runner = ScheduleRunner { (schedule) throws(SessionError) in
      let tried = try self.follow(schedule)
      return (tried.decisions.schedule, isSame(tried.outcome))
    } noted: { (schedule, from) throws(SessionError) in
      let tried = try self.bounded(schedule, from: from)
      return (tried.run, isSame(tried.outcome))
    }
    var shrinking = Shrinking(runner: runner, steps: result.steps)
    let start = now()
    guard let shrunk = try shrinking.shrunk(found.schedule) else { return found }
    let last = try follow(shrunk.schedule)
    if last.decisions.schedule != shrunk.schedule || !isSame(last.outcome) { return found }
    var best = found
    best.outcome = last.outcome
    best.schedule = shrunk.schedule
    best.shrinking = shrunk
    best.shrinkingNanoseconds = now() - start
    return best
  }

  private func follow(_ schedule: Schedule) throws(SessionError) -> (decisions: ExploringDecisions, outcome: Outcome) {
    try execute { FollowDecisions(epoch: epoch, random: random, schedule: schedule) }
  }

  /// Executes exactly a schedule that came about, or a beginning and one more switch.
  func bounded(_ schedule: Schedule, from: Int? = nil) throws(SessionError) -> (run: BoundedRun, outcome: Outcome) {
    var made: BoundedDecisions?
    let tried = try execute {
      let decisions = BoundedDecisions(epoch: epoch, random: random, schedule: schedule, notesFrom: from)
      made = decisions
      return decisions
    }
    return (made!.run, tried.outcome)
  }
}
