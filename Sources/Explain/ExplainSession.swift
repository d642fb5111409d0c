// From a trace to what raced in it: the looks in their order, and what they found put together.

import Platform
import RecordReplay
import Trace

public enum ExplainSession {
  /// Explains the execution that a trace holds, from the trace alone. Throws when it cannot be replayed here.
  public static func explain(_ path: String) throws(SessionError) -> Explanation {
    let survey: Survey
    let header: TraceHeader
    do throws(TraceError) {
      let reader = try TraceReader(path: path)
      header = reader.header
      survey = try Survey(reader)
    } catch { throw SessionError(error.description) }
    var explainer = Explainer(path, header, survey)
    return try explainer.explain()
  }
}

private struct Explainer {
  let path: String
  let header: TraceHeader
  let survey: Survey
  var remarks: [String] = []
  private let table = ImageTable()
  private var sights: [Touch: Sight] = [:]
  private var names: [ContextID: (task: Int32, name: String)] = [:]
  private var aheadPoints: [Int: AheadPoint] = [:]
  /// Locks that may be held at what is told of.
  private var uses: [Touch: [LockUse]] = [:]

  private static let racesMax = 8

  init(_ path: String, _ header: TraceHeader, _ survey: Survey) {
    self.path = path
    self.header = header
    self.survey = survey
  }

  mutating func explain() throws(SessionError) -> Explanation {
    let history = HistoryVisitor(survey, table, workingDirectory: header.workingDirectory)
    try replay { (replay) throws(SessionError) in
      try replay.play(history)
      for task in replay.tasks { names[task.context] = (task.task, task.name) }
    }
    let conflicts = try conflicts(history)
    try look(at: conflicts, history)
    let races = conflicts.map { race($0, history) }
    let blocked = history.waiting.map { waiting($0, history) }
    addRemarks(races)
    return Explanation(
      trace: path, program: header.arguments, failure: survey.failure, headline: headline(conflicts, races, blocked),
      hasSearchNote: survey.note != nil, races: races, blocked: blocked,
      switches: history.histories.filter { $0.entry.isChangeOfTurn }.map { report($0) }, timeline: timeline(history.histories),
      remarks: remarks)
  }

  private func replay(_ body: (InspectedReplay) throws(SessionError) -> Void) throws(SessionError) {
    let replay = try InspectedReplay(path: path)
    defer { replay.shutdown() }
    try body(replay)
  }

  // MARK: Finding

  private mutating func conflicts(_ history: HistoryVisitor) throws(SessionError) -> [Conflict] {
    var found: [Conflict] = []
    for (index, entry) in history.histories.enumerated() {
      if entry.entry.isPlainChoice && entry.entry.resume == nil { continue }
      var after = entry.after
      if let point = aheadPoint(entry.entry) {
        let visitor = AheadVisitor(point)
        try replay { (replay) throws(SessionError) in try replay.play(visitor) }
        after = visitor.touches
        aheadPoints[index] = point
      }
      let chosen = chosen(RaceFinder(locks: history.locks, history: entry, switchIndex: index), after, history)
      noteLocks(chosen, entry, after, history)
      found += chosen
    }
    var ordered = found.toldInOrder()
    if let best = ordered.first?.rank, best <= .mixed { ordered.removeAll { $0.rank == .library && !$0.isBetween && !$0.isKnown } }
    // A task that had to wait comes back to what others did meanwhile: that tells little beside anything else.
    if ordered.contains(where: { !isPlainChoice($0, history) && $0.rank <= .mixed }) {
      ordered.removeAll { isPlainChoice($0, history) }
    }
    // A pair that was meant to change together is told together.
    if let first = ordered.first, let index = ordered.firstIndex(where: { $0.isOtherHalf(of: first) }) {
      ordered.insert(ordered.remove(at: index), at: 1)
    }
    return Array(ordered.prefix(Self.racesMax))
  }

  /// What is told of one switch.
  private func chosen(_ finder: RaceFinder, _ after: [Touch], _ history: HistoryVisitor) -> [Conflict] {
    let entry = finder.history.entry
    var conflicts = finder.conflicts(after: after)
    for (index, order) in (survey.note?.reorderings ?? []).enumerated() where order.switchIndex == entry.noteIndex {
      guard let first = history.reordered[index].first else { continue }
      finder.bring(
        in: first, before: history.reordered[index].second, at: GuestAddress(order.second.pc), after: after, to: &conflicts)
    }
    if entry.isLastWait { return finder.chosen(conflicts.filter { $0.isBetween && $0.rank <= .mixed }, includesLocks: false) }
    if entry.isLateStart && survey.switches.contains(where: { $0.kind == .preemption }) {
      for index in conflicts.indices { conflicts[index].isAside = true }
    }
    return finder.chosen(conflicts, includesLocks: survey.verdict == "deadlock")
  }

