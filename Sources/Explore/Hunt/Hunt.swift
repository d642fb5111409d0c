// The search: executions of one program under schedule after schedule, until one fails. It goes by groups of trials: what the
// trials of one group are asked to do follows from the results of those before it, and their results count in the order of
// their numbers. So it does not matter how many machines execute a group.

import Kernel
import Platform
import RecordReplay

public final class Hunt {
  let executor: any TrialExecutor
  let options: HuntOptions
  /// Of an ordinary execution.
  private var stepsExpected: UInt64 = 1
  /// An execution with more traps may be one that never ends; with more than the second number, it is.
  private(set) var trapsMax: UInt64 = .max, livelockTraps: UInt64 = .max
  private var memory = SharedMemory()
  private var conflicts = Conflicts()
  /// Scheduling points, and those that tasks do not come to all the time.
  private var allPoints: [GuestAddress] = [], coolPoints: [GuestAddress] = []
  var setting = TrialSetting()
  private var corpus = Corpus()
  private(set) var firstOutcome: Outcome?
  public internal(set) var result = HuntResult()

  init(_ executor: any TrialExecutor, _ options: HuntOptions) {
    self.executor = executor
    self.options = options
  }

  /// Searches to the first failure, or to the last schedule. `hasOneTask`: there is no other schedule than the first.
  /// `progress` is called after each group of trials; false ends the search.
  func run(hasOneTask: Bool, progress: (HuntResult) -> Bool) throws(SessionError) -> HuntResult {
    let start = now()
    let first = try execute(Trial(manner: .plain, number: 1))
    firstOutcome = first.outcome
    trapsMax = first.outcome.traps &* 20 &+ 3000
    livelockTraps = trapsMax &* 20
    result.hasOneTask = hasOneTask
    if let obstacle = Obstacle.find(first.outcome, isAlone: hasOneTask) { throw SessionError(obstacle) }
    let firstFails = try take(first)
    if hasOneTask { return result }
    if firstFails && !options.countsFailures {
      // Whether all do: then no search is needed.
      let others = othersThanFirst(first.outcome, trapsMax: trapsMax)
      for tried in try executor.execute(others, setting) { _ = try take(tried) }
      return result
    }
    try findPoints()
    if options.strategy == .bounded {
      try enumerate(from: start, progress: progress)
      return result
    }
    while result.schedulesTried < options.schedulesMax {
      let hasFailed = try tryNextGroup()
      result.searchNanoseconds = now() - start
      if hasFailed && !options.countsFailures || !progress(result) { break }
    }
    return result
  }

  // MARK: Executions

  func execute(_ trial: Trial) throws(SessionError) -> TrialResult {
    try executor.execute([trial], setting)[0]
  }

  /// Counts a result. Whether it failed.
  func take(_ tried: TrialResult) throws(SessionError) -> Bool {
    result.schedulesTried = tried.trial.number
    result.times.add(tried.outcome.times)
    guard let kind = options.predicate.failure(tried.outcome, first: firstOutcome) else {
      if !tried.outcome.refusedTargets.isEmpty { result.passesThoughRefused = true }
      return false
    }
    if tried.outcome.verdict == nil {
      // Is it only slow?
      let longer = try execute(Trial(manner: .follow(tried.schedule), trapsMax: livelockTraps))
      if options.predicate.failure(longer.outcome, first: firstOutcome) == nil { return false }
    }
    result.failures += 1
    result.distinct.add(FailureKey(kind: kind, tried.outcome), number: tried.trial.number)
    if result.first == nil {
      result.first = FoundFailure(
        number: tried.trial.number, kind: kind, schedule: tried.schedule, outcome: tried.outcome)
    }
    return true
  }

  // MARK: Scheduling points

  /// Executions under the log of all accesses, before the search.
  private static let profileRuns: UInt64 = 4

  /// Profiles some executions and makes what they share scheduling points.
  private func findPoints() throws(SessionError) {
    var profiles = [Trial(manner: .plain, trapsMax: trapsMax)]
    for number in 1..<Self.profileRuns {
      let seed = options.seed &+ number
      profiles.append(
        Trial(manner: .walk(seed: seed, interval: 1 << 20, trapInterval: 2), trapsMax: trapsMax))
    }
    setting.log = .all
    for profile in try executor.execute(profiles, setting) { learn(from: profile) }
    usePoints()
    setting.log = .points
    if options.strategy != .bounded { leaveOutHotPoints() }
    let counted = try execute(Trial(manner: .plain, trapsMax: trapsMax))
    stepsExpected = max(1, counted.steps)
    result.steps = stepsExpected
    var generator = SeededGenerator(seed: options.seed)
    corpus.add(HoldPlan(&generator), counted.findings)
  }

  func learn(from result: TrialResult) {
    if let touched = result.memory { memory.merge(touched) }
  }

  /// Where the inner loop of a computation works on shared memory, it hides all else: most groups leave such points out.
  private static let visitsMax: UInt64 = 100_000

  func leaveOutHotPoints() { setting.points = coolPoints }

  func usePoints() {
    let points = memory.schedulingPoints
    if points.count == allPoints.count { return }
    allPoints = points
    coolPoints = memory.schedulingPoints(visitedAtMost: Self.visitsMax)
    setting.points = points
    conflicts = memory.conflicts
    result.schedulingPoints = points.count
  }

  // MARK: Tries

  /// Trials of a group. Small, since the next one knows more; many enough to keep some machines at work.
  static let groupSize: UInt64 = 8
  /// Other schedules go other ways and touch other memory, so the first groups are under the log of all accesses, and some later
  /// ones: in other groups code that is new has no scheduling points.
  private func isProfiled(_ group: UInt64) -> Bool {
    (group < 24 || group % 32 < 2) && memory.accesses < Self.profiledAccessesMax + group * Self.profiledAccessesOfGroup
  }
  /// Accesses that are looked at in profiles, so that programs that compute much get on too.
  private static let profiledAccessesMax: UInt64 = 10_000_000, profiledAccessesOfGroup: UInt64 = 100_000

  /// Tries the next schedules, up to the first that fails. Whether one did.
  private func tryNextGroup() throws(SessionError) -> Bool {
    let group = result.schedulesTried / Self.groupSize
    let first = result.schedulesTried + 1
    let last = min((group + 1) * Self.groupSize, options.schedulesMax)
    setting.log = isProfiled(group) ? .all : .points
    setting.points = group % 4 == 0 ? allPoints : coolPoints
    var trials: [Trial] = []
    for number in first...last {
      let manner = options.strategy.manner(
        number: number, seed: options.seed, stepsExpected: stepsExpected, conflicts: conflicts, &corpus)
      trials.append(Trial(manner: manner, number: number, trapsMax: trapsMax))
    }
    var hasFailed = false
    for tried in try executor.execute(trials, setting) {
      learn(from: tried)
      if case .hold(let plan) = tried.trial.manner { corpus.add(plan, tried.findings, isMet: tried.isMet) }
      if try take(tried) {
        hasFailed = true
        if !options.countsFailures { return true }
      }
    }
    if setting.log == .all { usePoints() }
    return hasFailed
  }
}
