// The first difference between a replay and its trace. Everything a reader needs to judge it, as text and as a value.

import LinuxABI
import Platform
import Trace

/// One thing that is not as recorded.
public struct Difference: Sendable, Encodable, Equatable {
  /// "trap", "rip", "syscall", "argument rdi", "memory hash" ...
  public var what: String
  public var expected: String
  public var actual: String
}

/// Where and how a replay left its trace.
public struct Divergence: Sendable, Encodable, Equatable {
  public var event: UInt64
  public var task: Int32
  public var process: Int32
  public var program: String
  public var pc: String
  public var symbol: String?
  public var differences: [Difference]

  public var description: String {
    var text = "the replay left the recording at event \(event)"
    if task != 0 { text += ", task \(task)" }
    if !program.isEmpty { text += " (\(program))" }
    text += ", pc \(pc)"
    if let symbol { text += " <\(symbol)>" }
    for difference in differences {
      text += "\n  \(difference.what): recorded \(difference.expected), now \(difference.actual)"
    }
    return text
  }
}

extension Difference {
  static func hex(_ what: String, _ expected: UInt64, _ actual: UInt64) -> Difference {
    Difference(what: what, expected: "0x" + String(expected, radix: 16), actual: "0x" + String(actual, radix: 16))
  }

  /// What is not as the event says.
  static func all(_ event: Event, trap: Trap, registers: Registers, ticks: Ticks) -> [Difference] {
    var result: [Difference] = []
    if event.trap != trap {
      result.append(
        Difference(
          what: "trap", expected: describe(event.trap, event.syscall), actual: describe(trap, SyscallWords(registers))))
    }
    if event.pc.rawValue != registers.rip { result.append(.hex("rip", event.pc.rawValue, registers.rip)) }
    if event.stackPointer.rawValue != registers.rsp {
      result.append(.hex("rsp", event.stackPointer.rawValue, registers.rsp))
    }
    if event.ticks != ticks { result.append(.hex("ticks", event.ticks.rawValue, ticks.rawValue)) }
    if event.trap == .syscall, trap == .syscall {
      let actual = SyscallWords(registers)
      if event.syscall.number != actual.number {
        result.append(
          Difference(
            what: "syscall", expected: SyscallNumber.name(event.syscall.number),
            actual: SyscallNumber.name(actual.number)))
      }
      let pairs = [
        ("rdi", event.syscall.a0, actual.a0), ("rsi", event.syscall.a1, actual.a1),
        ("rdx", event.syscall.a2, actual.a2), ("r10", event.syscall.a3, actual.a3),
        ("r8", event.syscall.a4, actual.a4), ("r9", event.syscall.a5, actual.a5),
      ]
      for (name, expected, now) in pairs where expected != now {
        result.append(.hex("argument \(name)", expected, now))
      }
    }
    return result
  }

  private static func describe(_ trap: Trap, _ words: SyscallWords) -> String {
    trap == .syscall ? SyscallText.call(words) : TrapText.describe(trap)
  }
}
