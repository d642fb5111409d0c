// The end of a run: the summary on standard error, the report, and the tool's own exit.

import ArgumentParser
import CLinux
import FoundationEssentials
import Glibc
import RecordReplay

/// `--report`: what machines read.
struct Report: Encodable {
  struct UnknownSyscall: Encodable {
    var name: String
    var count: Int
  }
  var command: String
  var version = Tool.version
  /// "exited", "signaled", "deadlock", "spin", "timeout", "interrupted", "divergence".
  var outcome: String
  var exitStatus: Int32
  var signal: Int32?
  var explanation: String?
  var seed: UInt64?
  var epochNanoseconds: Int64?
  var trace: String?
  var traceBytes: Int64?
  var events: UInt64
  var syscalls: UInt64?
  var switches: UInt64?
  var virtualNanoseconds: Int64?
  var filesChanged: Int?
  var exportedTo: String?
  var unknownSyscalls: [UnknownSyscall]?
  var refusedTargets: [String]?
  var killedProcesses: [String]?
  var withheldVariables: [String]?
  var lockCycles: [String]?
  var divergence: Divergence?
  var problems: [String]?
  var attempts: Int?
}

enum Outcome {
  static func name(_ end: RunEnd) -> String {
    switch end {
    case .exited(let status): status & 0x7f == 0 ? "exited" : "signaled"
    default: end.verdict
    }
  }

  static func report(_ command: String, _ options: RunOptions, _ result: RunResult) -> Report {
    var report = Report(
      command: command, outcome: name(result.end), exitStatus: result.end.toolStatus, events: result.events)
    report.signal = result.end.fatalSignal
    report.explanation = result.end.explanation.isEmpty ? nil : result.end.explanation
    report.seed = options.seed
    report.epochNanoseconds = options.epochNanoseconds
    report.syscalls = result.syscalls
    report.switches = result.switches
    report.virtualNanoseconds = result.virtualNanoseconds
    report.filesChanged = result.filesChanged
    report.exportedTo = result.exportedTo
    report.unknownSyscalls = result.unknownSyscalls.map { .init(name: $0.name, count: $0.count) }
    report.refusedTargets = result.refusedTargets
    report.killedProcesses = result.killedProcesses
    report.withheldVariables = options.withheldNames
    report.lockCycles = result.deadlockReports
    return report
  }

  static func json(_ value: some Encodable, pretty: Bool = true) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  static func write(_ report: some Encodable, to path: String?) throws {
    guard let path else { return }
    let text = Array((try json(report) + "\n").utf8)
    let descriptor = Int32(rsb_host_open(path, 0o1101, 0o644))
    if descriptor < 0 { throw SessionError("--report \(path): \(describeHostError(-descriptor))") }
    defer { _ = rsb_host_close(descriptor) }
    let written = rsb_host_write(descriptor, text, text.count)
    if written != text.count { throw SessionError("--report \(path): \(describeHostError(Int32(-min(0, written))))") }
  }

  /// What a user should know after a run.
  static func summarize(_ result: RunResult, quiet: Bool, verbose: Bool) {
    explain(result.end)
    if quiet { return }
    for text in result.deadlockReports { Console.line("lock cycle: " + indented(text)) }
    if !result.killedProcesses.isEmpty {
      Console.line("still running at the end, and killed: " + result.killedProcesses.joined(separator: ", "))
    }
    if !result.unknownSyscalls.isEmpty {
      let list = result.unknownSyscalls.map { "\($0.name) x\($0.count)" }.joined(separator: ", ")
      Console.line("syscalls that this kernel does not have (ENOSYS): \(list)")
    }
    if !result.refusedTargets.isEmpty {
      Console.line("refused network targets: " + result.refusedTargets.joined(separator: ", "))
    }
    if let directory = result.exportedTo {
      Console.line("\(result.filesChanged) changed files are in \(directory)")
    } else if result.filesChanged > 0 {
      let files = result.filesChanged == 1 ? "1 file was" : "\(result.filesChanged) files were"
      Console.line("\(files) changed by the guest and dropped (--export-changes DIR keeps them)")
    }
    if verbose {
      Console.line(
        "\(result.syscalls) syscalls, \(result.events) traps, \(result.switches) switches, "
          + "\(result.virtualNanoseconds / 1000) us of virtual time")
      if !result.engineCounts.isEmpty {
        Console.line(result.engineCounts.map { "\($0.name) \($0.count)" }.joined(separator: ", "))
      }
    }
  }

  static func explain(_ end: RunEnd) {
    switch end {
    case .exited: break
    case .deadlock(let text): Console.line("deadlock: " + indented(text))
    case .spin(let text): Console.line("spin: " + indented(text))
    case .timedOut(let text): Console.line("time-out: " + indented(text))
    case .interrupted: Console.line("interrupted")
    }
  }

  static func indented(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\n  ")
  }

  /// Ends the tool as the guest ended.
  static func passThrough(_ end: RunEnd) throws {
    if let signal = end.fatalSignal { die(by: signal) }
    throw ExitCode(end.toolStatus)
  }

  static func die(by signal: Int32) {
    fflush(nil)
    rsb_host_die_by(signal)
  }
}
