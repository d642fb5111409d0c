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
  /// Preemptions after the first delta debugging.
  public var preemptionsBefore = 0
}

/// Shrinks by executing other schedules.
struct Shrinking {
  var runner: ScheduleRunner
  /// Whether the accesses of all scheduling points are logged, so that equal schedules can be left out.
  let prunes: Bool
  /// Executions of delta debugging at most.
  private static let reductionMax = 2000

  /// nil when the schedule does not fail again.
  mutating func shrunk(_ failing: Schedule) throws(SessionError) -> ShrinkResult? {
    guard var best = try runner.failing(failing) else { return nil }
    best = try minimal(Rearranging().rearranged(best, &runner))
    var result = ShrinkResult(schedule: best, preemptionsBefore: best.preemptions)
    best = try settled(best)
    // What was found is made smaller in its turn, until nothing with fewer is found.
    let search = FewestPreemptions(prunes: prunes)
    while true {
      let found = try search.search(best, &runner)
      result.fewest = found.fewest
      if found.schedule == best { break }
      guard let again = try runner.failing(found.schedule) else {
        // It is told by a schedule that can be followed.
        result.fewest = .notProved
        break
      }
      best = try settled(minimal(again))
      if found.fewest == .proved && best.preemptions == found.schedule.preemptions { break }
    }
    result.executionsToFewest = runner.executions
    (result.reorderings, result.unclearPreemptions) = try Narrow().narrowed(best, &runner)
    result.schedule = best
    result.executions = runner.executions
    return result
  }

  private mutating func minimal(_ schedule: Schedule) throws(SessionError) -> Schedule {
    try Shrink(executionsMax: runner.executions + Self.reductionMax).minimal(schedule, &runner)
  }

  /// With its steps in an order that needs fewer preemptions, and these as late as can be. Some may not be needed any more then: so in turn
  /// with taking out.
  private mutating func settled(_ schedule: Schedule) throws(SessionError) -> Schedule {
    let rearranged = try Rearranging().rearranged(schedule, &runner)
    var best = try Narrow().late(rearranged == schedule ? schedule : minimal(rearranged), &runner)
    while true {
      let less = try minimal(best)
      if less == best { return best }
      let late = try Narrow().late(less, &runner)
      if late.deviations.count >= best.deviations.count { return late }
      best = late
    }
  }
}

extension Hunt {
  /// The same failure with as few preemptions as can be found, and what their order means. Over the scheduling points that are known,
  /// without those of inner loops.
  ///
  /// When it is interrupted: what has come of it so far.
  func shrunk(_ found: FoundFailure) throws(SessionError) -> FoundFailure {
    do throws(SessionError) { return try shrunkWhole(found) } catch {
      if !error.isInterruption && !watcher.isInterrupted() { throw error }
      var best = found
      best.isPartlyShrunk = true
      if let shortest { (best.schedule, best.outcome) = shortest }
      return best
    }
  }

  /// Keeps the shortest schedule that failed in the same way. Not one that was stopped: only with more traps it is a livelock.
  private func note(_ tried: TrialResult, _ found: FoundFailure) {
    let best = shortest?.schedule ?? found.schedule
    if tried.outcome.verdict != nil, Shrink.isShorter(tried.schedule, best) { shortest = (tried.schedule, tried.outcome) }
  }

  private func shrunkWhole(_ found: FoundFailure) throws(SessionError) -> FoundFailure {
    let start = now()
    usePoints()
    leaveOutInnerLoops()
    // Steps are told by what is logged.
    setting.log = .points
    let runner = ScheduleRunner { (schedule) throws(SessionError) in
      let tried = try self.execute(Trial(manner: .follow(schedule), trapsMax: self.trapsMax))
      let isSame = self.isSame(tried, found)
      if isSame { self.note(tried, found) }
      return (tried.schedule, isSame, tried.work)
    } noted: { (schedules, notes) throws(SessionError) in
      let trials = schedules.map { self.bounded($0, notes) }
      return try self.execute(trials).map { ($0.bounded!, self.isSame($0, found), $0.work) }
    }
    var shrinking = Shrinking(runner: runner, prunes: knowsAllPoints)
    guard let shrunk = try shrinking.shrunk(found.schedule) else { return found }
    // On the way a livelock is what has many traps; in the end it must have as many as make it one.
    let most = found.outcome.verdict == nil ? livelockTraps : trapsMax
    let last = try execute(Trial(manner: .follow(shrunk.schedule), trapsMax: most))
    if !isSame(last, found) { return found }
    var best = found
    best.outcome = last.outcome
    best.schedule = shrunk.schedule
    best.shrinking = shrunk
    best.shrinkingNanoseconds = now() - start
    return best
  }

  private func isSame(_ tried: TrialResult, _ found: FoundFailure) -> Bool {
    options.predicate.failure(tried.outcome, first: firstOutcome) == found.kind
  }
}
