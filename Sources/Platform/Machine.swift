// The seam. The kernel says `run` and gets one trap; it answers with effects. Nothing else reaches the guest.
// Recording is a `Machine` that wraps another and notes what passes; replay calls the same methods from a trace.

/// Page protection, with the bits of PROT_READ, PROT_WRITE, PROT_EXEC.
public struct Protection: OptionSet, Hashable, Sendable {
  public let rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let read = Protection(rawValue: 1)
  public static let write = Protection(rawValue: 2)
  public static let execute = Protection(rawValue: 4)
}

/// What a mapping shows.
public enum MappingSource: Hashable, Sendable {
  /// Private zero-filled memory.
  case anonymous
  /// Copy-on-write view of an object from a page-aligned byte offset.
  case privateObject(MemoryObjectID, offset: UInt64)
  /// Shared view: stores reach the object.
  case sharedObject(MemoryObjectID, offset: UInt64)
}

/// What a task starts from: a fresh register file, or a copy of another task's (clone).
public enum ExtendedStateSource: Hashable, Sendable {
  case initial
  case copy(of: ContextID)
}

/// The host could not do what a machine needs (memory, processes, permissions). Ends the run: exit 125.
public struct MachineError: Error, CustomStringConvertible, Sendable {
  public var description: String
  public init(_ description: String) { self.description = description }
}

/// Executes guest code. One caller, one OS thread. Identifiers are chosen by the caller. A run never reuses one; who shares a
/// machine among runs may, once what it named is destroyed.
///
/// Effects on mappings may be queued and carried out together before the next `run`, `read` or `write` of that
/// space; they must be valid when given (page-aligned, in user range, not empty): a host refusal is a `MachineError`.
public protocol Machine: AnyObject {
  // MARK: Execution

  /// Runs the task until one trap. On return `context.registers` are those of the stop.
  func run(_ context: ExecutionContext, limit: RunLimit) throws(MachineError) -> Trap
  /// Local events since the last trap, oldest first; removes them.
  func takeLocalEvents() -> [LocalEvent]
  /// Ticks that this task has executed in total.
  func ticks(of context: ContextID) -> Ticks

  /// Scheduling points that the last run came by, the one before which it stopped included. 0 for a machine that has none.
  var pointsOfLastRun: UInt32 { get }

  /// What CPUID answers by itself from now on, the first that matches; others trap, as all do before. At most `ProcessorAnswer.countMax`. Of no
  /// effect on a machine that does not trap CPUID.
  func setProcessorAnswers(_ answers: [ProcessorAnswer])
  /// The clock that RDTSC shows in the runs of the task that runs next, in nanoseconds at the start of the first; nil: RDTSC traps. Lasts until it is
  /// set again. Of no effect on a machine that counts no ticks.
  func setClock(_ nanoseconds: Int64?)
  /// How often the guest read that clock since it was set.
  var clockReadings: UInt64 { get }

  /// Makes a task's register file known. General registers come from the `ExecutionContext` at its first run.
  func createContext(_ id: ContextID, extendedState: ExtendedStateSource) throws(MachineError)
  func destroyContext(_ id: ContextID)
  /// The task's XSAVE area in the standard (non-compacted) layout, as a signal frame holds it.
  func extendedState(of context: ExecutionContext) throws(MachineError) -> [UInt8]
  /// Replaces it. Reserved bits and unknown components are cleared first, as rt_sigreturn does. Empty: initial state.
  func setExtendedState(of context: ExecutionContext, _ bytes: [UInt8]) throws(MachineError)

  // MARK: Address spaces

  /// A new, empty space.
  func createAddressSpace(_ id: AddressSpaceID) throws(MachineError)
  /// A copy of `parent`: private memory copied (on write), shared mappings shared.
  func forkAddressSpace(_ parent: AddressSpaceID, as id: AddressSpaceID) throws(MachineError)
  func destroyAddressSpace(_ id: AddressSpaceID)

  /// Replaces whatever was mapped in `range`.
  func map(_ space: AddressSpaceID, _ range: GuestRange, _ protection: Protection, _ source: MappingSource)
    throws(MachineError)
  func unmap(_ space: AddressSpaceID, _ range: GuestRange) throws(MachineError)
  func protect(_ space: AddressSpaceID, _ range: GuestRange, _ protection: Protection) throws(MachineError)
  /// Moves the pages of `range` (one mapping) to `target`, of equal or larger length; what was at `target` goes.
  func remap(_ space: AddressSpaceID, _ range: GuestRange, to target: GuestRange) throws(MachineError)
  /// MADV_DONTNEED: private pages read as their source again.
  func discard(_ space: AddressSpaceID, _ range: GuestRange) throws(MachineError)

  // MARK: Guest memory

  /// Up to `count` bytes; fewer when a page is not readable there.
  func read(_ space: AddressSpaceID, _ address: GuestAddress, _ count: Int) throws(MachineError) -> [UInt8]
  /// What `read` gives of so many bytes, at most 8, as an integer, lowest byte first; nil when it gives fewer.
  func readInteger(_ space: AddressSpaceID, _ address: GuestAddress, size: Int) throws(MachineError) -> UInt64?
  /// Stores bytes where the guest itself could store; returns how many, fewer at the first unwritable page.
  func write(_ space: AddressSpaceID, _ address: GuestAddress, _ bytes: ArraySlice<UInt8>) throws(MachineError) -> Int

  // MARK: Memory objects

  /// A new object of `size` zero bytes.
  func createObject(_ id: MemoryObjectID, size: UInt64) throws(MachineError)
  /// A new object with this content, which often repeats between runs and processes (programs, libraries).
  func createObject(_ id: MemoryObjectID, content: [UInt8]) throws(MachineError)
  /// The same with content that a machine may take as it is. Who changes the object lets go of `content` before.
  func createObject(_ id: MemoryObjectID, content: any FileBytes) throws(MachineError)
  func destroyObject(_ id: MemoryObjectID)
  func resizeObject(_ id: MemoryObjectID, size: UInt64) throws(MachineError)
  func readObject(_ id: MemoryObjectID, offset: UInt64, _ count: Int) throws(MachineError) -> [UInt8]
  func writeObject(_ id: MemoryObjectID, offset: UInt64, _ bytes: ArraySlice<UInt8>) throws(MachineError)
}

extension Machine {
  public func createObject(_ id: MemoryObjectID, content: any FileBytes) throws(MachineError) {
    try createObject(id, content: content.bytes(0..<content.count))
  }
  public var pointsOfLastRun: UInt32 { 0 }
  public func setProcessorAnswers(_ answers: [ProcessorAnswer]) {}
  public func setClock(_ nanoseconds: Int64?) {}
  public var clockReadings: UInt64 { 0 }
  public func readInteger(_ space: AddressSpaceID, _ address: GuestAddress, size: Int) throws(MachineError) -> UInt64? {
    let bytes = try read(space, address, size)
    return bytes.count < size ? nil : bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}
