// Recording is a tee on the seam: a machine that passes every call to another and notes, in the order of the calls,
// what changed the guest and what the guest did.
//
// An effect is noted after the inner machine took it, so that a trace holds nothing that was refused; a trap when it
// comes back. What an object held goes before a change of it, which may change the bytes that we know of it, too. Calls that cannot throw keep a failure of the writer for the next one that can.

import Platform
import Trace

/// A machine that can say what a space's written memory is, for the check at its end.
public protocol MemoryHashing: Machine {
  func memoryHash(_ space: AddressSpaceID) throws(MachineError) -> UInt64
}

public final class RecordingMachine: Machine {
  private let inner: any Machine
  private let hashing: (any MemoryHashing)?
  private let writer: TraceWriter
  private let embedsWholePrograms: Bool
  /// Registers at each context's last trap, by id; what the kernel changed since is what the trace keeps.
  private var lastTrap: [Registers] = []
  private var content = UnseenContent()
  /// Address spaces that there are.
  private var spaceCount = 0
  /// What the clock was set to for the next run, and what a replay would take it for.
  private var clock: Int64?
  private var expectedClock: Int64?
  /// The writer's first failure: the run ends with it.
  public private(set) var failure: TraceError?

  /// `embedsWholePrograms`: the file of every executable mapping goes into the trace whole, if it is not larger than
  /// `UnseenContent.wholeFileMax`: with what no mapping shows, the symbols and debug information.
  public init(_ inner: any Machine, writer: TraceWriter, embedsWholePrograms: Bool = false) {
    self.embedsWholePrograms = embedsWholePrograms
    self.inner = inner
    self.writer = writer
    hashing = inner as? any MemoryHashing
  }

  /// Notes something; a failure of the writer ends the run.
  @inline(__always)
  private func note(_ body: (TraceWriter) throws(TraceError) -> Void) throws(MachineError) {
    if let failure { throw MachineError(failure.description) }
    do throws(TraceError) { try body(writer) } catch {
      failure = error
      throw MachineError(error.description)
    }
  }

  /// The same for calls that cannot throw, and for the observer.
  func noteLater(_ body: (TraceWriter) throws(TraceError) -> Void) {
    if failure != nil { return }
    do throws(TraceError) { try body(writer) } catch { failure = error }
  }

  // MARK: Execution

  public func run(_ context: ExecutionContext, limit: RunLimit) throws(MachineError) -> Trap {
    if let failure { throw MachineError(failure.description) }
    let run = context.registers, ticks = inner.ticks(of: context.id)
    let trap = try inner.run(context, limit: limit)
    switch trap {
    case .unresponsive, .interrupted: return trap  // A matter of wall time: no place in a trace.
    default: break
    }
    let index = Int(context.id.rawValue)
    while lastTrap.count <= index { lastTrap.append(Registers()) }
    try note { (writer) throws(TraceError) in
      for event in inner.takeLocalEvents() { try writer.localEvent(event) }
      if clock != expectedClock { try writer.clock(clock) }
      try writer.event(
        context.id, space: context.space, before: lastTrap[index], run: run, trap: trap, stopped: context.registers,
        ticks: inner.ticks(of: context.id))
    }
    lastTrap[index] = context.registers
    expectedClock = RunningClock.next(
      after: clock, ticks: inner.ticks(of: context.id).rawValue - ticks.rawValue, readings: inner.clockReadings, trap: trap)
    return trap
  }

  /// Local events go to the trace before their trap; the kernel is given none twice.
  public func takeLocalEvents() -> [LocalEvent] { [] }
  public func ticks(of context: ContextID) -> Ticks { inner.ticks(of: context) }
  public func setProcessorAnswers(_ answers: [ProcessorAnswer]) {
    inner.setProcessorAnswers(answers)
    noteLater { (w) throws(TraceError) in try w.processorAnswers(answers) }
  }
  public func setClock(_ nanoseconds: Int64?) {
    clock = nanoseconds
    inner.setClock(nanoseconds)
  }
  public var clockReadings: UInt64 { inner.clockReadings }

  public func createContext(_ id: ContextID, extendedState: ExtendedStateSource) throws(MachineError) {
    try inner.createContext(id, extendedState: extendedState)
    try note { (w) throws(TraceError) in try w.createContext(id, extendedState: extendedState) }
  }

  public func destroyContext(_ id: ContextID) {
    inner.destroyContext(id)
    noteLater { (w) throws(TraceError) in try w.destroyContext(id) }
  }

  public func extendedState(of context: ExecutionContext) throws(MachineError) -> [UInt8] {
    try inner.extendedState(of: context)
  }

  public func setExtendedState(of context: ExecutionContext, _ bytes: [UInt8]) throws(MachineError) {
    try inner.setExtendedState(of: context, bytes)
    try note { (w) throws(TraceError) in try w.setExtendedState(of: context.id, bytes) }
  }

  // MARK: Address spaces

  public func createAddressSpace(_ id: AddressSpaceID) throws(MachineError) {
    try inner.createAddressSpace(id)
    spaceCount += 1
    try note { (w) throws(TraceError) in try w.createAddressSpace(id) }
  }

