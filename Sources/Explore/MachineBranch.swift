// A machine for one execution, over a machine that many share. The kernel above sees identifiers that count up as in any
// run; here they become real ones, which are used again.
//
// A branch of another branch starts where that one is held: each address space is forked (addresses stay), each context
// copied with its extended state and its count of ticks. Memory objects are borrowed from the parent as long as they are
// only read, and copied before they change: those that a guest can store into by a mapping at once, all others when the
// kernel writes, resizes or maps them so. Mappings of a copied object are then made again. A private mapping that the guest
// could write shows bytes of its own, which mapping it again would lose: such a branch is refused, and the execution has to start
// from exec.

import Platform

public final class MachineBranch: Machine {
  private final class Space {
    let real: AddressSpaceID
    var mappings: ObjectMappings
    init(real: AddressSpaceID, mappings: ObjectMappings = ObjectMappings()) {
      self.real = real
      self.mappings = mappings
    }
  }
  private struct Context {
    /// With the real identifier.
    let real: ExecutionContext
    /// What the task had executed before this branch began.
    var ticksBefore: UInt64 = 0
  }
  private struct Object {
    var real: MemoryObjectID
    var size: UInt64
    /// Made by this branch, and destroyed with it. Otherwise it is the parent's or everybody's.
    var isOwn: Bool
  }

  private let shared: SharedMachine
  private let machine: any Machine
  /// Kept, because things of it are borrowed.
  private let parent: MachineBranch?
  private struct Handlers {
    var depth = 0
    /// Where the task stopped, and its stack pointer; nil when it goes on elsewhere anyhow.
    var stoppedAt: (pc: UInt64, stack: UInt64)?
    /// What the outermost handler has of the interrupted code's stack, where that has nothing.
    var stack: GuestRange?
  }
  /// By context, while accesses are logged.
  private var handlers: [Handlers] = []
  private var hotInstructions = HotInstructions()
  /// By the kernel's identifiers.
  private var spaces: [Space?] = []
  private var contexts: [Context?] = []
  /// How many contexts there are: tasks that have not ended.
  private var contextsNow = 0
  private var objects: [Object?] = []
  private var isFrozen = false
  private var hasEnded = false

  /// Why the machine could not go on from where its parent was held, in words; nil while all is well.
  public private(set) var refusal: String?

  /// A hash of all traps so far: whose, of what kind, with which registers. Equal executions have equal ones, also across
  /// branches and from exec.
  public private(set) var fingerprint = Fingerprint()

  /// A machine with nothing in it.
  public init(_ shared: SharedMachine) {
    self.shared = shared
    machine = shared.machine
    parent = nil
  }

  /// A machine in the state of `parent`, which can only be branched from now on. Throws when the host cannot (and then
  /// `refusal` of the error's text says so), or when this state cannot be branched.
  public init(of parent: MachineBranch) throws(MachineError) {
    precondition(!parent.hasEnded, "a branch of what has ended")
    parent.isFrozen = true
    shared = parent.shared
    machine = parent.machine
    self.parent = parent
    fingerprint = parent.fingerprint
    objects = parent.objects.map { object in
      guard var object else { return nil }
      object.isOwn = false
      return object
    }
    do throws(MachineError) { try copyState(of: parent) } catch {
      end()
      throw error
    }
  }

  deinit { end() }

  private func copyState(of parent: MachineBranch) throws(MachineError) {
    for space in parent.spaces {
      guard let space else {
        spaces.append(nil)
        continue
      }
      let real = try shared.makeSpace { (id) throws(MachineError) in
        try machine.forkAddressSpace(space.real, as: id)
      }
      spaces.append(Space(real: real, mappings: space.mappings))
    }
    for context in parent.contexts {
      guard let context else {
        contexts.append(nil)
        continue
      }
      let real = try shared.makeContext { (id) throws(MachineError) in
        try machine.createContext(id, extendedState: .copy(of: context.real.id))
      }
      let ticks = context.ticksBefore + machine.ticks(of: context.real.id).rawValue
      contexts.append(
        Context(real: ExecutionContext(id: real, space: context.real.space), ticksBefore: ticks))
      contextsNow += 1
    }
    for space in spaces {
      for object in space?.mappings.writableObjects ?? [] { try own(object) }
    }
  }

  /// Destroys everything that the branch made. Branches of it must have ended before.
  public func end() {
    if hasEnded { return }
    hasEnded = true
    for context in contexts { if let context { shared.destroyContext(context.real.id) } }
    for space in spaces { if let space { shared.destroySpace(space.real) } }
    for object in objects { if let object, object.isOwn { shared.destroyObject(object.real) } }
    contexts = []
    spaces = []
    objects = []
  }

