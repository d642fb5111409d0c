// A schedule told by what tasks do instead of by ticks: at its n-th arrival at an instruction a task loses its turn, as it did in the
// build where the schedule was found.

import Kernel
import Platform

/// A task loses its turn, or time passes while it stands.
public struct RetraceStep: Hashable, Sendable {
  /// Before this, or behind it where it is a system call and `isBehindCall`.
  public var moment: Moment
  public var isBehindCall: Bool
  /// Between the load and the store of the instruction, an update.
  public var isInside = false
  /// So often time passes until the next timer, before somebody has the turn.
  public var delays = 0
  /// False: time passes, and the task keeps its turn.
  public var losesTurn = true
  /// Who has the next turn, if it can.
  public var next: TaskID?
  /// Once this has happened the task takes its turn back.
  public var until: Moment?
  public init(moment: Moment, isBehindCall: Bool, next: TaskID?) {
    self.moment = moment
    self.isBehindCall = isBehindCall
    self.next = next
  }
}

/// Who is next where a task blocks in a system call, or ends by one.
public struct RetraceChoice: Hashable, Sendable {
  public var task: TaskID
  public var call: UInt64
  /// Among the task's calls of this number, from 1.
  public var occurrence: UInt32
  /// nil where the schedule says nothing of it.
  public var next: TaskID?
  /// So often time passes until the next timer, before somebody has the turn.
  public var delays = 0
  public init(task: TaskID, call: UInt64, occurrence: UInt32, next: TaskID?) {
    self.task = task
    self.call = call
    self.occurrence = occurrence
    self.next = next
  }
}

/// What one execution of a check is asked to do.
public struct RetracePlan: Hashable, Sendable {
  /// In this order.
  public var steps: [RetraceStep] = []
  public var choices: [RetraceChoice] = []
  /// A task that lost its turn goes on only when a step gives it the turn, or when nobody else can go on; otherwise it waits as
  /// others do.
  public var holds = false
  /// Who computes for long keeps its turn, so that nobody who is held is let go for that.
  public var isPatient = false
  public init() {}

  /// How often time passes by it.
  public var delays: Int { steps.reduce(0) { $0 + $1.delays } + choices.reduce(0) { $0 + $1.delays } }
}
