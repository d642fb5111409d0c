// Who looks after a search while it runs: may interrupt it, and keeps what it has come to.

import RecordReplay

/// Called on the thread of the search, between executions.
public struct HuntWatcher {
  /// Whether the search shall end now. Executions that are under way do not count when they end with `Verdict.interrupted`.
  public var isInterrupted: () -> Bool = { false }
  /// Told once when the search was to go on from a saved one: how many schedules were tried by then; nil when what was saved is of
  /// a program that does otherwise, and the search begins anew.
  public var resumed: (UInt64?) -> Void = { _ in }
  /// The first failure, as soon as its group is through.
  public var found: (FoundFailure, Hunt) throws(SessionError) -> Void = { (_, _) throws(SessionError) in }
  /// After each group.
  public var border: (Hunt) -> Void = { _ in }
  /// The search has ended, and what was found is shrunk, unless it was interrupted.
  public var ended: (Hunt) -> Void = { _ in }
  public init() {}
}

extension SessionError {
  /// The user ended a search.
  static let interruption = SessionError("interrupted", exitStatus: 130)
  var isInterruption: Bool { exitStatus == Self.interruption.exitStatus }
}
