// Fewer switches that still fail: delta debugging (Zeller, Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", TSE
// 2002) over the switches of a failing schedule. Every candidate is executed; what counts is the schedule that then came about,
// since switches that do not fit any more are left out and the default stands in.

import Kernel
import Platform
import RecordReplay

/// Takes switches out of a failing schedule.
struct Shrink {
  /// Executions at most, in all that the runner made.
  let executionsMax: Int

  /// A locally minimal schedule: without any one of its preemptions, or of its other switches that differ from the default, it
  /// does not fail (unless the bound of executions came first).
  func minimal(_ failing: Schedule, _ runner: inout ScheduleRunner) throws(SessionError) -> Schedule {
    var best = failing
    var before: Int?
    // Taking out switches changes what others do, so both kinds are tried until neither gets shorter.
    while before != best.deviations.count, runner.executions < executionsMax {
      before = best.deviations.count
      best = try reduced(best, &runner) { $0.kind == .preemption }
      best = try reduced(best, &runner) { $0.kind != .preemption && !$0.isDefault }
    }
    return best
  }

  /// ddmin over the switches that `isCandidate` names.
  private func reduced(
    _ failing: Schedule, _ runner: inout ScheduleRunner, _ isCandidate: (Switch) -> Bool
  ) throws(SessionError) -> Schedule {
    var best = failing
    var parts = 1
    while runner.executions < executionsMax {
      let candidates = best.switches.indices.filter { isCandidate(best.switches[$0]) }
      if candidates.isEmpty { return best }
      parts = min(parts, candidates.count)
      var isShorter = false
      for part in 0..<parts {
        let taken = Set(candidates[(candidates.count * part / parts)..<(candidates.count * (part + 1) / parts)])
        let rest = Schedule(best.switches.indices.filter { !taken.contains($0) }.map { best.switches[$0] })
        guard let found = try runner.failing(rest), Self.isShorter(found, best) else { continue }
        best = found
        parts = max(1, parts - 1)
        isShorter = true
        break
      }
      if isShorter { continue }
      if parts == candidates.count { return best }
      parts = min(candidates.count, parts * 2)
    }
    return best
  }

  static func isShorter(_ one: Schedule, _ other: Schedule) -> Bool {
    (one.preemptions, one.deviations.count) < (other.preemptions, other.deviations.count)
  }
}