  // MARK: Identifiers

  private func space(_ id: AddressSpaceID) throws(MachineError) -> Space {
    let index = Int(id.rawValue)
    guard index < spaces.count, let space = spaces[index] else { throw MachineError("address space \(index) does not exist") }
    return space
  }

  private func context(_ id: ContextID) throws(MachineError) -> Context {
    let index = Int(id.rawValue)
    guard index < contexts.count, let context = contexts[index] else { throw MachineError("context \(index) does not exist") }
    return context
  }

  private func object(_ id: MemoryObjectID) throws(MachineError) -> Object {
    let index = Int(id.rawValue)
    guard index < objects.count, let object = objects[index] else {
      throw MachineError("memory object \(index) does not exist")
    }
    return object
  }

  private static func place<T>(_ value: T, at id: UInt32, in list: inout [T?]) {
    while list.count <= Int(id) { list.append(nil) }
    precondition(list[Int(id)] == nil, "identifiers are never reused in a run")
    list[Int(id)] = value
  }

  /// Before anything changes: nobody may branch from here afterwards.
  private func willChange() { precondition(!isFrozen && !hasEnded, "a branch changes that others start from, or that has ended") }

  // MARK: Execution

  public func run(_ context: ExecutionContext, limit: RunLimit) throws(MachineError) -> Trap {
    willChange()
    let real = try self.context(context.id).real
    real.space = try space(context.space).real
    real.registers = context.registers
    let watcher = shared.watcher
    if watcher != nil { noteHandler(context) }
    shared.observing?.keepsAccesses = watcher?.wantsAccesses(of: context.id, isAlone: contextsNow == 1) ?? false
    let trap = try machine.run(real, limit: limit)
    context.registers = real.registers
    fingerprint.add(context.id, trap, real.registers)
    if let watcher { tell(watcher, of: context, trap) }
    return trap
  }

  // MARK: Accesses

  /// A task that goes on elsewhere than it stopped runs a signal handler, until rt_sigreturn.
  private func noteHandler(_ context: ExecutionContext) {
    let index = Int(context.id.rawValue)
    while handlers.count <= index { handlers.append(Handlers()) }
    // Or it makes a system call anew, two bytes before where it stopped.
    guard let stopped = handlers[index].stoppedAt, stopped.pc != context.registers.rip, stopped.pc - 2 != context.registers.rip
    else { return }
    if handlers[index].depth == 0 {
      let pointer = context.registers.rsp
      let isOnSameStack = pointer < stopped.stack && stopped.stack - pointer < Self.frameBytesMax
      handlers[index].stack = isOnSameStack && pointer > Self.handlerStackBytes
        ? GuestRange(GuestAddress(pointer - Self.handlerStackBytes), GuestAddress(pointer)) : nil
    }
    handlers[index].depth += 1
  }
  /// The extended state of a signal frame has at most some 11 KiB (AMX).
  private static let frameBytesMax: UInt64 = 16 << 10
  /// Of a handler's stack, that much is taken to be its own.
  private static let handlerStackBytes: UInt64 = 64 << 10

  private func tell(_ watcher: any GuestWatcher, of context: ExecutionContext, _ trap: Trap) {
    let index = Int(context.id.rawValue)
    if let observing = shared.observing {
      let all = observing.takeAccesses()
      let accesses = hotInstructions.without(all)
      if accesses.count < all.count { watcher.leftOut(all.count - accesses.count) }
      if !accesses.isEmpty {
        watcher.touched(
          accesses, aliases: aliases(of: accesses, in: context.space), by: context.id,
          handler: handlers[index].depth > 0 ? RunningHandler(stack: handlers[index].stack) : nil, in: context.space)
      }
    }
    switch trap {
    case .syscall:
      watcher.counted(ticks(of: context.id), beforeCallOf: context.id)
      watcher.calls(context.registers, at: GuestAddress(context.registers.rip - 2), by: context.id)
    case .instruction, .vsyscall, .foreignSyscall: watcher.asksMachine(context.id)
    case .fault: watcher.faults(context.id)
    case .budget, .unresponsive, .interrupted: break
    }
    handlers[index].stoppedAt = nil
    switch trap {
    case .syscall:
      switch context.registers.origRax {
      case Self.rtSigreturn: handlers[index].depth = max(0, handlers[index].depth - 1)
      case Self.execve, Self.execveat: break
      default: handlers[index].stoppedAt = (context.registers.rip, context.registers.rsp)
      }
    case .fault, .budget: handlers[index].stoppedAt = (context.registers.rip, context.registers.rsp)
    // The kernel goes on behind them.
    case .instruction, .vsyscall, .foreignSyscall, .unresponsive, .interrupted: break
    }
  }

