// Where an execution could have gone another way: what a search that enumerates schedules learns from an execution.

import Kernel

/// A moment of an execution at which another task could have had the next turn.
public struct TurnPlace: Hashable, Sendable {
  /// How many switches of the execution's schedule lie before it.
  public var switchesBefore: Int
  /// A preemption, where the task went on; a choice, where it blocked, ended or yielded and several could be next; a delay, where a
  /// timer could have expired first.
  public var kind: Switch.Kind
  /// See `Switch.isInCode`.
  public var isInCode: Bool
  public var place: SchedulePlace
  /// Who could have had the turn instead, the one that waited longest first.
  public var others: [TaskID]
  /// How many of the execution's steps lie before it.
  var stepsBefore = 0

  init(
    switchesBefore: Int, kind: Switch.Kind, isInCode: Bool, place: SchedulePlace, others: [TaskID], stepsBefore: Int = 0
  ) {
    self.switchesBefore = switchesBefore
    self.kind = kind
    self.isInCode = isInCode
    self.place = place
    self.others = others
    self.stepsBefore = stepsBefore
  }

  /// The switch to one of `others` here.
  public func turn(to next: TaskID) -> Switch { Switch(kind, isInCode: isInCode, at: place, to: next) }
}

/// An execution of a schedule, as far as its schedule goes.
public struct BoundedRun: Sendable {
  /// The schedule that came about.
  public var schedule: Schedule
  /// Where it could have gone another way behind the switches that were asked for, in order.
  public var turns: [TurnPlace]
  /// Whether all switches that were asked for were made, and no others among them.
  public var hasFollowed: Bool
  /// Whether it came to its end: otherwise it could have gone another way later too.
  public var hasEnded = true
  /// What tasks did behind the switches that were asked for, in order.
  var steps: [Step] = []
  /// Whether the steps tell all that others may have to do with, and nothing depends on the time.
  var hasAllSteps = false
  public init(schedule: Schedule, turns: [TurnPlace], hasFollowed: Bool) {
    self.schedule = schedule
    self.turns = turns
    self.hasFollowed = hasFollowed
  }
}
