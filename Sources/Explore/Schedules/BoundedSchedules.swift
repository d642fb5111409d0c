// All schedules with few preemptions, one after the other: context bounding (Musuvathi, Qadeer, "Iterative Context Bounding for
// Systematic Testing of Multithreaded Programs", PLDI 2007).
//
// What is enumerated: an execution is a sequence of turns. A turn ends at a place where its task could have gone on (a
// preemption), where it blocks, ends or yields (a choice of who is next), or where it has spun (fairness). Preemptions can be
// wherever a strategy can make them: before scheduling points, before and behind system calls and other traps, while another task
// could run. All of these are tried, with every task that could be next, and at every choice all tasks that can run. Choices cost
// nothing. Behind fairness the default holds: when a task spins, and who is next then, is not enumerated; nor is when timers fire.
//
// "All" is therefore: every schedule that differs from the default in at most k preemptions and any choices, each once. An
// execution tells where it could have gone another way behind its last switch that was asked for; each such place with each other
// task is a new schedule. A schedule is reached from the one without its last deviation, so none comes twice and none is missed,
// provided that the same schedule is the same execution; what did not follow its schedule, or did not end, is counted, and then it is
// not all.
//
// Nothing is pruned. Two preemptions with only a task's own code between them lead to the same states, and so do preemptions
// before accesses that commute with all that others do meanwhile; but what others do is known only once the execution was made,
// and with a bound on preemptions a partial order reduction must add other places to make up for those that it leaves out (Coons,
// Musuvathi, McKinley, "Bounded Partial-Order Reduction", OOPSLA 2013).

import Kernel
import Platform

/// Says which schedule is to be executed next, and learns from executions. A value: a copy goes on from where it was copied.
///
/// Schedules can be executed at the same time, in any process: `next` gives them, as far as they follow from what was taken in, and
/// `took` takes what came about in the order in which they were given. The order does not depend on how many are on their way.
public struct BoundedSchedules: Sendable, Equatable {
  public struct Limits: Sendable, Equatable {
    public var preemptionsMax: Int
    /// Schedules given at most.
    public var schedulesMax: Int
    /// Schedules given at most with each number of preemptions.
    public var schedulesMaxPerLevel: Int
    /// Where tasks are preempted; nil for everywhere.
    public var instructions: Set<GuestAddress>?
    public init(
      preemptionsMax: Int, schedulesMax: Int = .max, schedulesMaxPerLevel: Int = .max,
      instructions: Set<GuestAddress>? = nil
    ) {
      self.preemptionsMax = max(0, preemptionsMax)
      self.schedulesMax = schedulesMax
      self.schedulesMaxPerLevel = schedulesMaxPerLevel
      self.instructions = instructions
    }
  }

  /// The ways that leave one execution by one more switch of one kind.
  struct Branches: Sendable, Equatable {
    let switches: [Switch]
    let turns: ArraySlice<TurnPlace>
    var turn: Int
    var other = 0

    init(_ switches: [Switch], _ turns: ArraySlice<TurnPlace>) {
      self.switches = switches
      self.turns = turns
      turn = turns.startIndex
    }

    mutating func next() -> Schedule? {
      while turn < turns.endIndex {
        let place = turns[turn]
        if other < place.others.count {
          other += 1
          return Schedule(switches[..<place.switchesBefore] + [place.turn(to: place.others[other - 1])])
        }
        turn += 1
        other = 0
      }
      return nil
    }
  }

  /// What is to come with one number of preemptions, oldest first.
  struct Level: Sendable, Equatable {
    /// To be given before all others.
    var first: Schedule?
    var branches: [Branches] = []
    private(set) var position = 0
    var added = 0
    var given = 0

    var hasMore: Bool { first != nil || given < added }