  private mutating func noteLocks(_ conflicts: [Conflict], _ entry: SwitchHistory, _ after: [Touch], _ history: HistoryVisitor) {
    guard let images = entry.images else { return }
    for conflict in conflicts where conflict.rank != .lock {
      for (touch, role) in conflict.touches {
        let around = role == .meanwhile ? entry.meanwhile : entry.before + after
        let found = history.locks.uses(around: touch, in: around, images)
        if !found.isEmpty { uses[touch] = found }
      }
    }
  }

  private func isPlainChoice(_ conflict: Conflict, _ history: HistoryVisitor) -> Bool {
    history.histories[conflict.switchIndex].entry.isPlainChoice
  }

  /// Where the task would have gone on, for one that could have and never did.
  private func aheadPoint(_ entry: CriticalSwitch) -> AheadPoint? {
    if entry.resume != nil { return nil }
    if entry.isLateStart {
      guard let start = survey.lateStarts.first(where: { $0.context == entry.context }) else { return nil }
      return AheadPoint(
        context: entry.context, event: entry.event, creator: start.creator, task: start.task, handlerDepth: 0)
    }
    guard entry.kind == .preemption else { return nil }
    var point = AheadPoint(
      context: entry.context, event: entry.event, task: entry.place.task, handlerDepth: entry.handlerDepth)
    if let call = entry.call {
      // write(2) wrote it all; clone(2) made this task.
      point.result = call.number == 1 ? call.a2 : survey.created[entry.event].map { UInt64(UInt32(bitPattern: $0)) } ?? 0
    }
    return point
  }

  // MARK: Looking

  private mutating func look(at conflicts: [Conflict], _ history: HistoryVisitor) throws(SessionError) {
    var touches = conflicts.flatMap(\.touches).map(\.touch)
    touches += touches.flatMap { uses[$0] ?? [] }.flatMap { [$0.taken] + ($0.released.map { [$0] } ?? []) }
    let ofLocks = history.waiting.flatMap { [$0.taken, $0.used].compactMap(\.self) }
    let visitor = StopVisitor(touches.filter { !$0.isAhead } + ofLocks, uses, table, history.resources)
    try replay { (replay) throws(SessionError) in try replay.play(visitor) }
    sights = visitor.sights
    for index in aheadPoints.keys.sorted() {
      let context = aheadPoints[index]!.context
      let wanted = touches.filter { $0.isAhead && $0.index >= 0 && $0.context == context && $0.event == aheadPoints[index]!.event }
      if wanted.isEmpty { continue }
      var seen: [Touch: Sight] = [:]
      let (table, uses) = (self.table, self.uses)
      let ahead = AheadVisitor(aheadPoints[index]!, wanted: Set(wanted).sorted { $0.index < $1.index }) {
        (touch, registers, space, replay) throws(MachineError) in
        var sight = StopVisitor.sight(of: touch, uses[touch] ?? [], registers, table, replay)
        // What stood there then is not what would stand there in the end.
        sight.before = nil
        seen[touch] = sight
      }
      try replay { (replay) throws(SessionError) in try replay.play(ahead) }
      sights.merge(seen) { _, new in new }
    }
  }

  // MARK: Telling

  private func name(_ context: ContextID) -> (task: Int32, name: String) { names[context] ?? (0, "") }

  private func access(_ touch: Touch, _ role: AccessReport.Role, _ history: HistoryVisitor, _ switchIndex: Int) -> AccessReport {
    let who = name(touch.context)
    let sight = sights[touch]
    let operation: AccessReport.Operation =
      history.locks.isAtomicUpdate(touch) ? .atomicUpdate : touch.access.isWrite ? .write : .read
    let pc = touch.access.pc.rawValue
    let stack = sight?.stack ?? history.histories[switchIndex].images?.frames(at: pc) ?? []
    let isInHandler = touch.handlerDepth > history.histories[switchIndex].entry.handlerDepth
    return AccessReport(
      task: who.task, taskName: who.name, role: role, operation: operation, event: touch.isAhead ? nil : touch.event,
      happened: !touch.isAhead, systemCall: sight?.call,
      isInHandler: isInHandler, handler: isInHandler ? handler(in: stack, history) : nil,
      valueBefore: touch.isSecondHalf ? nil : sight?.before,
      valueAfter: operation == .read || touch.isSecondHalf ? nil : sight?.after, locks: locks(touch), stack: stack)
  }

  /// The frame of a signal handler: of the functions at which handlers begin.
  private func handler(in stack: [Frame], _ history: HistoryVisitor) -> Frame? {
    guard let images = history.histories.lazy.compactMap(\.images).first else { return nil }
    let names = Set(history.handlers.compactMap { images.frames(at: $0).last?.function })
    return stack.first { $0.isOfProgram && $0.function.map(names.contains) == true }
  }

  private func locks(_ touch: Touch) -> [HeldLock] {
    guard let held = sights[touch]?.held, !held.isEmpty else { return [] }
    return (uses[touch] ?? []).filter { held.contains($0.taken.access.address) }.compactMap { use in
      guard let taken = sights[use.taken] else { return nil }
      return HeldLock(lock: taken.place, takenAt: taken.stack, releasedAt: use.released.flatMap { sights[$0]?.stack })
    }
  }

