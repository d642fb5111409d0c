// Follows a plan that was made of a schedule of another build.
//
// The execution has a trail in place of a history: where a task has arrived is told by how often it has been there.

import Kernel
import Platform

final class RetraceDecisions: ExploringDecisions {
  private let plan: RetracePlan
  private let trail: Trail
  /// For each step that was made: how many events lay before it.
  private(set) var marks: [Int] = []
  /// Choices that were met with who should be next among those who could be, and those of them that the default had not made.
  private(set) var choicesMet = 0
  private(set) var choicesTurned = 0
  private var held: [TaskID] = []
  /// Who takes the turn once something has happened.
  private var waits: [(task: TaskID, until: Moment)] = []
  private var chosen: TaskID?
  /// How often time passed at each step, and at each choice.
  private var delaysAtSteps: [Int]
  private var delaysAtChoices: [Int]
  /// The step that takes the turn away just now.
  private var making: Int?
  /// A task that was held got the turn since another seemed to spin, though that is not sure.
  private(set) var letGo = false
  /// At some step who should have been next had ended, or did not exist yet.
  private(set) var missedNext = false
  /// How often a task that spins or yields may leave the turn to others while one is held.
  private var spinsLeft = 64
  private var othersAreHeld = false
  private var yields = false
  /// Ticks and traps of the execution without a plan; a turn as long as that is a spin.
  private let ordinary: (ticks: UInt64, traps: Int)

  /// `first`: the execution without a plan, when there was one.
  init(epoch: Nanoseconds, random: SeededGenerator, plan: RetracePlan, trail: Trail, first: Outcome?) {
    self.plan = plan
    self.trail = trail
    delaysAtSteps = plan.steps.map { _ in 0 }
    delaysAtChoices = plan.choices.map { _ in 0 }
    ordinary = (first?.ticks ?? 0, Int(clamping: first?.traps ?? 0))
    super.init(epoch: epoch, random: random)
    if plan.isPatient {
      // A turn is asked each time that it has doubled, and each time its whole length is taken off.
      patience = Patience(ticks: 4 * ordinary.ticks, traps: Int(clamping: 4 * ordinary.traps), isAlsoAtPoints: true)
    }
  }

  var delaysMade: Int { delaysAtSteps.reduce(0, +) + delaysAtChoices.reduce(0, +) }

  private var coming: RetraceStep? { marks.count < plan.steps.count ? plan.steps[marks.count] : nil }

  private func make(_ step: RetraceStep) {
    making = marks.count
    marks.append(trail.events.count)
    if !step.losesTurn { return }
    if plan.holds || step.until != nil { held.append(step.moment.task) }
    if let until = step.until { waits.append((step.moment.task, until)) }
    chosen = step.next
    if let next = step.next, trail.ended.contains(next) || !trail.tasks.contains(next) { missedNext = true }
  }

  /// Who waited for something that has happened and can go on. `moment`: what the current task is about to do, though it counts.
  private func returning(_ queue: [TaskID], butFor moment: Moment? = nil) -> TaskID? {
    waits.first { wait in
      wait.until != moment && queue.contains(wait.task)
        && trail.visits(of: wait.until.task, to: wait.until.pc) >= wait.until.occurrence
    }?.task
  }

  private func stop(holding task: TaskID) {
    held.removeAll { $0 == task }
    waits.removeAll { $0.task == task }
  }

  /// What is awaited stands before its instruction: the turn ends as soon as it has happened.
  override func limit(_ slice: inout Slice, place: SchedulePlace, queue: [TaskID]) {
    let next = Moment(task: place.task, pc: place.pc, occurrence: trail.visits(of: place.task, to: place.pc) + 1)
    if waits.contains(where: { $0.until == next }) { slice.ticks = 1 }
  }

