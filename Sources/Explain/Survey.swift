// The first look at a trace, without executing anything: who had the turn when, which changes of turn matter, when the tasks that were
// stopped there went on, and what is there at the end.

import LinuxABI
import Platform
import RecordReplay
import Trace

/// A change of turn to be explained.
struct CriticalSwitch {
  var kind: SearchNote.Switch.Kind
  var isInCode: Bool
  /// Inside an update, between its load and its store.
  var isInside = false
  /// The last event of the task that lost its turn.
  var event: UInt64
  var context: ContextID
  var place: SearchNote.Place
  var next: Int32
  /// How many signal handlers it was in.
  var handlerDepth: Int
  /// The event with which it goes on there; nil when it never does.
  var resume: UInt64?
  /// The call behind which it stood.
  var call: SyscallWords?
  /// Of the note's switches.
  var noteIndex: Int?
  /// It is no change of turn: the task was created here, and tasks that were created later ran before it, or it never ran.
  var isLateStart = false
  /// The last wait of the task that failed, where no switch is its own: what it relied on may have changed while it slept.
  var isLastWait = false
  /// As against what was added to look at.
  var isChangeOfTurn: Bool { !isLateStart && !isLastWait }
  /// The task could not go on by itself.
  var isPlainChoice: Bool { kind == .choice && !isLateStart && !isLastWait }
}

/// A task that was created, and when it had its first turn.
struct CreatedTask {
  var task: Int32
  var context: ContextID
  /// The event of the call that created it, and whose that was.
  var event: UInt64
  var creator: ContextID
  /// nil when the run ended before.
  var firstRun: UInt64?
  /// Tasks that were created later ran before it.
  var wasOvertaken = false
}

/// One turn, as the events tell it.
struct SurveyedTurn {
  var context: ContextID
  var task: Int32
  var name: String
  var first: UInt64
  var last: UInt64
  var trap: Trap = .syscall
  var call: UInt64?
  var hasEnded = false
}

struct Survey {
  private(set) var failure = ""
  private(set) var note: SearchNote?
  private(set) var switches: [CriticalSwitch] = []
  private(set) var lateStarts: [CreatedTask] = []
  /// Tasks by the event of the call that created them.
  private(set) var created: [UInt64: Int32] = [:]
  /// From the first created task on: the first `turnsKept` and as many last ones.
  private(set) var turns: [SurveyedTurn] = []
  private(set) var turnsLeftOut = 0
  /// The event before the first created task; nil when there is only one task.
  private(set) var creation: UInt64?
  private(set) var lastEvent: UInt64 = 0
  private(set) var verdict = ""
  private(set) var isTruncated = false
  /// Preemptions that are not looked at.
  private(set) var switchesLeftOut = 0
  /// How often the note lets a timer expire though tasks could have gone on.
  private(set) var delays = 0
  /// Switches of the note that no event fits.
  private(set) var switchesNotFound = 0

  /// So many switches are explained, the last ones.
  static let switchesMax = 8
  private static let turnsKept = 100

  init(_ reader: TraceReader) throws(TraceError) {
    note = reader.header.search
    var walk = SurveyWalk(note)
    while let record = try reader.next() { walk.take(record, reader.lastEvent.rawValue) }
    isTruncated = reader.isTruncated
    creation = walk.creation
    lastEvent = reader.lastEvent.rawValue
    verdict = reader.end?.verdict ?? ""
    failure = note?.failure ?? Self.describe(reader.end)
    lateStarts = walk.starts.filter { $0.firstRun == nil || $0.wasOvertaken && !walk.hasPreemptions }
    created = walk.created
    let all = walk.critical()
    switchesLeftOut = max(0, all.count - Self.switchesMax)
    switches = Array(all.suffix(Self.switchesMax))
    if let wait = walk.lastWait(failure), !switches.contains(where: { $0.context == wait.context }) { switches.append(wait) }
    for start in lateStarts.prefix(Self.switchesMax) {
      var entry = CriticalSwitch(
        kind: .choice, isInCode: false, event: start.event, context: start.context,
        place: SearchNote.Place(task: start.task, ticks: 0, pc: 0), next: 0, handlerDepth: 0)
      entry.isLateStart = true
      entry.resume = start.firstRun
      switches.append(entry)
    }
    switchesNotFound = note.map { note in note.switches.count(where: \.changesTurn) - walk.found.count } ?? 0
    delays = note.map { note in note.switches.count { $0.kind == .delay } } ?? 0
    turnsLeftOut = max(0, walk.turns.count - 2 * Self.turnsKept)
    turns =
      turnsLeftOut == 0 ? walk.turns : Array(walk.turns.prefix(Self.turnsKept) + walk.turns.suffix(Self.turnsKept))
  }

  private static func describe(_ end: TraceEnd?) -> String {
    guard let end else { return "the recorder was killed" }
    if !end.verdict.isEmpty { return end.verdict }
    if end.status & 0x7f != 0 { return "signal \(end.status & 0x7f)" }
    return "exit status \(end.status >> 8 & 0xff)"
  }
}

/// The walk over the records.
private struct SurveyWalk {
  private struct Known {
    var task: Int32
    var process: Int32
    var name: String
    var hasRun = false
    var hasEnded = false
    var handlerDepth = 0
  }
  private let note: SearchNote?
  private var nextOfNote = 0
  private var known: [ContextID: Known] = [:]
  private var last: Event?
  private(set) var starts: [CreatedTask] = []
  /// Indices in `found` of those whose task has not gone on.
  private var open: [Int] = []
  private(set) var found: [CriticalSwitch] = []
  private(set) var creation: UInt64?
  private(set) var turns: [SurveyedTurn] = []
  private(set) var created: [UInt64: Int32] = [:]

