// The fewest preemptions with which a program fails in the same way. Delta debugging ends at a schedule from which nothing can be
// taken; another one may need fewer preemptions, of other tasks, at other times, with other choices of who is next. First those
// are enumerated that preempt before the instructions where the failing one does, or before others that work on what these preemptions are
// about, which are few and find most; then all with fewer preemptions, which proves that there are none, until the bound of executions.

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
  /// Executions at most of all schedules, and what they may take, so that it is seconds: fewer of long executions.
  static let executionsMax = 20_000
  static let workMax = Work(seconds: 5)
  /// Executions that preempt where the failing schedule does, at most with each number of preemptions, and what they may take.
  static let guidedMax = 300
  static let guidedWorkMax = Work(seconds: 2)
  /// Leaves out equal schedules.
  let prunes: Bool

  /// The best that was found: `failing` itself where none with fewer preemptions was.
  func search(
    _ failing: Schedule, _ runner: inout ScheduleRunner
  ) throws(SessionError) -> (schedule: Schedule, fewest: Fewest) {
    // With one preemption fewer than two there is none to guide.
    if failing.preemptions > 1 {
      let preempted = Set(failing.switches.filter { $0.kind == .preemption }.map(\.place.pc))
      var guided = BoundedSchedules.Limits(
        preemptionsMax: failing.preemptions - 1, schedulesMaxPerLevel: Self.guidedMax, instructions: preempted, prunes: prunes)
      if let found = try first(guided, Self.guidedWorkMax, &runner).schedule { return (found, .notProved) }
      let contended = try contendedInstructions(failing, &runner)
      if !contended.subtracting(preempted).isEmpty {
        guided.instructions = contended.union(preempted)
        guided.takesPlacesInTurn = true
        if let found = try first(guided, Self.guidedWorkMax, &runner).schedule { return (found, .notProved) }
      }
    }
    if failing.preemptions == 0 { return (failing, .proved) }
    let all = BoundedSchedules.Limits(
      preemptionsMax: failing.preemptions - 1, schedulesMax: Self.executionsMax, prunes: prunes)
    let found = try first(all, Self.workMax, &runner)
    let best = found.schedule ?? failing
    return (best, found.completed ?? -1 >= best.preemptions - 1 ? .proved : .notProved)
  }

  /// The instructions that work on what the preempted tasks and the others then contend for.
  private func contendedInstructions(
    _ failing: Schedule, _ runner: inout ScheduleRunner
  ) throws(SessionError) -> Set<GuestAddress> {
    let (run, fails, _) = try runner.note(failing, from: 0)
    return run.hasFollowed && fails ? Self.instructions(contendedIn: run.steps) : []
  }

  static func instructions(contendedIn steps: [Step]) -> Set<GuestAddress> {
    var objects: Set<UInt64> = []
    for index in steps.indices.dropLast() where steps[index].end.canGoOn && steps[index + 1].task != steps[index].task {
      guard let back = steps[(index + 1)...].firstIndex(where: { $0.task == steps[index].task }) else { continue }
      for step in steps[(index + 1)..<back] { objects.formUnion(steps[back].likely.contended(with: step.likely)) }
    }
    // Calls of which no more is known would stand for all others.
    objects.remove(StepRecorder.calls)
    var instructions: Set<GuestAddress> = []
    /// Before which instruction tasks stand.
    var next: [TaskID: GuestAddress] = [:]
    for step in steps {
      let isAbout = step.likely.read.contains { objects.contains($0) } || step.likely.written.contains { objects.contains($0) }
      if isAbout, let place = next[step.task] { instructions.insert(place) }
      next[step.task] = step.end.place?.pc
    }
    return instructions
  }

  /// The first schedule that fails, and up to how many preemptions all were executed.
  private func first(
    _ limits: BoundedSchedules.Limits, _ workMax: Work, _ runner: inout ScheduleRunner
  ) throws(SessionError) -> (schedule: Schedule?, completed: Int?) {
    var schedules = BoundedSchedules(limits)
    let end = runner.work + workMax
    // In groups of one size, whatever number of machines executes them: so the executions are always the same.
    while !schedules.isFinished, runner.work < end {
      var group: [Schedule] = []
      while group.count < Hunt.groupSize, let schedule = schedules.next() { group.append(schedule) }
      for (run, fails, _) in try runner.note(group, schedules.placeNotes) {
        if fails && run.schedule.preemptions <= limits.preemptionsMax { return (run.schedule, schedules.completed) }
        schedules.took(run)
      }
    }
    return (nil, schedules.completed)
  }
}