  override func wantsPreemption(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    var moment: Moment?
    if case .beforeSyscall = point {
      moment = Moment(task: place.task, pc: place.pc, occurrence: trail.visits(of: place.task, to: place.pc))
    }
    if let task = returning(queue, butFor: moment) {
      if moment != nil { trail.retractCall(of: place.task, at: place.pc) }
      chosen = task
      return true
    }
    guard let step = coming, isAt(step, point, place), step.losesTurn, !(step.isInside && enters(place)) else { return false }
    if moment != nil { trail.retractCall(of: place.task, at: place.pc) }
    make(step)
    return true
  }

  private func isAt(_ step: RetraceStep, _ point: SchedulingPoint, _ place: SchedulePlace) -> Bool {
    if step.moment.task != place.task { return false }
    if !point.isInCode { return stands(place, behind: step) }
    if step.isBehindCall || step.moment.pc != place.pc { return false }
    // A call counts already, and so does an update that has begun.
    let counts = point != .sliceEnd || place.isInside
    return trail.visits(of: place.task, to: place.pc) + (counts ? 0 : 1) == step.moment.occurrence
  }

  private func stands(_ place: SchedulePlace, behind step: RetraceStep) -> Bool {
    step.isBehindCall && step.moment.pc.rawValue &+ 2 == place.pc.rawValue
      && trail.visits(of: place.task, to: step.moment.pc) == step.moment.occurrence
  }

  override func next(from queue: [TaskID], after place: SchedulePlace?, kind: Switch.Kind) -> Int {
    defer {
      chosen = nil
      making = nil
    }
    if kind == .choice, let place {
      // It blocks in this build where it could go on before.
      if let step = coming, step.losesTurn, step.moment.task == place.task, stands(place, behind: step) { make(step) } else { choose(place, queue) }
    }
    if chosen == nil { chosen = returning(queue) }
    if let chosen, let index = queue.firstIndex(of: chosen) {
      stop(holding: chosen)
      return index
    }
    if let free = queue.firstIndex(where: { !held.contains($0) }) { return free }
    let released = held.first { queue.contains($0) }!
    stop(holding: released)
    return queue.firstIndex(of: released)!
  }

  private func choose(_ place: SchedulePlace, _ queue: [TaskID]) {
    guard let number = choice(at: place), let next = plan.choices[number].next, let index = queue.firstIndex(of: next) else { return }
    choicesMet += 1
    if index > 0 { choicesTurned += 1 }
    chosen = next
  }

  private func choice(at place: SchedulePlace) -> Int? {
    guard let call = trail.lastCall(of: place.task) else { return nil }
    return plan.choices.firstIndex { $0.task == place.task && $0.call == call.number && $0.occurrence == call.occurrence }
  }

  // MARK: Time

  override var asksBesideTimers: Bool { plan.steps.contains { $0.delays > 0 } }

  override func wantsDelay(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    if let making { return delays(atStep: making) }
    if let step = coming, step.delays > 0, isAt(step, point, place), !(step.isInside && enters(place)) {
      let isWanted = delays(atStep: marks.count)
      if !step.losesTurn && delaysAtSteps[marks.count] == step.delays {
        make(step)
        making = nil
      }
      return isWanted
    }
    if point.isInCode { return false }
    guard let number = choice(at: place), delaysAtChoices[number] < plan.choices[number].delays else { return false }
    delaysAtChoices[number] += 1
    return true
  }

  /// Whether time passes once more at this step.
  private func delays(atStep number: Int) -> Bool {
    if delaysAtSteps[number] == plan.steps[number].delays { return false }
    delaysAtSteps[number] += 1
    return true
  }

  // MARK: Long turns

  override func goesOn(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    othersAreHeld = queue.allSatisfy(held.contains)
    yields = point == .yield
    if !yields { return super.goesOn(at: point, place: place, queue: queue) }
    return othersAreHeld && goesOnYielding()
  }

  /// What it waits for may be held.
  override func spins(_ task: TaskID) {
    if held.isEmpty && waits.isEmpty { return }
    if !othersAreHeld && spinsLeft > 0 {
      spinsLeft -= 1
      return
    }
    let isLong = turn.map { $0.ticksAllowed >= ordinary.ticks || $0.traps >= ordinary.traps } ?? false
    if !yields && !isLong { letGo = true }
    held = []
    waits = []
  }
}
