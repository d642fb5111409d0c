// The search: executions of one program under schedule after schedule, until one fails.

import Kernel
import Platform
import RecordReplay

/// What a search is asked to do.
public struct HuntOptions: Sendable {
  /// Schedules to try at most.
  public var schedulesMax: UInt64 = 2000
  public var strategy = Strategy.mix
  /// Of all choices of schedules. What the guest sees (random bytes, epoch) follows from the run's own seed.
  public var seed: UInt64 = 1
  public var predicate = FailurePredicate()
  /// Goes on after a failure, to count them.
  public var countsFailures = false
  public init() {}
}

/// A failing execution.
public struct FoundFailure: Sendable {
  /// Its number among the schedules, from 1.
  public var number: UInt64
  /// See `FailurePredicate.failure`.
  public var kind: String
  public var schedule: Schedule
  public var outcome: Outcome
  /// Executions that shrinking took.
  public var executionsOfShrinking = 0
}

/// What a search came to.
public struct HuntResult: Sendable {
  public var schedulesTried: UInt64 = 0
  public var failures: UInt64 = 0
  public var first: FoundFailure?
  /// The failures by kind and place.
  public var distinct = DistinctFailures()
  /// Instructions that are scheduling points.
  public var schedulingPoints = 0
  /// Scheduling points and traps of an execution without preemptions.
  public var steps: UInt64 = 0
  /// Wall time of the tries, in nanoseconds.
  public var searchNanoseconds: Int64 = 0
  /// Why executions start from exec; nil when they start before the first thread or child.
  public var refusal: String?
  /// A schedule passed that was refused a network target.
  public var passesThoughRefused = false
  /// The program creates no thread and no child: all its executions are one.
  public var hasOneTask = false
}

/// One search on one machine. Used on the machine's thread.
public final class Hunt {
  private let program: Program
  private let machine: any ObservingMachine
  let options: HuntOptions
  let epoch: Nanoseconds
  /// What executions go on drawing random bytes from: known once the program is held.
  private(set) var random: SeededGenerator
  /// Of an ordinary execution.
  private var stepsExpected: UInt64 = 1
  private var trapsMax: UInt64 = .max
  private var memory = SharedMemory()
  private var arrivals = ArrivalLog()
  private var corpus = Corpus()
  private var isLogging = false
  private(set) var firstOutcome: Outcome?
  public internal(set) var result = HuntResult()

  /// Executions under access log, and how their schedules are drawn.
  private static let profileRuns: UInt64 = 4

  public init(_ program: Program, _ machine: any ObservingMachine, _ options: HuntOptions) {
    self.program = program
    self.machine = machine
    self.options = options
    epoch = Nanoseconds(program.options.epochNanoseconds)
    random = program.randomAtHold
  }

  /// Searches to the first failure, or to the last schedule. `progress` is called after each try; false ends the search.
  public func run(progress: (HuntResult) -> Bool) throws(SessionError) -> HuntResult {
    result.hasOneTask = try !program.hold()
    random = program.randomAtHold
    let first = try execute { self.plain() }
    firstOutcome = first.outcome
    if let obstacle = Obstacle.find(first.outcome, isAlone: result.hasOneTask) { throw SessionError(obstacle) }
    trapsMax = first.outcome.traps &* 50 &+ 20_000
    result.schedulesTried = 1
    let firstFails = note(first, number: 1)
    if result.hasOneTask { return finished() }
    if firstFails && !options.countsFailures {
      try tryOthersThanFirst(first.outcome)
      return finished()
    }
    try findPoints()
    let start = now()
    while result.schedulesTried < options.schedulesMax {
      let number = result.schedulesTried + 1
      let hasFailed = try tryNext(number)
      result.searchNanoseconds = now() - start
      if hasFailed && !options.countsFailures { break }
      if !progress(result) { break }
    }
    return finished()
  }

  private func finished() -> HuntResult {
    result.refusal = program.refusal
    return result
  }

  // MARK: Executions

  private func plain() -> ExploringDecisions { ExploringDecisions(epoch: epoch, random: random) }

  private func decisions(_ number: UInt64) -> ExploringDecisions {
    options.strategy.decisions(number: number, seed: options.seed, stepsExpected: stepsExpected, epoch: epoch, random: random)
  }

