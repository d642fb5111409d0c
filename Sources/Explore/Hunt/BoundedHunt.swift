// The search that enumerates: all schedules without preemptions, then all with one, and so on, each once, until one fails, none is
// left, or the bound of schedules is met.

import Kernel
import RecordReplay

extension Hunt {
  /// Enumerates over the scheduling points that are known. When executions show others, the enumeration begins anew with them: what it
  /// says in the end is said of all that were known then. Looked for are they when all of a number of preemptions were tried, and
  /// now and then before, so that little is done twice. Numbers of schedules count through.
  func enumerate(progress: (HuntResult) -> Bool) throws(SessionError) {
    let start = now()
    result.schedulesTried = 0
    var schedules = BoundedSchedules(limitsOfRest)
    var failures: UInt64 = 0
    while true {
      let level = schedules.level
      let next = schedules.next()
      if next == nil || schedules.level != level || schedules.given.nonzeroBitCount == 1 {
        let known = result.schedulingPoints
        try usePoints()
        if result.schedulingPoints != known {
          schedules = BoundedSchedules(limitsOfRest)
          failures = 0
          continue
        }
      }
      guard let schedule = next else { break }
      try setLog(schedules.level <= Self.loggedPreemptionsMax)
      let (run, outcome) = try bounded(schedule)
      schedules.took(run)
      result.schedulesTried += 1
      result.searchNanoseconds = now() - start
      if note(run.schedule, outcome, number: result.schedulesTried) { failures += 1 }
      result.failures = failures
      if failures > 0 && !options.countsFailures || !progress(result) { return }
    }
    result.exhausted = Self.words(schedules, options, failures)
  }

  private var limitsOfRest: BoundedSchedules.Limits {
    let rest = options.schedulesMax - result.schedulesTried
    return BoundedSchedules.Limits(preemptionsMax: options.preemptionsMax, schedulesMax: Int(clamping: rest))
  }

  /// Schedules with more preemptions are too many to log what they touch.
  private static let loggedPreemptionsMax = 1

  private static func words(_ schedules: BoundedSchedules, _ options: HuntOptions, _ failures: UInt64) -> String {
    func number(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
    func with(_ preemptions: Int) -> String {
      preemptions == 0 ? "without preemptions" : "with at most \(number(preemptions, "preemption"))"
    }
    let failed = failures == 0 ? "no failure" : "\(failures) failed"
    let tried = number(schedules.given, "schedule")
    if schedules.completed == options.preemptionsMax {
      return "all schedules \(with(options.preemptionsMax)) tried, \(tried): \(failed)"
    }
    let all = schedules.completed.map { ", but all \(with($0))" } ?? ""
    let strayed = schedules.strayed > 0 ? "; \(schedules.strayed) went another way than they should" : ""
    return "not all schedules \(with(options.preemptionsMax)) tried\(all), \(tried): \(failed)\(strayed)"
  }
}
