// Replay plays the kernel's part of the conversation from the trace. The guest executes every one of its instructions
// again; at each trap its part is checked against the recording. Nothing of the host is read.

import Platform
import Trace

/// Plays records onto a machine, one by one.
final class ReplayPlayer {
  enum Step {
    case done
    /// The guest ran and stopped as recorded: `lastEvent`.
    case event
    /// Bytes for a stream of the tool.
    case output(OutputStream, [UInt8])
    case end(TraceEnd)
    case diverged(Divergence)
  }

  let machine: any MemoryHashing
  /// Whether the trace and the machine count ticks.
  private let hasTicks: Bool
  private(set) var tasks = ReplayedTasks()
  /// By context id.
  private(set) var contexts: [ExecutionContext?] = []
  /// By space id.
  private(set) var spaces: [MappingTable?] = []
  /// Paths of embedded files by object.
  private(set) var files: [(object: MemoryObjectID, path: String)] = []
  /// Where the stack of each space's program began, by space id: its arguments and auxiliary vector lie there.
  private var initialStacks: [GuestAddress?] = []
  private var executedTasks: [Int32] = []
  private var chain: RegisterChain
  /// Traces of version 1 by the translated engine have undefined flags in their hashes, which hold on processors of the
  /// recording one's maker alone.
  private let checksRegisterHashes: Bool
  private(set) var lastEvent: Event?
  /// What the guest's clock shows at the start of the next event; nil: it traps.
  private var clock: Int64?
  var registerLog: RegisterLog?
  /// Who runs the guest for an event, up to the trap that the event names; nil for the machine, in one run.
  var runner: ((Event, ExecutionContext, RunLimit) throws(MachineError) -> Trap)?
  /// The memory that traces may make a replay create; a guest's own limit is far below.
  private static let objectSizeMax: UInt64 = 1 << 44

  init(_ machine: any MemoryHashing, hasTicks: Bool, formatVersion: UInt32 = TraceFormat.version) {
    self.machine = machine
    self.hasTicks = hasTicks
    chain = RegisterChain(formatVersion: formatVersion)
    checksRegisterHashes = formatVersion > 1 || !hasTicks
  }

  /// Plays one record. Throws for a trace that no recording makes, and when the host fails.
  func play(_ record: Record) throws(MachineError) -> Step {
    switch record {
    case .event(let event): return try run(event)
    case .localEvent: throw MachineError("the trace has local events, which no engine of this version knows")
    case .clock(let nanoseconds): clock = nanoseconds
    case .processorAnswers(let answers): machine.setProcessorAnswers(answers)
    case .registerHash(let number, let value):
      if chain.value == value || !checksRegisterHashes { return .done }
      return .diverged(divergence([.hex("hash of registers and output up to event \(number)", value, chain.value)]))
    case .memoryWrite(let space, let address, let bytes): return try write(space, address, bytes)
    case .output(let stream, let space, let pieces): return try output(stream, space, pieces)
    case .outputBytes(let stream, let bytes):
      chain.add(output: bytes[...])
      return .output(stream, bytes)
    case .annotation(let annotation):
      tasks.take(annotation)
      if case .executed(let task, _, _) = annotation { executedTasks.append(task) }
    case .fileEmbedded(let path, let object, _): if let object { files.append((object, path)) }
    case .end(let end): return .end(end)
    case .createContext, .destroyContext, .setExtendedState: try playContext(record)
    case .destroyAddressSpace(let id, let expected):
      let actual = try machine.memoryHash(id)
      machine.destroyAddressSpace(id)
      spaces[try index(id)] = nil
      if expected != 0 && actual != expected {
        let what = "hash of written memory of space \(id.rawValue) at its end"
        return .diverged(divergence([.hex(what, expected, actual)]))
      }
    case .createObject, .destroyObject, .resizeObject, .objectWrite: try playObject(record)
    default: try playMapping(record)
    }
    return .done
  }

  // MARK: Execution

  private func run(_ event: Event) throws(MachineError) -> Step {
    let context = try context(event.context)
    _ = try index(event.space)
    let limit = try limit(of: event)
    context.space = event.space
    context.registers = event.changes.applied(to: context.registers)
    if !executedTasks.isEmpty { noteInitialStack(context) }
    let before = machine.ticks(of: event.context)
    machine.setClock(clock)
    let trap = if let runner { try runner(event, context, limit) } else { try machine.run(context, limit: limit) }
    if trap == .interrupted { throw MachineError("interrupted") }
    let ticks = machine.ticks(of: event.context)
    clock = RunningClock.next(
      after: clock, ticks: ticks.rawValue &- before.rawValue, readings: machine.clockReadings, trap: event.trap)
    lastEvent = event
    if let registerLog { try log(event, trap, context, ticks, to: registerLog) }
    if !event.matches(trap: trap, registers: context.registers, ticks: ticks) {
      return .diverged(divergence(Difference.all(event, trap: trap, registers: context.registers, ticks: ticks)))
    }
    chain.add(context.registers)
    return .event
  }

