// Fewer switches that still fail: delta debugging (Zeller, Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", TSE
// 2002) over the switches of a failing schedule. Every candidate is executed; what counts is the schedule that then came about,
// since switches that do not fit any more are left out and the default stands in.

import Kernel
import Platform
import RecordReplay

/// Shrinks a failing schedule with a function that executes one.
struct Shrink {
  /// Executes a schedule; the schedule that came about when it fails in the same way, otherwise nil.
  let fails: (Schedule) throws(SessionError) -> Schedule?
  /// Executions at most.
  var executionsMax = 2000
  private(set) var executions = 0

  init(fails: @escaping (Schedule) throws(SessionError) -> Schedule?) { self.fails = fails }

  /// A locally minimal schedule: without any one of its preemptions, or of its other switches, it does not fail (unless the
  /// bound of executions came first).
  mutating func minimal(_ failing: Schedule) throws(SessionError) -> Schedule {
    var best = failing
    var before = -1
    // Taking out switches changes what others do, so both kinds are tried until neither gets shorter.
    while before != best.switches.count, executions < executionsMax {
      before = best.switches.count
      best = try reduced(best) { $0.kind == .preemption }
      best = try reduced(best) { $0.kind != .preemption }
    }
    return best
  }

  /// ddmin over the switches that `isCandidate` names.
  private mutating func reduced(_ failing: Schedule, _ isCandidate: (Switch) -> Bool) throws(SessionError) -> Schedule {
    var best = failing
    var parts = 2
    while executions < executionsMax {
      let candidates = best.switches.indices.filter { isCandidate(best.switches[$0]) }
      if candidates.isEmpty { return best }
      parts = min(parts, candidates.count)
      var isShorter = false
      for part in 0..<parts {
        let taken = Set(candidates[(candidates.count * part / parts)..<(candidates.count * (part + 1) / parts)])
        let rest = Schedule(best.switches.indices.filter { !taken.contains($0) }.map { best.switches[$0] })
        executions += 1
        guard let found = try fails(rest), Self.isShorter(found, best) else { continue }
        best = found
        parts = max(2, parts - 1)
        isShorter = true
        break
      }
      if isShorter { continue }
      if parts == candidates.count { return best }
      parts = min(candidates.count, parts * 2)
    }
    return best
  }

  private static func isShorter(_ one: Schedule, _ other: Schedule) -> Bool {
    (one.preemptions, one.switches.count) < (other.preemptions, other.switches.count)
  }
}
