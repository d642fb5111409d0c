// All schedules with few preemptions, one after the other: context bounding (Musuvathi, Qadeer, "Iterative Context Bounding for
// Systematic Testing of Multithreaded Programs", PLDI 2007).
//
// What is enumerated: an execution is a sequence of turns. A turn ends at a place where its task could have gone on (a
// preemption), where it blocks, ends or yields (a choice of who is next), or where it has spun (fairness). Preemptions can be
// wherever a strategy can make them: before scheduling points, before and behind system calls and other traps, while another task
// could run. All of these are tried, with every task that could be next, and at every choice all tasks that can run. Choices cost
// nothing. Where a task blocks, two timers of an execution at most may expire before others go on. Behind fairness the default holds: when
// a task spins, and who is next then, is not enumerated.
//
// "All" is therefore: every schedule that differs from the default in at most k preemptions and any choices, each once. An
// execution tells where it could have gone another way behind its last switch that was asked for; each such place with each other
// task is a new schedule. A schedule is reached from the one without its last deviation, so none comes twice and none is missed,
// provided that the same schedule is the same execution; what did not follow its schedule, or did not end, is counted, and then it is
// not all.
//
// Where executions tell what their steps worked on, schedules that are equal to others are left out: see `Pruning`.

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
    /// For guessing: all places of an execution come with the task that waited longest, then all with the next.
    public var takesPlacesInTurn: Bool
    /// Leaves out schedules that are equal to others with as few preemptions, unless it shows that they cannot be told.
    public var prunes: Bool
    public init(
      preemptionsMax: Int, schedulesMax: Int = .max, schedulesMaxPerLevel: Int = .max,
      instructions: Set<GuestAddress>? = nil, takesPlacesInTurn: Bool = false, prunes: Bool = false
    ) {
      self.takesPlacesInTurn = takesPlacesInTurn
      self.prunes = prunes
      self.preemptionsMax = max(0, preemptionsMax)
      self.schedulesMax = schedulesMax
      self.schedulesMaxPerLevel = schedulesMaxPerLevel
      self.instructions = instructions
    }
  }

  /// The ways that leave one execution by one more switch of one kind.
  struct Branches: Sendable, Equatable {
    let switches: [Switch]
    let places: ArraySlice<BranchPlace>
    var position: Int
    var other = 0

    init(_ switches: [Switch], _ places: ArraySlice<BranchPlace>) {
      self.switches = switches
      self.places = places
      position = places.startIndex
    }

    mutating func next() -> Given? {
      while position < places.endIndex {
        let place = places[position]
        if other < place.turn.others.count {
          other += 1
          let turn = place.turn.turn(to: place.turn.others[other - 1])
          return Given(schedule: Schedule(switches[..<place.turn.switchesBefore] + [turn]), sleepers: place.sleepers)
        }
        position += 1
        other = 0
      }
      return nil
    }
  }

  /// A schedule, and who sleeps behind its last switch.
  struct Given: Sendable, Equatable {
    var schedule: Schedule
    var sleepers: [Sleeper]
  }

  /// What is to come with one number of preemptions, oldest first.
  struct Level: Sendable, Equatable {
    /// To be given before all others.
    var first: Given?
    var branches: [Branches] = []
    private(set) var position = 0
    var added = 0
    var given = 0

    var hasMore: Bool { first != nil || given < added }

    /// Adds ways that leave an execution, those that come first, until `most` were added in all. False when some were left out.
    mutating func add(_ switches: [Switch], _ places: [BranchPlace], atMost most: Int) -> Bool {
      var kept = 0
      while kept < places.count, added < most {
        added += places[kept].turn.others.count
        kept += 1
      }
      if kept > 0 { branches.append(Branches(switches, places[..<kept])) }
      return kept == places.count
    }

    mutating func next() -> Given? {
      if let first {
        self.first = nil
        return first
      }
      while position < branches.count {
        if let next = branches[position].next() {
          given += 1
          return next
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
  /// Who sleeps in those that were given and not taken in yet, in their order.
  private(set) var underWay: [[Sleeper]] = []
  /// Of those under way the first so many were given before the enumeration began anew.
  private var outdated = 0
  /// Whether it leaves out what is equal.
  private(set) var prunes: Bool
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
    prunes = limits.prunes
    levels = Self.start(limits)
  }

  private static func start(_ limits: Limits) -> [Level] {
    var levels = Array(repeating: Level(), count: limits.preemptionsMax + 1)
    levels[0].first = Given(schedule: Schedule(), sleepers: [])
    return levels
  }

  /// What was saved between two groups: nothing is under way.
  init(
    _ limits: Limits, prunes: Bool, levels: [Level], level: Int, given: Int, strayed: Int, stopped: Int, cutFrom: Int,
    isFinished: Bool
  ) {
    self.limits = limits
    self.prunes = prunes
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

  /// What executions of the schedules that are given now must tell: with the most preemptions, where there could be one more does not matter.
  var placeNotes: PlaceNotes { PlaceNotes(hasPreemptions: level < limits.preemptionsMax) }

  /// The next schedule to execute; nil when there is none, or none before executions that are under way were taken in.
  public mutating func next() -> Schedule? {
    while !isFinished {
      let isAllowed = given < limits.schedulesMax && levels[level].given < limits.schedulesMaxPerLevel
      if isAllowed, let next = levels[level].next() {
        underWay.append(next.sleepers)
        given += 1
        return next.schedule
      }
      if !underWay.isEmpty { return nil }
      if levels[level].hasMore { cutFrom = min(cutFrom, level) }
      if level == limits.preemptionsMax { isFinished = true } else { level += 1 }
    }
    return nil
  }

  /// Takes in the execution of a schedule that `next` gave, in the order in which they were given.
  public mutating func took(_ run: BoundedRun) {
    precondition(!underWay.isEmpty, "an execution that nobody asked for")
    let sleepers = underWay.removeFirst()
    if outdated > 0 {
      outdated -= 1
      return
    }
    if !run.hasFollowed {
      strayed += 1
      return
    }
    if prunes && !run.hasAllSteps { return beginAnew() }
    if !run.hasEnded { stopped += 1 }
    precondition(run.schedule.preemptions == level, "an execution of another level")
    // The second half of an update is no step.
    let isWhole = !run.schedule.switches.contains { $0.place.isInside }
    var places = prunes && isWhole ? Pruning(run, sleepers).places() : run.turns.map { BranchPlace(turn: $0, sleepers: []) }
    if limits.takesPlacesInTurn { places = Self.inTurn(places) }
    add(places.filter { $0.turn.kind != .preemption }, of: run, to: level)
    if level == limits.preemptionsMax { return }
    places.removeAll { $0.turn.kind != .preemption || limits.instructions?.contains($0.turn.place.pc) == false }
    add(places, of: run, to: level + 1)
  }

  /// Each place once for each that could be next there, the first of all places first.
  private static func inTurn(_ places: [BranchPlace]) -> [BranchPlace] {
    var single: [BranchPlace] = []
    for index in 0..<(places.map(\.turn.others.count).max() ?? 0) {
      for place in places where place.turn.others.count > index {
        var one = place
        one.turn.others = [place.turn.others[index]]
        single.append(one)
      }
    }
    return single
  }

  /// Everything once more, equal or not.
  private mutating func beginAnew() {
    prunes = false
    levels = Self.start(limits)
    level = 0
    (strayed, stopped, cutFrom) = (0, 0, .max)
    outdated = underWay.count
  }

  private mutating func add(_ places: [BranchPlace], of run: BoundedRun, to level: Int) {
    let most = min(limits.schedulesMax, limits.schedulesMaxPerLevel)
    if !levels[level].add(run.schedule.switches, places, atMost: most) { cutFrom = min(cutFrom, level) }
  }
}
