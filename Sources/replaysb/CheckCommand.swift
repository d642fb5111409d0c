// check: the schedule of a hunt with another build of the program, for `git bisect run`.

import ArgumentParser
import Check
import Explore
import Kernel
import RecordReplay
import Trace

struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Tries a schedule that hunt found with a rebuilt program.",
    discussion: "Exit status, as `git bisect run` asks: 1 when the failure comes again, 0 when the schedule was followed and the program passed, "
      + "125 when that cannot be told. Seed, epoch and time-out are those of the trace, unless given.")
  @Option(help: ArgumentHelp("The trace of hunt.", valueName: "file")) var schedule: String
  @Option(help: ArgumentHelp("Of runs that end by themselves only this exit status is a failure.", valueName: "status"))
  var exitCode: Int32?
  @Option(
    help: ArgumentHelp("Standard output or error in which this is found is a failure too; may be repeated.", valueName: "regex"),
    transform: HuntCommand.pattern)
  var failOnOutput: [OutputPattern] = []
  @Flag(help: "Standard output or an exit status that differs from the first run's is a failure too.") var expectSame = false
  @Flag(help: "Standard error that differs from the first run's is a failure too.") var expectSameStderr = false
  @Flag(help: "A failure of another kind than the one that hunt found counts too.") var anyFailure = false
  @OptionGroup var guestOptions: GuestOptions
  private var guest: GuestSettings { guestOptions.settings }

  func validate() throws {
    try guest.showHelpIfAsked(for: Self.self)
    if guest.engine != .translated { throw ValidationError("check needs the translated engine") }
    if guest.clock != .virtual { throw ValidationError("check needs virtual time") }
    if let exitCode, !(0...255).contains(exitCode) { throw ValidationError("--exit-code takes 0 to 255") }
  }

  func run() throws {
    do { try check() } catch let error as SessionError {
      // 126 and 127 would end a bisection.
      throw SessionError(error.description)
    }
  }

  private func check() throws {
    let header = try CheckSession.header(schedule)
    var options = try guest.runOptions(defaultSeed: header.seed)
    if guest.epoch == nil { options.epochNanoseconds = Int64(clamping: header.epochNanoseconds) }
    if guest.timeout == nil { options.timeoutSeconds = Self.timeout(header) ?? HuntCommand.timeoutSeconds }
    if guest.cpus == GuestSettings.standardCPUs { options.cpuCount = Int(header.guestCPUCount) }
    if guest.cpu == nil, let model = ProcessorModel(fingerprint: header.cpuFingerprint) { options.processor = model }
    if header.options.contains("--wait-all") { options.waitsForAll = true }
    if header.options.contains("--deadlock report") { options.deadlockPolicy = .report }
    options.hidden.hideOwn(schedule)
    var check = CheckOptions()
    check.predicate.exitStatus = exitCode
    check.predicate.outputPatterns = failOnOutput
    check.predicate.expectsSameOutput = expectSame
    check.predicate.expectsSameErrors = expectSameStderr
    check.acceptsAnyFailure = anyFailure
    let result = try CheckSession.run(schedule, options, check, input: CapturedInput.fromStandardInput())
    try Outcome.write(CheckReport(result, schedule: schedule), to: guest.report)
    tell(result)
    throw ExitCode(result.exitStatus)
  }

  private static func timeout(_ header: TraceHeader) -> Double? {
    header.options.lazy.compactMap { $0.hasPrefix("--timeout ") ? Double($0.dropFirst(10)) : nil }.first
  }

  private func tell(_ result: CheckResult) {
    if guest.verbose {
      if result.isSameProgram { Console.line("the program is the one that the schedule was found with") }
      for match in result.matches { Console.line(match) }
      Console.line("\(result.executions) executions")
    }
    if guest.quiet { return }
    if guest.verbose, let failing = result.failing { Console.write(String(decoding: failing.standardError, as: UTF8.self)) }
    let places = "\(result.placesFound) of \(result.places) places found"
    switch result.verdict {
    case .fails: Console.line("the failure of \(schedule) comes again: \(result.failure ?? "") (\(places))")
    case .passes:
      let orders = result.orders > 0 && result.ordersMade < result.orders ? "; the order that failed cannot come about any more" : ""
      Console.line("the schedule of \(schedule) was followed (\(places)\(orders)): it passes")
    case .unknown(let reason): Console.line("the schedule of \(schedule) says nothing of this program: \(reason)")
    }
  }
}

/// `--report` of check.
private struct CheckReport: Encodable {
  var command = "check"
  var version = Tool.version
  /// "fails", "passes" or "unknown".
  var outcome: String
  var exitStatus: Int32
  var reason: String?
  var failure: String?
  var schedule: String
  var places: Int
  var placesFound: Int
  var matches: [String]
  var executions: Int

  init(_ result: CheckResult, schedule: String) {
    switch result.verdict {
    case .fails: outcome = "fails"
    case .passes: outcome = "passes"
    case .unknown(let text):
      outcome = "unknown"
      reason = text
    }
    exitStatus = result.exitStatus
    failure = result.failure
    self.schedule = schedule
    places = result.places
    placesFound = result.placesFound
    matches = result.matches
    executions = result.executions
  }
}