    /// Adds ways that leave an execution, those that come first, until `most` were added in all. False when some were left out.
    mutating func add(_ switches: [Switch], _ turns: [TurnPlace], atMost most: Int) -> Bool {
      var kept = 0
      while kept < turns.count, added < most {
        added += turns[kept].others.count
        kept += 1
      }
      if kept > 0 { branches.append(Branches(switches, turns[..<kept])) }
      return kept == turns.count
    }

    mutating func next() -> Schedule? {
      if let first {
        self.first = nil
        return first
      }
      while position < branches.count {
        if let schedule = branches[position].next() {
          given += 1
          return schedule
        }
        position += 1
        // Those that are used up are thrown away now and then.
        if position * 2 > branches.count {
          branches.removeFirst(position)
          position = 0
        }
      }
      return nil
    }
  }

  public let limits: Limits
  private(set) var levels: [Level]
  /// Given and not taken in yet.
  private(set) var underWay = 0
  /// The number of preemptions of the schedules that are given now; those with fewer were all taken in, as far as the limits allow.
  public private(set) var level = 0
  /// Schedules given so far.
  public private(set) var given = 0
  /// Executions that did not follow their schedule, and were left at that.
  public private(set) var strayed = 0
  /// Executions that were stopped before their end.
  public private(set) var stopped = 0
  /// From this number of preemptions on schedules were left out for a limit.
  private(set) var cutFrom = Int.max
  /// Nothing is to come any more, now or later.
  public private(set) var isFinished = false

  public init(_ limits: Limits) {
    self.limits = limits
    levels = Array(repeating: Level(), count: limits.preemptionsMax + 1)
    levels[0].first = Schedule()
  }

  /// What was saved between two groups: nothing is under way.
  init(_ limits: Limits, levels: [Level], level: Int, given: Int, strayed: Int, stopped: Int, cutFrom: Int, isFinished: Bool) {
    self.limits = limits
    self.levels = levels
    self.level = level
    self.given = given
    self.strayed = strayed
    self.stopped = stopped
    self.cutFrom = cutFrom
    self.isFinished = isFinished
  }

  /// Up to how many preemptions all schedules were executed; nil when not even those without any.
  public var completed: Int? {
    var completed = min(isFinished ? limits.preemptionsMax : level - 1, cutFrom - 1)
    if limits.instructions != nil { completed = min(completed, 0) }
    return completed < 0 || strayed > 0 || stopped > 0 ? nil : completed
  }

  /// The next schedule to execute; nil when there is none, or none before executions that are under way were taken in.
  public mutating func next() -> Schedule? {
    while !isFinished {
      let isAllowed = given < limits.schedulesMax && levels[level].given < limits.schedulesMaxPerLevel
      if isAllowed, let schedule = levels[level].next() {
        underWay += 1
        given += 1
        return schedule
      }
      if underWay > 0 { return nil }
      if levels[level].hasMore { cutFrom = min(cutFrom, level) }
      if level == limits.preemptionsMax { isFinished = true } else { level += 1 }
    }
    return nil
  }

  /// Takes in the execution of a schedule that `next` gave, in the order in which they were given.
  public mutating func took(_ run: BoundedRun) {
    precondition(underWay > 0, "an execution that nobody asked for")
    underWay -= 1
    if !run.hasFollowed {
      strayed += 1
      return
    }
    if !run.hasEnded { stopped += 1 }
    precondition(run.schedule.preemptions == level, "an execution of another level")
    add(run.turns.filter { $0.kind == .choice }, of: run, to: level)
    if level == limits.preemptionsMax { return }
    let instructions = limits.instructions
    let places = run.turns.filter { turn in
      turn.kind == .preemption && instructions?.contains(turn.place.pc) != false
    }
    add(places, of: run, to: level + 1)
  }

  private mutating func add(_ turns: [TurnPlace], of run: BoundedRun, to level: Int) {
    let most = min(limits.schedulesMax, limits.schedulesMaxPerLevel)
    if !levels[level].add(run.schedule.switches, turns, atMost: most) { cutFrom = min(cutFrom, level) }
  }
}
