// The second look: the trace is executed again with the log of accesses on, and what tasks touch around each critical switch is kept.

import Platform
import RecordReplay
import Trace

/// One access, and where in the execution it stands.
struct Touch: Hashable {
  var context: ContextID
  /// Signal handlers that the task was in: its handlers count as others do.
  var handlerDepth: Int
  var event: UInt64
  /// Its number among the event's accesses, and how often its instruction had come before.
  var index: Int
  var occurrence: Int
  var space: AddressSpaceID
  var access: MemoryAccess
  /// Where the bytes are, so that processes that share memory touch the same: a space's number, or that of a shared object.
  var home: UInt64
  var homeAddress: UInt64
  /// In the mapping that the task's stack pointer was in at the event's end. Threads are given the stacks of ended ones, and what
  /// two tasks do there, each on its own, is no conflict.
  var isOnOwnStack = false
  /// Of a task that was run beyond what the trace holds.
  var isAhead = false
  /// The store of an update that was interrupted between load and store: it came when the task went on.
  var isSecondHalf = false

  func overlaps(_ other: Touch) -> Bool {
    home == other.home && homeAddress < other.homeAddress + UInt64(max(1, other.access.size))
      && other.homeAddress < homeAddress + UInt64(max(1, access.size))
  }
  /// In the order of the execution.
  func isBefore(_ other: Touch) -> Bool {
    isAhead == other.isAhead ? (event, index) < (other.event, other.index) : other.isAhead
  }
  /// Whether their order can matter.
  func conflicts(with other: Touch) -> Bool {
    (access.isWrite || other.access.isWrite) && overlaps(other)
      && !(isOnOwnStack && other.isOnOwnStack && context != other.context)
  }
}

/// How often instructions came, by their accesses; of those that make two the first counts.
struct Occurrences {
  private var counts: [GuestAddress: Int] = [:]

  /// Takes an access in; how often its instruction had come before.
  mutating func count(_ access: MemoryAccess) -> Int {
    let known = counts[access.pc, default: 0]
    if access.isSecond { return max(0, known - 1) }
    counts[access.pc] = known + 1
    return known
  }
  func passed(_ pc: GuestAddress) -> Int { counts[pc, default: 0] }
}

/// What happened around one switch.
struct SwitchHistory {
  var entry: CriticalSwitch
  /// What the stopped task touched before, oldest first; what others touched until it went on; what it touched then.
  var before: [Touch] = []
  var meanwhile: [Touch] = []
  var after: [Touch] = []
  var images: Images?
  var space: AddressSpaceID?
  var stack: [Frame] = []
  /// The call before or behind which it stood.
  var call: String?
}

/// A task that waits at the end of a run that came to a standstill.
struct WaitingTask {
  var task: InspectedTask
  var isInHandler: Bool
  var call: SyscallWords
  var text: String
  var stack: [Frame]
  var lock: SharedPlace?
  var holder: Int32?
  /// The holder's last access to the lock.
  var taken: Touch?
  /// It waits for the holder to end.
  var isJoin = false
  /// Where nobody holds it (a condition, a semaphore): the last access of another task to it.
  var used: Touch?
  /// The holder is of another process: this one has a copy of the lock as it was at its fork.
  var isCopied = false
  /// Where the process was forked.
  var forkStack: [Frame]?
}

final class HistoryVisitor: ReplayVisitor {
  private let survey: Survey
  private let table: ImageTable
  private(set) var histories: [SwitchHistory]
  private(set) var waiting: [WaitingTask] = []
  /// Touches of a note's places: by index in `reorderings`.
  private(set) var reordered: [(first: Touch?, second: Touch?)]
  private(set) var isDone = false

  private enum State { case coming, open, after, over }
  private var states: [State]
  private var depths: [ContextID: Int] = [:]
  private var recent: [ContextID: [Touch]] = [:]
  private var isLogging = false
  /// Where signal handlers begin.
  private(set) var handlers: Set<UInt64> = []
  /// Words that atomic instructions touched, with the last touch by each task.
  private(set) var locks = LockWords()
  /// Of a run that came to a standstill: who touched which words last, and where processes were forked.
  private var lastTouches = LastTouches()
  private var forkStacks: [Int32: [Frame]] = [:]
  private(set) var resources: Resources

