// The third look: the trace is executed once more and stopped before each access that is told of, for its stack and the values.

import Platform
import RecordReplay
import Trace

/// What was seen where an access was about to happen.
struct Sight {
  var stack: [Frame] = []
  var place: SharedPlace
  var before: String?
  var after: String?
  /// The system call that it is.
  var call: String?
  /// Locks that the task held: addresses of their words.
  var held: Set<GuestAddress> = []
}

final class StopVisitor: ReplayVisitor {
  private let table: ImageTable
  private let resources: Resources
  private let uses: [Touch: [LockUse]]
  /// By event, in order of their index.
  private let wanted: [UInt64: [Touch]]
  private let first: UInt64
  private let last: UInt64
  private(set) var sights: [Touch: Sight] = [:]
  private(set) var isDone = false
  private var isLogging = false

  /// `uses`: locks that may be held at these accesses.
  init(_ touches: [Touch], _ uses: [Touch: [LockUse]], _ table: ImageTable, _ resources: Resources) {
    self.uses = uses
    self.resources = resources
    self.table = table
    wanted = Dictionary(grouping: Set(touches), by: \.event).mapValues { $0.sorted { $0.index < $1.index } }
    first = touches.map(\.event).min() ?? 0
    last = touches.map(\.event).max() ?? 0
    isDone = touches.isEmpty
  }

  func willPlay(_ record: Record, in replay: InspectedReplay) throws(MachineError) {}

  func run(_ turn: ReplayTurn, in replay: InspectedReplay) throws(MachineError) {
    guard let touches = wanted[turn.event.number.rawValue]?.filter({ !Resources.isResource($0) }), !touches.isEmpty else { return }
    if !isLogging {
      isLogging = true
      try replay.setAccessLog(true)
    }
    _ = replay.takeAccesses()
    var occurrences = Occurrences()
    for touch in touches where sights[touch] == nil && !turn.hasEnded {
      let pc = touch.access.pc
      if occurrences.passed(pc) > touch.occurrence { continue }
      guard try run(turn, to: touch, &occurrences, replay) else { return }
      guard turn.registers.rip == pc.rawValue else { continue }
      // An instruction can make two accesses.
      let same = touches.filter { $0.access.pc == pc && $0.occurrence == touch.occurrence }
      for touch in same { sights[touch] = Self.sight(of: touch, uses[touch] ?? [], turn.registers, table, replay) }
      try turn.step()
      for access in replay.takeAccesses() { _ = occurrences.count(access) }
      for touch in same { sights[touch]!.after = Self.value(of: touch, images(of: touch, replay), replay) }
    }
  }

  /// Runs until the access is next. False when the event ended before.
  private func run(
    _ turn: ReplayTurn, to touch: Touch, _ occurrences: inout Occurrences, _ replay: InspectedReplay
  ) throws(MachineError) -> Bool {
    let pc = touch.access.pc
    try replay.setSchedulingPoints([pc])
    while true {
      let passed = occurrences.passed(pc)
      let standsThere = turn.registers.rip == pc.rawValue
      if passed > touch.occurrence || standsThere && passed == touch.occurrence { return true }
      let number = UInt32(clamping: touch.occurrence - passed + (standsThere ? 0 : 1))
      let progress = try turn.run(toPoint: number, ticks: HistoryVisitor.ticksAtOnce)
      for access in replay.takeAccesses() { _ = occurrences.count(access) }
      switch progress {
      case .atPoint: return true
      case .onTheWay: continue
      case .ended: return false
      }
    }
  }

  func didRun(_ event: Event, in replay: InspectedReplay) throws(MachineError) {
    for touch in wanted[event.number.rawValue] ?? [] where Resources.isResource(touch) {
      guard let registers = replay.registers(of: event.context)?.atInstruction(behind: event.trap) else { continue }
      let executable = replay.task(of: event.context)?.executable ?? ""
      let images = table.images(of: touch.space, executable: executable, in: replay)
      var sight = Sight(
        stack: images.stack(registers) { replay.word(touch.space, $0) },
        place: SharedPlace(kind: .file, address: "", size: 0, name: resources.name(of: touch)))
      sight.call = replay.describe(event.syscall, in: event.space)
      sights[touch] = sight
    }
    if event.number.rawValue >= last { isDone = true }
  }

  static func sight(of touch: Touch, _ uses: [LockUse], _ registers: Registers, _ table: ImageTable, _ replay: InspectedReplay) -> Sight {
    let images = table.images(of: touch.space, executable: replay.task(of: touch.context)?.executable ?? "", in: replay)
    var sight = Sight(
      stack: images.stack(registers) { replay.word(touch.space, $0) },
      place: replay.place(touch.access.address.rawValue, Int(touch.access.size), in: touch.space, images))
    sight.before = value(of: touch, images, replay)
    let words = uses.map(\.taken.access.address)
    sight.held = Set(words.filter { isHeld($0, by: touch.context, in: touch.space, replay) })
    return sight
  }

  /// Whether a mutex of glibc's is locked by a task: pthread_mutex_t has its owner eight bytes behind the word.
  private static func isHeld(
    _ word: GuestAddress, by context: ContextID, in space: AddressSpaceID, _ replay: InspectedReplay
  ) -> Bool {
    let bytes = replay.read(space, word, 12)
    guard bytes.count == 12, let task = replay.task(of: context)?.task else { return false }
    return littleEndian(Array(bytes[0..<4])) != 0 && littleEndian(Array(bytes[8..<12])) == UInt64(UInt32(bitPattern: task))
  }

  private func images(of touch: Touch, _ replay: InspectedReplay) -> Images {
    table.images(of: touch.space, executable: replay.task(of: touch.context)?.executable ?? "", in: replay)
  }

  /// As its type has it, else up to eight bytes as a number, more as bytes.
  private static func value(of touch: Touch, _ images: Images, _ replay: InspectedReplay) -> String? {
    let bytes = replay.read(touch.space, touch.access.address, Int(touch.access.size))
    if bytes.count < Int(touch.access.size) || bytes.isEmpty { return nil }
    return images.text(of: bytes, at: touch.access.address.rawValue) ?? untyped(bytes)
  }
}
