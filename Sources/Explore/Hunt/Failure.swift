// What counts as a failure of the program under test.

import Kernel

/// Which ends are failures. By default: a deadlock, a fatal signal, an exit status other than 0, and a livelock.
public struct FailurePredicate: Sendable {
  /// Only this exit status fails; nil: any but 0.
  public var exitStatus: Int32?
  /// Output that differs from the first execution's fails too.
  public var expectsSameOutput = false
  public init() {}

  /// Why this end is a failure, in words that are the same for equal failures; nil when it is none.
  public func failure(_ outcome: Outcome, first: Outcome?) -> String? {
    switch outcome.verdict {
    case nil: return "livelock"
    case .deadlock: return "deadlock"
    case .spin: return "spin"
    case .timedOut: return "time-out"
    case .interrupted: return nil
    case .exited(let status):
      if status & 0x7f != 0 { return exitStatus == nil ? "signal \(status & 0x7f)" : nil }
      let code = status >> 8 & 0xff
      if let exitStatus { return code == exitStatus ? "exit status \(code)" : nil }
      if code != 0 { return "exit status \(code)" }
    }
    if expectsSameOutput, let first, outcome.standardOutput != first.standardOutput {
      return "other output than the first run's"
    }
    return nil
  }
}