  /// Accesses kept on each side of a switch.
  static let sideMax = 4096
  private static let meanwhileMax = 300_000

  init(_ survey: Survey, _ table: ImageTable, workingDirectory: String) {
    resources = Resources(workingDirectory: workingDirectory)
    self.survey = survey
    self.table = table
    histories = survey.switches.map { SwitchHistory(entry: $0) }
    states = Array(repeating: .coming, count: histories.count)
    reordered = Array(repeating: (nil, nil), count: survey.note?.reorderings.count ?? 0)
  }

  func willPlay(_ record: Record, in replay: InspectedReplay) throws(MachineError) {
    switch record {
    case .annotation(.signalDelivered(let task, _, _, _, let handler)):
      if handler.rawValue > 1, let context = replay.tasks.last(where: { $0.task == task })?.context {
        depths[context, default: 0] += 1
        handlers.insert(handler.rawValue)
      }
    case .annotation(.taskStarted(let task, _, let process, let parent, _)):
      if task == process {
        resources.starts(process, from: parent)
        noteFork(of: process, replay)
      }
    case .end: isDone = true
    default: break
    }
  }

  func run(_ turn: ReplayTurn, in replay: InspectedReplay) throws(MachineError) {
    resources.goesOn(turn, replay)
    guard let creation = survey.creation, turn.event.number.rawValue >= creation else { return }
    if !isLogging {
      isLogging = true
      try replay.setAccessLog(true)
    }
    for (index, entry) in (survey.note?.reorderings ?? []).enumerated() {
      try find(entry.first, \.first, index, turn, replay)
      try find(entry.second, \.second, index, turn, replay)
    }
    while try turn.run(ticks: Self.ticksAtOnce) { take(turn.event, turn.registers, replay) }
  }

  /// The log is taken at least so often, which bounds the memory that it needs.
  static let ticksAtOnce: UInt64 = 100_000
  /// Of the present event, the first and the last ones; how many there were.
  private var touches: [Touch] = []
  private var touchCount = 0
  private var occurrences = Occurrences()

  /// Runs to a place of the note when it lies in this event, and marks the access that follows.
  private func find(
    _ place: SearchNote.Place, _ side: WritableKeyPath<(first: Touch?, second: Touch?), Touch?>, _ index: Int, _ turn: ReplayTurn,
    _ replay: InspectedReplay
  ) throws(MachineError) {
    guard reordered[index][keyPath: side] == nil, replay.task(of: turn.event.context)?.task == place.task,
      turn.ticks <= place.ticks, place.ticks <= turn.event.ticks.rawValue
    else { return }
    while place.ticks - min(place.ticks, turn.ticks) > Self.ticksAtOnce, try turn.run(ticks: Self.ticksAtOnce) {
      take(turn.event, turn.registers, replay)
    }
    guard try turn.run(toTicks: place.ticks, pc: GuestAddress(place.pc)) else { return }
    take(turn.event, turn.registers, replay)
    wanted.append((touchCount, index, side, place.pc))
  }
  private var wanted: [(number: Int, index: Int, side: WritableKeyPath<(first: Touch?, second: Touch?), Touch?>, pc: UInt64)] = []

  func didRun(_ event: Event, in replay: InspectedReplay) throws(MachineError) {
    if isLogging { take(event, replay.registers(of: event.context), replay) }
    wanted = []
    let depth = depths[event.context] ?? 0
    let calls = resources.touches(event, depth, touchCount, replay)
    if isLogging { touches += calls }
    lastContext = event.context
    let number = event.number.rawValue
    for index in histories.indices { advance(index, event, depth, touches) }
    keepRecent(touches, event.context)
    for index in histories.indices where histories[index].entry.event == number { snapshot(index, event, depth, replay) }
    touches.removeAll(keepingCapacity: true)
    touchCount = 0
    occurrences = Occurrences()
    if event.trap == .syscall, event.syscall.number == 15, depth > 0 { depths[event.context] = depth - 1 }
    if number == survey.lastEvent && !survey.verdict.isEmpty { takeWaiting(replay) }
  }

