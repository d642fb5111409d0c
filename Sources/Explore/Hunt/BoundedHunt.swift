// The search that enumerates: all schedules without preemptions, then all with one, and so on, each once, until one fails, none is
// left, or the bound of schedules is met.

import Kernel
import RecordReplay

extension Hunt {
  /// Enumerates over the scheduling points that are known. When executions show others, the enumeration begins anew with them: what it
  /// says in the end is said of all that were known then. Looked for are they when all of a number of preemptions were tried, and
  /// now and then before, so that little is done twice. Numbers of schedules count through.
  func enumerate(from start: Int64, progress: (HuntResult) -> Bool) throws(SessionError) {
    if self.schedules == nil {
      result.schedulesTried = 0
      result.failures = 0
      self.schedules = BoundedSchedules(limitsOfRest)
    }
    // What changes counts only once a group was executed.
    while var schedules = self.schedules, !schedules.isFinished {
      let (level, given) = (schedules.level, schedules.given)
      let group = trials(&schedules)
      if schedules.given == schedules.limits.schedulesMax { keepBeforeLast() }
      let results = try execute(group)
      let kinds = try failures(of: results, ofAll: options.countsFailures)
      for (tried, kind) in zip(results, kinds) {
        learn(from: tried)
        schedules.took(tried.bounded!)
        take(tried, kind)
      }
      result.searchNanoseconds = now() - start
      let hasFailed = kinds.contains { $0 != nil }
      if hasFailed && !options.countsFailures { return try tellFirst() }
      let isDoubled = schedules.given.leadingZeroBitCount != given.leadingZeroBitCount
      if isDoubled || group.isEmpty || schedules.level != level {
        let known = result.schedulingPoints
        usePoints()
        if result.schedulingPoints != known {
          schedules = BoundedSchedules(limitsOfRest)
          result.failures = 0
        }
      }
      self.schedules = schedules
      if hasFailed { try tellFirst() }
      if schedules.isFinished {
        result.exhausted = Self.words(schedules, options, result.failures)
        result.isThrough = schedules.completed == options.preemptionsMax
      }
      watcher.border(self)
      if !progress(result) { return }
    }
  }

  /// The next schedules, all with as many preemptions.
  private func trials(_ schedules: inout BoundedSchedules) -> [Trial] {
    var trials: [Trial] = []
    while trials.count < Self.groupSize, let schedule = schedules.next() {
      trials.append(bounded(schedule, schedules.placeNotes, number: result.schedulesTried + UInt64(trials.count) + 1))
    }
    setting.log = schedules.level <= Self.loggedPreemptionsMax ? .all : schedules.prunes ? .points : .off
    return trials
  }

  /// Executes exactly a schedule that came about, or a beginning and one more switch.
  func bounded(_ schedule: Schedule, _ notes: PlaceNotes = PlaceNotes(), number: UInt64 = 0) -> Trial {
    Trial(
      manner: .bounded(schedule, notes), number: number, trapsMax: trapsMax &* Self.trapsFactor,
      patience: patience)
  }

  /// Stops at scheduling points count as traps.
  private static let trapsFactor: UInt64 = 4

  private var limitsOfRest: BoundedSchedules.Limits {
    let rest = options.schedulesMax - min(options.schedulesMax, result.schedulesTried)
    return BoundedSchedules.Limits(preemptionsMax: options.preemptionsMax, schedulesMax: Int(clamping: rest), prunes: options.prunes)
  }

  /// Schedules with more preemptions are too many to log all that they touch.
  private static let loggedPreemptionsMax = 1

  private static func words(_ schedules: BoundedSchedules, _ options: HuntOptions, _ failures: UInt64) -> String {
    func number(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
    func with(_ preemptions: Int) -> String {
      preemptions == 0 ? "without preemptions" : "with at most \(number(preemptions, "preemption"))"
    }
    let failed = failures == 0 ? "no failure" : "\(failures) failed"
    let tried = number(schedules.given, "schedule") + (schedules.prunes ? ", one of each kind" : "")
    if schedules.completed == options.preemptionsMax {
      return "all schedules \(with(options.preemptionsMax)) tried, \(tried): \(failed)"
    }
    let all = schedules.completed.map { ", but all \(with($0))" } ?? ""
    let strayed = schedules.strayed > 0 ? "; \(schedules.strayed) went another way than they should" : ""
    let stopped = schedules.stopped > 0 ? "; \(schedules.stopped) were stopped before their end" : ""
    return "not all schedules \(with(options.preemptionsMax)) tried\(all), \(tried): \(failed)\(strayed)\(stopped)"
  }
}
