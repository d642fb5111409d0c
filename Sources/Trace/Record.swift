// The records of a trace, as a reader gives them: the conversation at the seam between kernel and platform in one
// total order. The writer has a method for each (TraceWriter+Effects.swift, TraceWriter+Events.swift).
import Platform

/// The number of an event (a run and the trap that ended it), counted from 1.
public struct EventNumber: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
  public var rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
  public init(_ value: UInt64) { rawValue = value }
  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  public var description: String { String(rawValue) }
}

/// One record. Effects carry the names of the `Machine` methods whose calls they are.
public enum Record: Hashable, Sendable {
  // MARK: Contexts
  case createContext(ContextID, ExtendedStateSource)
  case destroyContext(ContextID)
  case setExtendedState(ContextID, [UInt8])

  // MARK: Address spaces
  case createAddressSpace(AddressSpaceID)
  case forkAddressSpace(parent: AddressSpaceID, AddressSpaceID)
  /// `memoryHash`: hash of the space's writable memory just before it went, which a replay compares; 0 for none taken.
  case destroyAddressSpace(AddressSpaceID, memoryHash: UInt64)
  case map(AddressSpaceID, GuestRange, Protection, MappingSource)
  case unmap(AddressSpaceID, GuestRange)
  case protect(AddressSpaceID, GuestRange, Protection)
  case remap(AddressSpaceID, GuestRange, to: GuestRange)
  case discard(AddressSpaceID, GuestRange)

  // MARK: Memory
  /// At most `TraceFormat.contentLimit` bytes: the writer splits larger writes.
  case memoryWrite(AddressSpaceID, GuestAddress, [UInt8])
  case createObject(MemoryObjectID, size: UInt64)
  case destroyObject(MemoryObjectID)
  case resizeObject(MemoryObjectID, size: UInt64)
  /// At most `TraceFormat.contentLimit` bytes, of a file `filePieceLimit`. An object created with content is a
  /// `createObject` of its size followed by these; chunks of zeros are left out.
  case objectWrite(MemoryObjectID, offset: UInt64, [UInt8])

  // MARK: Execution
  /// Behind a pointer, so that records are small to pass on.
  indirect case event(Event)
  case localEvent(LocalEvent)
  /// What the guest's clock shows at the start of the next event, in nanoseconds, where it is not what `RunningClock` makes of the last event; nil:
  /// reading it traps, as it does before the first of these.
  case clock(Int64?)
  /// What CPUID answers without a trap from here on.
  case processorAnswers([ProcessorAnswer])
  /// The chained hash of all registers at every trap up to and including this event, and of output; see `RegisterChain`.
  case registerHash(EventNumber, UInt64)

  // MARK: What the run showed
  /// Bytes for a stream, to be read from the guest's memory at these places.
  case output(OutputStream, AddressSpaceID, [GuestRange])
  case outputBytes(OutputStream, [UInt8])
  case annotation(Annotation)
  /// The object holds this host file's content: the guest executed, mapped or read it.
  case fileEmbedded(path: String, MemoryObjectID?, size: UInt64)
  /// Always the last record, of a whole trace.
  case end(TraceEnd)
}

/// A run of one task and the trap that ended it: one event.
public struct Event: Hashable, Sendable {
  public var number: EventNumber
  public var context: ContextID
  public var space: AddressSpaceID
  /// What the kernel changed since the context's last trap (since all-default `Registers()` at its first run).
  public var changes: RegisterChanges
  public var trap: Trap
  /// rip at the trap.
  public var pc: GuestAddress
  /// rsp at the trap.
  public var stackPointer: GuestAddress
  /// The syscall's number (origRax) and arguments; zeros when the trap is not `.syscall`.
  public var syscall: SyscallWords
  /// Ticks of the context at the trap; zero in the direct engine.
  public var ticks: Ticks

  public init(
    number: EventNumber, context: ContextID, space: AddressSpaceID, changes: RegisterChanges, trap: Trap,
    pc: GuestAddress, stackPointer: GuestAddress, syscall: SyscallWords, ticks: Ticks
  ) {
    self.number = number
    self.context = context
    self.space = space
    self.changes = changes
    self.trap = trap
    self.pc = pc
    self.stackPointer = stackPointer
    self.syscall = syscall
    self.ticks = ticks
  }

  /// True when a guest that stopped like this stopped as recorded. Changes, space and number are not compared.
  public func matches(trap: Trap, registers: Registers, ticks: Ticks) -> Bool {
    self.trap == trap && pc.rawValue == registers.rip && stackPointer.rawValue == registers.rsp
      && self.ticks == ticks && (trap != .syscall || syscall == SyscallWords(registers))
  }
}

/// A syscall's number and six arguments.
public struct SyscallWords: Hashable, Sendable {
  public var number: UInt64 = 0
  public var a0: UInt64 = 0
  public var a1: UInt64 = 0
  public var a2: UInt64 = 0
  public var a3: UInt64 = 0
  public var a4: UInt64 = 0
  public var a5: UInt64 = 0
  public init() {}
  /// As they stand at a syscall trap: origRax; rdi rsi rdx r10 r8 r9.
  public init(_ r: Registers) {
    number = r.origRax
    a0 = r.rdi
    a1 = r.rsi
    a2 = r.rdx
    a3 = r.r10
    a4 = r.r8
    a5 = r.r9
  }
}

/// Registers that the kernel changed, by their index in `Registers.names`.
public struct RegisterChanges: Hashable, Sendable {
  /// Bit i stands for word i. Bits from `Registers.wordCount` up are never set.
  public internal(set) var mask: UInt32 = 0
  /// Words in storage order; those outside the mask are zero.
  public internal(set) var words = InlineArray<27, UInt64>(repeating: 0)

  public init() {}
  public var isEmpty: Bool { mask == 0 }

  /// The registers with the changes made.
  public func applied(to registers: Registers) -> Registers {
    if mask == 0 { return registers }
    var w = registers.words
    for i in 0..<Registers.wordCount where mask & (1 << UInt32(i)) != 0 { w[i] = words[i] }
    return Registers(words: w)
  }

  public static func == (a: Self, b: Self) -> Bool {
    if a.mask != b.mask { return false }
    for i in 0..<Registers.wordCount where a.words[i] != b.words[i] { return false }
    return true
  }
  public func hash(into hasher: inout Hasher) {
    hasher.combine(mask)
    for i in 0..<Registers.wordCount { hasher.combine(words[i]) }
  }
}
