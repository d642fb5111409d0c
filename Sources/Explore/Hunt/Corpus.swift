// What executions found that went new ways: the feedback of the search. As in coverage-guided fuzzing, what led to something
// new is tried again with a change; here new are places that no task had come to, and pairs of instructions of which one met what the
// other had left (Wolff, Shi, Duck, Mathur, Roychoudhury, "Greybox Fuzzing for Concurrency Testing", ASPLOS 2024, prefers
// schedules with new reads-from pairs likewise). The change is mostly that two events, which came in one order, shall come in
// the other: that, not any other place, is where it makes a difference who runs.

import Kernel

/// Follows from what was added, in order, and from what the plans were drawn with.
struct Corpus {
  private struct Entry {
    var plan: HoldPlan
    /// The places that it came to first.
    var found: [Arrival]
    var reversals: [Reversal]
  }
  private var entries: [Entry] = []
  private var seenArrivals: Set<Arrival> = []
  private var seenMeetings: Set<InstructionPair> = []
  /// How often a reversal of this pair was tried.
  private var tries: [InstructionPair: Int] = [:]
  /// All that were seen, in order.
  private(set) var arrivals: [Arrival] = []

  /// More are not of use: the oldest goes.
  private static let entriesMax = 256
  private static let targetsMax = 6

  /// What an execution under a plan taught.
  mutating func add(_ plan: HoldPlan, _ findings: Findings) {
    let found = findings.arrivals.filter { seenArrivals.insert($0).inserted }
    arrivals += found
    var isNew = found.contains { $0.occurrence == 1 }
    for meeting in findings.meetings where seenMeetings.insert(meeting).inserted { isNew = true }
    if !isNew || plan.targets.count >= Self.targetsMax { return }
    entries.append(Entry(plan: plan, found: found.filter { $0.occurrence == 1 }, reversals: findings.reversals))
    if entries.count > Self.entriesMax { entries.removeFirst() }
  }

  /// A plan with one more target than one of the corpus has; now and then, and while there is none, a new one.
  mutating func plan(_ generator: inout SeededGenerator) -> HoldPlan {
    if entries.isEmpty || generator.next(below: 8) == 0 { return .random(of: arrivals, &generator) }
    // Of the newest ones more often.
    let back = min(generator.next(below: entries.count), generator.next(below: entries.count))
    let entry = entries[entries.count - 1 - back]
    var plan = HoldPlan(&generator)
    plan.targets = entry.plan.targets
    if generator.next(below: 4) != 0, let reversal = reversal(of: entry, &generator) {
      plan.add(reversal)
    } else {
      plan.addTarget(of: generator.next(below: 3) == 0 || entry.found.isEmpty ? arrivals : entry.found, &generator)
    }
    return plan
  }

  /// One whose pair of instructions was tried least.
  private mutating func reversal(of entry: Entry, _ generator: inout SeededGenerator) -> Reversal? {
    guard let least = entry.reversals.map({ tries[$0.instructions] ?? 0 }).min() else { return nil }
    let candidates = entry.reversals.filter { (tries[$0.instructions] ?? 0) == least }
    let chosen = candidates[generator.next(below: candidates.count)]
    tries[chosen.instructions] = least + 1
    return chosen
  }
}
