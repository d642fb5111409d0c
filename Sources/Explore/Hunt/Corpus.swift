// What executions found that went new ways: the feedback of the search.

import Kernel

/// Plans under which tasks came to places where none had come before. What is rare is often the way to what is rarer still: a
/// branch that only one schedule takes may hold the next place where it matters who runs.
struct Corpus {
  private struct Entry {
    var plan: HoldPlan
    /// The places that it came to first.
    var found: [Arrival]
  }
  private var entries: [Entry] = []
  /// More are not of use: the oldest goes.
  private static let entriesMax = 256
  private static let targetsMax = 8

  mutating func add(_ plan: HoldPlan, found: [Arrival]) {
    if plan.targets.count >= Self.targetsMax { return }
    entries.append(Entry(plan: plan, found: found))
    if entries.count > Self.entriesMax { entries.removeFirst() }
  }

  /// A plan with one more target than one of the corpus has; now and then, and while there is none, a new one.
  func plan(_ arrivals: [Arrival], _ generator: inout SeededGenerator) -> HoldPlan {
    if entries.isEmpty || generator.next(below: 3) == 0 { return .random(of: arrivals, &generator) }
    // Of the newest ones more often.
    let back = min(generator.next(below: entries.count), generator.next(below: entries.count))
    let entry = entries[entries.count - 1 - back]
    var plan = entry.plan
    plan.addTarget(of: generator.next(below: 3) == 0 ? arrivals : entry.found, &generator)
    return plan
  }
}
