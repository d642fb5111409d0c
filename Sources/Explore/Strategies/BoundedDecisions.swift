// One execution of an enumeration: the switches of a schedule, exactly these, then the default; and at each place behind them, who
// could have had the turn instead.

import Kernel
import Platform

/// Makes the switches of a schedule in their order. The schedule is a beginning of one that came about under such decisions, with
/// at most one other switch at its end, so each is met where it is expected; `run` says whether this was so.
public final class BoundedDecisions: ExploringDecisions {
  private let plan: [Switch]
  /// From so many switches on, places are noted.
  private let notesFrom: Int
  /// Switches of the plan that were made.
  private var made = 0
  private var hasLeftPlan = false
  private var turns: [TurnPlace] = []
  /// Where accesses are logged.
  private var recorder: StepRecorder?
  /// The task gives up its turn, but could go on.
  private var hasSpun = false

  /// `notesFrom`: behind how many switches places are noted; nil: behind all of the schedule's. `recordsSteps`: steps are noted there too,
  /// for which the scheduling points' accesses must be logged.
  init(
    epoch: Nanoseconds, random: SeededGenerator, history: History? = nil, schedule: Schedule, notesFrom: Int? = nil,
    recordsSteps: Bool = false
  ) {
    recorder = recordsSteps ? history.map { StepRecorder($0) } : nil
    plan = schedule.switches
    self.notesFrom = notesFrom ?? plan.count
    super.init(epoch: epoch, random: random, history: history)
  }

  /// What came about. Once the execution has ended.
  public var run: BoundedRun {
    var run = BoundedRun(schedule: schedule, turns: turns, hasFollowed: made == plan.count && !hasLeftPlan)
    var recorder = recorder
    recorder?.end()
    run.steps = recorder?.steps ?? []
    run.hasAllSteps = recorder?.isComplete == true && !schedule.switches.contains { $0.kind == .fairness }
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
    if notes { note(.preemption, isInCode: point.isInCode, place, queue) }
    guard let entry = coming, entry.kind == .preemption, entry.place == place else { return false }
    if !queue.contains(entry.next) { hasLeftPlan = true }
    return !hasLeftPlan
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
    if notes {
      slice.points = 1
    } else if let entry = coming, entry.kind == .preemption, entry.isInCode, entry.place.task == place.task {
      slice.end(at: entry.place, from: place)
    }
  }
}

extension Slice {
  /// Ends at a place in code that its task comes to, unless it ends before.
  mutating func end(at end: SchedulePlace, from place: SchedulePlace) {
    guard end != place, end.ticks >= place.ticks, end.ticks - place.ticks <= ticks else { return }
    ticks = end.ticks - place.ticks
    pc = end.pc
  }
}
