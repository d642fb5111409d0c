// hunt: search for a schedule under which the program fails.

import ArgumentParser
import CLinux
import Explain
import Explore
import Kernel
import PtracePlatform
import RecordReplay
import Trace

struct HuntCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hunt", abstract: "Searches for a schedule under which a program fails, and records it.",
    discussion: "Exit status: 1 when a failure was found, 0 when none was, 125 when the tool cannot go on.")
  @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Schedules to try at most.", valueName: "count"))
  var schedules: UInt64 = 2000
  @Option(help: "walk, pct, pos, hold, feedback, mix or bounded: how schedules are chosen.") var strategy: Strategy = .mix
  @Option(help: ArgumentHelp("With --strategy bounded: try all schedules with so many preemptions.", valueName: "count"))
  var preemptions = 2
  @Option(help: ArgumentHelp("Seed of the schedules that are tried.", valueName: "seed")) var searchSeed: UInt64 = 1
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("Executions at the same time (default: as many as there are processors).", valueName: "count"))
  var jobs: Int?
  @Option(
    help: ArgumentHelp("Of runs that end by themselves only this exit status is a failure.", valueName: "status"))
  var exitCode: Int32?
  @Option(
    help: ArgumentHelp(
      "Standard output or error in which this is found is a failure too; may be repeated.", valueName: "regex"),
    transform: Self.pattern)
  var failOnOutput: [OutputPattern] = []
  @Flag(help: "Standard output or an exit status that differs from the first run's is a failure too.")
  var expectSame = false
  @Flag(help: "Standard error that differs from the first run's is a failure too.") var expectSameStderr = false
  @Flag(help: "Try all schedules and count the failures.") var keepGoing = false
  @Flag(help: "Keep the schedule as it was found, with needless preemptions: sooner done.") var noShrink = false
  @Option(name: .shortAndLong, help: ArgumentHelp("The trace of what was found (default: trace.zst).", valueName: "file"))
  var output: String?
  @OptionGroup var guest: GuestOptions

  func validate() throws {
    try guest.showHelpIfAsked(for: Self.self)
    if guest.engine != .translated { throw ValidationError("hunt needs the translated engine") }
    if !(0...100).contains(preemptions) { throw ValidationError("--preemptions must be between 0 and 100") }
    if guest.clock != .virtual { throw ValidationError("hunt needs virtual time: the host's clock differs from run to run") }
    if let exitCode, !(0...255).contains(exitCode) { throw ValidationError("--exit-code takes 0 to 255") }
  }

  static func pattern(_ text: String) throws -> OutputPattern {
    do {
      if let pattern = try OutputPattern(text) { return pattern }
    } catch { throw ValidationError("--fail-on-output: '\(text)' is no regular expression: \(error)") }
    throw ValidationError("--fail-on-output: an empty expression is found everywhere")
  }

  func run() throws {
    do { try search() } catch let error as SessionError {
      // 126 and 127 would be a test's own.
      throw SessionError(error.description)
    }
  }

  private func search() throws {
    var options = try guest.runOptions(defaultSeed: 1)
    if options.timeoutSeconds == nil { options.timeoutSeconds = Self.timeoutSeconds }
    if let output {
      options.hidden.hideOwn(output)
      options.hidden.hideOwn(output + ".journal")
    } else {
      options.hidden.hideTraces(in: ".")
    }
    let progress = Progress(enabled: !guest.quiet)
    // Read once, for all executions and the recording.
    let input = CapturedInput.fromStandardInput()
    let result = try HuntSession.run(options, searchOptions, input: input) { result in
      progress.show("\(result.schedulesTried) schedules tried, \(result.failures) failed")
      return true
    }
    progress.clear()
    var report = HuntReport(result, countsAll: keepGoing, isShrunk: !noShrink)
    if !guest.quiet { report.tell(verbose: guest.verbose) }
    guard let found = result.first else {
      try report.write(to: guest.report)
      throw ExitCode(0)
    }
    if !guest.quiet { Console.write(String(decoding: found.outcome.standardError, as: UTF8.self)) }
    report.trace = try record(found, options, input)
    try report.write(to: guest.report)
    throw ExitCode(1)
  }

  private var searchOptions: HuntOptions {
    var search = HuntOptions()
    search.schedulesMax = max(1, schedules)
    search.strategy = strategy
    search.preemptionsMax = preemptions
    search.seed = searchSeed
    search.predicate.exitStatus = exitCode
    search.predicate.outputPatterns = failOnOutput
    search.predicate.expectsSameOutput = expectSame
    search.predicate.expectsSameErrors = expectSameStderr
    search.countsFailures = keepGoing
    search.shrinks = !noShrink
    search.jobs = max(1, jobs ?? Processors.allowed)
    return search
  }

  private func tracePath() throws -> String {
    if let output { return output }
    do throws(TraceError) { return try TraceNaming.makeRoom() } catch { throw SessionError(error.description) }
  }

  /// A test that lasts longer in virtual time is taken to hang.
  static let timeoutSeconds = 60.0

  /// The path of the trace.
  private func record(_ found: FoundFailure, _ options: RunOptions, _ input: CapturedInput) throws -> String {
    let path = try tracePath()
    let recorded = try HuntSession.record(found, options, to: path, input: input)
    if !recorded { Console.line("the recording of schedule \(found.number) does not fail: this is a defect of replaysb") }
    if guest.quiet { return path }
    Console.line("recorded in \(path): replaysb replay \(path)")
    // The trace is there, whatever becomes of this.
    do throws(SessionError) { Console.write(try ExplainSession.explain(path).text + "\n") } catch {
      Console.line("it cannot be explained: \(error)")
    }
    return path
  }
}

extension Strategy: ExpressibleByArgument {}
