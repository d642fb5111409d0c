// Finds the places of a schedule in what another build does, one after the other, and executes what comes of it.
//
// Executions of the same plan are the same. So the first place is looked for in an execution without preemptions; with that one made,
// the program comes to where the second is to be, and so on: each place becomes an exact arrival at an instruction of this build. Where
// several fit, the nearest is tried first, then the others.

import Explore
import Kernel
import Platform
import RecordReplay
import Trace

struct Checker {
  private let note: SearchNote
  private let traced: TracedPlaces
  private let machine: RetraceMachine
  private let options: CheckOptions
  private let names: CodeNames
  /// Where tasks lose their turn in code or behind a call, and where time passes.
  private let points: NotePoints
  private var preemptions: [Int] { points.steps }
  private var first: Outcome?
  /// An execution with more traps may be one that never ends; with more than the second number, it is.
  private var trapsMax: UInt64 = .max, livelockTraps: UInt64 = .max
  private var isOver = false
  var result = CheckResult()
  private var isFollowed = false
  /// In some execution of a whole plan: a held task was let go too early; time did not pass as often as in the schedule.
  private var wasLetGo = false, lacksTime = false
  private var otherFailure: String?
  /// This build's tasks for the trace's.
  private var tasks: [Int32: TaskID] = [:]
  /// Which preemptions this build has code for.
  private var hasCode: Set<Int> = []

  /// How much farther than the nearest one another event may be.
  private static let spread = 24

  init(_ note: SearchNote, _ traced: TracedPlaces, _ machine: RetraceMachine, _ options: CheckOptions) {
    self.note = note
    self.traced = traced
    self.machine = machine
    self.options = options
    names = CodeImages.names(machine.code)
    points = NotePoints(note)
    result.places = points.steps.isEmpty ? traced.calls.count { $0 != nil } : preemptions.count
    result.orders = note.reorderings.count
  }

  /// `program`: the bytes of its file.
  mutating func run(_ program: [UInt8]?) throws(SessionError) {
    let plain = try machine.execute(RetracePlan())
    trapsMax = plain.outcome.traps &* 20 &+ 3000
    livelockTraps = trapsMax &* 20
    try judge(plain.outcome, again: nil)
    first = plain.outcome
    if isOver { return }
    if machine.hasOneTask {
      result.verdict = .unknown("the program creates no thread and no process, so no schedule can be followed")
      return noteOther()
    }
    result.isSameProgram = traced.program != nil && traced.program == program
    if result.isSameProgram {
      let note = self.note
      try judge(machine.follow(note, trapsMax: trapsMax)) { (machine, most) throws(SessionError) in
        try machine.follow(note, trapsMax: most)
      }
      if isOver { result.placesFound = result.places }
    }
    let (told, roots) = narrated(plain)
    tasks = TaskMatching.tasks(traced.tasks, roots: traced.roots, in: plain.tasks, roots: roots)
    let byNumber = choices { _, call, _ in call.occurrence }
    let byPlace = choices { index, call, task in occurrence(of: index, call, by: task, plain, told) ?? call.occurrence }
    for pass in Pass.all where !isOver && (!pass.isForOrders || result.ordersMade < result.orders) {
      var plan = RetracePlan()
      plan.holds = pass.holds
      plan.isPatient = pass.isPatient ?? points.hasStays
      for choices in !pass.hasChoices ? [[]] : byPlace == byNumber ? [byNumber] : [byPlace, byNumber] where !isOver {
        plan.choices = choices
        try descend(0, plan, try execute(plan), pass)
      }
    }
    if !isOver { conclude() }
  }

  /// How the tree of plans is gone through, again and again: the likeliest first.
  private struct Pass {
    var holds: Bool
    /// Events that are tried for each place.
    var width: Int
    var hasChoices = true
    /// The preempted task takes its turn back once the other has done what had to come first.
    var returns = false
    /// nil: where the schedule says that somebody who seemed to spin went on.
    var isPatient: Bool?
    /// Only while an order that failed has not come about: perhaps the places were not the right ones.
    var isForOrders = false
    static let all = [
      Pass(holds: false, width: 1), Pass(holds: true, width: 1, isPatient: true),
      Pass(holds: true, width: 1, returns: true, isPatient: true), Pass(holds: true, width: 4, isPatient: true),
      Pass(holds: false, width: 4), Pass(holds: true, width: 4, returns: true, isPatient: true),
      Pass(holds: true, width: 1, isPatient: false), Pass(holds: true, width: 24, isPatient: true, isForOrders: true),
      Pass(holds: true, width: 2, hasChoices: false, isPatient: true),
      Pass(holds: false, width: 2, hasChoices: false),
    ]
  }

  // MARK: Executions

  private mutating func execute(_ plan: RetracePlan) throws(SessionError) -> Retrace {
    let retrace = try machine.execute(plan, trapsMax: trapsMax)
    try judge(retrace.outcome) { (machine, most) throws(SessionError) in try machine.execute(plan, trapsMax: most).outcome }
    return retrace
  }