  public func forkAddressSpace(_ parent: AddressSpaceID, as id: AddressSpaceID) throws(MachineError) {
    try inner.forkAddressSpace(parent, as: id)
    spaceCount += 1
    try note { (w) throws(TraceError) in try w.forkAddressSpace(parent, as: id) }
  }

  public func destroyAddressSpace(_ id: AddressSpaceID) {
    spaceCount -= 1
    // Mostly the run's end follows, which waits for the last block.
    if spaceCount == 0 { writer.endBlock() }
    // 0 stands for no hash taken.
    let hash = (try? hashing?.memoryHash(id)) ?? 0
    inner.destroyAddressSpace(id)
    noteLater { (w) throws(TraceError) in try w.destroyAddressSpace(id, memoryHash: hash) }
  }

  public func map(
    _ space: AddressSpaceID, _ range: GuestRange, _ protection: Protection, _ source: MappingSource
  ) throws(MachineError) {
    try inner.map(space, range, protection, source)
    switch source {
    case .anonymous: break
    case .privateObject(let id, let offset), .sharedObject(let id, let offset):
      try note { (w) throws(TraceError) in
        try content.show(id, offset, range.length, to: w)
        if embedsWholePrograms && protection.contains(.execute) { try content.showWhole(id, to: w) }
      }
    }
    try note { (w) throws(TraceError) in
      // The guest may store into what was embedded.
      if case .sharedObject = source, protection.contains(.write) { try w.settle() }
      try w.map(space, range, protection, source)
    }
  }

  public func unmap(_ space: AddressSpaceID, _ range: GuestRange) throws(MachineError) {
    try inner.unmap(space, range)
    try note { (w) throws(TraceError) in try w.unmap(space, range) }
  }

  public func protect(_ space: AddressSpaceID, _ range: GuestRange, _ protection: Protection) throws(MachineError) {
    try inner.protect(space, range, protection)
    try note { (w) throws(TraceError) in
      if protection.contains(.write) { try w.settle() }  // As for `map`.
      try w.protect(space, range, protection)
    }
  }

  public func remap(_ space: AddressSpaceID, _ range: GuestRange, to target: GuestRange) throws(MachineError) {
    try inner.remap(space, range, to: target)
    if target.length > range.length { try note { (w) throws(TraceError) in try content.showAll(to: w) } }
    try note { (w) throws(TraceError) in try w.remap(space, range, to: target) }
  }

  public func discard(_ space: AddressSpaceID, _ range: GuestRange) throws(MachineError) {
    try inner.discard(space, range)
    try note { (w) throws(TraceError) in try w.discard(space, range) }
  }

  // MARK: Guest memory

  public func read(_ space: AddressSpaceID, _ address: GuestAddress, _ count: Int) throws(MachineError) -> [UInt8] {
    try inner.read(space, address, count)
  }

  public func readInteger(_ space: AddressSpaceID, _ address: GuestAddress, size: Int) throws(MachineError) -> UInt64? {
    try inner.readInteger(space, address, size: size)
  }

  public func write(
    _ space: AddressSpaceID, _ address: GuestAddress, _ bytes: ArraySlice<UInt8>
  ) throws(MachineError) -> Int {
    let stored = try inner.write(space, address, bytes)
    if stored > 0 {
      try note { (w) throws(TraceError) in try w.memoryWrite(space, address, bytes.prefix(stored)) }
    }
    return stored
  }

  // MARK: Memory objects

  public func createObject(_ id: MemoryObjectID, size: UInt64) throws(MachineError) {
    try inner.createObject(id, size: size)
    try note { (w) throws(TraceError) in try w.createObject(id, size: size) }
  }

  public func createObject(_ id: MemoryObjectID, content: [UInt8]) throws(MachineError) {
    try inner.createObject(id, content: content)
    try note { (w) throws(TraceError) in try w.createObject(id, size: UInt64(content.count)) }
    self.content.add(id, PlainBytes(content))
  }

  public func createObject(_ id: MemoryObjectID, content: any FileBytes) throws(MachineError) {
    try inner.createObject(id, content: content)
    try note { (w) throws(TraceError) in try w.createObject(id, size: UInt64(content.count)) }
    self.content.add(id, content)
  }

  public func destroyObject(_ id: MemoryObjectID) {
    inner.destroyObject(id)
    content.remove(id)
    noteLater { (w) throws(TraceError) in try w.destroyObject(id) }
  }

  public func resizeObject(_ id: MemoryObjectID, size: UInt64) throws(MachineError) {
    try note { (w) throws(TraceError) in
      try content.showAll(of: id, to: w)
      try w.settle()
    }
    try inner.resizeObject(id, size: size)
    try note { (w) throws(TraceError) in try w.resizeObject(id, size: size) }
  }

  public func readObject(_ id: MemoryObjectID, offset: UInt64, _ count: Int) throws(MachineError) -> [UInt8] {
    try inner.readObject(id, offset: offset, count)
  }

  public func writeObject(_ id: MemoryObjectID, offset: UInt64, _ bytes: ArraySlice<UInt8>) throws(MachineError) {
    try note { (w) throws(TraceError) in
      try content.showAll(of: id, to: w)
      try w.settle()
    }
    try inner.writeObject(id, offset: offset, bytes)
    try note { (w) throws(TraceError) in try w.writeObject(id, offset: offset, bytes) }
  }
}
