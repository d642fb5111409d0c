// Runs a random guest on a machine and keeps all that can be compared.
import Glibc
import Platform
import PtracePlatform

struct Outcome {
  /// The traps on the way, with the registers there; the last one ends the run.
  var stops: [(trap: Trap, registers: Registers)] = []
  var memory: [(name: String, start: UInt64, bytes: [UInt8])] = []
  var extendedState: [UInt8] = []
  var ticks: UInt64 = 0
  var slices = 0
  /// Gave up: the guest does not end.
  var isEndless = false
}

/// One machine with one space that all guests use one after the other.
final class Runner {
  private typealias Place = RandomGuest.Place
  let machine: any Machine
  private let space = AddressSpaceID(rawValue: 1)
  private(set) var context: ExecutionContext
  /// Prints every stop.
  private let isTraced = getenv("REPLAYSB_GUEST_TRACE") != nil
  private var lastObject: UInt32 = 0
  private var lastSpace: UInt32 = 1
  private var fileRegion: UInt64?

  init(_ machine: any Machine) throws {
    self.machine = machine
    context = ExecutionContext(id: ContextID(rawValue: 1), space: space)
    try machine.createAddressSpace(space)
    try machine.createContext(context.id, extendedState: .initial)
    for region in [Place.low, Place.high] { try mapCode(region) }
    for data in [Place.lowData, Place.highData] {
      try machine.map(space, range(data, pages: Place.dataPages), [.read, .write], .anonymous)
    }
    try machine.map(space, range(Place.control), [.read, .write], .anonymous)
    try machine.map(space, range(Place.stack), [.read, .write], .anonymous)
  }

  private func mapCode(_ region: UInt64) throws {
    try machine.map(space, range(region, pages: Place.codePages), [.read, .write, .execute], .anonymous)
  }

  private func put(_ address: UInt64, _ bytes: [UInt8]) throws {
    if try machine.write(space, GuestAddress(address), bytes[...]) != bytes.count { throw MachineError("short write") }
  }

  /// The guest as it begins. `end` must follow.
  func prepare(_ guest: RandomGuest) throws {
    context.space = space
    var content = [UInt8](repeating: 0xcc, count: Int(Place.codePages * page))
    content.replaceSubrange(guest.offset..<guest.offset + guest.code.count, with: guest.code)
    if let fileRegion { try mapCode(fileRegion) }
    fileRegion = nil
    if guest.home != .memory {
      lastObject += 1
      let object = MemoryObjectID(rawValue: lastObject)
      try machine.createObject(object, content: content)
      let isShared = guest.home == .shared
      try machine.map(
        space, range(guest.region, pages: Place.codePages), isShared ? [.read, .write, .execute] : [.read, .execute],
        isShared ? .sharedObject(object, offset: 0) : .privateObject(object, offset: 0))
      fileRegion = guest.region
    } else {
      try put(guest.region, content)
    }
    for data in [Place.lowData, Place.highData] { try put(data, guest.data) }
    try put(Place.control, guest.control)
    try put(Place.stack, [UInt8](repeating: 0x5a, count: Int(page)))
    try machine.setExtendedState(of: context, [])
    var registers = Registers()
    let g = guest.general
    (registers.rax, registers.rcx, registers.rdx, registers.rbx) = (g[0], g[1], g[2], g[3])
    (registers.rsp, registers.rbp, registers.rsi, registers.rdi) = (g[4], g[5], g[6], g[7])
    (registers.r8, registers.r9, registers.r10, registers.r11) = (g[8], g[9], g[10], g[11])
    (registers.r12, registers.r13, registers.r14, registers.r15) = (g[12], g[13], g[14], g[15])
    registers.rip = guest.entry
    registers.eflags = guest.flags
    registers.fsBase = guest.segmentBase
    registers.gsBase = guest.segmentBase
    context.registers = registers
  }

  /// The low data, zero at first, after this code at the start of the low region.
  func data(after code: [UInt8]) throws -> [UInt8] {
    try put(Place.low, code)
    context.registers.rip = Place.low
    context.registers.rsp = Place.stack + 0x800
    context.registers.fsBase = Place.lowData
    let trap = try machine.run(context, limit: .unlimited)
    guard case .fault(let fault) = trap, fault.signal == 5 else { throw MachineError("\(trap) at \(context.registers.rip)") }
    return try memory(Place.lowData, Place.dataPages)
  }

