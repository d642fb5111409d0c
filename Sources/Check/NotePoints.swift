// What of a search's note a check has to bring about at places, and how often time passes there.

import Trace

/// The places of a note. Time that passes belongs to the switch that follows at the same place, where there is one.
struct NotePoints {
  /// Indices in `switches` of what takes place at an instruction or behind a call that could go on: preemptions, and time that passes
  /// in code while the task keeps its turn.
  private(set) var steps: [Int] = []
  /// By index in `switches`: how often time passes before it. Of an entry that is itself the last delay at its place, with it.
  private(set) var delays: [Int]
  /// Somebody who seemed to spin, or yielded, went on.
  private(set) var hasStays = false

  var delaysInAll: Int { delays.reduce(0, +) }

  init(_ note: SearchNote) {
    let switches = note.switches
    delays = switches.map { _ in 0 }
    var passed = 0
    for (index, entry) in switches.enumerated() {
      if entry.kind == .delay {
        passed += 1
        let following = index + 1 < switches.count ? switches[index + 1] : nil
        let goesOn = following.map {
          $0.place == entry.place && $0.isInCode == entry.isInCode && $0.isInside == entry.isInside && $0.kind != .fairness
        }
        if goesOn == true { continue }
        if entry.isInCode { steps.append(index) }
      }
      delays[index] = passed
      passed = 0
      if entry.kind == .preemption { steps.append(index) }
      if entry.kind == .fairness && entry.next == entry.place.task { hasStays = true }
    }
  }
}
