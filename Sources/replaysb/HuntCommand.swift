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
    discussion: "Exit status: 1 when a failure was found, 0 when none was, 125 when the tool cannot go on. Ctrl-C (SIGINT, SIGTERM, "
      + "SIGHUP) ends the search and keeps what it has come to for --resume: 1 when a failure was found by then, otherwise the tool "
      + "ends by that signal, which a shell calls 130 (143, 129). A second one ends it at once.")
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
  @Flag(help: "Go on where the last search of this program with these options stopped; -n and -j may differ.") var resume = false
  @Option(name: .shortAndLong, help: ArgumentHelp("The trace of what was found (default: trace.zst).", valueName: "file"))
  var output: String?
  @OptionGroup var guestOptions: GuestOptions
  private var guest: GuestSettings { guestOptions.settings }

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
    hideTraces(&options.hidden)
    // Read once, for all executions and the recording.
    let input = CapturedInput.fromStandardInput()
    let keeper = HuntKeeper(options, searchOptions, input, epoch: guest.epoch, output: output, isQuiet: guest.quiet)
    let saved = resume ? try keeper.load() : nil
    let progress = Progress(enabled: !guest.quiet)
    let result = try HuntSession.run(
      keeper.options, searchOptions, input: input, from: saved, watcher: keeper.watcher()
    ) { result in
      progress.show("\(result.schedulesTried) schedules tried, \(result.failures) failed")
      return true
    }
    rsb_endings_stop_machines(0)
    progress.clear()
    try finish(result, keeper)
  }

  private func finish(_ result: HuntResult, _ keeper: HuntKeeper) throws {
    let signal = result.isInterrupted ? rsb_endings_first() : 0
    var report = HuntReport(result, countsAll: keepGoing, isShrunk: !noShrink, endedBy: signal)
    if !guest.quiet { report.tell(verbose: guest.verbose) }
    if let found = result.first {
      if !guest.quiet { Console.write(String(decoding: found.outcome.standardError, as: UTF8.self)) }
      report.trace = try record(found, keeper)
    }
    if result.isInterrupted {
      keeper.keepTrace()
      if !guest.quiet { Console.line("interrupted; " + (keeper.hasSaved ? "hunt --resume goes on" : "nothing is kept to go on from")) }
    } else if result.first != nil || result.isThrough || result.hasOneTask {
      keeper.remove()
    }
    try report.write(to: guest.report)
    if result.first != nil { throw ExitCode(1) }
    if signal != 0 { Outcome.die(by: signal) }
    throw ExitCode(result.isInterrupted ? 130 : 0)
  }

  /// What the tool itself writes does not exist for the guest.
  private func hideTraces(_ hidden: inout HiddenPaths) {
    let path = output ?? TraceNaming.newest
    if output == nil { hidden.hideTraces(in: ".") }
    for name in output == nil ? [HuntSession.temporaryPath(path)] : [path, HuntSession.temporaryPath(path)] {
      hidden.hideOwn(name)
      hidden.hideOwn(name + ".journal")
    }
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
    search.jobs = max(1, jobs ?? ProcessorPlace.allowedCount)
    return search
  }

  /// A test that lasts longer in virtual time is taken to hang.
  static let timeoutSeconds = 60.0

  /// The path of the trace, which `keeper` has recorded as the failure was found: now of its shrunk schedule.
  private func record(_ found: FoundFailure, _ keeper: HuntKeeper) throws -> String {
    let (path, isFailing) = try keeper.record(shrunk: found)
    // The trace is there, so from here on a signal ends the tool at once.
    rsb_endings_release()
    if !isFailing { Console.line("the recording of schedule \(found.number) does not fail: this is a defect of replaysb") }
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
