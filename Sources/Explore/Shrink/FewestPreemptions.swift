// The fewest preemptions with which a program fails in the same way. Delta debugging ends at a schedule from which nothing can be
// taken; another one may need fewer preemptions, of other tasks, at other times, with other choices of who is next. First those
// are enumerated that preempt before the instructions where the failing one does, which are few and find most; then all with
// fewer preemptions, which proves that there are none, until the bound of executions.

import Kernel
import Platform
import RecordReplay

/// Whether a failing schedule has the fewest preemptions.
public enum Fewest: Hashable, Sendable {
  /// All schedules with fewer were executed, and none failed in the same way.
  case proved
  /// Not all with fewer could be executed.
  case notProved
}

struct FewestPreemptions {
  /// Executions at most, in all.
  let executionsMax: Int
  /// Of them at most so many with each number of preemptions that preempt where the failing schedule does.
  let guidedMax: Int

  /// The best that was found: `failing` itself where none with fewer preemptions was.
  func search(
    _ failing: Schedule, _ runner: inout ScheduleRunner
  ) throws(SessionError) -> (schedule: Schedule, fewest: Fewest) {
    var best = failing
    // With one preemption fewer than two there is none to guide.
    if best.preemptions > 1 {
      let places = best.switches.filter { $0.kind == .preemption }.map(\.place.pc)
      let guided = BoundedSchedules.Limits(
        preemptionsMax: best.preemptions - 1, schedulesMaxPerLevel: guidedMax, instructions: Set(places))
      best = try first(guided, &runner).schedule ?? best
    }
    if best.preemptions == 0 { return (best, .proved) }
    let all = BoundedSchedules.Limits(preemptionsMax: best.preemptions - 1, schedulesMax: executionsMax)
    let found = try first(all, &runner)
    best = found.schedule ?? best
    return (best, found.completed ?? -1 >= best.preemptions - 1 ? .proved : .notProved)
  }

  /// The first schedule that fails, and up to how many preemptions all were executed.
  private func first(
    _ limits: BoundedSchedules.Limits, _ runner: inout ScheduleRunner
  ) throws(SessionError) -> (schedule: Schedule?, completed: Int?) {
    var schedules = BoundedSchedules(limits)
    // In groups of one size, whatever number of machines executes them: so the executions are always the same.
    while !schedules.isFinished {
      var group: [Schedule] = []
      while group.count < Hunt.groupSize, let schedule = schedules.next() { group.append(schedule) }
      for (run, fails) in try runner.note(group) {
        if fails && run.schedule.preemptions <= limits.preemptionsMax { return (run.schedule, schedules.completed) }
        schedules.took(run)
      }
    }
    return (nil, schedules.completed)
  }
}
