// The emulated Linux: gVisor's Kernel. It owns every object of the run, hands out identifiers, and meets the platform
// only through `Machine`, the host only through `HostView`, and chance only through `Decisions`.

import LinuxABI
import Platform

public final class Kernel {
  let machine: any Machine
  let host: any HostView
  /// Can be exchanged between two calls of `run`, for others with the same epoch.
  public var decisions: any Decisions
  let observer: any Observer
  let configuration: KernelConfiguration
  let syscalls: SyscallTable

  var tasks = TaskSet()
  var scheduler = Scheduler()
  var clock: Timekeeper
  var timers = TimerQueue()
  var identifiers = Identifiers()
  /// The guest's file system.
  public internal(set) var files: VirtualFileSystem
  /// Futexes, and what waits for the realtime clock.
  var ipc = IpcState()
  /// Jumps of time in a row that let no task run.
  var idleJumps = 0
  /// Tasks that wait with a deadline: they could run once virtual time gets there.
  var sleepers = 0
  /// Woken when the standard input may have something.
  var hostInputQueue = WaitQueue()
  /// init, pid 1: visible, idle, the parent of orphans.
  var initProcess: ThreadGroup?
  /// The first guest process, pid 2. Its end ends the run.
  var firstProcess: ThreadGroup?
  /// Private writable and shared anonymous memory of all processes, in bytes; bounded by `guestMemoryBytesMax`.
  var committedBytes: UInt64 = 0
  /// The vdso image, made at the first execve.
  var vdsoObject: MemoryObjectReference?
  /// What its code reads, where it reads the clock itself.
  var vvarObject: MemoryObjectReference?
  /// Why the last execve that failed with ENOEXEC did; for the message of the tool.
  public internal(set) var executableProblem: ExecutableProblem?
  /// Set when the run is over.
  public internal(set) var verdict: Verdict?
  public internal(set) var statistics = Statistics()
  /// A host failure that ended the run (exit 125).
  var machineError: MachineError?
  /// A trap of the current task that is still to be handled (`run(untilClone:)`).
  var heldTrap: Trap?

  public init(
    machine: any Machine, host: any HostView, decisions: any Decisions, observer: any Observer,
    configuration: KernelConfiguration
  ) {
    self.machine = machine
    self.host = host
    self.decisions = decisions
    self.observer = observer
    self.configuration = configuration
    syscalls = .standard
    clock = Timekeeper(epoch: decisions.epoch)
    files = VirtualFileSystem(configuration: configuration)
    files.mountOwnFileSystems(self)
  }

  /// For a copy: what the original has, to be replaced by copies (`Kernel+Copy.swift`).
  init(copying other: Kernel, machine: any Machine, host: any HostView, decisions: any Decisions, observer: any Observer) {
    self.machine = machine
    self.host = host
    self.decisions = decisions
    self.observer = observer
    configuration = other.configuration
    syscalls = other.syscalls
    clock = other.clock
    files = other.files
  }
}

/// Identifiers for the nouns of the seam: counted up, never reused, so that traces repeat.
struct Identifiers: Sendable {
  private var space: UInt32 = 0
  private var context: UInt32 = 0
  private var object: UInt32 = 0

  mutating func nextSpace() -> AddressSpaceID {
    space += 1
    return AddressSpaceID(rawValue: space)
  }
  mutating func nextContext() -> ContextID {
    context += 1
    return ContextID(rawValue: context)
  }
  mutating func nextObject() -> MemoryObjectID {
    object += 1
    return MemoryObjectID(rawValue: object)
  }
}

/// What the run's summary says.
public struct Statistics: Sendable {
  public var syscalls: UInt64 = 0
  public var traps: UInt64 = 0
  /// Of all tasks.
  public var ticks: UInt64 = 0
  public var switches: UInt64 = 0
  /// Numbers that have no entry in the table, in order of first sight, with how often.
  public var unknownSyscalls: [(number: UInt64, count: Int)] = []
  /// Cycles of lock owners that were seen, under `DeadlockPolicy.report`.
  public var lockCycles: [String] = []
  /// Signals that ended processes, in order; of other processes than the first a limited number.
  public var fatalSignals: [FatalSignal] = []
  /// Network targets that were refused, in order.
  public var refusedTargets: [String] = []
}
