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
  /// Places in code, also before system calls, where the turn has changed.
  private var interrupted: Set<SchedulePlace> = []
  private var endsBySpinning = false
  private var delays = 0
  private(set) var turn: Turn?
  /// Scheduling points whose instruction is an update.
  var updates: Set<GuestAddress> = []
  /// The update before which a task stands and inside which it is stopped next, and whether it loses its turn there without being asked about.
  private var entering: SchedulePlace?
  private var losesTurnInside = false
  /// What is left of the patience with tasks that seem to spin.
  var patience = Patience()
  /// How often tasks may yield and go on all the same, since all others are held.
  private var yieldsLeft = 32

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
  /// How often tasks came to scheduling points so far; nil where that is not known.
  var visitsToPoints: Int? { watcher?.visitsToPoints }
  /// Whether a task that seems to spin, or yields, goes on all the same.
  func goesOn(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    guard let turn else { return false }
    switch point {
    case .sliceEnd: return patience.allows(turn, at: place, visits: visitsToPoints)
    case .afterTrap: return patience.allows(traps: turn.traps)
    case .yield, .blocked, .beforeSyscall: return false
    }
  }

  /// Who yields while all others are held goes on, for a while.
  final func goesOnYielding() -> Bool {
    if yieldsLeft == 0 { return false }
    yieldsLeft -= 1
    return true
  }

  /// Lets the task into the update that it stands before: its next slice ends inside. False where it is inside already.
  final func enters(_ place: SchedulePlace) -> Bool {
    if place.isInside { return false }
    entering = place
    return true
  }

  /// Whether a task that loses its turn before this update loses it inside, between load and store.
  func wantsToEnter(_ update: SchedulePlace) -> Bool { false }
  /// Whether time passes until the next timer.
  func wantsDelay(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool { false }

  // MARK: Decisions

  public var asksBeforeSyscalls: Bool { true }
  public final func passed(points: UInt32) { steps += UInt64(points) }

  public final func shouldPreempt(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    begin(place)
    if let arrived, point != .yield { arrived(place) }
    var seemsToSpin = false
    switch point {
    case .yield:
      if goesOn(at: point, place: place, queue: queue) {
        noteStay(at: point, place)
        return false
      }
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
      seemsToSpin = turn!.traps >= turn!.trapsAllowed
    case .sliceEnd: seemsToSpin = place.ticks - turn!.start >= turn!.ticksAllowed
    case .blocked: return false
    }
    if seemsToSpin {
      if goesOn(at: point, place: place, queue: queue) {
        noteStay(at: point, place)
        turn!.goOn(at: place, visits: visitsToPoints)
        return false
      }
      endsBySpinning = true
      spins(place.task)
      return true
    }
    let isEntered = losesTurnInside && place.isInside && entering?.pc == place.pc
    losesTurnInside = false
    preempts = isEntered || wantsPreemption(at: point, place: place, queue: queue)
    if preempts, point == .sliceEnd, !place.isInside, updates.contains(place.pc), wantsToEnter(place) {
      losesTurnInside = enters(place)
      preempts = false
      return false
    }
    // Whoever stopped before a system call by its place comes there again by the call.
    if preempts, point.isInCode { interrupted.insert(place) }
    return preempts
  }

  public final func letsTimePass(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    // Where a task comes by again after its turn, it must get on.
    if queue.isEmpty, point.isInCode, interrupted.contains(place) { return false }
    if delays == Self.delaysMax || !wantsDelay(at: point, place: place, queue: queue) { return false }
    delays += 1
    schedule.switches.append(Switch(.delay, isInCode: point.isInCode, at: place, to: place.task))
    return true
  }
  /// Timers may be periodic.
  private static let delaysMax = 32

  public var asksBesideTimers: Bool { false }

  public final func pick(from queue: [TaskID], at point: SchedulingPoint, place: SchedulePlace?) -> Int {
    let kind: Switch.Kind = preempts ? .preemption : endsBySpinning ? .fairness : .choice
    preempts = false
    endsBySpinning = false
    turn = nil
    let index = next(from: queue, after: place, kind: kind)
    if let place, kind != .choice || queue.count > 1 {
      let isDefault = kind != .preemption && index == 0
      schedule.switches.append(
        Switch(kind, isInCode: point.isInCode, at: place, to: queue[index], isDefault: isDefault))
    }
    return index
  }

  /// It keeps its turn where by itself it would lose it.
  private func noteStay(at point: SchedulingPoint, _ place: SchedulePlace) {
    schedule.switches.append(Switch(.fairness, isInCode: point.isInCode, at: place, to: place.task))
  }

  public final func slice(place: SchedulePlace, queue: [TaskID], age: SliceAge) -> Slice {
    // Alone: no turn that could seem to spin, but perhaps a place where it is stopped.
    if queue.isEmpty {
      return limited(Slice(ticks: Self.ticksOfOneTask), place, queue)
    }
    begin(place)
    let executed = place.ticks - turn!.start
    var slice = limited(Slice(ticks: executed < turn!.ticksAllowed ? turn!.ticksAllowed - executed : 1), place, queue)
    if arrived != nil { slice.points = 1 }
    return slice
  }

  private func limited(_ slice: Slice, _ place: SchedulePlace, _ queue: [TaskID]) -> Slice {
    var slice = slice
    if entering == place { slice.endInsideUpdate() } else { limit(&slice, place: place, queue: queue) }
    return slice
  }

  private static let ticksOfOneTask: UInt64 = 1 << 40

  /// A turn that begins without a choice (the only task that can run) is noticed here.
  private func begin(_ place: SchedulePlace) {
    if turn?.task != place.task { turn = Turn(at: place, visits: visitsToPoints) }
  }

  public final func randomBytes(_ count: Int) -> [UInt8] { random.nextBytes(count) }
  public final func hostRealtime() -> Nanoseconds? { nil }
}

extension SchedulingPoint {
  /// Whether the task stands at an instruction that it has not begun, rather than behind a trap.
  var isInCode: Bool {
    switch self {
    case .sliceEnd, .beforeSyscall: true
    case .afterTrap, .yield, .blocked: false
    }
  }
}