  /// A note's switches may have been left out of the run; so far is looked for the next one that fits.
  private static let lookAhead = 64
  /// Of a trace without a note so many of the last ones are kept.
  private static let candidatesMax = 256
  private static let turnsMax = 1 << 20

  init(_ note: SearchNote?) { self.note = note }

  mutating func take(_ record: Record, _ number: UInt64) {
    switch record {
    case .event(let event): take(event)
    case .annotation(.taskStarted(let task, let context, let process, _, let name)):
      if !known.isEmpty {
        if creation == nil { creation = number }
        created[number] = task
        if let last { starts.append(CreatedTask(task: task, context: context, event: number, creator: last.context)) }
      }
      known[context] = Known(task: task, process: process, name: name)
    case .annotation(.taskExited(let task, _)): change(task) { $0.hasEnded = true }
    case .annotation(.executed(let task, let path, _)):
      change(task) { $0.name = String((path.split(separator: "/").last.map(String.init) ?? path).prefix(15)) }
    case .annotation(.signalDelivered(let task, _, _, _, let handler)):
      // SIG_DFL and SIG_IGN are 0 and 1.
      if handler.rawValue > 1 { change(task) { $0.handlerDepth += 1 } }
    default: break
    }
  }

  private mutating func change(_ task: Int32, _ body: (inout Known) -> Void) {
    for context in known.keys where known[context]!.task == task && !known[context]!.hasEnded { body(&known[context]!) }
  }

  private mutating func take(_ event: Event) {
    if let last, last.context != event.context { turnEnds(last, next: event.context) }
    if known[event.context]?.hasRun == false { begins(event) }
    let depth = known[event.context]?.handlerDepth ?? 0
    open.removeAll { index in
      guard found[index].context == event.context, depth <= found[index].handlerDepth else { return false }
      found[index].resume = event.number.rawValue
      return true
    }
    if event.trap == .syscall, event.syscall.number == SyscallNumber.rt_sigreturn, depth > 0 {
      known[event.context]!.handlerDepth -= 1
    }
    extendTurn(event)
    last = event
  }

  private mutating func begins(_ event: Event) {
    known[event.context]!.hasRun = true
    guard let index = starts.firstIndex(where: { $0.context == event.context }) else { return }
    starts[index].firstRun = event.number.rawValue
    for earlier in starts[..<index].indices where starts[earlier].firstRun == nil { starts[earlier].wasOvertaken = true }
  }

  private mutating func extendTurn(_ event: Event) {
    guard creation != nil else { return }
    if let index = turns.indices.last, turns[index].context == event.context {
      turns[index].last = event.number.rawValue
    } else {
      if turns.count >= Self.turnsMax { turns.removeSubrange(1000..<Self.turnsMax - 1000) }
      let task = known[event.context]
      turns.append(
        SurveyedTurn(
          context: event.context, task: task?.task ?? 0, name: task?.name ?? "", first: event.number.rawValue,
          last: event.number.rawValue))
    }
    let index = turns.count - 1
    turns[index].trap = event.trap
    turns[index].call = event.trap == .syscall ? event.syscall.number : nil
  }

  private mutating func turnEnds(_ last: Event, next: ContextID) {
    guard let task = known[last.context], creation != nil else { return }
    if let index = turns.indices.last { turns[index].hasEnded = task.hasEnded }
    var entry = CriticalSwitch(
      kind: .preemption, isInCode: false, event: last.number.rawValue, context: last.context,
      place: SearchNote.Place(task: task.task, ticks: last.ticks.rawValue, pc: last.pc.rawValue),
      next: known[next]?.task ?? 0, handlerDepth: task.handlerDepth)
    if case .budget = last.trap { entry.isInCode = true }
    if last.trap == .syscall { entry.call = last.syscall }
    if let note {
      let coming = note.switches[nextOfNote...].prefix(Self.lookAhead)
      guard let index = coming.firstIndex(where: { $0.place == entry.place && $0.changesTurn }) else { return }
      nextOfNote = index + 1
      entry.kind = note.switches[index].kind
      entry.noteIndex = index
      entry.isInside = note.switches[index].isInside
    } else {
      // What a trap ended may have blocked, and says nothing.
      if !entry.isInCode || task.hasEnded { return }
      if found.count >= Self.candidatesMax {
        found.removeFirst()
        open = open.compactMap { $0 == 0 ? nil : $0 - 1 }
      }
    }
    found.append(entry)
    if !task.hasEnded { open.append(found.count - 1) }
  }

  /// The wait that the task which ended the run came back from last; nil when it had none, or nothing failed.
  func lastWait(_ failure: String) -> CriticalSwitch? {
    guard failure.hasPrefix("signal ") || failure.hasPrefix("exit status "), failure != "exit status 0", let last = turns.last,
      let wait = turns.dropLast().last(where: { $0.context == last.context }), wait.trap == .syscall
    else { return nil }
    var entry = CriticalSwitch(
      kind: .choice, isInCode: false, event: wait.last, context: wait.context,
      place: SearchNote.Place(task: wait.task, ticks: 0, pc: 0), next: 0, handlerDepth: 0)
    entry.isLastWait = true
    entry.resume = last.first
    return entry
  }

  var hasPreemptions: Bool { found.contains { $0.kind == .preemption } }

  /// The preemptions; where there are none, the choices among several tasks.
  func critical() -> [CriticalSwitch] { hasPreemptions ? found.filter { $0.kind == .preemption } : found }
}
