// run, record, verify.

import ArgumentParser
import CLinux
import Glibc
import Kernel
import RecordReplay
import Trace

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Runs a program in the sandbox without recording.")
  @OptionGroup var guest: GuestOptions

  var request: RunRequest { RunRequest(guest: guest.settings) }
  func validate() throws { try request.validate() }
  func run() throws { try request.run() }
}

/// What a command does once its line is read, by ArgumentParser or `PlainLine`.
protocol CommandRequest {
  func validate() throws
  func run() throws
}

struct RunRequest: CommandRequest {
  var guest: GuestSettings

  func validate() throws { try guest.showHelpIfAsked(for: RunCommand.self) }

  func run() throws {
    var options = try guest.runOptions(defaultSeed: 1)
    options.machineAnswers = true
    let result = try RunSession.run(options)
    Outcome.summarize(result, quiet: guest.quiet, verbose: guest.verbose)
    try Outcome.write(Outcome.report("run", options, result), to: guest.report)
    try Outcome.passThrough(result.end)
  }
}

struct RecordCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "record", abstract: "Runs a program and records it into one file.")
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The trace (default: trace.zst, older ones move to trace-N.zst).", valueName: "file"))
  var output: String?
  @Flag(help: "Repeat with new seeds until the guest fails; keep that trace.") var untilFail = false
  @Option(name: .customShort("n"), help: ArgumentHelp("With --until-fail: attempts at most.", valueName: "count"))
  var attempts: Int?
  @OptionGroup var guest: GuestOptions

  var request: RecordRequest {
    RecordRequest(output: output, untilFail: untilFail, attempts: attempts, guest: guest.settings)
  }
  func validate() throws { try request.validate() }
  func run() throws { try request.run() }
}

struct RecordRequest: CommandRequest {
  var output: String?
  var untilFail = false
  var attempts: Int?
  var guest: GuestSettings

  func validate() throws {
    try guest.showHelpIfAsked(for: RecordCommand.self)
    if let attempts, attempts < 1 || !untilFail {
      throw ValidationError("-n takes a positive number, with --until-fail")
    }
  }

  func run() throws {
    var options = try guest.runOptions(defaultSeed: nil)
    options.machineAnswers = true
    let path = try tracePath(&options)
    if untilFail { return try recordUntilFailure(options, path) }
    let result = try RecordSession.record(options, to: path)
    try finish(options, result, path, attempt: nil)
  }

  private func tracePath(_ options: inout RunOptions) throws -> String {
    if let output {
      options.hidden.hideOwn(output)
      options.hidden.hideOwn(output + ".journal")
      return output
    }
    options.hidden.hideTraces(in: ".")
    do throws(TraceError) { return try TraceNaming.makeRoom() } catch { throw SessionError(error.description) }
  }

  private func recordUntilFailure(_ first: RunOptions, _ path: String) throws {
    var options = first
    let input = CapturedInput.fromStandardInput()
    let progress = Progress(enabled: !guest.quiet)
    var attempt = 0
    while attempts == nil || attempt < attempts! {
      attempt += 1
      options.seed = first.seed &+ UInt64(attempt - 1)
      input.rewind()
      let output = KeptOutput()
      let result = try RecordSession.record(options, to: path, input: .captured(input), outputs: .keep(output))
      if result.end == .interrupted || result.end.isFailure {
        progress.clear()
        output.writeOut()
        return try finish(options, result, path, attempt: attempt)
      }
      progress.show("attempt \(attempt) passed\(attempts.map { " of \($0)" } ?? "")")
    }
    progress.clear()
    _ = rsb_host_unlink(path)
    if !guest.quiet { Console.line("no failure in \(attempt) attempts") }
  }

  private func finish(_ options: RunOptions, _ result: RunResult, _ path: String, attempt: Int?) throws {
    Outcome.summarize(result, quiet: guest.quiet, verbose: guest.verbose)
    if !guest.quiet {
      if let attempt { Console.line("attempt \(attempt) failed") }
      Console.line("recorded \(result.events) events in \(path); to record the same again:")
      Console.line("  " + guest.repeatingLine("record", options))
    }
    var report = Outcome.report("record", options, result)
    report.trace = path
    report.attempts = attempt
    var status = rsb_host_status()
    if rsb_host_status_follow(path, &status) == 0 { report.traceBytes = status.size }
    try Outcome.write(report, to: guest.report)
    try Outcome.passThrough(result.end)
  }
}

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Records a program twice, replays it once, and compares everything.")
  @OptionGroup var guestOptions: GuestOptions

  func validate() throws { try guestOptions.settings.showHelpIfAsked(for: Self.self) }

  func run() throws {
    let guest = guestOptions.settings
    var options = try guest.runOptions(defaultSeed: 1)
    options.machineAnswers = true
    options.exportDirectory = nil
    let progress = Progress(enabled: !guest.quiet)
    let directory = GuestSettings.variable("TMPDIR") ?? "/tmp"
    let result = try VerifySession.verify(options, input: .fromStandardInput(), directory: directory) {
      progress.show($0)
    }
    progress.clear()
    Outcome.summarize(result.first, quiet: guest.quiet, verbose: guest.verbose)
    var report = Outcome.report("verify", options, result.first)
    report.traceBytes = Int64(result.traceBytes)
    report.divergence = result.replay.divergence
    report.problems = result.problems
    if !result.problems.isEmpty {
      report.outcome = "divergence"
      report.exitStatus = 125
      try Outcome.write(report, to: guest.report)
      for problem in result.problems { Console.line("verify: " + problem) }
      throw ExitCode(125)
    }
    try Outcome.write(report, to: guest.report)
    if !guest.quiet {
      Console.line("verified: two recordings of \(result.first.events) events are identical and the replay agrees")
    }
    try Outcome.passThrough(result.first.end)
  }
}