  private func race(_ conflict: Conflict, _ history: HistoryVisitor) -> Race {
    let touches = conflict.touches
    let shared = touches.first { sights[$0.touch] != nil } ?? touches[0]
    let place =
      sights[shared.touch]?.place
      ?? SharedPlace(
        kind: .heap, address: shared.touch.access.address.description, size: Int(shared.touch.access.size),
        name: "memory at \(shared.touch.access.address)")
    let accesses = touches.map { access($0.touch, $0.role, history, conflict.switchIndex) }
    let entry = history.histories[conflict.switchIndex].entry
    var race = Race(
      switchIndex: entry.isChangeOfTurn ? conflict.switchIndex : nil, place: place, accesses: accesses,
      isProgramData: conflict.rank <= .mixed, summary: "")
    race.summary = Sentences.summary(of: race)
    return race
  }

  private func waiting(_ entry: WaitingTask, _ history: HistoryVisitor) -> BlockedTask {
    BlockedTask(
      task: entry.task.task, taskName: entry.task.name, systemCall: entry.text, lock: entry.lock, holder: entry.holder,
      isJoin: entry.isJoin,
      heldSince: entry.taken.flatMap { sights[$0]?.stack }, isCopyOfLock: entry.isCopied, forkedAt: entry.forkStack,
      lastUsedBy: entry.used.map { name($0.context).task }, lastUsedAt: entry.used.flatMap { sights[$0]?.stack },
      handler: entry.isInHandler ? handler(in: entry.stack, history) : nil, stack: entry.stack)
  }

  private func report(_ history: SwitchHistory) -> SwitchReport {
    let who = name(history.entry.context)
    let kind =
      switch history.entry.kind {
      case .preemption: "preemption"
      case .choice: "choice"
      case .fairness: "fairness"
      case .delay: "delay"
      }
    return SwitchReport(
      kind: kind, event: history.entry.event, task: who.task, taskName: who.name, next: history.entry.next,
      resumedAtEvent: history.entry.resume, systemCall: history.call, stack: history.stack)
  }

  private func timeline(_ histories: [SwitchHistory]) -> [Turn] {
    survey.turns.map { turn in
      let index = histories.firstIndex { $0.entry.event == turn.last && $0.entry.context == turn.context }
      return Turn(
        task: turn.task, taskName: name(turn.context).name, firstEvent: turn.first, lastEvent: turn.last,
        end: Sentences.end(of: turn, isLast: turn.last == survey.lastEvent, index.map { histories[$0] }), switchIndex: index)
    }
  }

  private func headline(_ conflicts: [Conflict], _ races: [Race], _ blocked: [BlockedTask]) -> String {
    let isPair = conflicts.count > 1 && conflicts[1].isOtherHalf(of: conflicts[0])
    let story = isPair ? Sentences.pair(races[1], races[0]) : races.first?.summary
    if survey.verdict == "deadlock" {
      if let text = Sentences.deadlock(blocked) { return text }
      if let text = Sentences.waiting(blocked) {
        // Of libraries' memory only what somebody waits for says more.
        let isTelling = races.first.map { race in race.isProgramData || blocked.contains { $0.lock?.symbol == race.place.symbol } }
        return text + (isTelling == true ? story.map { "; \($0)" } ?? "" : "")
      }
    }
    return "\(Sentences.failure(survey.failure)): "
      + (story ?? "no two tasks were found to touch the same memory around a change of turn")
  }

  private mutating func addRemarks(_ races: [Race]) {
    if survey.note == nil {
      remarks.append(
        "no search made this trace: what is told is about the last \(survey.switches.count) preemptions of a task in its own code, "
          + "which need not be what made the run fail")
    }
    if survey.delays > 0 {
      remarks.append(
        survey.delays == 1 ? "a timer expires (a sleep or a time-out ends) although another task could have gone on: it was late"
          : "\(survey.delays) timers expire (sleeps or time-outs end) although other tasks could have gone on: they were late")
    }
    if survey.switchesLeftOut > 0 { remarks.append("\(survey.switchesLeftOut) earlier preemptions were not looked at") }
    if survey.switchesNotFound > 0 {
      let count = survey.switchesNotFound
      remarks.append(
        (count == 1 ? "1 change of turn of the search's note is" : "\(count) changes of turn of the search's note are")
          + " not in the trace: the run had ended, or went another way")
    }
    if survey.turnsLeftOut > 0 { remarks.append("\(survey.turnsLeftOut) turns are left out of the timeline") }
    if survey.isTruncated { remarks.append("the trace is cut: its recorder was killed") }
    if survey.creation == nil { remarks.append("the program has one task only") }
    let hasLines = races.isEmpty || races.contains { $0.accesses.contains { $0.stack.contains { $0.line != nil } } }
    if !hasLines { remarks.append("no source lines: the program was built without debug information (-g), or it is not in the trace") }
    if races.contains(where: { $0.accesses.contains { !$0.happened } }) {
      remarks.append("what did not happen is what the task would have done next, had it gone on where it was stopped")
    }
  }
}
