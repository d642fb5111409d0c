// One execution of a search as values: what it is asked to do, and what came of it. They pass between the search, which is one, and its
// machines, which may be several.

import Kernel
import Platform
import RecordReplay

/// What an execution is asked to do. All that it does follows from this and the held state.
struct Trial: Sendable {
  enum Manner: Sendable {
    /// Without preemptions.
    case plain
    case walk(seed: UInt64, interval: UInt64, trapInterval: Int)
    case priorities(seed: UInt64, depth: Int, stepsExpected: UInt64)
    case sample(seed: UInt64, conflicts: Conflicts, interval: UInt64)
    case hold(HoldPlan)
    case follow(Schedule)
    /// See `BoundedDecisions`.
    case bounded(Schedule, PlaceNotes)

    /// A schedule was given: nobody asks which orders could be turned around.
    var isGiven: Bool {
      switch self {
      case .follow, .bounded: true
      case .plain, .walk, .priorities, .sample, .hold: false
      }
    }
  }
  var manner: Manner
  /// Among all schedules tried; 0 for what does not count.
  var number: UInt64 = 0
  /// Traps since exec at which it is stopped.
  var trapsMax: UInt64 = .max
  var patience = Patience()
}

/// What machines must be set to before a group of trials.
struct TrialSetting: Equatable, Sendable {
  /// By rising address.
  var points: [GuestAddress] = []
  /// Points whose instruction is an update.
  var updates: Set<GuestAddress> = []
  var log = AccessLogMode.off
}

/// What came of a trial.
struct TrialResult: Sendable {
  var trial: Trial
  var outcome: Outcome
  var schedule: Schedule
  /// Of a schedule that was executed as `bounded`: where it could have gone another way.
  var bounded: BoundedRun?
  /// Scheduling points and traps that tasks came by.
  var steps: UInt64
  var work: Work
  /// Without a log of accesses nothing but its system calls; nothing where a schedule was given.
  var findings: Findings
  /// Whether what the last hold waited for has happened.
  var isMet: Bool
  /// See `HoldDecisions.planUsed`.
  var planUsed: HoldPlan?
  /// While all accesses are logged: what it touched.
  var memory: SharedMemory?
}

/// What executions cost, as counted: the same on every machine, and about the microseconds of a processor.
struct Work: Hashable, Comparable, Sendable {
  var microseconds: UInt64 = 0

  init(seconds: UInt64 = 0) { microseconds = seconds * 1_000_000 }

  /// Of one execution with so many traps and ticks: a stop is 10 us, and so are 2,000 ticks of code that counts and logs.
  init(traps: UInt64, ticks: UInt64) { microseconds = Self.ofExecution + traps * 10 + ticks / 200 }
  /// What all cost alike.
  private static let ofExecution: UInt64 = 500

  static func < (one: Work, other: Work) -> Bool { one.microseconds < other.microseconds }
  static func + (one: Work, other: Work) -> Work {
    var sum = one
    sum.microseconds += other.microseconds
    return sum
  }
}

/// Who executes trials.
protocol TrialExecutor: AnyObject {
  /// The results are in the order of the trials, and do not depend on who executes them.
  func execute(_ trials: [Trial], _ setting: TrialSetting) throws(SessionError) -> [TrialResult]
}
