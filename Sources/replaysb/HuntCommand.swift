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
  @Option(help: "walk, pct, hold, feedback, mix or bounded: how schedules are chosen.") var strategy: Strategy = .mix
  @Option(help: ArgumentHelp("With --strategy bounded: try all schedules with so many preemptions.", valueName: "count"))
  var preemptions = 2
  @Option(help: ArgumentHelp("Seed of the schedules that are tried.", valueName: "seed")) var searchSeed: UInt64 = 1
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("Executions at the same time (default: as many as there are processors).", valueName: "count"))
  var jobs: Int?
  @Option(help: ArgumentHelp("Only this exit status is a failure.", valueName: "status")) var exitCode: Int32?
  @Flag(help: "Output that differs from the first run's is a failure too.") var expectSame = false
  @Flag(help: "Try all schedules and count the failures.") var keepGoing = false
  @Option(name: .shortAndLong, help: ArgumentHelp("The trace of what was found (default: trace.zst).", valueName: "file"))
  var output: String?
  @OptionGroup var guest: GuestOptions

  func validate() throws {
    try guest.showHelpIfAsked(for: Self.self)
    if guest.engine != .translated { throw ValidationError("hunt needs the translated engine") }
    if !(0...100).contains(preemptions) { throw ValidationError("--preemptions must be between 0 and 100") }
  }

  func run() throws {
    var options = try guest.runOptions(defaultSeed: 1)
    if options.timeoutSeconds == nil { options.timeoutSeconds = Self.timeoutSeconds }
    if let output {
      options.hidden.hideOwn(output)
      options.hidden.hideOwn(output + ".journal")
    } else {
      options.hidden.hideTraces(in: ".")
    }
    var search = HuntOptions()
    search.schedulesMax = max(1, schedules)
    search.strategy = strategy
    search.preemptionsMax = preemptions
    search.seed = searchSeed
    search.predicate.exitStatus = exitCode
    search.predicate.expectsSameOutput = expectSame
    search.countsFailures = keepGoing
    search.jobs = max(1, jobs ?? Processors.allowed)
    let progress = Progress(enabled: !guest.quiet)
    // Read once, for all executions and the recording.
    let input = CapturedInput.fromStandardInput()
    let result = try HuntSession.run(options, search, input: input) { result in
      progress.show("\(result.schedulesTried) schedules tried, \(result.failures) failed")
      return true
    }
    progress.clear()
    tell(result)
    guard let found = result.first else { throw ExitCode(0) }
    if !guest.quiet { Console.write(String(decoding: found.outcome.standardError, as: UTF8.self)) }
    try record(found, options, input)
    throw ExitCode(1)
  }

  private func tracePath() throws -> String {
    if let output { return output }
    do throws(TraceError) { return try TraceNaming.makeRoom() } catch { throw SessionError(error.description) }
  }

  /// A test that lasts longer in virtual time is taken to hang.
  private static let timeoutSeconds = 60.0

  private func tell(_ result: HuntResult) {
    if guest.quiet { return }
    if result.hasOneTask { Console.line("the program creates no thread and no child before it ends: there is one schedule") }
    if let refusal = result.refusal { Console.line("executions start from exec (slower): \(refusal)") }
    let seconds = Double(result.searchNanoseconds) / 1e9
    let rate = seconds > 0 ? Int(Double(result.schedulesTried) / seconds) : 0
    Console.line(
      "\(result.schedulesTried) schedules tried (\(rate) a second), \(result.failures) failed; "
        + "\(result.schedulingPoints) instructions touch shared memory, \(result.steps) steps in a run")
    if let exhausted = result.exhausted { Console.line(exhausted) }
    if let found = result.first {
      tell(found)
    } else {
      Console.line("no failure found")
    }
  }

  private func tell(_ found: FoundFailure) {
    guard let shrinking = found.shrinking else {
      return Console.line("schedule \(found.number) fails: \(found.kind); executed again it does not: this is a defect of replaysb")
    }
    let count = found.schedule.preemptions
    Console.line(
      "schedule \(found.number) fails: \(found.kind), with \(count) preemption\(count == 1 ? "" : "s") "
        + "(fewest: \(shrinking.fewest == .proved ? "proved" : "not proved"))")
    if !guest.verbose { return }
    for entry in found.schedule.deviations { Console.line("  \(entry)") }
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

  private func record(_ found: FoundFailure, _ options: RunOptions, _ input: CapturedInput) throws {
    let path = try tracePath()
    let recorded = try HuntSession.record(found, options, to: path, input: input)
    if !recorded { Console.line("the recording of schedule \(found.number) does not fail: this is a defect of replaysb") }
    if guest.quiet { return }
    Console.line("recorded in \(path): replaysb replay \(path)")
    // The trace is there, whatever becomes of this.
    do throws(SessionError) { Console.write(try ExplainSession.explain(path).text + "\n") } catch {
      Console.line("it cannot be explained: \(error)")
    }
  }
}

extension Strategy: ExpressibleByArgument {}
