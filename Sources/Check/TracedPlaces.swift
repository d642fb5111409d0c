// The places of a search's note, told in portable words: a replay of the trace under the log of all accesses.

import DebugInfo
import Explore
import Platform
import RecordReplay
import Trace

/// What a trace says of the places of its note.
struct TracedPlaces {
  /// By index in `switches`: what the task did next; behind a system call that call. nil where the replay did not come there.
  var switches: [PortablePlace?]
  /// By index in `reorderings`.
  var firsts: [PortablePlace?]
  /// Of each switch that is a choice: the task's last call, and how many of this number it had made.
  var calls: [(number: UInt64, occurrence: UInt32)?]
  /// Task ids in order of creation.
  var tasks: [Int32]
  /// The outermost function of the program that each task was seen in first.
  var roots: [Int32: String]
  /// The program's file, as far as the trace holds it, when it holds it whole.
  var program: [UInt8]?

  init(_ path: String, _ note: SearchNote) throws(SessionError) {
    let visitor = try Self.played(path, PlaceVisitor(note))
    switches = visitor.switches
    // A run that failed may have ended before a preempted task went on.
    for index in visitor.reachedOnly { switches[index] = try Self.played(path, PlaceVisitor(note, ahead: index)).switches[index] }
    firsts = visitor.firsts
    calls = visitor.calls
    tasks = visitor.tasks
    roots = visitor.narrator.roots
    program = visitor.program
  }

  private static func played(_ path: String, _ visitor: PlaceVisitor) throws(SessionError) -> PlaceVisitor {
    let replay = try InspectedReplay(path: path)
    defer { replay.shutdown() }
    try replay.play(visitor)
    return visitor
  }
}

private final class PlaceVisitor: ReplayVisitor {
  private enum Wanted: Hashable {
    case change(Int)
    case first(Int)
  }
  private let note: SearchNote
  private(set) var switches: [PortablePlace?]
  private(set) var firsts: [PortablePlace?]
  private(set) var calls: [(number: UInt64, occurrence: UInt32)?]
  private(set) var tasks: [Int32] = []
  private(set) var narrator = Narrator()
  private(set) var program: [UInt8]?
  private(set) var isDone = false
  /// Places in code that were not met yet, in rising order of ticks.
  private var coming: [(what: Wanted, place: SearchNote.Place)] = []
  /// Those that a task stands at, and in how many signal handlers it does: what it does next there is told. A handler that comes in
  /// between is something else.
  private var standing: [Int32: [(what: Wanted, depth: Int)]] = [:]
  private var lastCalls: [Int32: (number: UInt64, occurrence: UInt32)] = [:]
  private var callCounts: [Int32: [UInt64: UInt32]] = [:]
  private var names: [AddressSpaceID: CodeNames] = [:]
  private var namesMade = 0
  private var depths: [Int32: Int] = [:]
  private var isLogging = false
  /// Of the note's switches the one behind which its task is run on by an instruction, where the trace leaves it; the replay ends there.
  private let ahead: Int?

  /// Sets of names made at most: code that is mapped later than the first has none then.
  private static let namesMax = 32

  init(_ note: SearchNote, ahead: Int? = nil) {
    self.note = note
    self.ahead = ahead
    switches = note.switches.map { _ in nil }
    firsts = note.reorderings.map { _ in nil }
    calls = note.switches.map { _ in nil }
    for (index, entry) in note.switches.enumerated() where entry.isInCode { coming.append((.change(index), entry.place)) }
    for (index, entry) in note.reorderings.enumerated() { coming.append((.first(index), entry.first)) }
    coming.sort { $0.place.ticks < $1.place.ticks }
  }

  /// Switches whose task came there, and did nothing any more.
  var reachedOnly: [Int] {
    note.switches.indices.filter { index in
      switches[index] == nil && standing.values.contains { $0.contains { $0.what == .change(index) } }
    }
  }

  func willPlay(_ record: Record, in replay: InspectedReplay) throws(MachineError) {
    switch record {
    case .annotation(.taskStarted(let task, _, _, _, _)):
      tasks.append(task)
      if tasks.count == 2 {
        try replay.setAccessLog(true)
        isLogging = true
      }
    case .annotation(.taskExited(let task, _)):
      for (index, entry) in note.switches.enumerated()
      where entry.place.task == task && entry.place.ticks == 0 && calls[index] == nil
        && (entry.kind == .choice || entry.kind == .delay && !entry.isInCode)
      {
        calls[index] = lastCalls[task]
      }
    case .annotation(.signalDelivered(let task, _, _, _, let handler)):
      // SIG_DFL and SIG_IGN are 0 and 1.
      if handler.rawValue > 1 { depths[task, default: 0] += 1 }
    case .end: isDone = true
    default: break
    }
  }

