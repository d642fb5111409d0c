// The search: executions of one program under schedule after schedule, until one fails. It goes by groups of trials: what the
// trials of one group are asked to do follows from the results of those before it, and their results count in the order of
// their numbers. So it does not matter how many machines execute a group.

import Kernel
import Platform
import RecordReplay

public final class Hunt {
  let executor: any TrialExecutor
  let options: HuntOptions
  let watcher: HuntWatcher
  /// Of an ordinary execution, under all points and without those of loops.
  var stepsOfAll: UInt64 = 1, stepsExpected: UInt64 = 1
  /// An execution with more traps may be one that never ends; with more than the second number, it is.
  private(set) var trapsMax: UInt64 = .max, livelockTraps: UInt64 = .max
  /// With what computes: twice an ordinary execution.
  private(set) var patience = Patience()
  var memory = SharedMemory()
  private var conflicts = Conflicts()
  /// Scheduling points; those that tasks do not come to all the time; those that they come to seldom.
  private var allPoints: [GuestAddress] = [], warmPoints: [GuestAddress] = [], coolPoints: [GuestAddress] = []
  var setting = TrialSetting()
  var corpus = Corpus()
  /// Of a search that enumerates: between two groups.
  var schedules: BoundedSchedules?
  private(set) var firstOutcome: Outcome?
  public internal(set) var result = HuntResult()

  /// The search as it was before a group that the bound of schedules cut short: with a larger bound that group is another one.
  private var savedBeforeLast: SavedSearch?
  private var isFirstTold = false
  /// Behind the executions before the first group.
  private var isSearching = false
  /// The shortest failing schedule that shrinking came by.
  var shortest: (schedule: Schedule, outcome: Outcome)?

  init(_ executor: any TrialExecutor, _ options: HuntOptions, _ watcher: HuntWatcher = HuntWatcher()) {
    self.executor = executor
    self.options = options
    self.watcher = watcher
  }

  /// Searches to the first failure, or to the last schedule. `hasOneTask`: there is no other schedule than the first.
  /// `progress` is called after each group of trials; false ends the search. `saved`: where to go on, if that is the same
  /// program. Throws `.interruption` when it is interrupted, with `result` and all else as after the last whole group.
  func run(
    hasOneTask: Bool, from saved: SavedSearch? = nil, progress: (HuntResult) -> Bool
  ) throws(SessionError) -> HuntResult {
    let start = now()
    let first = try execute(Trial(manner: .plain, number: 1))
    firstOutcome = first.outcome
    trapsMax = first.outcome.traps &* 20 &+ 3000
    livelockTraps = trapsMax &* 20
    patience = Patience(ticks: 2 * first.outcome.ticks, traps: Int(clamping: 2 * first.outcome.traps))
    result.hasOneTask = hasOneTask
    if let obstacle = Obstacle.find(first.outcome, isAlone: hasOneTask) { throw SessionError(obstacle) }
    if let saved {
      let isRestored = hasOneTask ? false : try restore(saved)
      watcher.resumed(isRestored ? saved.schedulesTried : nil)
      if isRestored { return try goOn(from: start - saved.searchNanoseconds, progress) }
    }
    let failure = try failure(of: first)
    take(first, failure)
    if hasOneTask { return result }
    if failure != nil && !options.countsFailures {
      // Whether all do: then no search is needed.
      let others = othersThanFirst(first.outcome, trapsMax: trapsMax)
      let results = try execute(others)
      for (tried, kind) in zip(results, try failures(of: results, ofAll: true)) { take(tried, kind) }
      return result
    }
    try findPoints()
    return try goOn(from: start, progress)
  }

  /// From one group to the next.
  private func goOn(from start: Int64, _ progress: (HuntResult) -> Bool) throws(SessionError) -> HuntResult {
    isSearching = true
    // Found already, and perhaps not shrunk.
    if result.first != nil && !options.countsFailures { return result }
    if options.strategy == .bounded {
      try enumerate(from: start, progress: progress)
      return result
    }
    while result.schedulesTried < options.schedulesMax {
      let hasFailed = try tryNextGroup()
      result.searchNanoseconds = now() - start
      if hasFailed { try tellFirst() }
      if hasFailed && !options.countsFailures { break }
      watcher.border(self)
      if !progress(result) { break }
    }
    return result
  }

