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
  /// Whether it is the second access of its instruction, which makes two.
  public var isSecond: Bool
  /// Its instruction is an update (`RunLimit.updates`): this stands for its load and its store.
  public var isUpdate: Bool
  public init(
    pc: GuestAddress, address: GuestAddress, size: UInt8, isWrite: Bool, isSecond: Bool = false, isUpdate: Bool = false
  ) {
    self.pc = pc
    self.address = address
    self.size = size
    self.isWrite = isWrite
    self.isSecond = isSecond
    self.isUpdate = isUpdate
  }
}

/// Whose accesses are logged: nobody's, those of scheduling points, or all instructions'.
public enum AccessLogMode: Hashable, Sendable { case off, points, all }

public protocol ObservingMachine: Machine {
  /// The instructions that are scheduling points from now on, in all spaces: runs with `RunLimit.points` stop before them.
  /// Those without a memory operand are none.
  func setSchedulingPoints(_ points: Set<GuestAddress>) throws(MachineError)
  /// Runs stop before these scheduling points, from now on, whatever their limit (`StopPoint.isAtPoint`; not at one where the run
  /// begins). The machine may stop before others too. Cheap, unlike a change of points, which takes all of them back.
  func setWatchedPoints(_ points: Set<GuestAddress>) throws(MachineError)
  /// Which accesses are logged from now on: of ordinary instructions with a memory operand, but those relative to fs
  /// (thread-local). Not logged are pushes, pops, calls and returns, and of repeated string instructions all but the first
  /// round.
  func setAccessLog(_ mode: AccessLogMode) throws(MachineError)
  /// Whether logged accesses are kept for `takeAccesses`, as they are at first; otherwise those of the runs from now on are thrown away.
  /// Cheap, unlike a change of the log's mode.
  var keepsAccesses: Bool { get set }
  /// The accesses logged since the last call, oldest first. A caller that wants to know whose they are asks after each run.
  func takeAccesses() -> [MemoryAccess]
}
