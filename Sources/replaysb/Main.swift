// The command line: wiring only. What the commands do stands in RecordReplay.

import ArgumentParser
import CLinux
import Glibc
import RecordReplay

@main struct Replaysb: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replaysb",
    abstract: "Runs programs deterministically, records them, and replays what was recorded.",
    discussion: "The guest's exit status and fatal signal pass through. Own outcomes: 123 deadlock, 124 time-out or "
      + "spin, 125 tool error or divergence, 126 cannot execute, 127 not found.",
    version: Tool.version,
    subcommands: [
      RecordCommand.self, ReplayCommand.self, RunCommand.self, VerifyCommand.self, HuntCommand.self, CheckCommand.self, ExplainCommand.self, DumpCommand.self,
      InfoCommand.self, DoctorCommand.self,
    ])

  /// Usage errors are the tool's own: 125, where ArgumentParser says 64.
  static func main() {
    rsb_heap_settle()
    do {
      if let request = PlainLine.request(CommandLine.arguments.dropFirst()) {
        try request.run()
      } else {
        var command = try parseAsRoot()
        try command.run()
      }
    } catch let error as SessionError {
      Console.line(error.description)
      finish(error.exitStatus)
    } catch let code as ExitCode {
      finish(code.rawValue)
    } catch {
      let message = fullMessage(for: error)
      if exitCode(for: error).isSuccess {
        print(message)
        finish(0)
      }
      Console.write(message + "\n")
      finish(125)
    }
    finish(0)
  }

  private static func finish(_ status: Int32) -> Never {
    fflush(nil)
    _exit(status)
  }
}

/// Lines on standard error, which the tool shares with the guest.
enum Console {
  static func write(_ text: String) { writeAll(2, Array(text.utf8)[...]) }

  static func line(_ text: String) { write("replaysb: " + text + "\n") }
}

/// A line on a terminal that says how far a long command is. Shown after a second, and only where nobody else writes.
final class Progress {
  private let isTerminal = rsb_host_is_terminal(2) == 1
  private let start = rsb_clock_ns(1)
  private var last: Int64 = 0
  private var isShown = false
  private let isEnabled: Bool

  init(enabled: Bool = true) { isEnabled = enabled }

  func show(_ text: @autoclosure () -> String) {
    if !isTerminal || !isEnabled { return }
    let now = rsb_clock_ns(1)
    if now - start < 1_000_000_000 || now - last < 100_000_000 { return }
    last = now
    isShown = true
    Console.write("\r\u{1b}[Kreplaysb: " + text())
  }

  func clear() {
    if isShown { Console.write("\r\u{1b}[K") }
    isShown = false
  }
}
