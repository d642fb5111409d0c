// A task that computes for long looks like one that spins, and so does one that works long on shared memory or makes many system
// calls. Whoever spins must lose its turn, since what it waits for may be done by those who wait; whoever computes should not: a
// task that is held at a chosen instruction would never meet what others do behind their computation.
//
// A spin reads memory that another task writes, so it comes to scheduling points all the time; a computation hardly does. What
// works on shared memory cannot be told from a spin, so some executions are patient with both. Patience is bounded by what an ordinary
// execution takes in all, so that executions with spins stay short, too where a spin is at an instruction that is not known yet.

import Kernel

/// For how long tasks of one execution may go on that seem to spin.
struct Patience: Hashable, Sendable {
  /// In all turns together.
  var ticks: UInt64 = 0
  var traps = 0
  /// With tasks that come to scheduling points all the time too.
  var isAlsoAtPoints = false

  /// Whether the task goes on for as many ticks as its turn has had, which are then used up. `visits`: to scheduling points so far; nil
  /// where that is not known.
  mutating func allows(_ turn: Turn, at place: SchedulePlace, visits: Int?) -> Bool {
    let needed = place.ticks - turn.start
    if needed > ticks { return false }
    if !isAlsoAtPoints {
      guard let visits, let before = turn.visits else { return false }
      let perSpin = UInt64(visits - before) * DefaultTurns.spinTicks / max(1, place.ticks - turn.asked)
      if perSpin >= Self.visitsOfSpin { return false }
    }
    ticks -= needed
    return true
  }

  mutating func allows(traps needed: Int) -> Bool {
    if !isAlsoAtPoints || needed > traps { return false }
    traps -= needed
    return true
  }

  /// Whoever comes to scheduling points so often in `DefaultTurns.spinTicks` may spin.
  private static let visitsOfSpin: UInt64 = 8
}

/// One turn of a task.
struct Turn {
  let task: TaskID
  /// The task's ticks when it began.
  let start: UInt64
  var traps = 0
  /// From so many on it seems to spin. They are doubled each time that it goes on all the same, so that a long turn is not a long schedule.
  var ticksAllowed = DefaultTurns.spinTicks
  var trapsAllowed = DefaultTurns.spinTraps
  /// When it was last said to go on: the task's ticks, and visits to scheduling points.
  private(set) var asked: UInt64
  private(set) var visits: Int?

  init(at place: SchedulePlace, visits: Int?) {
    task = place.task
    start = place.ticks
    asked = place.ticks
    self.visits = visits
  }

  mutating func goOn(at place: SchedulePlace, visits: Int?) {
    if place.ticks - start >= ticksAllowed { ticksAllowed = 2 * (place.ticks - start) }
    if traps >= trapsAllowed { trapsAllowed = 2 * traps }
    asked = place.ticks
    self.visits = visits
  }
}
