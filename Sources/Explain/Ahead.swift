// What a task would have done next that the run did not live to see: it is run on from where it was stopped, in a replay that ends
// there. Only as far as its own code goes: of system calls some that a thread makes on its way are taken to succeed.

import LinuxABI
import Platform
import RecordReplay
import Trace

/// Where a task is run ahead from.
struct AheadPoint: Equatable {
  var context: ContextID
  /// Behind this event.
  var event: UInt64
  /// For a task that never ran: the one whose call created it, and the new task's number.
  var creator: ContextID?
  var task: Int32
  var handlerDepth: Int
  /// What the call behind which it stands returned, if it stands behind one.
  var result: UInt64?
}

/// Runs a task on and notes what it touches, or stops it before one of these accesses.
final class AheadVisitor: ReplayVisitor {
  private let point: AheadPoint
  /// The accesses to stop before, by rising index; each is told of.
  private let wanted: [Touch]
  private let reached: (Touch, Registers, AddressSpaceID, InspectedReplay) throws(MachineError) -> Void
  private(set) var touches: [Touch] = []
  private var occurrences = Occurrences()
  private(set) var isDone = false

  private static let ticksMax: UInt64 = 200_000
  private static let callsMax = 64
  private static let touchesMax = 4096

  init(
    _ point: AheadPoint, wanted: [Touch] = [],
    reached: @escaping (Touch, Registers, AddressSpaceID, InspectedReplay) throws(MachineError) -> Void = { _, _, _, _ in }
  ) {
    self.point = point
    self.wanted = wanted
    self.reached = reached
  }

  private var isCreated = false

  func willPlay(_ record: Record, in replay: InspectedReplay) throws(MachineError) {
    if point.creator == nil { return }
    if case .annotation(.taskStarted(_, point.context, _, _, _)) = record {
      isCreated = true
      return
    }
    // The next event's turn: what the kernel did for the new task is done.
    if isCreated, case .event = record {
      try runAhead(replay)
      isDone = true
    }
  }

  func run(_ turn: ReplayTurn, in replay: InspectedReplay) throws(MachineError) {}

  func didRun(_ event: Event, in replay: InspectedReplay) throws(MachineError) {
    if point.creator != nil || event.number.rawValue != point.event { return }
    try runAhead(replay)
    isDone = true
  }

  /// The task's registers, as far as the trace says them.
  private func start(_ replay: InspectedReplay) -> ExecutionContext? {
    if let creator = point.creator {
      guard let space = replay.space(of: creator), var registers = replay.registers(of: creator) else { return nil }
      setClone(&registers, space, replay)
      return ExecutionContext(id: point.context, space: space, registers: registers)
    }
    guard let space = replay.space(of: point.context), var registers = replay.registers(of: point.context) else { return nil }
    if registers.origRax != ~0 { finishCall(&registers, result: point.result ?? 0) }
    return ExecutionContext(id: point.context, space: space, registers: registers)
  }

  /// What clone(2) and clone3(2) give a new thread.
  private func setClone(_ registers: inout Registers, _ space: AddressSpaceID, _ replay: InspectedReplay) {
    var flags = registers.rdi
    var stack = registers.rsi
    var storage = registers.r8
    if registers.origRax == SyscallNumber.clone3 {
      let arguments = registers.rdi
      func field(_ index: UInt64) -> UInt64 { replay.word(space, arguments &+ 8 * index) ?? 0 }
      flags = field(0)
      stack = field(5) == 0 ? 0 : field(5) &+ field(6)
      storage = field(7)
    }
    let setsStorage: UInt64 = 0x80000
    if stack != 0 { registers.rsp = stack }
    if flags & setsStorage != 0 { registers.fsBase = storage }
    finishCall(&registers, result: 0)
  }

  private func finishCall(_ registers: inout Registers, result: UInt64) {
    registers.rax = result
    registers.rcx = registers.rip
    registers.r11 = registers.eflags
    registers.origRax = ~0
  }

  private func runAhead(_ replay: InspectedReplay) throws(MachineError) {
    guard let context = start(replay) else { return }
    try replay.setAccessLog(true)
    _ = replay.takeAccesses()
    let began = replay.ticks(of: context.id)
    var calls = 0
    for touch in wanted {
      while try !run(context, to: touch, began, replay) {
        calls += 1
        guard calls <= Self.callsMax, try answer(context, replay) else { return }
      }
      try reached(touch, context.registers, context.space, replay)
    }
    if !wanted.isEmpty { return }
    while calls <= Self.callsMax && touches.count < Self.touchesMax {
      let used = replay.ticks(of: context.id) - began
      if used >= Self.ticksMax { return }
      let trap = try replay.runAhead(context, limit: RunLimit(ticks: Self.ticksMax - used))
      take(context, replay)
      calls += 1
      guard trap == .syscall, try answer(context, replay) else { return }
    }
  }

  private func take(_ context: ExecutionContext, _ replay: InspectedReplay) {
    for access in replay.takeAccesses() where touches.count < Self.touchesMax {
      let occurrence = occurrences.count(access)
      let stack = replay.mapping(at: GuestAddress(context.registers.rsp), in: context.space)?.range
      touches.append(
        Touch(
          context: context.id, handlerDepth: point.handlerDepth, event: point.event, index: touches.count,
          occurrence: occurrence, space: context.space, access: access, home: UInt64(context.space.rawValue),
          homeAddress: access.address.rawValue, isOnOwnStack: stack?.contains(access.address) == true, isAhead: true))
    }
  }

  /// True when the task stands before the access; false at a trap on the way.
  private func run(
    _ context: ExecutionContext, to touch: Touch, _ began: UInt64, _ replay: InspectedReplay
  ) throws(MachineError) -> Bool {
    take(context, replay)
    let passed = occurrences.passed(touch.access.pc)
    if passed > touch.occurrence { return false }
    let standsThere = context.registers.rip == touch.access.pc.rawValue
    if standsThere && passed == touch.occurrence { return true }
    try replay.setSchedulingPoints([touch.access.pc])
    let used = min(replay.ticks(of: context.id) - began, Self.ticksMax - 1)
    let number = touch.occurrence - passed + (standsThere ? 0 : 1)
    let trap = try replay.runAhead(context, limit: RunLimit(ticks: Self.ticksMax - used, points: UInt32(number)))
    if case .budget(let stop) = trap, stop.isAtPoint { return true }
    return false
  }

  /// Calls that a thread makes on its way and that do not wait: taken to have succeeded. False for all others.
  private func answer(_ context: ExecutionContext, _ replay: InspectedReplay) throws(MachineError) -> Bool {
    let call = SyscallWords(context.registers)
    guard context.registers.origRax != ~0 else { return false }
    let result: UInt64
    switch SyscallNumber.name(call.number) {
    case "set_robust_list", "rseq", "rt_sigprocmask", "sched_yield", "madvise", "mprotect", "munmap", "nanosleep", "clock_nanosleep": result = 0
    case "gettid": result = UInt64(UInt32(bitPattern: point.task))
    case "write": result = call.a2
    case "mmap":
      let isAnonymous = call.a3 & 0x20 != 0
      guard isAnonymous, let place = try replay.mapAhead(call.a1, in: context.space) else { return false }
      result = place.rawValue
    case "futex":
      // FUTEX_WAKE, FUTEX_WAKE_PRIVATE.
      if call.a1 & 0x7f != 1 { return false }
      result = 0
    default: return false
    }
    finishCall(&context.registers, result: result)
    return true
  }
}