  /// `again`: the same with another bound of traps.
  private mutating func judge(
    _ outcome: Outcome, again: ((RetraceMachine, UInt64) throws(SessionError) -> Outcome)?
  ) throws(SessionError) {
    guard var kind = options.predicate.failure(outcome, first: first) else { return }
    var failing = outcome
    if outcome.verdict == nil, let again {
      // Is it only slow?
      failing = try again(machine, livelockTraps)
      guard let longer = options.predicate.failure(failing, first: first) else { return }
      kind = longer
    }
    if kind == note.failure || options.acceptsAnyFailure {
      result.verdict = .fails
      result.failure = kind
      result.failing = failing
      isOver = true
    } else if otherFailure == nil {
      otherFailure = kind
      result.failing = failing
    }
  }

  // MARK: Places

  /// `occurrence`: of a choice's call in this build, by its index in the note.
  private func choices(_ occurrence: (Int, (number: UInt64, occurrence: UInt32), TaskID) -> UInt32) -> [RetraceChoice] {
    note.switches.indices.compactMap { index in
      let entry = note.switches[index]
      let delays = points.delays[index]
      guard entry.kind == .choice || entry.kind == .delay && !entry.isInCode && delays > 0, let call = traced.calls[index],
        let task = tasks[entry.place.task]
      else { return nil }
      let next = entry.kind == .choice ? tasks[entry.next] : nil
      if next == nil && delays == 0 { return nil }
      var choice = RetraceChoice(task: task, call: call.number, occurrence: occurrence(index, call, task), next: next)
      choice.delays = delays
      return choice
    }
  }

  /// The how manieth call of its number the choice's is in this build, where other code makes calls of this number too: the task's execution
  /// without a plan has one by the same function as often as the trace. nil where it has not.
  private func occurrence(
    of index: Int, _ call: (number: UInt64, occurrence: UInt32), by task: TaskID, _ plain: Retrace, _ told: [PortablePlace]
  ) -> UInt32? {
    guard let place = traced.switches[index], let nearest = candidates(place, of: task, behind: 0, plain, told).first,
      told[nearest.event].ordinal == place.ordinal, told[nearest.event].code.functions.first == place.code.functions.first
    else { return nil }
    return UInt32(
      plain.events[...nearest.event].count { $0.moment.task == task && $0.action == .call(call.number) })
  }

  private func narrated(_ retrace: Retrace) -> (places: [PortablePlace], roots: [Int32: String]) {
    var narrator = Narrator()
    let places = retrace.events.map { event in
      narrator.tell(
        event.action, by: event.moment.task.rawValue, pc: event.moment.pc.rawValue, address: event.address, size: event.size,
        isInHandler: event.isInHandler, names)
    }
    return (places, narrator.roots)
  }

  private struct Candidate {
    var event: Int
    var distance: Int
  }

  /// Events that fit a place, the nearest first.
  private func candidates(
    _ place: PortablePlace, of task: TaskID, behind start: Int, _ retrace: Retrace, _ told: [PortablePlace]
  ) -> [Candidate] {
    var found: [Candidate] = []
    for index in retrace.events.indices.dropFirst(start) where retrace.events[index].moment.task == task {
      if let distance = place.distance(to: told[index]) { found.append(Candidate(event: index, distance: distance)) }
    }
    found.sort { ($0.distance, $0.event) < ($1.distance, $1.event) }
    let most = (found.first?.distance ?? 0) + Self.spread
    return found.filter { $0.distance <= most }
  }

  /// Goes through the plans that begin with this one, which `retrace` came of.
  private mutating func descend(_ number: Int, _ plan: RetracePlan, _ retrace: Retrace, _ pass: Pass) throws(SessionError) {
    if isOver { return }
    let (told, roots) = narrated(retrace)
    for number in number..<preemptions.count {
      let index = preemptions[number]
      guard let place = traced.switches[index], let task = tasks[note.switches[index].place.task] else { continue }
      let found = candidates(place, of: task, behind: retrace.marks.last ?? 0, retrace, told)
      if found.isEmpty {
        // It may have come there in another execution.
        if told.contains(where: { place.distance(to: $0) != nil }) { hasCode.insert(index) }
        continue
      }
      hasCode.insert(index)
      for (rank, candidate) in found.prefix(pass.width).enumerated() {
        if machine.executions >= options.executionsMax { return }
        let event = retrace.events[candidate.event]
        var longer = plan
        longer.steps.append(step(index, place, event))
        let side = note.switches[index].isInCode ? longer.steps.last!.isInside ? "inside" : "before" : "behind"
        let match = "task \(task), \(side) \(place.description): here \(told[candidate.event].description)"
        if rank == 0 && !result.matches.contains(where: { $0.hasPrefix("task \(task), ") && $0.contains(place.description) }) {
          result.matches.append(match)
        }
        var next = try execute(longer)
        if pass.returns, !isOver, let until = firstOperation(of: index, next) {
          longer.steps[longer.steps.count - 1].until = until
          next = try execute(longer)
        }
        if isOver {
          result.placesFound = max(result.placesFound, longer.steps.count)
          return
        }
        try descend(number + 1, longer, next, pass)
        if isOver { return }
      }
      return
    }
    reachedEnd(plan, retrace, told, roots)
  }