  /// Takes in what the event's task has touched since the last time. Of the event the first and the last touches are kept.
  private func take(_ event: Event, _ registers: Registers?, _ replay: InspectedReplay) {
    let new = touches(replay.takeAccesses(), event, registers, replay)
    for (number, index, side, pc) in wanted where number >= touchCount && number - touchCount < new.count {
      let touch = new[number - touchCount]
      if touch.access.pc.rawValue == pc { reordered[index][keyPath: side] = touch }
    }
    locks.add(new, replay)
    if survey.verdict == "deadlock" { lastTouches.add(new) }
    touchCount += new.count
    touches += new
    let half = Self.meanwhileMax / 2
    if touches.count > 2 * Self.meanwhileMax { touches.removeSubrange(half..<touches.count - half) }
  }

  private func touches(
    _ accesses: [MemoryAccess], _ event: Event, _ registers: Registers?, _ replay: InspectedReplay
  ) -> [Touch] {
    var touches: [Touch] = []
    touches.reserveCapacity(accesses.count)
    let depth = depths[event.context] ?? 0
    let hasSharing = replay.spacesMade > 1
    let stack = registers.flatMap { replay.mapping(at: GuestAddress($0.rsp), in: event.space)?.range }
    for (index, access) in accesses.enumerated() {
      let occurrence = occurrences.count(access)
      var touch = Touch(
        context: event.context, handlerDepth: depth, event: event.number.rawValue, index: touchCount + index, occurrence: occurrence,
        space: event.space, access: access, home: UInt64(event.space.rawValue), homeAddress: access.address.rawValue)
      touch.isOnOwnStack = stack?.contains(access.address) == true
      if hasSharing, let mapping = replay.mapping(at: access.address, in: event.space),
        case .sharedObject(let object, let offset) = mapping.source
      {
        touch.home = 1 << 32 | UInt64(object.rawValue)
        touch.homeAddress = offset + (access.address - mapping.range.start)
      }
      touches.append(touch)
    }
    return touches
  }

  private func advance(_ index: Int, _ event: Event, _ depth: Int, _ touches: [Touch]) {
    let entry = histories[index].entry
    let isOwn = event.context == entry.context && depth <= entry.handlerDepth
    if states[index] == .open && isOwn && event.number.rawValue == entry.resume {
      states[index] = .after
      splitUpdate(index)
    }
    switch states[index] {
    case .open:
      if isOwn { break }
      histories[index].meanwhile += touches
      let extra = histories[index].meanwhile.count - Self.meanwhileMax
      // The first and the last matter most.
      if extra > 0 {
        let start = Self.meanwhileMax / 2
        histories[index].meanwhile.removeSubrange(start..<start + extra)
      }
    case .after:
      if !isOwn { break }
      histories[index].after += touches.prefix(Self.sideMax - histories[index].after.count)
      if histories[index].after.count >= Self.sideMax { states[index] = .over }
    case .coming, .over: break
    }
  }

  /// The log has an update as one access, before its load.
  private func splitUpdate(_ index: Int) {
    let entry = histories[index].entry
    guard entry.isInside,
      let update = histories[index].before.lastIndex(where: { $0.access.pc.rawValue == entry.place.pc && $0.access.isUpdate })
    else { return }
    var store = histories[index].before[update]
    store.isSecondHalf = true
    histories[index].before[update].access.isWrite = false
    histories[index].after.append(store)
  }

  private func keepRecent(_ touches: [Touch], _ context: ContextID) {
    guard histories.indices.contains(where: { states[$0] == .coming && histories[$0].entry.context == context }) else { return }
    recent[context, default: []] += touches.suffix(Self.sideMax)
    let extra = recent[context]!.count - Self.sideMax
    if extra > Self.sideMax { recent[context]!.removeFirst(extra) }
  }

