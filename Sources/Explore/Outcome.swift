// What one execution came to.

import Kernel
import LinuxABI

/// Everything that is left of an execution. Counts are from exec on, also when it started from a held state.
public struct Outcome: Sendable {
  /// How it ended; nil when it was stopped at its bound of traps.
  public var verdict: Verdict?
  /// What it wrote, from exec on, at most `CapturingHost.outputBytesMax` bytes each and a mark.
  public var standardOutput: [UInt8] = []
  public var standardError: [UInt8] = []
  public var traps: UInt64 = 0
  /// Of all tasks.
  public var ticks: UInt64 = 0
  public var syscalls: UInt64 = 0
  public var switches: UInt64 = 0
  /// Virtual time from start to end.
  public var virtualNanoseconds: Int64 = 0
  /// Syscall numbers that the kernel does not know, with how often they came.
  public var unknownSyscalls: [(number: UInt64, count: Int)] = []
  /// Network targets that were refused, in order.
  public var refusedTargets: [String] = []
  /// Cycles of lock owners under `DeadlockPolicy.report`.
  public var lockCycles: [String] = []
  /// A cycle of lock owners that stood when the execution was stopped at its bound of traps, in words.
  public var standingCycle: String?
  /// What the tasks did at the end of an execution that did not end by itself; empty for others.
  public var waiters: [Waiter] = []
  /// Signals that ended processes, in order.
  public var fatalSignals: [FatalSignal] = []
  /// Processes that still ran at the end and were killed, "pid (name)".
  public var killedProcesses: [String] = []
  /// Equal for equal executions, whether they came from a held state or from exec.
  public var fingerprint = Fingerprint()
  public var times = Times()
}

/// Where an execution's wall time went, in nanoseconds.
public struct Times: Sendable, Equatable {
  /// Copying the kernel.
  public var copy: Int64 = 0
  /// Forking spaces, copying contexts and objects.
  public var fork: Int64 = 0
  /// Running the guest under the kernel; from exec with loading it.
  public var run: Int64 = 0
  /// Taking everything apart again.
  public var end: Int64 = 0
  public var total: Int64 { copy + fork + run + end }
  public init() {}

  mutating func add(_ other: Times) {
    copy += other.copy
    fork += other.fork
    run += other.run
    end += other.end
  }
}