  func execute(_ make: () -> ExploringDecisions) throws(SessionError) -> (decisions: ExploringDecisions, outcome: Outcome) {
    var made: ExploringDecisions?
    let outcome = try program.execute(trapsMax: trapsMax) {
      let decisions = make()
      made = decisions
      return decisions
    }
    return (made!, outcome)
  }

  /// Whether it failed.
  func note(_ tried: (decisions: ExploringDecisions, outcome: Outcome), number: UInt64) -> Bool {
    guard let kind = options.predicate.failure(tried.outcome, first: firstOutcome) else {
      if !tried.outcome.refusedTargets.isEmpty { result.passesThoughRefused = true }
      return false
    }
    result.failures += 1
    result.distinct.add(FailureKey(kind: kind, tried.outcome), number: number)
    if result.first == nil {
      result.first = FoundFailure(number: number, kind: kind, schedule: tried.decisions.schedule, outcome: tried.outcome)
    }
    return true
  }

  // MARK: Scheduling points

  /// Profiles the first executions and makes what they share scheduling points.
  private func findPoints() throws(SessionError) {
    try profiled { () throws(SessionError) in
      for number in 0..<Self.profileRuns {
        _ = try execute {
          number == 0
            ? self.plain()
            : WalkDecisions(
              epoch: self.epoch, random: self.random, seed: self.options.seed &+ number, interval: 1 << 20, trapInterval: 2)
        }
      }
    }
    arrivals.beginExecution()
    let counted = try execute {
      let decisions = self.plain()
      decisions.arrived = { self.arrivals.add($0) }
      return decisions
    }
    stepsExpected = max(1, counted.decisions.steps)
    result.steps = stepsExpected
  }

  /// Executes with the log of accesses on, and takes what was found to be shared into the scheduling points.
  private func profiled(_ body: () throws(SessionError) -> Void) throws(SessionError) {
    try setLog(true)
    try body()
    try setLog(false)
    try usePoints()
  }

  private func setLog(_ isOn: Bool) throws(SessionError) {
    do throws(MachineError) { try machine.setAccessLog(isOn) } catch { throw SessionError(error.description) }
    program.takesAccesses(isOn ? { self.memory.add($0, by: $1, in: $2) } : nil)
    isLogging = isOn
  }

  private func usePoints() throws(SessionError) {
    let points = memory.schedulingPoints
    if points.count == result.schedulingPoints { return }
    do throws(MachineError) { try machine.setSchedulingPoints(Set(points)) } catch {
      throw SessionError(error.description)
    }
    result.schedulingPoints = points.count
  }

  // MARK: Tries

  /// Other schedules go other ways and touch other memory, so the first tries are under the log, and some later ones.
  private static func isLogged(_ number: UInt64) -> Bool {
    number < 200 || number % 256 < 16
  }
  /// New points mean that all is translated anew: so seldom.
  private static let triesBetweenPoints: UInt64 = 8

  /// Tries schedule `number`. Whether it failed.
  private func tryNext(_ number: UInt64) throws(SessionError) -> Bool {
    if Self.isLogged(number) != isLogging { try setLog(!isLogging) }
    if number % Self.triesBetweenPoints == 0 { try usePoints() }
    let strategy = options.strategy.part(of: number)
    let tried: (decisions: ExploringDecisions, outcome: Outcome)
    if strategy == .feedback || strategy == .hold {
      tried = try hold(number, usesCorpus: strategy == .feedback)
    } else {
      tried = try execute { self.decisions(number) }
    }
    result.schedulesTried = number
    return note(tried, number: number)
  }

  private func hold(
    _ number: UInt64, usesCorpus: Bool
  ) throws(SessionError) -> (decisions: ExploringDecisions, outcome: Outcome) {
    var draw = Strategy.generator(number: number, seed: options.seed)
    let plan = usesCorpus ? corpus.plan(arrivals.arrivals, &draw) : .random(of: arrivals.arrivals, &draw)
    let known = arrivals.arrivals.count
    arrivals.beginExecution()
    let tried = try execute {
      let decisions = HoldDecisions(epoch: self.epoch, random: self.random, plan: plan)
      decisions.arrived = { self.arrivals.add($0) }
      return decisions
    }
    let found = arrivals.arrivals[known...].filter { $0.occurrence == 1 }
    if !found.isEmpty { corpus.add(plan, found: Array(found)) }
    return tried
  }
}
