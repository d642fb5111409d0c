// What hunt has to say in the end: to people on standard error, to machines by --report.

import Explore
import Kernel
import LinuxABI
import RecordReplay

/// `--report` of hunt.
struct HuntReport: Encodable {
  struct Failure: Encodable {
    var kind: String
    var place: String?
    var count: UInt64
    var firstSchedule: UInt64
  }
  /// What a task does at the end of a run that did not end.
  struct Task: Encodable {
    var task: Int32
    var process: Int32
    var name: String
    var syscall: String?
    var what: String
    var futex: String?
    var descriptor: Int32?
    var owner: Int32?
    var hasTimeout: Bool
  }
  struct Signal: Encodable {
    var signal: String
    var task: Int32
    var process: Int32
    var place: String
    var caller: String?
    var faultAddress: String?
  }
  /// Where the wall time of executions went.
  struct Split: Encodable {
    var copy: Int64
    var fork: Int64
    var run: Int64
    var end: Int64
  }
  /// The probability that a schedule of this search fails.
  struct Probability: Encodable {
    var mean: Double
    var lower95: Double
    var upper95: Double
    var schedulesFor99: UInt64?
  }
  var command = "hunt"
  var version = Tool.version
  /// "failure", "always-failing", "no-failure", or "interrupted" before any was found.
  var outcome: String
  var exitStatus: Int32
  var kind: String?
  var schedule: UInt64?
  var preemptions: Int?
  /// Whether no schedule with fewer fails in the same way.
  var preemptionsAreFewest: Bool?
  /// In words, when all schedules of some bound were tried.
  var exhausted: String?
  var schedulesTried: UInt64
  var schedulesPerSecond: Double?
  /// Of a schedule, on average, in microseconds of wall time.
  var scheduleMicroseconds: Split?
  var failures: UInt64
  var distinctFailures: [Failure]
  var probability: Probability?
  var tasks: [Task]?
  var fatalSignals: [Signal]?
  /// Network targets that the failing run was refused: perhaps the cause.
  var refusedTargets: [String]?
  var oneSchedule: Bool
  /// The search, or the shrinking of what it found, was ended by the user.
  var interrupted: Bool
  /// Schedules that were tried before --resume, also counted in `schedulesTried`.
  var resumedFrom: UInt64?
  var trace: String?

  private let result: HuntResult
  private let countsAll: Bool
  private let isShrunk: Bool

  /// `countsAll`: the search did not stop at the first failure. `isShrunk`: what was found was to be made small. `endedBy`: the signal that interrupted it, or 0.
  init(_ result: HuntResult, countsAll: Bool, isShrunk: Bool, endedBy signal: Int32 = 0) {
    self.result = result
    self.countsAll = countsAll
    self.isShrunk = isShrunk
    interrupted = result.isInterrupted
    resumedFrom = result.resumedFrom
    if result.first != nil {
      outcome = result.alwaysFailing == nil ? "failure" : "always-failing"
    } else {
      outcome = result.isInterrupted ? "interrupted" : "no-failure"
    }
    exitStatus = result.first != nil ? 1 : signal != 0 ? 128 + signal : 0
    schedulesTried = result.schedulesTried
    let seconds = Double(result.searchNanoseconds) / 1e9
    schedulesPerSecond = seconds > 0 ? Double(result.schedulesTried) / seconds : nil
    if schedulesTried > 1 {
      let (times, count) = (result.times, Int64(schedulesTried) * 1000)
      scheduleMicroseconds = Split(
        copy: times.copy / count, fork: times.fork / count, run: times.run / count, end: times.end / count)
    }
    failures = result.failures
    distinctFailures = result.distinct.all.map {
      Failure(kind: $0.key.kind, place: $0.key.place, count: $0.count, firstSchedule: $0.first)
    }
    oneSchedule = result.hasOneTask
    if let estimate = result.estimate, countsAll || failures == 0, !oneSchedule {
      probability = Probability(
        mean: estimate.mean, lower95: estimate.lower, upper95: estimate.upper,
        schedulesFor99: estimate.schedulesToTrustFix())
    }
    exhausted = result.exhausted
    guard let found = result.first else { return }
    kind = found.kind
    schedule = found.number
    preemptions = found.schedule.preemptions
    preemptionsAreFewest = found.shrinking.map { $0.fewest == .proved }
    if !found.outcome.waiters.isEmpty { tasks = found.outcome.waiters.map(Task.init) }
    if !found.outcome.fatalSignals.isEmpty { fatalSignals = found.outcome.fatalSignals.map(Signal.init) }
    if !found.outcome.refusedTargets.isEmpty { refusedTargets = found.outcome.refusedTargets }
  }

