// dump.

import ArgumentParser
import RecordReplay

struct DumpCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dump", abstract: "Prints a recording, one line an event, in the manner of strace.")
  @Flag(help: "One JSON object a line.") var json = false
  @Flag(help: "Every record, not only what the guest did.") var all = false
  @Option(help: ArgumentHelp("First event.", valueName: "event")) var from: UInt64 = 1
  @Option(help: ArgumentHelp("Last event.", valueName: "event")) var to: UInt64?
  @Argument(help: "The trace (default: trace.zst).") var trace = "trace.zst"

  func validate() throws {
    if from == 0 { throw ValidationError("events count from 1") }
    if let to, to < from { throw ValidationError("--to lies before --from") }
  }

  func run() throws {
    let dump = try TraceDump(path: trace, from: from, to: to, all: all)
    while let line = try dump.next() {
      print(json ? try Outcome.json(line, pretty: false) : line.text)
    }
    if dump.isTruncated { Console.line("the trace is cut after event \(dump.lastEvent)") }
  }
}
