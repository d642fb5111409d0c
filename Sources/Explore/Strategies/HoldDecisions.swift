// Active testing (Sen, "Race Directed Random Testing of Concurrent Programs", PLDI 2008; Joshi, Park, Sen, Naik, "A Randomized
// Dynamic Program Analysis Technique for Detecting Real Deadlocks", PLDI 2009, hold tasks at chosen statements likewise): a task
// that comes to a chosen instruction is held there until nobody else can go on, or all are held. What a loop does a thousand times is one choice
// here, and so is what twenty equal threads do; a place between two accesses that belong together is found after about as many
// executions as the program has such instructions.

import Kernel
import Platform

/// An arrival at a scheduling point, or behind a trap: the n-th of a task at this instruction.
public struct Arrival: Hashable, Sendable {
  public var pc: GuestAddress
  /// From 1.
  public var occurrence: Int
  public init(pc: GuestAddress, occurrence: Int) {
    self.pc = pc
    self.occurrence = occurrence
  }
}

/// Where tasks are held in one execution, and all that is random in it.
public struct HoldPlan: Hashable, Sendable {
  public struct Target: Hashable, Sendable {
    public var arrival: Arrival
    /// Only the first task that comes there, not all.
    public var holdsFirstOnly: Bool
  }
  public var targets: [Target] = []
  /// Who is next of those that are not held: a random one, or the one that waited longest.
  var picksRandomly: Bool
  /// Who goes on when all are held: the one held last, or first.
  var releasesLast: Bool
  /// While some task is held, one trap in so many holds another task too; 0 for none.
  var trapInterval: Int
  /// Of the random picks.
  var seed: UInt64

  /// Without targets.
  init(_ generator: inout SeededGenerator) {
    picksRandomly = generator.next(below: 4) != 0
    releasesLast = generator.next(below: 4) == 0
    trapInterval = [0, 0, 2, 4][generator.next(below: 4)]
    seed = generator.next()
  }

  /// Adds one of these arrivals; nothing when there is none.
  mutating func addTarget(of arrivals: [Arrival], _ generator: inout SeededGenerator) {
    if arrivals.isEmpty { return }
    targets.append(
      Target(arrival: arrivals[generator.next(below: arrivals.count)], holdsFirstOnly: generator.next(below: 2) == 0))
  }

  /// One target, seldom two or three.
  static func random(of arrivals: [Arrival], _ generator: inout SeededGenerator) -> HoldPlan {
    var plan = HoldPlan(&generator)
    let count = 1 + (generator.next(below: 3) == 0 ? 1 : 0) + (generator.next(below: 6) == 0 ? 1 : 0)
    for _ in 0..<count { plan.addTarget(of: arrivals, &generator) }
    return plan
  }
}

public final class HoldDecisions: ExploringDecisions {
  private struct Known {
    var task: TaskID
    var arrivals: [GuestAddress: Int] = [:]
    /// Held since so many holds before; nil when it is not.
    var held: Int?
  }
  private let plan: HoldPlan
  private var generator: SeededGenerator
  /// By target: whether a task was held there.
  private var isUsed: [Bool]
  private var known: [Known] = []
  private var holds = 0

  public init(epoch: Nanoseconds, random: SeededGenerator, plan: HoldPlan) {
    self.plan = plan
    generator = SeededGenerator(seed: plan.seed)
    isUsed = plan.targets.map { _ in false }
    super.init(epoch: epoch, random: random)
  }

  private func index(of task: TaskID) -> Int {
    if let index = known.firstIndex(where: { $0.task == task }) { return index }
    known.append(Known(task: task))
    return known.count - 1
  }

  override func limit(_ slice: inout Slice, place: SchedulePlace, queue: [TaskID]) {
    if !plan.targets.isEmpty { slice.points = 1 }
  }

  override func wantsPreemption(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    let index = index(of: place.task)
    known[index].arrivals[place.pc, default: 0] += 1
    let arrival = Arrival(pc: place.pc, occurrence: known[index].arrivals[place.pc]!)
    if let target = plan.targets.indices.first(where: {
      plan.targets[$0].arrival == arrival && !(isUsed[$0] && plan.targets[$0].holdsFirstOnly)
    }) {
      isUsed[target] = true
    } else {
      // Noise behind traps, once a task is held: what it waits for may be in the middle of several calls.
      guard case .afterTrap = point, holds > 0, plan.trapInterval > 0, generator.next(below: plan.trapInterval) == 0 else {
        return false
      }
    }
    holds += 1
    known[index].held = holds
    return true
  }

  override func next(from queue: [TaskID], after place: SchedulePlace?, kind: Switch.Kind) -> Int {
    let free = queue.indices.filter { known[index(of: queue[$0])].held == nil }
    if !free.isEmpty { return free[plan.picksRandomly ? generator.next(below: free.count) : 0] }
    let held = queue.indices.map { (index: $0, since: known[index(of: queue[$0])].held!) }
    let chosen = (plan.releasesLast ? held.max { $0.since < $1.since } : held.min { $0.since < $1.since })!.index
    known[index(of: queue[chosen])].held = nil
    return chosen
  }

  /// What it waits for may be held.
  override func spins(_ task: TaskID) {
    for index in known.indices { known[index].held = nil }
  }
}

/// Where tasks came by in some executions, as far as their schedules showed it.
struct ArrivalLog {
  private var counts: [TaskID: [GuestAddress: Int]] = [:]
  private var seen: Set<Arrival> = []
  /// In order of their first occurrence, each once.
  private(set) var arrivals: [Arrival] = []
  /// A task's later arrivals at one instruction differ little.
  private static let occurrencesMax = 4

  mutating func beginExecution() { counts = [:] }

  mutating func add(_ place: SchedulePlace) {
    counts[place.task, default: [:]][place.pc, default: 0] += 1
    let arrival = Arrival(pc: place.pc, occurrence: counts[place.task]![place.pc]!)
    if arrival.occurrence <= Self.occurrencesMax, seen.insert(arrival).inserted { arrivals.append(arrival) }
  }
}