  // MARK: Saving

  /// What a later search can go on from, with the same number of schedules or a larger one; nil before the first group.
  public func saved(epochNanoseconds: Int64) -> SavedSearch? {
    if let savedBeforeLast, result.first == nil || options.countsFailures {
      var saved = savedBeforeLast
      saved.epochNanoseconds = epochNanoseconds
      return saved
    }
    guard let firstOutcome, isSearching else { return nil }
    return SavedSearch(self, first: firstOutcome, epochNanoseconds: epochNanoseconds)
  }

  /// To be called before a group that would have more trials if the bound of schedules were larger.
  func keepBeforeLast() {
    if savedBeforeLast == nil { savedBeforeLast = saved(epochNanoseconds: 0) }
  }

  /// Tells the first failure, once.
  func tellFirst() throws(SessionError) {
    guard let first = result.first, !isFirstTold else { return }
    isFirstTold = true
    try watcher.found(first, self)
  }

  // MARK: Executions

  func execute(_ trial: Trial) throws(SessionError) -> TrialResult { try execute([trial])[0] }

  /// Throws `.interruption` unless all were executed to their ends.
  func execute(_ trials: [Trial]) throws(SessionError) -> [TrialResult] {
    if watcher.isInterrupted() { throw .interruption }
    let results = try executor.execute(trials, setting)
    for tried in results { if case .interrupted = tried.outcome.verdict { throw .interruption } }
    return results
  }

  /// How each result failed, if it did: up to the first that did, or of all. Executes what must be executed to know that, so
  /// that counting them (`take`) cannot be interrupted.
  func failures(of results: [TrialResult], ofAll: Bool) throws(SessionError) -> [String?] {
    var kinds: [String?] = []
    for tried in results {
      let kind = try failure(of: tried)
      kinds.append(kind)
      if kind != nil && !ofAll { break }
    }
    return kinds
  }

  /// How a result failed, if it did.
  private func failure(of tried: TrialResult) throws(SessionError) -> String? {
    guard let kind = options.predicate.failure(tried.outcome, first: firstOutcome) else { return nil }
    if tried.outcome.verdict != nil { return kind }
    // Is it only slow?
    let longer = try execute(Trial(manner: .follow(tried.schedule), trapsMax: livelockTraps))
    return options.predicate.failure(longer.outcome, first: firstOutcome) == nil ? nil : kind
  }

  /// Counts a result.
  func take(_ tried: TrialResult, _ kind: String?) {
    result.schedulesTried = tried.trial.number
    result.times.add(tried.outcome.times)
    guard let kind else {
      // One without a verdict is only slow.
      if tried.outcome.verdict != nil && !tried.outcome.refusedTargets.isEmpty { result.passesThoughRefused = true }
      return
    }
    result.failures += 1
    result.distinct.add(FailureKey(kind: kind, tried.outcome), number: tried.trial.number)
    if result.first == nil {
      result.first = FoundFailure(
        number: tried.trial.number, kind: kind, schedule: tried.schedule, outcome: tried.outcome)
    }
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
    for profile in try execute(profiles) { learn(from: profile) }
    usePoints()
    setting.log = .points
    var counted = try execute(Trial(manner: .plain, trapsMax: trapsMax))
    stepsOfAll = max(1, counted.steps)
    result.steps = stepsOfAll
    if options.strategy != .bounded && warmPoints != allPoints {
      setting.points = warmPoints
      counted = try execute(Trial(manner: .plain, trapsMax: trapsMax))
      result.steps = max(1, counted.steps)
    }
    if options.strategy != .bounded && coolPoints != warmPoints {
      setting.points = coolPoints
      counted = try execute(Trial(manner: .plain, trapsMax: trapsMax))
    }
    stepsExpected = max(1, counted.steps)
    var generator = SeededGenerator(seed: options.seed)
    corpus.add(HoldPlan(&generator), counted.findings)
  }

