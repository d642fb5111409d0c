// Notes the steps of an execution while it comes about, from what its decisions are asked and what its history has.

import Kernel
import Platform

struct StepRecorder {
  private let history: History
  private(set) var steps: [Step] = []
  /// Events of the history that lie behind.
  private var taken = 0
  /// Faults likewise.
  private var faultsTaken = 0
  /// Whose turn it is; nil where that is not known.
  private var running: TaskID?
  /// Who could run when it was asked last.
  private var ready: Set<TaskID> = []
  /// Who can run since another one's step, and has not gone on yet.
  private var awakened: Set<TaskID> = []
  /// Something that was done has to do with the time.
  private(set) var knowsTime = false

  init(_ history: History) { self.history = history }

  /// Whether all that was done is known, and nothing of it depends on the time. Once the execution has ended.
  var isComplete: Bool { !knowsTime && !history.hasAskedMachine && !history.isCut }

  /// A moment at which the turn can change, or does, for the task at its place. `others`: who could run besides.
  mutating func arrive(_ place: SchedulePlace, canGoOn: Bool, at point: SchedulingPoint, others: [TaskID], notes: Bool) {
    var end = history.events.count
    if case .beforeSyscall = point {
      end = history.eventsBeforeCall(of: place.task, at: place.pc)
    }
    let now = Set(others).union(canGoOn ? [place.task] : [])
    let new = now.subtracting(ready)
    ready = now
    if notes { close(place, at: point, end, awakened: new) }
    look(taken..<end)
    taken = end
    faultsTaken = history.faults
    awakened.formUnion(new)
    running = canGoOn ? place.task : nil
  }

  /// Who has the turn.
  mutating func turn(to task: TaskID) {
    running = task
    // The call before which another one lost its turn is taken back.
    taken = min(taken, history.events.count)
  }

  /// The steps behind the last moment, in which the execution came to its end.
  mutating func end() {
    guard let last = history.events[taken...].last?.moment.task ?? running else { return }
    let place = SchedulePlace(task: last, ticks: 0, pc: GuestAddress(0))
    let stood = placeOfBlock(last, taken..<history.events.count)
    close(place, at: .blocked, history.events.count, awakened: [])
    steps[steps.count - 1].footprint.isOrdered = true
    // Where it blocked or ended, if it did.
    steps[steps.count - 1].end.place = stood
    look(taken..<history.events.count)
    taken = history.events.count
    running = nil
  }

  private mutating func look(_ range: Range<Int>) {
    for event in history.events[range] where event.reach == .time { knowsTime = true }
  }

  /// The steps up to here: the last is the task's at `place`; before it others may have blocked one after the other, each with only
  /// one that could be next, which nobody asks for.
  private mutating func close(
    _ place: SchedulePlace, at point: SchedulingPoint, _ end: Int, awakened new: Set<TaskID>
  ) {
    let hasFaulted = history.faults > faultsTaken
    faultsTaken = history.faults
    // Who spun or yielded can go on too, but its turn is over.
    let keepsTurn = point != .blocked
    let first = steps.count
    if keepsTurn, taken == end, let last = steps.last, last.task == place.task, last.end.place == place, last.end.canGoOn { return }
    var task = running ?? (taken < end ? history.events[taken].moment.task : place.task)
    var start = taken
    for index in taken..<end where history.events[index].moment.task != task {
      add(task, start..<index, Step.End(canGoOn: false, isInCode: false, place: placeOfBlock(task, start..<index)), new)
      task = history.events[index].moment.task
      start = index
    }
    if task != place.task {
      add(task, start..<end, Step.End(canGoOn: false, isInCode: false, place: placeOfBlock(task, start..<end)), new)
      start = end
    }
    add(place.task, start..<end, Step.End(canGoOn: keepsTurn, isInCode: point.isInCode, place: place), new)
    if steps.count - first < 2 && !hasFaulted { return }
    // Who let whom go on, or what the fault was about, is not known.
    for index in first..<steps.count {
      steps[index].footprint.isOrdered = true
    }
  }

  private mutating func add(_ task: TaskID, _ range: Range<Int>, _ end: Step.End, _ awakened: Set<TaskID>) {
    var read: [UInt64] = [], written = awakened.filter { $0 != task }.map { Footprint.readiness(of: $0) }
    var likelyWritten: [UInt64] = []
    var isOrdered = false
    if self.awakened.remove(task) != nil { read.append(Footprint.readiness(of: task)) }
    for event in history.events[range] {
      if !event.isCall && event.reach == nil {
        if event.isWrite { written.append(event.object) } else { read.append(event.object) }
        continue
      }
      switch event.reach {
      case .own, nil: break
      case .futex(let object): written.append(object)
      case .descriptor(let object):
        isOrdered = true
        likelyWritten.append(object)
      case .anything, .end, .time:
        isOrdered = true
        likelyWritten.append(Self.calls)
      }
    }
    if history.isCut { isOrdered = true }
    steps.append(
      Step(
        task: task, footprint: Footprint(read: read, written: written, isOrdered: isOrdered),
        likely: Footprint(read: read, written: written + likelyWritten), end: end))
  }
  /// What calls of which no more is known work on.
  static let calls: UInt64 = 1 << 63

  /// Where a task stands that has blocked or ended in the last call among these events: two bytes behind the call. One that
  /// has ended stands at tick 0.
  private func placeOfBlock(_ task: TaskID, _ range: Range<Int>) -> SchedulePlace? {
    guard let last = history.events[range].last, last.isCall, let ticks = history.callTicks[task] else { return nil }
    return SchedulePlace(
      task: task, ticks: last.reach == .end ? 0 : ticks.rawValue,
      pc: GuestAddress(last.moment.pc.rawValue + Self.callLength))
  }
  private static let callLength: UInt64 = 2
}