  /// Which of these are in memory that processes map together, in the order of the accesses.
  private func aliases(of accesses: [MemoryAccess], in space: AddressSpaceID) -> [Alias] {
    guard let mappings = spaces[Int(space.rawValue)]?.mappings.all.filter(\.isShared), !mappings.isEmpty else { return [] }
    var aliases: [Alias] = []
    for mapping in mappings {
      for (index, access) in accesses.enumerated() where mapping.range.contains(access.address) {
        let offset = mapping.offset + (access.address - mapping.range.start)
        aliases.append(Alias(index: index, address: GuestAddress(UInt64(mapping.object.rawValue) << 40 | offset)))
      }
    }
    return mappings.count == 1 ? aliases : aliases.sorted { $0.index < $1.index }
  }

  private static let rtSigreturn: UInt64 = 15, execve: UInt64 = 59, execveat: UInt64 = 322

  public func takeLocalEvents() -> [LocalEvent] { machine.takeLocalEvents() }
  public var pointsOfLastRun: UInt32 { machine.pointsOfLastRun }
  public func setProcessorAnswers(_ answers: [ProcessorAnswer]) { machine.setProcessorAnswers(answers) }
  public func setClock(_ nanoseconds: Int64?) { machine.setClock(nanoseconds) }
  public var clockReadings: UInt64 { machine.clockReadings }

  /// Counted from the task's start, before this branch too.
  public func ticks(of id: ContextID) -> Ticks {
    guard let context = try? context(id) else { return Ticks(rawValue: 0) }
    return Ticks(rawValue: context.ticksBefore + machine.ticks(of: context.real.id).rawValue)
  }

  public func createContext(_ id: ContextID, extendedState: ExtendedStateSource) throws(MachineError) {
    willChange()
    let source: ExtendedStateSource
    switch extendedState {
    case .initial: source = .initial
    case .copy(let other): source = .copy(of: try context(other).real.id)
    }
    let real = try shared.makeContext { (id) throws(MachineError) in
      try machine.createContext(id, extendedState: source)
    }
    // The space is set at each run.
    Self.place(
      Context(real: ExecutionContext(id: real, space: AddressSpaceID(rawValue: 0))), at: id.rawValue, in: &contexts)
    contextsNow += 1
  }

  public func destroyContext(_ id: ContextID) {
    willChange()
    guard let context = try? context(id) else { return }
    contexts[Int(id.rawValue)] = nil
    contextsNow -= 1
    shared.destroyContext(context.real.id)
  }

  public func extendedState(of context: ExecutionContext) throws(MachineError) -> [UInt8] {
    try machine.extendedState(of: try self.context(context.id).real)
  }

  public func setExtendedState(of context: ExecutionContext, _ bytes: [UInt8]) throws(MachineError) {
    willChange()
    try machine.setExtendedState(of: try self.context(context.id).real, bytes)
  }

  // MARK: Address spaces

  public func createAddressSpace(_ id: AddressSpaceID) throws(MachineError) {
    willChange()
    let real = try shared.makeSpace { (id) throws(MachineError) in try machine.createAddressSpace(id) }
    Self.place(Space(real: real), at: id.rawValue, in: &spaces)
  }

  public func forkAddressSpace(_ parent: AddressSpaceID, as id: AddressSpaceID) throws(MachineError) {
    willChange()
    let original = try space(parent)
    let real = try shared.makeSpace { (id) throws(MachineError) in
      try machine.forkAddressSpace(original.real, as: id)
    }
    Self.place(Space(real: real, mappings: original.mappings), at: id.rawValue, in: &spaces)
  }

  public func destroyAddressSpace(_ id: AddressSpaceID) {
    willChange()
    guard let space = try? space(id) else { return }
    spaces[Int(id.rawValue)] = nil
    shared.destroySpace(space.real)
  }

  public func map(
    _ id: AddressSpaceID, _ range: GuestRange, _ protection: Protection, _ source: MappingSource
  ) throws(MachineError) {
    willChange()
    let space = try space(id)
    let realSource: MappingSource
    switch source {
    case .anonymous: realSource = .anonymous
    case .privateObject(let object, let offset):
      realSource = .privateObject(try self.object(object).real, offset: offset)
    case .sharedObject(let object, let offset):
      if protection.contains(.write) { try own(object) }
      realSource = .sharedObject(try self.object(object).real, offset: offset)
    }
    try machine.map(space.real, range, protection, realSource)
    space.mappings.map(range, protection, source)
  }