  func learn(from result: TrialResult) {
    if let touched = result.memory { memory.merge(touched) }
  }

  /// Loops that work on shared memory hide all else, and cost time: most groups leave their points out, and shrinking those of inner
  /// loops of a computation.
  private static let visitsOfLoop: UInt64 = 2_000, visitsOfInnerLoop: UInt64 = 100_000

  func leaveOutInnerLoops() { setting.points = warmPoints }

  /// Whether none is left out.
  var knowsAllPoints: Bool { setting.points.count == allPoints.count }

  /// What is known of scheduling points follows from `memory` alone, which a saved search has.
  func usePoints() {
    let points = memory.schedulingPoints
    if points != allPoints { setting.points = points }
    allPoints = points
    warmPoints = memory.schedulingPoints(visitedAtMost: Self.visitsOfInnerLoop)
    coolPoints = memory.schedulingPoints(visitedAtMost: Self.visitsOfLoop)
    setting.updates = memory.updates
    conflicts = memory.conflicts
    result.schedulingPoints = points.count
  }

  // MARK: Tries

  /// Trials of a group. Small, since the next one knows more; many enough to keep some machines at work.
  static let groupSize: UInt64 = 8
  /// Other schedules go other ways and touch other memory, so the first groups are under the log of all accesses, and some later
  /// ones, fewer and fewer: in other groups code that is new has no scheduling points. Not those that have loops' points.
  private func isProfiled(_ group: UInt64) -> Bool {
    let isDue = !computes && group < 24 || group % (group < 96 ? 4 : 8) == 1
    return isDue && memory.accesses < Self.profiledAccessesMax + group * Self.profiledAccessesOfGroup
  }
  /// Its executions take long under the log, and what computes is not waited for.
  private var computes: Bool { patience.ticks > 2 * Self.manyTicks }
  private static let manyTicks: UInt64 = 300_000
  /// Accesses that are looked at in profiles, so that programs that compute much get on too.
  private static let profiledAccessesMax: UInt64 = 10_000_000, profiledAccessesOfGroup: UInt64 = 100_000

  /// The log of all accesses would be long under it.
  private func patience(in number: UInt64) -> Patience {
    if setting.log == .all { return Patience() }
    var patience = patience
    var draw = Strategy.generator(number: number, seed: ~options.seed)
    patience.isAlsoAtPoints = draw.next(below: 4) == 0
    return patience
  }

  /// An execution with more takes many times as long under all points as without those of loops.
  private static let manySteps: UInt64 = 50_000

  /// Tries the next schedules, up to the first that fails. Whether one did.
  private func tryNextGroup() throws(SessionError) -> Bool {
    let group = result.schedulesTried / Self.groupSize
    let first = result.schedulesTried + 1
    let last = min((group + 1) * Self.groupSize, options.schedulesMax)
    setting.log = isProfiled(group) ? .all : .points
    let hasLoops = group % (stepsOfAll > Self.manySteps ? 16 : 4) == 0
    setting.points = hasLoops ? allPoints : coolPoints
    if last != (group + 1) * Self.groupSize { keepBeforeLast() }
    // What drawing plans changes counts only once they were executed.
    var corpus = corpus
    var trials: [Trial] = []
    for number in first...last {
      let manner = options.strategy.manner(
        number: number, seed: options.seed, stepsExpected: hasLoops ? stepsOfAll : stepsExpected, conflicts: conflicts,
        &corpus)
      trials.append(Trial(manner: manner, number: number, trapsMax: trapsMax, patience: patience(in: number)))
    }
    let results = try execute(trials)
    let kinds = try failures(of: results, ofAll: options.countsFailures)
    for (tried, kind) in zip(results, kinds) {
      learn(from: tried)
      if case .hold(let plan) = tried.trial.manner { corpus.add(plan, used: tried.planUsed, tried.findings, isMet: tried.isMet) }
      take(tried, kind)
    }
    self.corpus = corpus
    let hasFailed = kinds.contains { $0 != nil }
    if setting.log == .all && (options.countsFailures || !hasFailed) { usePoints() }
    return hasFailed
  }
}
