// What a search is asked to do, and what it came to.

import Kernel
import Platform

/// What a search is asked to do.
public struct HuntOptions: Sendable {
  /// Schedules to try at most.
  public var schedulesMax: UInt64 = 2000
  public var strategy = Strategy.mix
  /// Of the strategy that enumerates: preemptions at most.
  public var preemptionsMax = 2
  /// Of the strategy that enumerates: leaves out schedules that are equal to others (`Pruning`).
  public var prunes = true
  /// Of all choices of schedules. What the guest sees (random bytes, epoch) follows from the run's own seed.
  public var seed: UInt64 = 1
  public var predicate = FailurePredicate()
  /// Goes on after a failure, to count them.
  public var countsFailures = false
  /// Machines at work, each on a processor of its own. The result does not depend on it.
  public var jobs = 1
  /// Makes what was found small; without it the schedule stays as it was found.
  public var shrinks = true
  public init() {}
}

/// A failing execution.
public struct FoundFailure: Sendable {
  /// Its number among the schedules, from 1.
  public var number: UInt64
  /// See `FailurePredicate.failure`.
  public var kind: String
  public var schedule: Schedule
  public var outcome: Outcome
  /// What shrinking made of it; nil before, and when it did not fail again. Its indices are those of `schedule`.
  public var shrinking: ShrinkResult?
  /// Wall time of shrinking, in nanoseconds.
  public var shrinkingNanoseconds: Int64 = 0
  /// Shrinking was interrupted: the schedule is as far as it had come.
  public var isPartlyShrunk = false

  /// The operations whose order decides, of those preemptions of which they could be found.
  public var reorderings: [Reordering] { shrinking?.reorderings ?? [] }
}

/// What a search came to.
public struct HuntResult: Sendable {
  public var schedulesTried: UInt64 = 0
  public var failures: UInt64 = 0
  public var first: FoundFailure?
  /// The failures by kind and place.
  public var distinct = DistinctFailures()
  /// Instructions that are scheduling points.
  public var schedulingPoints = 0
  /// Scheduling points and traps of an execution without preemptions.
  public var steps: UInt64 = 0
  /// Wall time of the tries, in nanoseconds.
  public var searchNanoseconds: Int64 = 0
  /// Of the schedules tried, together: with several machines at work more than passed.
  public var times = Times()
  /// Why executions start from exec; nil when they start before the first thread or child.
  public var refusal: String?
  /// A schedule passed that was refused a network target.
  public var passesThoughRefused = false
  /// The program creates no thread and no child: all its executions are one.
  public var hasOneTask = false
  /// What an enumeration came to, in words: whether all schedules were tried. nil when it ended before, at a failure.
  public var exhausted: String?
  /// All schedules of an enumeration were tried: with a larger bound there is no other.
  public var isThrough = false
  /// Schedules that an earlier search had tried, which this one went on from.
  public var resumedFrom: UInt64?
  /// It was interrupted before its end, or before its find was shrunk.
  public var isInterrupted = false
}