  func run(_ turn: ReplayTurn, in replay: InspectedReplay) throws(MachineError) {
    guard isLogging, let task = replay.task(of: turn.event.context)?.task else { return }
    for (what, place) in coming
    where place.task == task && turn.ticks <= place.ticks && place.ticks <= turn.event.ticks.rawValue {
      guard try turn.run(toTicks: place.ticks, pc: GuestAddress(place.pc)) else { continue }
      take(replay.takeAccesses(), turn.event, task, replay)
      standing[task, default: []].append((what, depths[task] ?? 0))
      coming.removeAll { $0.what == what }
    }
  }

  private func take(_ accesses: [MemoryAccess], _ event: Event, _ task: Int32, _ replay: InspectedReplay) {
    var index = 0
    while index < accesses.count {
      let access = accesses[index]
      index += 1
      var action = TrailEvent.Action(of: access)
      var address = access.address.rawValue
      while index < accesses.count, accesses[index].isSecond {
        action = .update
        if accesses[index].isWrite { address = accesses[index].address.rawValue }
        index += 1
      }
      tell(action, event, task, pc: access.pc.rawValue, address: address, size: access.size, replay)
    }
  }

  private func tell(
    _ action: TrailEvent.Action, _ event: Event, _ task: Int32, pc: UInt64, address: UInt64, size: UInt8, _ replay: InspectedReplay
  ) {
    let depth = depths[task] ?? 0
    let place = narrator.tell(
      action, by: task, pc: pc, address: address, size: size, isInHandler: depth > 0,
      names(of: event.space, pc, task: event.context, replay))
    for entry in standing[task] ?? [] where entry.depth >= depth { settle(entry.what, place) }
    standing[task]?.removeAll { $0.depth >= depth }
    last[task] = place
  }
  private var last: [Int32: PortablePlace] = [:]

  private func settle(_ what: Wanted, _ place: PortablePlace) {
    switch what {
    case .change(let index):
      switches[index] = place
      switches[index]!.isInside = note.switches[index].isInside
    case .first(let index): firsts[index] = place
    }
  }

  func didRun(_ event: Event, in replay: InspectedReplay) throws(MachineError) {
    guard let task = replay.task(of: event.context)?.task else { return }
    if isLogging { take(replay.takeAccesses(), event, task, replay) }
    if let ahead, standing[task]?.contains(where: { $0.what == .change(ahead) }) == true {
      try goOn(event, task, replay)
      isDone = true
      return
    }
    guard event.trap == .syscall else { return }
    let number = event.syscall.number
    if isLogging {
      callCounts[task, default: [:]][number, default: 0] += 1
      lastCalls[task] = (number, callCounts[task]![number]!)
      tell(.call(number), event, task, pc: event.pc.rawValue &- 2, address: 0, size: 0, replay)
      for (index, entry) in note.switches.enumerated()
      where !entry.isInCode && entry.place.task == task && entry.place.ticks == event.ticks.rawValue && entry.place.pc == event.pc.rawValue {
        switches[index] = last[task]
        calls[index] = lastCalls[task]
      }
    }
    // rt_sigreturn
    if number == 15, let depth = depths[task], depth > 0 { depths[task] = depth - 1 }
  }

  /// Executes the next instruction of a task that stands in code.
  private func goOn(_ event: Event, _ task: Int32, _ replay: InspectedReplay) throws(MachineError) {
    guard let registers = replay.registers(of: event.context) else { return }
    if replay.read(event.space, event.pc, 2) == [0x0f, 0x05] {
      tell(.call(registers.rax), event, task, pc: event.pc.rawValue, address: 0, size: 0, replay)
      return
    }
    let context = ExecutionContext(id: event.context, space: event.space, registers: registers)
    _ = try replay.runAhead(context, limit: RunLimit(ticks: 0, instructions: 1))
    take(replay.takeAccesses(), event, task, replay)
  }

  // MARK: Names

  private func names(of space: AddressSpaceID, _ pc: UInt64, task: ContextID, _ replay: InspectedReplay) -> CodeNames {
    if let known = names[space], known.holds(pc) || namesMade >= Self.namesMax { return known }
    namesMade += 1
    let executable = replay.task(of: task)?.executable ?? ""
    var images: [LoadedImage] = []
    for mapping in replay.mappings(in: space) where mapping.protection.contains(.execute) {
      guard case .privateObject(let object, let offset) = mapping.source,
        let content = replay.object(object, sizeMax: ElfFile.sizeMax), let file = ElfFile(content.bytes, present: content.present),
        let bias = file.bias(ofMappingAt: mapping.range.start.rawValue, offset: offset)
      else { continue }
      let isProgram = mapping.path == executable
      if isProgram && program == nil && content.present == [0..<UInt64(content.bytes.count)] { program = content.bytes }
      // All of its mappings: its data lies behind its code.
      let own = replay.mappings(in: space).filter { if case .privateObject(object, _) = $0.source { true } else { false } }
      let range = GuestRange(own.map(\.range.start).min()!, own.map(\.range.end).max()!)
      images.append(LoadedImage(file: file, path: mapping.path ?? "vdso", bias: bias, range: range, isProgram: isProgram))
    }
    let made = CodeNames(images)
    names[space] = made
    return made
  }
}
