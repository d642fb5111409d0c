// Active testing (Sen, "Race Directed Random Testing of Concurrent Programs", PLDI 2008; Joshi, Park, Sen, Naik, "A Randomized
// Dynamic Program Analysis Technique for Detecting Real Deadlocks", PLDI 2009, hold tasks at chosen statements likewise): a task
// that comes to a chosen instruction is held there until something chosen has happened, or nobody else can go on. What a loop does
// a thousand times is one choice here, and so is what twenty equal threads do; a place between two accesses that belong
// together is found after about as many executions as the program has such instructions.

import Kernel
import Platform

public final class HoldDecisions: ExploringDecisions {
  private struct Hold {
    var task: TaskID
    /// The target; nil for noise.
    var target: Int?
  }
  private let plan: HoldPlan
  private let history: History
  private var generator: SeededGenerator
  /// By target: whether a task was held there.
  private var isUsed: [Bool]
  private var metTargets: Set<Int> = []
  /// Who is held, the one held first at the front.
  private var holds: [Hold] = []
  private var hasHeld = false
  /// Who takes the turn now, since what it was held for has happened.
  private var released: TaskID?

  init(epoch: Nanoseconds, random: SeededGenerator, plan: HoldPlan, history: History) {
    self.plan = plan
    self.history = history
    generator = SeededGenerator(seed: plan.seed)
    isUsed = plan.targets.map { _ in false }
    super.init(epoch: epoch, random: random, history: history)
  }

  /// Whether a task was held at the last target until what was awaited had happened.
  var isMet: Bool { plan.targets.last?.until == nil || metTargets.contains(plan.targets.count - 1) }

  /// The plan without targets at which nobody was held: the same execution follows from it.
  var planUsed: HoldPlan {
    var used = plan
    used.targets = plan.targets.indices.filter { isUsed[$0] }.map { plan.targets[$0] }
    return used
  }

  private func isHeld(_ task: TaskID) -> Bool { holds.contains { $0.task == task } }

  /// Once an awaited event stands before its instruction, the turn ends at the next scheduling point: then it has happened.
  override func limit(_ slice: inout Slice, place: SchedulePlace, queue: [TaskID]) {
    let visits = history.visits(of: place.task, to: place.pc) + 1
    let moment = Moment(task: place.task, pc: place.pc, occurrence: visits)
    if holds.contains(where: { $0.target.map { plan.targets[$0].until == moment } ?? false }) { slice.points = 1 }
  }

  override public var asksBesideTimers: Bool { plan.letsTimePass }

  override func wantsDelay(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    if !plan.letsTimePass || released != nil { return false }
    if !queue.isEmpty { return queue.allSatisfy(isHeld) }
    // Alone: it is not held, whatever was planned before.
    holds.removeAll { $0.task == place.task }
    guard let target = target(arrival(at: point, place).arrival, of: place.task) else { return false }
    return !(plan.targets[target].isInside && enters(place))
  }

  /// Where a task has arrived, and what it is about to do there.
  private func arrival(at point: SchedulingPoint, _ place: SchedulePlace) -> (arrival: Arrival, moment: Moment?) {
    var occurrence: UInt32
    switch point {
    case .sliceEnd: occurrence = history.visits(of: place.task, to: place.pc) + (place.isInside ? 0 : 1)
    // It counts already.
    case .beforeSyscall: occurrence = history.visits(of: place.task, to: place.pc)
    default:
      occurrence = history.visits(of: place.task, to: GuestAddress(place.pc.rawValue &- 2))
      return (Arrival(pc: place.pc, occurrence: occurrence), nil)
    }
    return (
      Arrival(pc: place.pc, occurrence: occurrence), Moment(task: place.task, pc: place.pc, occurrence: occurrence)
    )
  }

  private func target(_ arrival: Arrival, of task: TaskID) -> Int? {
    plan.targets.indices.first { isMet($0, arrival, by: task) }
  }

  override func wantsPreemption(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    let (arrival, moment) = arrival(at: point, place)
    release(butFor: moment)
    if released != nil { return true }
    if let target = target(arrival, of: place.task), !(plan.targets[target].isInside && enters(place)) {
      isUsed[target] = true
      hold(Hold(task: place.task, target: target))
      return true
    }
    // Noise behind traps, once a task is held: what it waits for may be in the middle of several calls.
    if case .afterTrap = point, hasHeld, plan.trapInterval > 0, generator.next(below: plan.trapInterval) == 0 {
      hold(Hold(task: place.task, target: nil))
      return true
    }
    return false
  }

  private func isMet(_ index: Int, _ arrival: Arrival, by task: TaskID) -> Bool {
    let target = plan.targets[index]
    if target.arrival != arrival || isUsed[index] && target.holdsFirstOnly { return false }
    if let owner = target.task, owner != task { return false }
    if let until = target.until, target.task == nil && until.task == task || history.hasHappened(until) { return false }
    return true
  }

  private func hold(_ hold: Hold) {
    holds.removeAll { $0.task == hold.task }
    holds.append(hold)
    hasHeld = true
  }

  /// Frees who waited for something that has happened. `moment`: what the current task is about to do, but has not done.
  private func release(butFor moment: Moment? = nil) {
    guard
      let first = holds.first(where: {
        guard let target = $0.target, let until = plan.targets[target].until else { return false }
        return until != moment && history.hasHappened(until)
      })
    else { return }
    let target = first.target!
    if plan.targets[target].goesOnAtOnce { released = first.task }
    metTargets.insert(target)
    holds.removeAll { $0.target == target }
  }

  override func next(from queue: [TaskID], after place: SchedulePlace?, kind: Switch.Kind) -> Int {
    // Who blocked may have done what another waits for.
    if released == nil { release() }
    defer { released = nil }
    if let released, let index = queue.firstIndex(of: released) { return index }
    let free = queue.indices.filter { !isHeld(queue[$0]) }
    if !free.isEmpty { return free[plan.picksRandomly ? generator.next(below: free.count) : 0] }
    let order = plan.releasesLast ? Array(holds.reversed()) : holds
    let chosen = queue.firstIndex(of: order.first { queue.contains($0.task) }!.task)!
    holds.removeAll { $0.task == queue[chosen] }
    return chosen
  }

  override func goesOn(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    guard point == .yield else { return super.goesOn(at: point, place: place, queue: queue) }
    return queue.allSatisfy(isHeld) && goesOnYielding()
  }

  /// What it waits for may be held.
  override func spins(_ task: TaskID) { holds = [] }
}