  /// The task stands where it loses its turn.
  private func snapshot(_ index: Int, _ event: Event, _ depth: Int, _ replay: InspectedReplay) {
    states[index] = .open
    if histories[index].entry.isLateStart {
      let executable = replay.task(of: event.context)?.executable ?? ""
      histories[index].space = event.space
      histories[index].images = table.images(of: event.space, executable: executable, in: replay)
      return
    }
    histories[index].before = (recent[event.context] ?? []).filter { $0.handlerDepth == depth }
    histories[index].space = event.space
    guard let task = replay.task(of: event.context), let registers = replay.registers(of: event.context) else { return }
    let images = table.images(of: event.space, executable: task.executable, in: replay)
    histories[index].images = images
    histories[index].stack = images.stack(registers.atInstruction(behind: event.trap)) { replay.word(event.space, $0) }
    if event.trap == .syscall {
      histories[index].call = replay.describe(event.syscall, in: event.space)
    } else if replay.read(event.space, GuestAddress(registers.rip), 2) == [0x0f, 0x05] {
      var call = SyscallWords(registers)
      call.number = registers.rax
      histories[index].call = replay.describe(call, in: event.space)
    }
  }

  // MARK: The end

  private func noteFork(of process: Int32, _ replay: InspectedReplay) {
    guard survey.verdict == "deadlock", let context = lastContext, let space = replay.space(of: context),
      let registers = replay.registers(of: context)
    else { return }
    let images = table.images(of: space, executable: replay.task(of: context)?.executable ?? "", in: replay)
    forkStacks[process] = images.stack(registers.atInstruction(behind: .syscall)) { replay.word(space, $0) }
  }
  private var lastContext: ContextID?

  private func takeWaiting(_ replay: InspectedReplay) {
    for task in replay.tasks where !task.hasEnded {
      guard let space = replay.space(of: task.context), let registers = replay.registers(of: task.context),
        registers.origRax != ~0
      else { continue }
      let call = SyscallWords(registers)
      let images = table.images(of: space, executable: task.executable, in: replay)
      let isInHandler = depths[task.context, default: 0] > 0
      var entry = WaitingTask(
        task: task, isInHandler: isInHandler, call: call, text: replay.describe(call, in: space),
        stack: images.stack(registers.atInstruction(behind: .syscall)) { replay.word(space, $0) })
      if call.number == 202 {
        let (owner, isJoin) = holder(of: call, of: task, in: space, replay)
        entry.holder = owner?.task
        entry.isJoin = isJoin
        entry.lock = replay.place(call.a0, 4, in: space, images)
        if let owner, owner.process != task.process {
          entry.isCopied = true
          entry.forkStack = forkStacks[task.process]
        }
        if owner == nil {
          let range = images.variable(at: call.a0).map { call.a0 - $0.offset...call.a0 - $0.offset + max($0.size, 8) - 1 }
          entry.used = lastTouches.last(
            in: range ?? call.a0 - min(call.a0, 48)...call.a0 + 48, home: UInt64(space.rawValue), butOf: task.context)
        }
        if let holder = entry.holder, let context = replay.tasks.last(where: { $0.task == holder })?.context {
          entry.taken = locks.lastTouch(of: call.a0, in: space, by: context)
        }
      }
      waiting.append(entry)
    }
  }

  /// Who holds a lock of glibc's, or is joined: pthread_mutex_t has its owner's id eight bytes behind the word, a word that
  /// names a task is one that the kernel clears at that task's end.
  private func holder(
    of call: SyscallWords, of task: InspectedTask, in space: AddressSpaceID, _ replay: InspectedReplay
  ) -> (task: InspectedTask?, isJoin: Bool) {
    let bytes = replay.read(space, GuestAddress(call.a0), 12)
    guard bytes.count == 12 else { return (nil, false) }
    let word = littleEndian(Array(bytes[0..<4]))
    if word == 2 {
      let owner = littleEndian(Array(bytes[8..<12]))
      // One of another process may have ended since, and nothing changes for the copy.
      let holder = replay.tasks.last {
        UInt64(UInt32(bitPattern: $0.task)) == owner && ($0.process != task.process || !$0.hasEnded)
      }
      return (holder, false)
    }
    // Nobody joins a process's first task by such a word.
    let joined = replay.tasks.first {
      !$0.hasEnded && UInt64(UInt32(bitPattern: $0.task)) == word && $0.process == task.process && $0.task != $0.process
    }
    return (joined, joined != nil)
  }
}

extension Registers {
  /// Of a task that stands behind a system call: at its instruction, which has the stack's description that holds there (behind
  /// clone(2) that of the new task begins).
  func atInstruction(behind trap: Trap) -> Registers {
    if trap != .syscall { return self }
    var registers = self
    registers.rip -= min(rip, 2)
    return registers
  }
}
