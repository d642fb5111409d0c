// The same failure with fewer preemptions, by another order of the steps that it is made of (`StepOrder`). The order is worked out, not
// searched for by executions, so it does not matter how many tasks there are; what comes of it is executed, and counts only when it
// fails in the same way.
//
// Not everything that conflicts matters to a failure: a lock that all take in turn, a word that is written with the value that it
// had. So where no equal execution has fewer preemptions, those orders are tried that heed all conflicts but the ones on one object.

import Kernel
import RecordReplay

struct Rearranging {
  /// Executions of orders that leave out an object at most, for one failing schedule.
  private static let relaxedMax = 24
  /// Objects that are left out in turn at most.
  private static let objectsMax = 400

  /// A schedule with fewer preemptions that fails in the same way, as few as can be reached; `failing` itself when there is none.
  func rearranged(_ failing: Schedule, _ runner: inout ScheduleRunner) throws(SessionError) -> Schedule {
    var best = failing
    while let next = try once(best, &runner) { best = next }
    return best
  }

  private func once(_ failing: Schedule, _ runner: inout ScheduleRunner) throws(SessionError) -> Schedule? {
    if failing.preemptions == 0 { return nil }
    let (run, fails, _) = try runner.note(failing, from: 0)
    if !run.hasFollowed || !fails { return nil }
    var tried: Set<Schedule> = []
    // What led to the last step is enough for most failures; of a deadlock all is needed. The likely order first: it leaves more ways.
    for all in [false, true] {
      for isLikely in [true, false] {
        guard let order = StepOrder(run.steps, by: { isLikely ? $0.likely : $0.footprint }) else { return nil }
        if let found = try better(order, all: all, than: failing, &tried, &runner) { return found }
      }
    }
    for object in Self.contended(run.steps).prefix(Self.objectsMax) {
      guard let order = StepOrder(run.steps, by: { $0.likely.without(object) }) else { return nil }
      for all in [false, true] {
        if tried.count >= Self.relaxedMax { return nil }
        if let found = try better(order, all: all, than: failing, &tried, &runner) { return found }
      }
    }
    return nil
  }

  private func better(
    _ order: StepOrder, all: Bool, than failing: Schedule, _ tried: inout Set<Schedule>, _ runner: inout ScheduleRunner
  ) throws(SessionError) -> Schedule? {
    guard let turns = order.fewest(all: all, below: failing.preemptions) else { return nil }
    let schedule = order.schedule(of: turns)
    if !tried.insert(schedule).inserted { return nil }
    guard let found = try runner.failing(schedule), found.preemptions < failing.preemptions else { return nil }
    return found
  }

  /// Objects that one task changed and another worked on, in the order in which they were touched first.
  static func contended(_ steps: [Step]) -> [UInt64] {
    struct Use {
      var task: TaskID
      var isShared = false
      var isWritten = false
    }
    var uses: [UInt64: Use] = [:]
    var objects: [UInt64] = []
    for step in steps {
      for (touched, isWritten) in [(step.likely.read, false), (step.likely.written, true)] {
        for object in touched where !Footprint.isReadiness(object) {
          if uses[object] == nil { objects.append(object) }
          var use = uses[object] ?? Use(task: step.task)
          if use.task != step.task { use.isShared = true }
          if isWritten { use.isWritten = true }
          uses[object] = use
        }
      }
    }
    return objects.filter { uses[$0]!.isShared && uses[$0]!.isWritten }
  }
}