  /// `limit` is asked before each turn.
  func run(_ guest: RandomGuest, forksLater: Bool = false, limit: () -> RunLimit) throws -> Outcome {
    try prepare(guest)
    var outcome = Outcome()
    let forksAfterSlices = guest.forksAfterSlices.map { forksLater ? $0 : 0 }
    defer { end() }
    let ticksBefore = machine.ticks(of: context.id).rawValue
    loop: while true {
      if outcome.slices == forksAfterSlices { try fork() }
      let trap = try machine.run(context, limit: limit())
      if isTraced {
        let registers = context.registers
        let words = registers.words
        print(trap, (0..<words.count).map { Registers.names[$0] + "=" + String(words[$0], radix: 16) }.joined(separator: " "))
      }
      switch trap {
      case .budget:
        outcome.slices += 1
        if outcome.slices < 20_000 { continue loop }
        outcome.isEndless = true
      case .unresponsive, .interrupted: outcome.isEndless = true
      default: break
      }
      // The translated engine leaves them out everywhere.
      if trap == .syscall { context.registers.r11 &= ~Registers.statusFlags }
      outcome.stops.append((trap, context.registers))
      if outcome.isEndless || outcome.stops.count > Self.trapsMax || !answer(trap) { break }
    }
    outcome.ticks = machine.ticks(of: context.id).rawValue - ticksBefore
    outcome.memory = [
      ("low data", Place.lowData, try memory(Place.lowData, Place.dataPages)),
      ("high data", Place.highData, try memory(Place.highData, Place.dataPages)),
      ("control", Place.control, try memory(Place.control, 1)), ("stack", Place.stack, try memory(Place.stack, 1)),
      ("code", guest.region, try memory(guest.region, Place.codePages)),
    ]
    outcome.extendedState = try machine.extendedState(of: context)
    return outcome
  }

  /// So many traps are answered.
  static let trapsMax = 60

  /// Does for a guest what it trapped for; false when its run ends there.
  func answer(_ trap: Trap) -> Bool {
    switch trap {
    case .syscall: context.registers.rax = 0x1234_5678_9abc
    case .instruction(_, let length):
      context.registers.rax = 7
      context.registers.rdx = 9
      context.registers.rip += UInt64(length)
    case .fault(let fault) where fault.signal == 5 && fault.code == 2: break  // a trap flag's step
    default: return false
    }
    return true
  }

  /// The guest goes on in a fork of its space, once.
  func fork() throws {
    if context.space != space { return }
    lastSpace += 1
    context.space = AddressSpaceID(rawValue: lastSpace)
    try machine.forkAddressSpace(space, as: context.space)
  }

  func end() {
    if context.space != space { machine.destroyAddressSpace(context.space) }
    context.space = space
  }

  /// What can be fetched at `pc`.
  func code(at pc: UInt64) throws -> [UInt8] { try machine.read(context.space, GuestAddress(pc), 15) }

  private func memory(_ start: UInt64, _ pages: UInt64) throws -> [UInt8] {
    try machine.read(context.space, GuestAddress(start), Int(pages * page))
  }
}

extension Trap {
  /// Whether RF is the processor's own matter: of a trapped instruction it says that it is resumed, and Intel's say so of a
  /// repeated one between two rounds of single-stepping.
  fileprivate var isResumed: Bool {
    switch self {
    case .instruction: true
    case .fault(let fault): fault.signal == 5
    default: false
    }
  }
}

extension Outcome {
  /// The first difference, in words; nil when there is none.
  func difference(from other: Outcome) -> String? {
    for (index, (a, b)) in zip(stops, other.stops).enumerated() {
      // A branch to an address that is none: the processor stops at the branch, translated code at the target.
      if a.registers.rip >> 47 != 0, case .fault(let fault) = b.trap, fault.code == 128 { return nil }
      if a.trap != b.trap { return "stop \(index): \(a.trap) at \(hex(a.registers.rip)), not \(b.trap) at \(hex(b.registers.rip))" }
      var (first, second) = (a.registers, b.registers)
      if a.trap.isResumed {
        first.eflags &= ~Registers.resumeFlag
        second.eflags &= ~Registers.resumeFlag
      }
      if first == second { continue }
      let (mine, its) = (first.words, second.words)
      let names = mine.indices.filter { mine[$0] != its[$0] }.map {
        "\(Registers.names[$0]) \(hex(mine[$0])), not \(hex(its[$0]))"
      }
      return "stop \(index) (\(a.trap) at \(hex(a.registers.rip))): " + names.joined(separator: "; ")
    }
    if stops.count != other.stops.count { return "\(stops.count) stops, not \(other.stops.count)" }
    for (mine, its) in zip(memory, other.memory) where mine.bytes != its.bytes {
      let index = zip(mine.bytes, its.bytes).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? 0
      return "memory (\(mine.name)) at \(hex(mine.start + UInt64(index))): \(mine.bytes[index]), not \(its.bytes[index])"
    }
    if extendedState != other.extendedState {
      let index = zip(extendedState, other.extendedState).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? 0
      return "extended state at \(index): \(extendedState[index]), not \(other.extendedState[index])"
    }
    return nil
  }

  private func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
}
