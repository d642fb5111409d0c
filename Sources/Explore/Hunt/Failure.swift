// What counts as a failure of the program under test.

import Kernel
import LinuxABI

/// Which ends are failures. By default: a deadlock, a livelock, a time-out, a fatal signal, an exit status other than 0, and
/// the report of a sanitizer on standard error.
public struct FailurePredicate: Sendable {
  /// Of runs that end by themselves only those with this exit status fail, and those that the two below name; nil: any but 0.
  public var exitStatus: Int32?
  /// Output, standard or error, in which one of these is found fails too.
  public var outputPatterns: [OutputPattern] = []
  /// Standard output or an exit status that differs from the first execution's fails too.
  public var expectsSameOutput = false
  /// Standard error that differs from the first execution's fails too.
  public var expectsSameErrors = false
  public init() {}

  /// Why this end is a failure, in words that are the same for equal failures; nil when it is none.
  public func failure(_ outcome: Outcome, first: Outcome?) -> String? {
    switch outcome.verdict {
    case nil: return outcome.standingCycle == nil ? "livelock" : "deadlock"
    case .deadlock: return "deadlock"
    case .spin: return "spin"
    case .timedOut: return "time-out"
    case .interrupted: return nil
    case .exited(let status):
      return failure(ofStatus: status, outcome) ?? failure(ofOutput: outcome)
        ?? first.flatMap { difference(outcome, from: $0) }
    }
  }

  private func failure(ofStatus status: Int32, _ outcome: Outcome) -> String? {
    let headline = SanitizerReport.headline(in: outcome.standardError)
    let signal = status & 0x7f, code = status >> 8 & 0xff
    if let exitStatus {
      guard signal == 0, code == exitStatus else { return nil }
      return headline ?? "exit status \(code)"
    }
    if let headline { return headline }
    if signal != 0 { return "signal \(signal) (\(SignalNumber.name(Int(signal))))" }
    return code == 0 ? nil : "exit status \(code)"
  }

  private func failure(ofOutput outcome: Outcome) -> String? {
    if outputPatterns.isEmpty { return nil }
    let texts = [outcome.standardOutput, outcome.standardError].map { String(decoding: $0, as: UTF8.self) }
    let found = outputPatterns.first { pattern in texts.contains { pattern.isFound(in: $0) } }
    return found.map { "output that matches /\($0.text)/" }
  }

  private func difference(_ outcome: Outcome, from first: Outcome) -> String? {
    if expectsSameOutput {
      if outcome.standardOutput != first.standardOutput { return "other output than the first run's" }
      if outcome.verdict != first.verdict { return "another end than the first run's" }
    }
    if expectsSameErrors, outcome.standardError != first.standardError {
      return "other standard error than the first run's"
    }
    return nil
  }
}

/// A regular expression that output is searched for.
public struct OutputPattern: Sendable {
  public let text: String
  // A Regex made from text has no closures of others: it is a constant program, which nobody changes after this is made.
  nonisolated(unsafe) private let regex: Regex<AnyRegexOutput>

  /// Swift's syntax, which is that of PCRE for all that is common; `^` and `$` match at every line. Throws for text that is
  /// no regular expression; nil for one that is empty and would be found everywhere.
  public init?(_ text: String) throws {
    if text.isEmpty { return nil }
    self.text = text
    // By scalars: "\r\n" would else be one character, and slow.
    regex = try Regex(text).anchorsMatchLineEndings().matchingSemantics(.unicodeScalar)
  }

  func isFound(in text: String) -> Bool { (try? regex.firstMatch(in: text)) != nil }
}