  private func step(_ index: Int, _ place: PortablePlace, _ event: TrailEvent) -> RetraceStep {
    let entry = note.switches[index]
    var step = RetraceStep(moment: event.moment, isBehindCall: !entry.isInCode, next: nil)
    step.delays = points.delays[index]
    step.losesTurn = entry.kind == .preemption
    if step.losesTurn { step.next = tasks[entry.next] }
    // What was a store behind a load of its own may be one instruction with it here.
    step.isInside = entry.isInCode && event.canStopInside && (entry.isInside || place.action == .store)
    return step
  }

  /// What the other task had to do first, where it does it behind the step that was made last.
  private func firstOperation(of switchIndex: Int, _ retrace: Retrace) -> Moment? {
    guard let index = note.reorderings.firstIndex(where: { $0.switchIndex == switchIndex }), let place = traced.firsts[index],
      let task = tasks[note.reorderings[index].first.task], let start = retrace.marks.last
    else { return nil }
    return candidates(place, of: task, behind: start, retrace, narrated(retrace).places).first.map { retrace.events[$0.event].moment }
  }

  /// A whole plan was executed.
  private mutating func reachedEnd(_ plan: RetracePlan, _ retrace: Retrace, _ told: [PortablePlace], _ roots: [Int32: String]) {
    if retrace.letGo { wasLetGo = true }
    let timePassed = retrace.delaysMade == points.delaysInAll
    if !timePassed { lacksTime = true }
    let isAsPlanned = !retrace.letGo && timePassed && !retrace.missedNext && !isTooLate(retrace, told)
    if preemptions.isEmpty {
      // Tasks that had the turn out of order, and do the same work here.
      let next = traced.tasks.dropFirst().filter { old in
        guard let root = traced.roots[old], !PortablePlace.everywhere.contains(root), let new = tasks[old],
          plan.choices.contains(where: { $0.next == new })
        else { return false }
        return roots[new.rawValue] == root
      }
      result.placesFound = max(result.placesFound, retrace.choicesMet)
      let isMet = points.delaysInAll > 0 && retrace.choicesMet == plan.choices.count { $0.next != nil }
      if isAsPlanned && (isMet || retrace.choicesTurned > 0 && !next.isEmpty) { isFollowed = true }
      return
    }
    result.placesFound = max(result.placesFound, retrace.marks.count)
    // A step that is not met, since the program went another way or nobody else could have the turn, tells nothing.
    if isAsPlanned && !plan.steps.isEmpty && retrace.marks.count == plan.steps.count { isFollowed = true }
    var made = 0
    for (index, entry) in note.reorderings.enumerated() {
      guard let number = preemptions.firstIndex(of: entry.switchIndex), number < retrace.marks.count, let place = traced.firsts[index],
        let task = tasks[entry.first.task], let held = tasks[entry.second.task]
      else { continue }
      let start = retrace.marks[number]
      let back = retrace.events[start...].firstIndex { $0.moment.task == held } ?? retrace.events.count
      if (start..<back).contains(where: { retrace.events[$0].moment.task == task && place.distance(to: told[$0]) != nil }) { made += 1 }
    }
    result.ordersMade = max(result.ordersMade, made)
  }

  /// Whether at some step the other task had done before what had to come behind it: then nothing was turned around.
  private func isTooLate(_ retrace: Retrace, _ told: [PortablePlace]) -> Bool {
    note.reorderings.indices.contains { index in
      guard let number = points.steps.firstIndex(of: note.reorderings[index].switchIndex), number < retrace.marks.count,
        let place = traced.firsts[index], let task = tasks[note.reorderings[index].first.task],
        let nearest = candidates(place, of: task, behind: 0, retrace, told).first
      else { return false }
      return nearest.event < retrace.marks[number]
    }
  }

  private mutating func noteOther() {
    result.failure = otherFailure
    if otherFailure == nil { result.failing = nil }
  }

  private mutating func conclude() {
    noteOther()
    result.placesNotReached = max(0, hasCode.count - result.placesFound)
    if let otherFailure {
      result.verdict = .unknown("it fails in another way: \(otherFailure) in place of \(note.failure)")
    } else if !isFollowed && hasCode.count == preemptions.count && lacksTime {
      result.verdict = .unknown("time passes in the schedule at a moment that the program does not come to")
    } else if preemptions.isEmpty {
      result.verdict = isFollowed ? .passes : .unknown("the tasks do not take the turns of the schedule")
    } else if !isFollowed && hasCode.count == preemptions.count && wasLetGo {
      result.verdict = .unknown("a task cannot be held as in the schedule, since another computes for too long")
    } else if hasCode.count == preemptions.count && !isFollowed {
      result.verdict = .unknown("the program has its places, but does not come to them under the schedule")
    } else if hasCode.count < preemptions.count {
      result.verdict = .unknown("\(preemptions.count - hasCode.count) of \(preemptions.count) places of the schedule are not in this program")
    } else {
      result.verdict = .passes
    }
  }
}
