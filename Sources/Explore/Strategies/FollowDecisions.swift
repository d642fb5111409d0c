// A given schedule, followed: to record what was found, and to try what is left of it when some switches are taken out.

import Kernel
import Platform

/// Follows a schedule task by task: each switch is made when its task comes to its place, in whatever order the tasks come. What
/// does not fit any more (the place was not met, or who should be next cannot run) is left out, and the default holds.
public final class FollowDecisions: ExploringDecisions {
  /// Switches to come, by task.
  private var plans: [(task: TaskID, switches: ArraySlice<Switch>)] = []
  private let hasDelays: Bool
  private var chosen: TaskID?

  public init(epoch: Nanoseconds, random: SeededGenerator, schedule: Schedule) {
    for entry in schedule.switches {
      if let index = plans.firstIndex(where: { $0.task == entry.place.task }) {
        plans[index].switches.append(entry)
      } else {
        plans.append((entry.place.task, [entry]))
      }
    }
    hasDelays = schedule.delays > 0
    super.init(epoch: epoch, random: random)
  }

  /// Places before system calls are found by their instruction.
  override public var asksBeforeSyscalls: Bool { false }

  /// The next switch of a task that stands at `place`.
  private func coming(_ place: SchedulePlace) -> Switch? { allComing(place).first }

  /// The switches of a task that stands at `place`, without those that it has passed.
  private func allComing(_ place: SchedulePlace) -> ArraySlice<Switch> {
    guard let index = plans.firstIndex(where: { $0.task == place.task }) else { return [] }
    while let first = plans[index].switches.first, first.place.ticks < place.ticks, !isAtEnd(first, plans[index].switches) {
      plans[index].switches.removeFirst()
    }
    return plans[index].switches
  }

  /// Whether it may be the choice where its task ended: the ticks of a task are gone with it, and there its place says 0.
  private func isAtEnd(_ entry: Switch, _ switches: ArraySlice<Switch>) -> Bool {
    switches.count == 1 && entry.kind == .choice && entry.place.ticks == 0
  }

  /// The switch planned for this very place, which is then over.
  private func take(_ place: SchedulePlace) -> Switch? {
    guard let entry = coming(place), entry.place == place else { return nil }
    plans[plans.firstIndex { $0.task == place.task }!].switches.removeFirst()
    return entry
  }

  override func wantsPreemption(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    let (entry, isDelayed) = allComing(place).behindDelays(at: place)
    guard let entry, entry.place == place, entry.kind == .preemption || entry.kind == .fairness else { return false }
    // Time passes first, and may wake up who is next.
    if isDelayed { return true }
    _ = take(place)
    guard queue.contains(entry.next) else { return false }
    chosen = entry.next
    return true
  }

  override public var asksBesideTimers: Bool { hasDelays }

  override func wantsDelay(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    guard let entry = coming(place), entry.kind == .delay, entry.place == place else { return false }
    _ = take(place)
    return true
  }

  /// Turns may begin elsewhere than where the schedule came about, and then tasks are asked elsewhere.
  override func goesOn(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    guard let entry = coming(place), entry.isStay else { return false }
    if entry.place != place { return point != .yield }
    _ = take(place)
    return true
  }

  override func next(from queue: [TaskID], after place: SchedulePlace?, kind: Switch.Kind) -> Int {
    if chosen == nil, let place, coming(place)?.kind != .delay, let entry = take(place) { chosen = entry.next }
    defer { chosen = nil }
    guard let chosen, let index = queue.firstIndex(of: chosen) else { return 0 }
    return index
  }

  override func limit(_ slice: inout Slice, place: SchedulePlace, queue: [TaskID]) {
    guard coming(place) != nil, let plan = plans.first(where: { $0.task == place.task }) else { return }
    slice.end(atFirstOf: plan.switches, from: place)
  }
}