  enum CodingKeys: CodingKey {
    case command, version, outcome, exitStatus, kind, schedule, preemptions, preemptionsAreFewest, exhausted, schedulesTried
    case schedulesPerSecond, scheduleMicroseconds, failures
    case distinctFailures, probability, tasks, fatalSignals, refusedTargets, oneSchedule, interrupted, resumedFrom, trace
  }

  func write(to path: String?) throws { try Outcome.write(self, to: path) }

  // MARK: To people

  func tell(verbose: Bool) {
    if oneSchedule { Console.line("the program creates no thread and no child before it ends: there is one schedule") }
    if let refusal = result.refusal { Console.line("executions start from exec (slower): \(refusal)") }
    tellSearch()
    if verbose, let split = scheduleMicroseconds {
      Console.line(
        "a schedule takes \(split.copy + split.fork + split.run + split.end) us of wall time: copy of the kernel \(split.copy), "
          + "fork \(split.fork), run \(split.run), end \(split.end)")
    }
    tellDistinct()
    if let found = result.first { tell(found, verbose: verbose) }
    tellProbability()
  }

  private func tellSearch() {
    if oneSchedule {
      if failures == 0 { Console.line("no failure in its one schedule") }
      return
    }
    if let kind = result.alwaysFailing {
      let all = "schedule tried (\(schedulesTried) of \(schedulesTried)): no search needed"
      Console.line(doesNotEnd ? "does not end under any \(all) (\(kind))" : "fails in every \(all)")
      return
    }
    var line = "\(schedulesTried) schedules tried"
    if let schedulesPerSecond { line += " (\(Int(schedulesPerSecond.rounded())) a second)" }
    line += ", \(failures) failed"
    if result.schedulingPoints > 0 {
      line += "; \(result.schedulingPoints) instructions touch shared memory, \(result.steps) steps in a run"
    }
    Console.line(line)
    if let exhausted = result.exhausted { Console.line(exhausted) }
  }

  private var doesNotEnd: Bool {
    switch result.first?.outcome.verdict {
    case .timedOut, .spin, nil: result.first?.kind != "deadlock"
    case .exited, .deadlock, .interrupted: false
    }
  }

  private func tellDistinct() {
    // A search that stopped at the first failure has but one, unless the first schedule failed and others were tried.
    if failures < 2 || distinctFailures.count == 1 && (!countsAll || distinctFailures[0].place == nil) { return }
    Console.line(distinctFailures.count == 1 ? "one and the same failure:" : "\(distinctFailures.count) distinct failures:")
    for failure in distinctFailures.prefix(20) {
      let place = failure.place.map { " (\($0))" } ?? ""
      Console.line("  \(failure.count) x \(failure.kind)\(place), first in schedule \(failure.firstSchedule)")
    }
    if distinctFailures.count > 20 { Console.line("  and \(distinctFailures.count - 20) more (--report names all)") }
  }

  private func tell(_ found: FoundFailure, verbose: Bool) {
    let isFirst = found.number == 1
    let name = oneSchedule || isFirst ? "the run without preemptions" : "schedule \(found.number)"
    let count = found.schedule.preemptions
    var how = isFirst ? "" : ", with \(count) preemption\(count == 1 ? "" : "s")"
    let delays = found.schedule.delays
    if delays > 0 { how += delays == 1 ? " and a timer that expires first" : " and \(delays) timers that expire first" }
    if !isFirst, let shrinking = found.shrinking { how += " (fewest: \(shrinking.fewest == .proved ? "proved" : "not proved"))" }
    if !isFirst, !isShrunk { how += ", as found" }
    if !isFirst, isShrunk, found.shrinking == nil {
      how += result.isInterrupted ? " (not shrunk to the end)" : "; executed again it does not: this is a defect of replaysb"
    }
    Console.line("\(name) fails: \(found.kind)\(how)")
    if verbose { tellSchedule(found) }
    for signal in found.outcome.fatalSignals where signal.isOfFirstProcess || found.outcome.fatalSignals.count < 10 {
      Console.line("  \(signal.description)")
    }
    tellWaits(found)
    if !found.outcome.refusedTargets.isEmpty { tellSuspect(found) }
  }

