// replay.

import ArgumentParser
import CLinux
import Glibc
import RecordReplay
import Trace

struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay", abstract: "Executes a recording again and checks that nothing differs.")
  @Option(help: ArgumentHelp("Stop after this event.", valueName: "event")) var stopAt: UInt64?
  @Option(help: ArgumentHelp("Write an ELF core of the process where the replay stops.", valueName: "file"))
  var core: String?
  @Option(help: ArgumentHelp("Write a report in JSON.", valueName: "file")) var report: String?
  @Flag(help: "Print a divergence in JSON.") var json = false
  @Flag(name: .shortAndLong, help: "Say nothing but errors.") var quiet = false
  @Flag(name: .shortAndLong, help: "Say more.") var verbose = false
  /// For Tools/oracle: another engine with the same ticks, and the registers at events FROM-TO as lines of a file.
  @Option(help: .hidden) var engine: Engine?
  @Option(help: .hidden) var registerLog: String?
  @Option(help: .hidden) var logFrom: UInt64 = 1
  @Option(help: .hidden) var logTo = UInt64.max
  @Argument(help: "The trace (default: trace.zst).") var trace = ReplayRequest.standardTrace

  var request: ReplayRequest {
    ReplayRequest(
      trace: trace, stopAt: stopAt, core: core, report: report, json: json, quiet: quiet, verbose: verbose, engine: engine,
      registerLog: registerLog, logFrom: logFrom, logTo: logTo)
  }
  func validate() throws { try request.validate() }
  func run() throws { try request.run() }
}

struct ReplayRequest: CommandRequest {
  static let standardTrace = "trace.zst"

  var trace = standardTrace
  var stopAt: UInt64?
  var core: String?
  var report: String?
  var json = false
  var quiet = false
  var verbose = false
  var engine: Engine?
  var registerLog: String?
  var logFrom: UInt64 = 1
  var logTo = UInt64.max

  func validate() throws {
    if stopAt == 0 { throw ValidationError("events count from 1") }
    if logFrom > logTo { throw ValidationError("--log-from lies behind --log-to") }
  }

  func run() throws {
    var options = ReplayOptions(path: trace)
    options.stopAt = stopAt
    options.corePath = core
    options.engine = engine
    if let registerLog { options.registerLog = (registerLog, logFrom...logTo) }
    let progress = Progress(enabled: !quiet)
    let total = rsb_host_is_terminal(2) == 1 ? ReplaySession.eventCount(trace) : nil
    let result = try ReplaySession.replay(options) { event in
      progress.show("event \(event)" + (total.map { " of \($0) (\(event * 100 / max(1, $0)) %)" } ?? ""))
    }
    progress.clear()
    try writeReport(result)
    if let divergence = result.divergence { try fail(divergence) }
    if let stopped = result.stoppedAt {
      if !quiet { Console.line("stopped after event \(stopped)" + (core.map { "; core in \($0)" } ?? "")) }
      return
    }
    if result.isTruncated {
      Console.line(
        "the trace is cut after event \(result.events) (its recorder was killed, or the file is not whole); "
          + "replayed to there")
      throw ExitCode(125)
    }
    if let end = result.end, !end.verdict.isEmpty { try finishVerdict(end) }
    if !quiet && verbose { Console.line("replayed \(result.events) events") }
    if let status = result.status { try Outcome.passThrough(.exited(status: status)) }
  }

  private func fail(_ divergence: Divergence) throws {
    Console.line(json ? try Outcome.json(divergence, pretty: false) : divergence.description)
    throw ExitCode(125)
  }

  /// The recording ended by a verdict of the tool: so does the replay.
  private func finishVerdict(_ end: TraceEnd) throws {
    if !quiet { Console.line("the recording ended here: \(end.verdict)") }
    switch end.verdict {
    case "deadlock": throw ExitCode(123)
    case "spin", "timeout": throw ExitCode(124)
    case "interrupted": Outcome.die(by: 2)
    default: throw ExitCode(125)
    }
  }

  private func writeReport(_ result: ReplayResult) throws {
    var value = Report(command: "replay", outcome: "exited", exitStatus: 0, events: result.events)
    value.trace = trace
    if let divergence = result.divergence {
      value.outcome = "divergence"
      value.exitStatus = 125
      value.divergence = divergence
    } else if result.isTruncated {
      value.outcome = "truncated"
      value.exitStatus = 125
    } else if let end = result.end, !end.verdict.isEmpty {
      value.outcome = end.verdict
    } else if let status = result.status {
      let end = RunEnd.exited(status: status)
      value.outcome = Outcome.name(end)
      value.exitStatus = end.toolStatus
      value.signal = end.fatalSignal
    } else {
      value.outcome = "stopped"
    }
    try Outcome.write(value, to: report)
  }
}
