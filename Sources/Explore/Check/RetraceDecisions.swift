// A schedule told by what tasks do instead of by ticks: at its n-th arrival at an instruction a task loses its turn, as it did in the
// build where the schedule was found.

import Kernel
import Platform

/// A task loses its turn.
public struct RetraceStep: Hashable, Sendable {
  /// Before this, or behind it where it is a system call and `isBehindCall`.
  public var moment: Moment
  public var isBehindCall: Bool
  /// Who has the next turn, if it can.
  public var next: TaskID?
  /// Once this has happened the task takes its turn back.
  public var until: Moment?
  public init(moment: Moment, isBehindCall: Bool, next: TaskID?) {
    self.moment = moment
    self.isBehindCall = isBehindCall
    self.next = next
  }
}

/// Who is next where a task blocks in a system call, or ends by one.
public struct RetraceChoice: Hashable, Sendable {
  public var task: TaskID
  public var call: UInt64
  /// Among the task's calls of this number, from 1.
  public var occurrence: UInt32
  public var next: TaskID
  public init(task: TaskID, call: UInt64, occurrence: UInt32, next: TaskID) {
    self.task = task
    self.call = call
    self.occurrence = occurrence
    self.next = next
  }
}

/// What one execution of a check is asked to do.
public struct RetracePlan: Hashable, Sendable {
  /// In this order.
  public var steps: [RetraceStep] = []
  public var choices: [RetraceChoice] = []
  /// A task that lost its turn goes on only when a step gives it the turn, or when nobody else can go on; otherwise it waits as
  /// others do.
  public var holds = false
  public init() {}
}

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

  init(epoch: Nanoseconds, random: SeededGenerator, plan: RetracePlan, trail: Trail) {
    self.plan = plan
    self.trail = trail
    super.init(epoch: epoch, random: random)
  }

  private var coming: RetraceStep? { marks.count < plan.steps.count ? plan.steps[marks.count] : nil }

  private func make(_ step: RetraceStep) {
    marks.append(trail.events.count)
    if plan.holds || step.until != nil { held.append(step.moment.task) }
    if let until = step.until { waits.append((step.moment.task, until)) }
    chosen = step.next
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
    guard let step = coming, step.moment.task == place.task else { return false }
    switch point {
    case .sliceEnd:
      guard !step.isBehindCall, step.moment.pc == place.pc, trail.visits(of: place.task, to: place.pc) + 1 == step.moment.occurrence else {
        return false
      }
    case .beforeSyscall:
      // It counts already.
      guard !step.isBehindCall, step.moment.pc == place.pc, trail.visits(of: place.task, to: place.pc) == step.moment.occurrence else {
        return false
      }
      trail.retractCall(of: place.task, at: place.pc)
    default:
      guard stands(place, behind: step) else { return false }
    }
    make(step)
    return true
  }

  private func stands(_ place: SchedulePlace, behind step: RetraceStep) -> Bool {
    step.isBehindCall && step.moment.pc.rawValue &+ 2 == place.pc.rawValue
      && trail.visits(of: place.task, to: step.moment.pc) == step.moment.occurrence
  }

  override func next(from queue: [TaskID], after place: SchedulePlace?, kind: Switch.Kind) -> Int {
    defer { chosen = nil }
    if kind == .choice, let place {
      // It blocks in this build where it could go on before.
      if let step = coming, step.moment.task == place.task, stands(place, behind: step) { make(step) } else { choose(place, queue) }
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
    guard let call = trail.lastCall(of: place.task),
      let choice = plan.choices.first(where: {
        $0.task == place.task && $0.call == call.number && $0.occurrence == call.occurrence
      }), let index = queue.firstIndex(of: choice.next)
    else { return }
    choicesMet += 1
    if index > 0 { choicesTurned += 1 }
    chosen = choice.next
  }

  /// What it waits for may be held.
  override func spins(_ task: TaskID) {
    held = []
    waits = []
  }
}
