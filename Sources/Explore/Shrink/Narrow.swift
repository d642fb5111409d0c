// What is wrong with an order: for each preemption of a failing schedule the two operations whose order decides.
//
// A task A loses its turn before an instruction, others run, then A goes on. The preemption is moved as late as it still fails: one
// place later, behind the operation at P, it passes, so what others do must come before P. Then A gets its turn back as early as
// it still fails: just before the others' operation at Q it passes, just behind it fails. So the failure needs Q before P. Both ends
// are found by executing the schedules on either side.
//
// Which operations fail need not be monotone. The first places are tried one by one, and the boundary found there is the first one;
// behind them some boundary is found by halving.

import Kernel
import RecordReplay

/// Two operations whose order decides: with `first` before `second` the program fails; it passes when `first` comes just too late.
public struct Reordering: Hashable, Sendable {
  /// The preemption, by its index in the schedule.
  public var switchIndex: Int
  /// Before the operation of another task that had to come first.
  public var first: SchedulePlace
  /// Before the operation of the preempted task that came too late.
  public var second: SchedulePlace
}

/// A preemption that could not be brought down to two operations.
public struct UnclearPreemption: Hashable, Sendable {
  /// Its index in the schedule.
  public var switchIndex: Int
  /// In words.
  public var reason: String
}

struct Narrow {
  /// Places that are tried one by one, from the first.
  static let scannedMax = 64

  /// The schedule with each preemption as late as it can be.
  func late(_ failing: Schedule, _ runner: inout ScheduleRunner) throws(SessionError) -> Schedule {
    var schedule = failing
    // What comes later stays in place when something earlier moves, not the other way round.
    for index in failing.switches.indices.reversed()
    where schedule.switches.indices.contains(index) && schedule.switches[index].kind == .preemption {
      schedule = try moved(schedule, index, &runner)
    }
    return schedule
  }

  /// What the order means that the preemptions of a schedule make; they are as late as they can be.
  func narrowed(
    _ schedule: Schedule, _ runner: inout ScheduleRunner
  ) throws(SessionError) -> (clear: [Reordering], unclear: [UnclearPreemption]) {
    var clear: [Reordering] = []
    var unclear: [UnclearPreemption] = []
    for index in schedule.switches.indices where schedule.switches[index].kind == .preemption {
      switch try earliest(schedule, index, &runner) {
      case .place(let place):
        let second = schedule.switches[index].place
        clear.append(Reordering(switchIndex: index, first: place, second: second))
      case .unclear(let reason): unclear.append(UnclearPreemption(switchIndex: index, reason: reason))
      }
    }
    return (clear, unclear)
  }

  /// The number of the first candidate that is `isBehind`, which the last one is taken to be; candidates are numbered from 0.
  private func boundary(
    _ count: Int, _ isBehind: (Int) throws(SessionError) -> Bool
  ) throws(SessionError) -> Int {
    for number in 0..<min(count, Self.scannedMax) where try isBehind(number) { return number }
    // Not behind at `low`, behind at `high`.
    var low = min(count, Self.scannedMax) - 1
    var high = count
    while high - low > 1 {
      let middle = (low + high) / 2
      if try isBehind(middle) { high = middle } else { low = middle }
    }
    return high
  }

  // MARK: The preempted task

  /// The schedule with this preemption at the last place before it passes.
  private func moved(_ schedule: Schedule, _ index: Int, _ runner: inout ScheduleRunner) throws(SessionError) -> Schedule {
    let entry = schedule.switches[index]
    let before = Array(schedule.switches[..<index])
    let rest = Array(schedule.switches[(index + 1)...])
    // Where the task comes by when it keeps its turn.
    let run = try runner.note(Schedule(before)).run
    guard run.hasFollowed, let start = run.turns.firstIndex(where: { $0.kind == .preemption && $0.place == entry.place })
    else { return schedule }
    let later = run.turns[(start + 1)...].prefix {
      $0.kind == .preemption && $0.switchesBefore == index && $0.place.task == entry.place.task && $0.others.contains(entry.next)
    }
    var best = schedule
    _ = try boundary(later.count) { (number) throws(SessionError) in
      let turn = later[later.startIndex + number].turn(to: entry.next)
      guard let found = try runner.failing(Schedule(before + [turn] + rest)), found.preemptions <= schedule.preemptions,
        found.switches.indices.contains(index), found.switches[index].place == turn.place
      else { return true }
      best = found
      return false
    }
    return best
  }

  // MARK: The others

  private enum Finding {
    case place(SchedulePlace)
    case unclear(String)
  }

  /// The place of the others' last operation that must come before the preempted task goes on.
  private func earliest(
    _ schedule: Schedule, _ index: Int, _ runner: inout ScheduleRunner
  ) throws(SessionError) -> Finding {
    var without = schedule.switches
    let preemption = without.remove(at: index)
    if try runner.follow(Schedule(without)).fails { return .unclear("it fails without this preemption too") }
    let (run, fails, _) = try runner.note(schedule, from: index + 1)
    if !run.hasFollowed || !fails { return .unclear("it goes another way while it is watched") }
    let places = Self.interval(of: preemption.place.task, run, behind: index)
    let number = try boundary(places.count) { (number) throws(SessionError) in
      let back = Self.schedule(schedule, goingBackTo: preemption.place.task, at: places[number])
      return try runner.follow(back).fails
    }
    if number > 0 { return .place(places[number - 1].place) }
    // What the other task did before its first place is enough: that is what it does where it stood.
    let stood = schedule.switches[..<index].last { $0.place.task == preemption.next }
    if let stood { return .place(stood.place) }
    return .unclear("it is enough that another task has the turn")
  }

  /// Where others came by from this preemption to the task's next turn, as long as it could have gone on there.
  private static func interval(of task: TaskID, _ run: BoundedRun, behind index: Int) -> [TurnPlace] {
    let back = run.schedule.switches[(index + 1)...].firstIndex { $0.next == task } ?? Int.max
    return run.turns.prefix { $0.place.task != task && $0.switchesBefore <= back && $0.others.contains(task) }
  }

  private static func schedule(_ schedule: Schedule, goingBackTo task: TaskID, at turn: TurnPlace) -> Schedule {
    let switches = schedule.switches
    // A choice is made in another way, a preemption comes in addition.
    let rest = switches[(turn.switchesBefore + (turn.kind == .choice ? 1 : 0))...]
    return Schedule(switches[..<turn.switchesBefore] + [turn.turn(to: task)] + rest)
  }
}