  private func log(
    _ event: Event, _ trap: Trap, _ context: ExecutionContext, _ ticks: Ticks, to log: RegisterLog
  ) throws(MachineError) {
    guard log.events.contains(event.number.rawValue) else { return }
    let state = try machine.extendedState(of: context)
    let code = try machine.read(context.space, GuestAddress(context.registers.rip), 15)
    let task = tasks.task(of: event.context)?.task ?? 0
    log.add(event.number.rawValue, task: task, trap, context.registers, ticks, code: code, extendedState: state)
  }

  /// How far the guest may run to get where the event stopped it. Only a stop at a limit needs one: every other trap
  /// comes by itself.
  private func limit(of event: Event) throws(MachineError) -> RunLimit {
    guard hasTicks else {
      if event.ticks.rawValue != 0 { throw MachineError("the trace counts ticks, which the direct engine has not") }
      return .unlimited
    }
    let now = machine.ticks(of: event.context)
    if event.ticks < now {
      throw MachineError("the trace has the ticks of context \(event.context.rawValue) go backwards")
    }
    guard case .budget(let point) = event.trap else { return .unlimited }
    let ticks = event.ticks.rawValue - now.rawValue
    if ticks == 0 && point.instructions == 0 && point.updates == 0 {
      throw MachineError("the trace has a stop of context \(event.context.rawValue) where it began")
    }
    return RunLimit(ticks: ticks, instructions: point.instructions, updates: point.updates)
  }

  /// The first turn of a task after its execve starts at the initial stack.
  private func noteInitialStack(_ context: ExecutionContext) {
    guard let task = tasks.task(of: context.id)?.task, let index = executedTasks.firstIndex(of: task) else { return }
    executedTasks.remove(at: index)
    while initialStacks.count <= Int(context.space.rawValue) { initialStacks.append(nil) }
    initialStacks[Int(context.space.rawValue)] = GuestAddress(context.registers.rsp)
  }

  /// The auxiliary vector of a space's program: after argc, argv and envp. Empty when it cannot be found.
  func auxiliaryVector(of space: AddressSpaceID) -> [UInt8] {
    guard Int(space.rawValue) < initialStacks.count, let start = initialStacks[Int(space.rawValue)],
      let bytes = try? machine.read(space, start, 1 << 20)
    else { return [] }
    func word(_ index: Int) -> UInt64? {
      if index < 0 || index * 8 + 8 > bytes.count { return nil }
      return (0..<8).reversed().reduce(0) { $0 << 8 | UInt64(bytes[index * 8 + $1]) }
    }
    guard let count = word(0), count < 1 << 16 else { return [] }
    var index = Int(count) + 2
    while let value = word(index), value != 0 { index += 1 }
    let first = index + 1
    index = first
    while let type = word(index), type != 0, index < first + 128 { index += 2 }
    if word(index) != 0 { return [] }
    return Array(bytes[first * 8..<min(bytes.count, index * 8 + 16)])
  }

  private func write(_ space: AddressSpaceID, _ address: GuestAddress, _ bytes: [UInt8]) throws(MachineError) -> Step {
    _ = try index(space)
    let stored = try machine.write(space, address, bytes[...])
    if stored == bytes.count { return .done }
    return .diverged(divergence([
      Difference(
        what: "write of the kernel at \(address)", expected: "\(bytes.count) bytes stored", actual: "\(stored)")
    ]))
  }

  private func output(
    _ stream: OutputStream, _ space: AddressSpaceID, _ pieces: [GuestRange]
  ) throws(MachineError) -> Step {
    _ = try index(space)
    var bytes: [UInt8] = []
    for piece in pieces {
      var address = piece.start
      while address < piece.end {
        let wanted = Int(min(piece.end - address, 1 << 20))
        let part = try machine.read(space, address, wanted)
        bytes += part
        address = address + UInt64(part.count)
        if part.count < wanted {
          return .diverged(divergence([
            Difference(what: "output at \(address)", expected: "readable memory", actual: "not readable")
          ]))
        }
      }
    }
    chain.add(output: bytes[...])
    return .output(stream, bytes)
  }

  /// What differs, with where the guest was.
  private func divergence(_ differences: [Difference]) -> Divergence {
    let registers = lastEvent.flatMap { contexts[Int($0.context.rawValue)]?.registers } ?? Registers()
    let task = lastEvent.flatMap { tasks.task(of: $0.context) }
    return Divergence(
      event: lastEvent?.number.rawValue ?? 0, task: task?.task ?? 0, process: task?.process ?? 0,
      program: task?.name ?? "", pc: "0x" + String(registers.rip, radix: 16),
      symbol: lastEvent.flatMap { symbol(GuestAddress(registers.rip), in: $0.space) }, differences: differences)
  }

  // MARK: Nouns

