// What executions found that went new ways: the feedback of the search. As in coverage-guided fuzzing, what led to something
// new is tried again with a change; here new are places that no task had come to, and pairs of instructions of which one met what the
// other had left (Wolff, Shi, Duck, Mathur, Roychoudhury, "Greybox Fuzzing for Concurrency Testing", ASPLOS 2024, prefers
// schedules with new reads-from pairs likewise). The change is mostly that two events, which came in one order, shall come in
// the other: that, not any other place, is where it makes a difference who runs.

import Kernel

/// Follows from what was added, in order, and from what the plans were drawn with.
struct Corpus: Equatable {
  struct Entry: Equatable {
    var plan: HoldPlan
    /// The places that it came to first.
    var found: [Arrival]
    var reversals: [Reversal]
    /// Plans made of them.
    var tries: [InstructionPair: Int] = [:]
  }
  var entries: [Entry] = []
  /// New only as a whole: the same meetings never came together before.
  var others: [Entry] = []
  var seenArrivals: Set<Arrival> = []
  var seenMeetings: Set<InstructionPair> = []
  var seenWholes: Set<UInt64> = []
  /// How often a reversal of this pair was tried.
  var tries: [InstructionPair: Int] = [:]
  /// All that were seen, in order.
  var arrivals: [Arrival] = []

  /// More are not of use: the oldest goes.
  private static let entriesMax = 256
  private static let targetsMax = 6
  /// What could not be turned around once may be possible later, but seldom is.
  private static let triesOfUnmet = 4

  /// What an execution under a plan taught. `used`: the plan without what had no effect.
  mutating func add(_ plan: HoldPlan, used: HoldPlan? = nil, _ findings: Findings, isMet: Bool = true) {
    if !isMet, let target = plan.targets.last, let until = target.until {
      tries[InstructionPair(first: target.arrival.pc, second: until.pc), default: 0] += Self.triesOfUnmet
    }
    let found = findings.arrivals.filter { seenArrivals.insert($0).inserted }
    arrivals += found
    var isNew = found.contains { $0.occurrence == 1 }
    for meeting in findings.meetings where seenMeetings.insert(meeting.instructions).inserted { isNew = true }
    let isOther = seenWholes.insert(findings.whole).inserted
    let entry = Entry(plan: used ?? plan, found: found.filter { $0.occurrence == 1 }, reversals: findings.reversals)
    if isNew { Self.append(entry, to: &entries) } else if isOther { Self.append(entry, to: &others) }
  }

  private static func append(_ entry: Entry, to pool: inout [Entry]) {
    pool.append(entry)
    if pool.count > entriesMax { pool.removeFirst() }
  }

  /// A plan with one more target than one of the corpus has; now and then, and while there is none, a new one.
  mutating func plan(_ generator: inout SeededGenerator) -> HoldPlan {
    if entries.isEmpty || generator.next(below: 8) == 0 { return .random(of: arrivals, &generator) }
    // What was new as a whole only is of use where a bug needs several steps. Of the newest ones more often.
    let pool = others.isEmpty || generator.next(below: 6) != 0 ? \Self.entries : \Self.others
    let count = self[keyPath: pool].count
    let back = min(generator.next(below: count), generator.next(below: count))
    let index = count - 1 - back
    let entry = self[keyPath: pool][index]
    var plan = entry.plan
    plan.trapInterval = 0
    // What led there may do without some of it.
    let hasMany = plan.targets.count >= Self.targetsMax
    if hasMany || plan.targets.count > 1 && generator.next(below: 8) == 0 {
      plan.targets.remove(at: generator.next(below: plan.targets.count))
    }
    if generator.next(below: 4) == 0 { plan.drawAnew(&generator) }
    if generator.next(below: 4) != 0, let reversal = reversal(of: entry, &generator) {
      tries[reversal.instructions, default: 0] += 1
      self[keyPath: pool][index].tries[reversal.instructions, default: 0] += 1
      let distance = [0, 0, 1, 2][generator.next(below: 4)]
      plan.add(
        reversal, distance: distance, isInside: reversal.startsInUpdate && generator.next(below: 2) == 0,
        holdsAll: generator.next(below: 4) == 0)
    } else {
      plan.addTarget(of: generator.next(below: 3) == 0 || entry.found.isEmpty ? arrivals : entry.found, &generator)
    }
    return plan
  }

  /// One whose pair of instructions was tried least, of this entry above all; what libraries do among themselves counts as tried
  /// more often.
  private func reversal(of entry: Entry, _ generator: inout SeededGenerator) -> Reversal? {
    let costs = entry.reversals.map {
      let pair = $0.instructions
      return (1 + 2 * (entry.tries[pair] ?? 0) + min(Self.triesMax, tries[pair] ?? 0)) * ($0.isOwn ? 1 : Self.foreignWeight)
    }
    guard let least = costs.min() else { return nil }
    let candidates = entry.reversals.indices.filter { costs[$0] == least }
    return entry.reversals[candidates[generator.next(below: candidates.count)]]
  }
  /// More, of other entries, make no difference: what comes to nothing there may work here.
  private static let triesMax = 3
  private static let foreignWeight = 4
}
