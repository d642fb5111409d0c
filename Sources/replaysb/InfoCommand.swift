// info and doctor.

import ArgumentParser
import Kernel
import PtracePlatform
import RecordReplay
import Trace

struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info", abstract: "Says what a recording is and what it holds.")
  @Flag(help: "List the files whose content it embeds.") var files = false
  @Flag(help: "In JSON.") var json = false
  @Argument(help: "The trace (default: trace.zst).") var trace = "trace.zst"

  func run() throws {
    let info = try TraceInfo(path: trace, listsFiles: files)
    print(json ? try Outcome.json(info) : info.text)
  }
}

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Says whether this machine can run the sandbox, and if not, what to change.")
  @Flag(help: "Print the table of syscalls and how far each is there.") var syscalls = false

  func run() throws {
    if syscalls { return printSyscalls() }
    let check = PtraceMachine.checkPermission()
    print("tracing: " + (check.isAllowed ? "permitted" : "refused: \(check.reason)"))
    if !check.advice.isEmpty { print("what to change: \(check.advice)") }
    for note in check.notes { print("note: \(note)") }
    print("processor: \(PtraceMachine.cpuFingerprint())")
    for model in ProcessorModel.allCases {
      let missing = ProcessorCheck.missing(for: model)
      print("\(model.rawValue): " + (missing.isEmpty ? "present" : "lacks \(missing.joined(separator: ", "))"))
    }
    print("engines: translated (its recordings replay wherever the model they show is present), direct (on processors with the")
    print("  same line above)")
    print("translations and compressed files: \(KeptFolder.path ?? "not kept between runs")")
    if !check.isAllowed { throw ExitCode(125) }
  }

  private func printSyscalls() {
    for row in SyscallTable.standard.rows {
      let number = String(row.number)
      let padding = String(repeating: " ", count: max(0, 4 - number.count))
      switch row.support {
      case .full: print("\(padding)\(number) \(row.name)")
      case .partial(let why): print("\(padding)\(number) \(row.name): partly; \(why)")
      }
    }
  }
}
