// The search that enumerates: all schedules without preemptions, then all with one, and so on, each once, until one fails, none is
// left, or the bound of schedules is met.

import Kernel
import RecordReplay

extension Hunt {
  /// Enumerates from the scheduling points that are known. The points that schedules of few preemptions show beside them are taken in
  /// when all of a number were tried, and the enumeration begins anew: what it says in the end is said of all of them. Numbers
  /// of schedules count through.
  func enumerate(progress: (HuntResult) -> Bool) throws(SessionError) {
    let start = now()
    result.schedulesTried = 0
    let limits = BoundedSchedules.Limits(preemptionsMax: options.preemptionsMax, schedulesMax: Int(clamping: options.schedulesMax))
    var schedules = BoundedSchedules(limits)
    var failures: UInt64 = 0
    while true {
      let level = schedules.level
      let next = schedules.next()
      if next == nil || schedules.level != level {
        let known = result.schedulingPoints
        try usePoints()
        if result.schedulingPoints != known {
          schedules = BoundedSchedules(limits)
          failures = 0
          continue
        }
      }
      guard let schedule = next, result.schedulesTried < options.schedulesMax else { break }
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
