// One execution of an enumeration: the switches of a schedule, exactly these, then the default; and at each place behind them, who
// could have had the turn instead.

import Kernel
import Platform

/// What an execution of an enumeration tells of where it could go another way.
struct PlaceNotes: Hashable, Sendable {
  /// Behind so many switches; nil for behind all that are asked for.
  var from: Int?
  /// Where tasks could be preempted too, for which they stop at every scheduling point.
  var hasPreemptions = true
}

/// Makes the switches of a schedule in their order. The schedule is a beginning of one that came about under such decisions, with
/// at most one other switch at its end, so each is met where it is expected; `run` says whether this was so.
public final class BoundedDecisions: ExploringDecisions {
  private let plan: [Switch]
  private let hasDelays: Bool
  /// From so many switches on, places are noted; those of preemptions too.
  private let notesFrom: Int
  private let notesPreemptions: Bool
  /// Switches of the plan that were made.
  private var made = 0
  private var hasLeftPlan = false
  private var turns: [TurnPlace] = []
  /// Where accesses are logged.
  private var recorder: StepRecorder?
  /// The task gives up its turn, but could go on.
  private var hasSpun = false

  /// `recordsSteps`: steps are noted where places are, for which the scheduling points' accesses must be logged.
  init(
    epoch: Nanoseconds, random: SeededGenerator, history: History? = nil, schedule: Schedule, notes: PlaceNotes = PlaceNotes(),
    recordsSteps: Bool = false
  ) {
    recorder = recordsSteps ? history.map { StepRecorder($0) } : nil
    plan = schedule.switches
    hasDelays = schedule.delays > 0
    notesFrom = notes.from ?? plan.count
    notesPreemptions = notes.hasPreemptions
    super.init(epoch: epoch, random: random, history: history)
  }

  /// What came about. Once the execution has ended.
  public var run: BoundedRun {
    var run = BoundedRun(schedule: schedule, turns: turns, hasFollowed: made == plan.count && !hasLeftPlan)
    var recorder = recorder
    recorder?.end()
    run.steps = recorder?.steps ?? []
    run.hasAllSteps = recorder?.isComplete == true && !schedule.switches.contains { $0.kind == .fairness || $0.kind == .delay }
    return run
  }

  private var coming: Switch? { hasLeftPlan || made == plan.count ? nil : plan[made] }
  private var notes: Bool { schedule.switches.count >= notesFrom }

  private func note(_ kind: Switch.Kind, isInCode: Bool, _ place: SchedulePlace, _ others: [TaskID]) {
    let last = turns.last
    let before = schedule.switches.count
    // Behind a trap and before its next instruction is one moment.
    if kind == .preemption, let last, last.kind == kind, last.place == place, last.switchesBefore == before { return }
    // Thousands of places with the same tasks share one array.
    let others = last.map { $0.others == others ? $0.others : others } ?? others
    turns.append(
      TurnPlace(
        switchesBefore: before, kind: kind, isInCode: isInCode, place: place, others: others,
        stepsBefore: recorder?.steps.count ?? 0))
  }

  override func wantsPreemption(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    recorder?.arrive(place, canGoOn: true, at: point, others: queue, notes: notes)
    if notes && notesPreemptions {
      note(.preemption, isInCode: point.isInCode, place, queue)
      if point == .sliceEnd, updates.contains(place.pc), !place.isInside {
        var inside = place
        inside.isInside = true
        note(.preemption, isInCode: true, inside, queue)
      }
    }
    let (entry, isDelayed) = plan[made...].behindDelays(at: place)
    guard let entry, entry.kind == .preemption, entry.place == place else { return false }
    // Time that passes first may wake up who is next.
    if !isDelayed && !queue.contains(entry.next) { hasLeftPlan = true }
    return !hasLeftPlan
  }

  override public var asksBesideTimers: Bool { hasDelays }

  override func wantsDelay(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    if let entry = coming {
      guard entry.kind == .delay, entry.place == place else { return false }
      made += 1
      return true
    }
    // Who goes on where timers may expire is a choice, and costs nothing. But some timers expire for ever.
    if notes, point == .blocked, schedule.delays < Self.delaysNoted {
      note(.delay, isInCode: false, place, [place.task])
    }
    return false
  }

  private static let delaysNoted = 2

  /// Where no places are noted, the plan says who goes on.
  override var visitsToPoints: Int? { notes ? Int(clamping: steps) : nil }

  override func goesOn(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    guard let entry = coming else { return super.goesOn(at: point, place: place, queue: queue) }
    guard entry.kind == .fairness, entry.place == place else {
      if point != .yield { hasLeftPlan = true }
      return false
    }
    if entry.isStay { made += 1 }
    return entry.isStay
  }

  override func next(from queue: [TaskID], after place: SchedulePlace?, kind: Switch.Kind) -> Int {
    defer { hasSpun = false }
    // Neither stands in a schedule.
    guard let place, kind != .choice || queue.count > 1 else { return 0 }
    if kind != .preemption {
      recorder?.arrive(place, canGoOn: hasSpun, at: .blocked, others: queue, notes: notes)
    }
    var chosen = 0
    if let entry = coming {
      if entry.kind == kind, entry.place == place, let index = queue.firstIndex(of: entry.next) {
        made += 1
        chosen = index
      } else {
        hasLeftPlan = true
      }
    }
    if notes, kind == .choice {
      note(.choice, isInCode: false, place, queue.indices.filter { $0 != chosen }.map { queue[$0] })
    }
    recorder?.turn(to: queue[chosen])
    return chosen
  }

  override func spins(_ task: TaskID) { hasSpun = true }

  override func limit(_ slice: inout Slice, place: SchedulePlace, queue: [TaskID]) {
    if let entry = coming, entry.place.stands(inside: place) {
      slice.endInsideUpdate()
    } else if notes && notesPreemptions {
      slice.points = 1
    } else if coming != nil {
      let own = plan[made...].prefix { $0.place.task == place.task && $0.kind != .choice }
      slice.end(atFirstOf: own, from: place)
    }
  }
}

extension SchedulePlace {
  /// Whether it is inside the update that stands next at `place`.
  func stands(inside place: SchedulePlace) -> Bool {
    var before = self
    before.isInside = false
    return isInside && before == place
  }
}

extension Slice {
  /// Ends inside the update that its task stands before.
  mutating func endInsideUpdate() {
    self = Slice(ticks: 1, updates: 1)
    updatesCountAtOnce = true
  }

  /// Ends at the first of a task's switches to come that is in code. Where it stays behind a trap the slice lasts.
  mutating func end(atFirstOf switches: ArraySlice<Switch>, from place: SchedulePlace) {
    guard let entry = switches.first(where: { $0.isInCode || !$0.isStay }), entry.isInCode else { return }
    end(at: entry.place, from: place)
  }

  /// Ends at a place in code that its task comes to, unless it ends before.
  mutating func end(at end: SchedulePlace, from place: SchedulePlace) {
    if end.stands(inside: place) { return endInsideUpdate() }
    guard end != place, end.ticks >= place.ticks, end.ticks - place.ticks <= ticks else { return }
    ticks = end.ticks - place.ticks
    pc = end.pc
  }
}
