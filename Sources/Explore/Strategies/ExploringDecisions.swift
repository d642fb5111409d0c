// What all strategies share: they say when the turn changes and who is next, and the schedule is noted as it comes about.

import Kernel
import Platform

/// Decisions of one execution of a search. Subclasses are the strategies.
///
/// Random bytes do not belong to the schedule: they come from a generator that the first part of the run, which all executions
/// share, has left in some state.
public class ExploringDecisions: Decisions {
  public let epoch: Nanoseconds
  private var random: SeededGenerator
  /// Told of calls that are made again.
  private let watcher: History?
  /// Told of every place where a turn could change; while there is one, tasks stop at every scheduling point. Only for
  /// strategies that look at each by themselves.
  var arrived: ((SchedulePlace) -> Void)?
  /// What was decided so far.
  public private(set) var schedule = Schedule()
  /// Scheduling points and traps that tasks came by so far: the steps between which the turn can change.
  public private(set) var steps: UInt64 = 0
  private var preempts = false
  /// Places before system calls where the turn has changed.
  private var interrupted: Set<SchedulePlace> = []
  private var endsBySpinning = false
  /// The present turn: whose, since which ticks, and its traps.
  private var turn: (task: TaskID, ticks: UInt64, traps: Int)?

  public init(epoch: Nanoseconds, random: SeededGenerator) {
    self.epoch = epoch
    self.random = random
    watcher = nil
  }

  /// `history`: of this execution.
  init(epoch: Nanoseconds, random: SeededGenerator, history: History?) {
    self.epoch = epoch
    self.random = random
    watcher = history
  }

  // MARK: For subclasses

  /// Whether the task at `place` loses its turn, which it could keep. Not asked where it spins or yields.
  func wantsPreemption(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool { false }
  /// Who is next.
  func next(from queue: [TaskID], after place: SchedulePlace?, kind: Switch.Kind) -> Int { 0 }
  /// After how many scheduling points the turn should end, or where. Its ticks are set by the caller.
  func limit(_ slice: inout Slice, place: SchedulePlace, queue: [TaskID]) {}
  /// The task spins, or gave up its turn.
  func spins(_ task: TaskID) {}

  // MARK: Decisions

  public var asksBeforeSyscalls: Bool { true }
  public final func passed(points: UInt32) { steps += UInt64(points) }

  public final func shouldPreempt(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    begin(place)
    if let arrived, point != .yield { arrived(place) }
    switch point {
    case .yield:
      spins(place.task)
      return true
    case .beforeSyscall:
      // It comes here again after its next turn began, and must get on some time.
      if interrupted.contains(place) { return false }
      steps += 1
      preempts = wantsPreemption(at: point, place: place, queue: queue)
      if preempts {
        interrupted.insert(place)
        watcher?.retractCall(of: place.task, at: place.pc)
      }
      return preempts
    case .afterTrap:
      steps += 1
      turn!.traps += 1
      endsBySpinning = turn!.traps >= DefaultTurns.spinTraps
    case .sliceEnd: endsBySpinning = place.ticks - turn!.ticks >= DefaultTurns.spinTicks
    case .blocked: return false
    }
    if endsBySpinning {
      spins(place.task)
      return true
    }
    preempts = wantsPreemption(at: point, place: place, queue: queue)
    return preempts
  }

  public final func pick(from queue: [TaskID], at point: SchedulingPoint, place: SchedulePlace?) -> Int {
    let kind: Switch.Kind = preempts ? .preemption : endsBySpinning ? .fairness : .choice
    preempts = false
    endsBySpinning = false
    turn = nil
    let index = next(from: queue, after: place, kind: kind)
    if let place, kind != .choice || queue.count > 1 {
      schedule.switches.append(Switch(kind, isInCode: point.isInCode, at: place, to: queue[index]))
    }
    return index
  }

  public final func slice(place: SchedulePlace, queue: [TaskID], age: SliceAge) -> Slice {
    begin(place)
    let executed = place.ticks - turn!.ticks
    var slice = Slice(ticks: executed < DefaultTurns.spinTicks ? DefaultTurns.spinTicks - executed : 1)
    limit(&slice, place: place, queue: queue)
    if arrived != nil { slice.points = 1 }
    return slice
  }

  /// A turn that begins without a choice (the only task that can run) is noticed here.
  private func begin(_ place: SchedulePlace) {
    if turn?.task != place.task { turn = (place.task, place.ticks, 0) }
  }

  public final func randomBytes(_ count: Int) -> [UInt8] { random.nextBytes(count) }
  public final func hostRealtime() -> Nanoseconds? { nil }
}

extension SchedulingPoint {
  /// Whether the task stands at an instruction that it has not begun, rather than behind a trap.
  fileprivate var isInCode: Bool {
    switch self {
    case .sliceEnd, .beforeSyscall: true
    case .afterTrap, .yield, .blocked: false
    }
  }
}
