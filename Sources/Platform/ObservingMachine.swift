// What a search for schedules asks of a machine beyond running: to stop at chosen instructions, and to say what memory
// instructions touch. Neither changes what a guest computes, its ticks, or where they fall.

/// One access of a guest instruction to memory.
public struct MemoryAccess: Hashable, Sendable {
  /// The instruction.
  public var pc: GuestAddress
  /// The first byte that it touches.
  public var address: GuestAddress
  /// Bytes; where the machine does not know exactly, not fewer than it touches, up to 64.
  public var size: UInt8
  /// Whether it may store; what is not known to load only counts as storing.
  public var isWrite: Bool
  public init(pc: GuestAddress, address: GuestAddress, size: UInt8, isWrite: Bool) {
    self.pc = pc
    self.address = address
    self.size = size
    self.isWrite = isWrite
  }
}

public protocol ObservingMachine: Machine {
  /// The instructions that are scheduling points from now on, in all spaces: runs with `RunLimit.points` stop before them.
  /// Those without a memory operand are none.
  func setSchedulingPoints(_ points: Set<GuestAddress>) throws(MachineError)
  /// Whether accesses are logged from now on: all by ordinary instructions with a memory operand, but those relative to fs
  /// (thread-local). Not logged are pushes, pops, calls and returns, and of repeated string instructions all but the first
  /// round.
  func setAccessLog(_ isOn: Bool) throws(MachineError)
  /// The accesses logged since the last call, oldest first. A caller that wants to know whose they are asks after each run.
  func takeAccesses() -> [MemoryAccess]
}