  public func unmap(_ id: AddressSpaceID, _ range: GuestRange) throws(MachineError) {
    willChange()
    let space = try space(id)
    try machine.unmap(space.real, range)
    space.mappings.take(range)
  }

  public func protect(_ id: AddressSpaceID, _ range: GuestRange, _ protection: Protection) throws(MachineError) {
    willChange()
    let space = try space(id)
    if protection.contains(.write) {
      for mapping in space.mappings.all where mapping.isShared && mapping.range.overlaps(range) { try own(mapping.object) }
    }
    try machine.protect(space.real, range, protection)
    space.mappings.protect(range, protection)
  }

  public func remap(_ id: AddressSpaceID, _ range: GuestRange, to target: GuestRange) throws(MachineError) {
    willChange()
    let space = try space(id)
    try machine.remap(space.real, range, to: target)
    space.mappings.move(range, to: target)
  }

  public func discard(_ id: AddressSpaceID, _ range: GuestRange) throws(MachineError) {
    willChange()
    try machine.discard(try space(id).real, range)
  }

  // MARK: Guest memory

  public func read(_ id: AddressSpaceID, _ address: GuestAddress, _ count: Int) throws(MachineError) -> [UInt8] {
    try machine.read(try space(id).real, address, count)
  }

  public func readInteger(_ id: AddressSpaceID, _ address: GuestAddress, size: Int) throws(MachineError) -> UInt64? {
    try machine.readInteger(try space(id).real, address, size: size)
  }

  public func write(
    _ id: AddressSpaceID, _ address: GuestAddress, _ bytes: ArraySlice<UInt8>
  ) throws(MachineError) -> Int {
    willChange()
    return try machine.write(try space(id).real, address, bytes)
  }

  // MARK: Memory objects

  public func createObject(_ id: MemoryObjectID, size: UInt64) throws(MachineError) {
    willChange()
    let real = try shared.makeObject { (id) throws(MachineError) in try machine.createObject(id, size: size) }
    Self.place(Object(real: real, size: size, isOwn: true), at: id.rawValue, in: &objects)
  }

  public func createObject(_ id: MemoryObjectID, content: [UInt8]) throws(MachineError) {
    willChange()
    var object = Object(real: MemoryObjectID(rawValue: 0), size: UInt64(content.count), isOwn: false)
    if let known = try shared.object(of: content) {
      object.real = known
    } else {
      object.real = try shared.makeObject { (id) throws(MachineError) in try machine.createObject(id, content: content) }
      object.isOwn = true
    }
    Self.place(object, at: id.rawValue, in: &objects)
  }

  public func destroyObject(_ id: MemoryObjectID) {
    willChange()
    guard let object = try? object(id) else { return }
    objects[Int(id.rawValue)] = nil
    if object.isOwn { shared.destroyObject(object.real) }
  }

  public func resizeObject(_ id: MemoryObjectID, size: UInt64) throws(MachineError) {
    willChange()
    try own(id)
    try machine.resizeObject(try object(id).real, size: size)
    objects[Int(id.rawValue)]!.size = size
  }

  public func readObject(_ id: MemoryObjectID, offset: UInt64, _ count: Int) throws(MachineError) -> [UInt8] {
    try machine.readObject(try object(id).real, offset: offset, count)
  }

  public func writeObject(_ id: MemoryObjectID, offset: UInt64, _ bytes: ArraySlice<UInt8>) throws(MachineError) {
    willChange()
    try own(id)
    try machine.writeObject(try object(id).real, offset: offset, bytes)
    let end = offset + UInt64(bytes.count)
    if end > objects[Int(id.rawValue)]!.size { objects[Int(id.rawValue)]!.size = end }
  }

  /// Makes a borrowed object one of this branch, before it changes.
  private func own(_ id: MemoryObjectID) throws(MachineError) {
    let object = try object(id)
    if object.isOwn { return }
    for space in spaces {
      guard let space else { continue }
      if space.mappings.all.contains(where: { $0.object == id && $0.isDirty }) {
        let reason = "a file that the program wrote to was mapped by it privately and writable before it made a task"
        refusal = reason
        throw MachineError(reason)
      }
    }
    let copy = try shared.copyObject(object.real, size: object.size)
    objects[Int(id.rawValue)] = Object(real: copy, size: object.size, isOwn: true)
    for space in spaces {
      guard let space else { continue }
      for mapping in space.mappings.all where mapping.object == id {
        let source: MappingSource =
          mapping.isShared ? .sharedObject(copy, offset: mapping.offset) : .privateObject(copy, offset: mapping.offset)
        try machine.map(space.real, mapping.range, mapping.protection, source)
      }
    }
  }
}