  func context(_ id: ContextID) throws(MachineError) -> ExecutionContext {
    guard Int(id.rawValue) < contexts.count, let context = contexts[Int(id.rawValue)] else {
      throw MachineError("the trace uses context \(id.rawValue), which does not exist")
    }
    return context
  }

  private func index(_ id: AddressSpaceID) throws(MachineError) -> Int {
    guard Int(id.rawValue) < spaces.count, spaces[Int(id.rawValue)] != nil else {
      throw MachineError("the trace uses address space \(id.rawValue), which does not exist")
    }
    return Int(id.rawValue)
  }

  private func place<T>(_ value: T, _ id: UInt32, _ array: inout [T?]) throws(MachineError) {
    guard id > 0, id < 1 << 22 else { throw MachineError("the trace numbers something \(id)") }
    while array.count <= Int(id) { array.append(nil) }
    if array[Int(id)] != nil { throw MachineError("the trace makes number \(id) twice") }
    array[Int(id)] = value
  }

  private func playContext(_ record: Record) throws(MachineError) {
    switch record {
    case .createContext(let id, let source):
      if case .copy(let other) = source { _ = try context(other) }
      try place(
        ExecutionContext(id: id, space: AddressSpaceID(rawValue: 0)), id.rawValue, &contexts)
      try machine.createContext(id, extendedState: source)
    case .destroyContext(let id):
      _ = try context(id)
      machine.destroyContext(id)
      contexts[Int(id.rawValue)] = nil
    case .setExtendedState(let id, let bytes):
      try machine.setExtendedState(of: try context(id), bytes)
    default: preconditionFailure("not a context's record")
    }
  }

  private func playMapping(_ record: Record) throws(MachineError) {
    switch record {
    case .createAddressSpace(let id):
      try place(MappingTable(), id.rawValue, &spaces)
      try machine.createAddressSpace(id)
    case .forkAddressSpace(let parent, let id):
      try place(spaces[try index(parent)]!, id.rawValue, &spaces)
      if Int(parent.rawValue) < initialStacks.count, let stack = initialStacks[Int(parent.rawValue)] {
        while initialStacks.count <= Int(id.rawValue) { initialStacks.append(nil) }
        initialStacks[Int(id.rawValue)] = stack
      }
      try machine.forkAddressSpace(parent, as: id)
    case .map(let id, let range, let protection, let source):
      try checkRange(range)
      if case .privateObject(let object, _) = source { try checkObject(object) }
      if case .sharedObject(let object, _) = source { try checkObject(object) }
      spaces[try index(id)]!.map(range, protection, source)
      try machine.map(id, range, protection, source)
    case .unmap(let id, let range):
      try checkRange(range)
      spaces[try index(id)]!.unmap(range)
      try machine.unmap(id, range)
    case .protect(let id, let range, let protection):
      try checkRange(range)
      spaces[try index(id)]!.protect(range, protection)
      try machine.protect(id, range, protection)
    case .remap(let id, let range, let target):
      try checkRange(range)
      try checkRange(target)
      if target.length < range.length { throw MachineError("the trace shrinks a mapping by remap") }
      spaces[try index(id)]!.remap(range, to: target)
      try machine.remap(id, range, to: target)
    case .discard(let id, let range):
      try checkRange(range)
      _ = try index(id)
      try machine.discard(id, range)
    default: preconditionFailure("not a mapping's record")
    }
  }

  /// A forged trace must end in a message, not in a precondition of the machine.
  private func checkRange(_ range: GuestRange) throws(MachineError) {
    if !range.start.isPageAligned || !range.end.isPageAligned || range.isEmpty || range.end > .userEnd {
      throw MachineError("the trace maps the impossible range \(range)")
    }
  }

  private var objects: [Bool?] = []

  private func checkObject(_ id: MemoryObjectID) throws(MachineError) {
    if Int(id.rawValue) >= objects.count || objects[Int(id.rawValue)] == nil {
      throw MachineError("the trace uses memory object \(id.rawValue), which does not exist")
    }
  }

  private func checkSize(_ size: UInt64) throws(MachineError) {
    if size > Self.objectSizeMax { throw MachineError("the trace makes a memory object of \(size) bytes") }
  }

  private func playObject(_ record: Record) throws(MachineError) {
    switch record {
    case .createObject(let id, let size):
      try checkSize(size)
      try place(true, id.rawValue, &objects)
      try machine.createObject(id, size: size)
    case .destroyObject(let id):
      try checkObject(id)
      objects[Int(id.rawValue)] = nil
      files.removeAll { $0.object == id }
      machine.destroyObject(id)
    case .resizeObject(let id, let size):
      try checkObject(id)
      try checkSize(size)
      try machine.resizeObject(id, size: size)
    case .objectWrite(let id, let offset, let bytes):
      try checkObject(id)
      try checkSize(offset)
      try machine.writeObject(id, offset: offset, bytes[...])
    default: preconditionFailure("not an object's record")
    }
  }
}