  private func tellSchedule(_ found: FoundFailure) {
    for entry in found.schedule.deviations { Console.line("  \(entry)") }
    guard let shrinking = found.shrinking else { return }
    for entry in shrinking.reorderings {
      Console.line(
        "  fails when task \(entry.first.task) at \(entry.first.pc) comes before task \(entry.second.task) at \(entry.second.pc)")
    }
    for entry in shrinking.unclearPreemptions {
      Console.line("  no two operations decide at \(found.schedule.switches[entry.switchIndex].place.pc): \(entry.reason)")
    }
    Console.line(
      "  shrunk by \(shrinking.executions) executions in \(found.shrinkingNanoseconds / 1_000_000) ms, "
        + "from \(shrinking.preemptionsBefore) preemptions after delta debugging")
  }

  private func tellWaits(_ found: FoundFailure) {
    let text: String
    switch found.outcome.verdict {
    case .deadlock(let explanation), .spin(let explanation), .timedOut(let explanation): text = explanation
    case .exited, .interrupted: return
    case nil:
      let bound = "after \(found.outcome.traps) stops, many times those of the first run, it goes on"
      text = found.outcome.standingCycle ?? bound + "\n" + found.outcome.waiters.map(\.line).joined(separator: "\n")
    }
    for line in text.split(separator: "\n") { Console.line("  \(line)") }
  }

  /// The failure may be nothing but the sandbox's refusal.
  private func tellSuspect(_ found: FoundFailure) {
    Console.line("SUSPECT: the failing run asked for \(found.outcome.refusedTargets.joined(separator: ", ")) and was refused")
    Console.line("  There is no network in the sandbox, so the refusal itself may be the cause of this failure, and not the schedule.")
    Console.line(
      result.passesThoughRefused
        ? "  Schedules that were refused as well passed, which speaks for the schedule."
        : "  No schedule passed that was refused, which speaks for the refusal.")
    Console.line("  No option lets a target in: give the test Unix sockets or a stub, or skip what needs the network.")
  }

  private func tellProbability() {
    guard let probability, result.alwaysFailing == nil else { return }
    if failures == 0 {
      Console.line(
        "no failure in \(schedulesTried) schedules: under this search a failure has a probability below "
          + "\(Self.percent(probability.upper95)) (95 %)")
      return
    }
    Console.line(
      "under this search \(Self.percent(probability.mean)) of the schedules fail (95 %: \(Self.percent(probability.lower95)) "
        + "to \(Self.percent(probability.upper95))); on another machine it is another number")
    if let schedules = probability.schedulesFor99 {
      Console.line("to be 99 % sure that a fix holds, run \(schedules) schedules: hunt -n \(schedules)")
    }
  }

  /// With two digits that count, without Foundation.
  static func percent(_ value: Double) -> String {
    let hundredths = value * 100
    if hundredths >= 10 { return "\(Int(hundredths.rounded())) %" }
    var scale = 1.0, digits = 0
    while hundredths * scale < 10 && digits < 8 {
      scale *= 10
      digits += 1
    }
    let units = Int((hundredths * scale).rounded())
    var text = String(units)
    while text.count <= digits { text = "0" + text }
    return digits == 0 ? "\(text) %" : "\(text.dropLast(digits)).\(text.suffix(digits)) %"
  }
}

extension HuntReport.Task {
  init(_ waiter: Waiter) {
    task = waiter.task.rawValue
    process = waiter.process.rawValue
    name = waiter.name
    syscall = waiter.syscall
    what = waiter.what
    futex = waiter.futex?.description
    descriptor = waiter.descriptor
    owner = waiter.owner?.rawValue
    hasTimeout = waiter.hasTimeout
  }
}

extension HuntReport.Signal {
  init(_ signal: FatalSignal) {
    self.signal = SignalNumber.name(signal.signal)
    task = signal.task.rawValue
    process = signal.process.rawValue
    place = signal.place.description
    caller = signal.caller?.description
    faultAddress = signal.faultAddress?.description
  }
}
