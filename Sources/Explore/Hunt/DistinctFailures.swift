// Which failures are the same one: by kind, and by the place that failed.

import Kernel

/// Equal for failures that are taken to be the same. A stack of symbols could stand in `place` as well.
public struct FailureKey: Sendable, Hashable {
  /// See `FailurePredicate.failure`.
  public var kind: String
  /// The code that failed, or what a deadlock is about; nil where nothing is known.
  public var place: String?

  init(kind: String, place: String?) {
    self.kind = kind
    self.place = place
  }

  public init(kind: String, _ outcome: Outcome) {
    self.kind = kind
    switch outcome.verdict {
    case .exited(let status) where status & 0x7f != 0: place = Self.place(of: outcome.fatalSignals)
    case .deadlock, nil: place = Self.place(of: outcome.waiters)
    default: place = nil
    }
  }

  /// The code behind the first process's fatal signal, and for abort and kin who called it. One that came from elsewhere
  /// has no place.
  private static func place(of signals: [FatalSignal]) -> String? {
    guard let last = signals.last(where: { $0.isOfFirstProcess && $0.isOwnDoing }) else { return nil }
    return last.place.description + (last.caller.map { ", called from \($0)" } ?? "")
  }

  /// What the tasks wait for, without who: which of several like tasks got there does not make another failure.
  private static func place(of waiters: [Waiter]) -> String? {
    var parts: [String] = []
    for waiter in waiters {
      guard let syscall = waiter.syscall else { continue }
      var part = syscall
      if waiter.isJoin { part = "join" } else if let futex = waiter.futex { part = "futex \(futex)" }
      if let descriptor = waiter.descriptor { part += " of descriptor \(descriptor)" }
      if !parts.contains(part) { parts.append(part) }
    }
    return parts.isEmpty ? nil : parts.sorted().joined(separator: ", ")
  }
}

/// One failure with how often it came.
public struct DistinctFailure: Sendable, Equatable {
  public var key: FailureKey
  public var count: UInt64
  /// The schedule that it came under first, from 1.
  public var first: UInt64
}

/// The failures of a search.
public struct DistinctFailures: Sendable, Equatable {
  /// In order of first sight.
  public private(set) var all: [DistinctFailure] = []
  /// Failures that had no room as failures of their own.
  public private(set) var uncounted: UInt64 = 0
  private static let failuresMax = 1000
  public init() {}

  /// What was saved.
  init(_ all: [DistinctFailure], uncounted: UInt64) {
    self.all = all
    self.uncounted = uncounted
  }

  public mutating func add(_ key: FailureKey, number: UInt64) {
    if let index = all.firstIndex(where: { $0.key == key }) {
      all[index].count += 1
    } else if all.count < Self.failuresMax {
      all.append(DistinctFailure(key: key, count: 1, first: number))
    } else {
      uncounted += 1
    }
  }
}
