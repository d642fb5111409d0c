// A record as a line for people: as the trace describes it, with names where that has numbers.

import LinuxABI
import Platform
import Trace

public enum RecordText {
  /// One record in words, without its number.
  public static func line(_ record: Record) -> String {
    switch record {
    case .event(let event):
      let what =
        event.trap == .syscall
        ? SyscallText.call(event.syscall) : TrapText.describe(event.trap, ticks: event.ticks)
      return "context \(event.context.rawValue) \(what) at pc \(event.pc)"
    case .annotation(let annotation): return line(annotation) ?? record.description
    default: return record.description
    }
  }

  /// Those that name a syscall or a signal.
  private static func line(_ annotation: Annotation) -> String? {
    switch annotation {
    case .executed(let task, let path, let arguments):
      return "task \(task) executes \(path) [\(arguments.map(SyscallText.quoted).joined(separator: ", "))]"
    case .taskExited(let task, let status): return "task \(task) ends: \(TrapText.ending(status))"
    case .signalDelivered(let task, let signal, let code, let sender, let handler):
      return "task \(task) gets \(TrapText.signalName(Int32(signal))) code \(code) from \(sender), handler \(handler)"
    case .syscallResumed(let task, let number, let result):
      let value = SyscallText.result(UInt64(bitPattern: result), of: number)
      return "task \(task) resumes \(SyscallNumber.name(number)) = \(value)"
    case .unknownSyscall(let task, let number):
      return "task \(task) makes the unknown syscall \(SyscallNumber.name(number))"
    default: return nil
    }
  }
}
