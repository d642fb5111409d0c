// What a run is set up with. Everything that the guest can see of the machine is here, and nothing of the host is read
// elsewhere.

import LinuxABI

public struct KernelConfiguration: Sendable {
  /// Virtual CPUs that the guest sees.
  public var cpuCount = 4
  /// Physical memory that sysinfo and /proc/meminfo show, in bytes.
  public var memoryBytes: UInt64 = 8 << 30
  public var hostName = "replaysb"
  /// uname release.
  public var kernelRelease = "6.1.0-replaysb"
  public var kernelVersion = "#1 SMP PREEMPT_DYNAMIC replaysb"
  public var user: UInt32 = 0
  public var group: UInt32 = 0
  public var supplementaryGroups: [UInt32] = []
  public var umask: UInt32 = 0o022
  public var workingDirectory: [UInt8] = Array("/".utf8)
  /// The processor that the guest sees, when the machine traps CPUID and its kin; nil: the host's shows through, and the
  /// three values below say what the auxiliary vector tells of it.
  public var processor: ProcessorModel?
  /// AT_HWCAP and AT_HWCAP2: CPUID leaf 1 edx of the baseline, and the bits that Linux sets.
  public var hardwareCapabilities: UInt64 = 0x178b_fbff
  public var hardwareCapabilities2: UInt64 = 0
  /// Size of the XSAVE area in a signal frame; sizes AT_MINSIGSTKSZ. The default holds AVX-512 and protection keys.
  public var extendedStateBytes = 2696
  /// The machine counts ticks and stops at them: tasks get slices, and time passes in guest code. Without, as in the
  /// direct engine, only traps make time pass and a turn end.
  public var hasTicks = false
  /// The machine answers CPUID by itself, and RDTSC while it is told the time (`Machine.setProcessorAnswers`, `Machine.setClock`), and the vdso reads its
  /// clocks that way. Only with ticks and virtual time.
  public var machineAnswers = false
  /// Tasks get slices also while nothing else could run: for tests, to which each stop is an event to compare.
  public var slicesAlways = false
  /// Wall seconds a task may run without a trap while others could run. Without ticks only.
  public var spinSecondsMax: UInt32 = 30
  /// Living processes and tasks at most; fork and clone give EAGAIN beyond (pids cgroup).
  public var tasksMax = 4096
  /// Bytes of private and shared memory that all processes may map writable together; ENOMEM beyond.
  public var guestMemoryBytesMax: UInt64 = 8 << 30
  /// Bytes of files that the guest may write in all; ENOSPC beyond.
  public var overlayBytesMax: Int64 = 8 << 30
  /// Paths of the host that the guest does not see.
  public var hiddenPaths: [[UInt8]] = []
  /// End the run when the first process ends (false: `--wait-all`).
  public var endsWithFirstProcess = true
  /// What a cycle of lock owners means while other tasks can run.
  public var deadlockPolicy = DeadlockPolicy.end
  /// Virtual time after which the run ends with `.timedOut`; nil for never.
  public var timeout: Nanoseconds?
  public init() {}
}

/// How a run ended, apart from the first process's own end.
public enum Verdict: Hashable, Sendable {
  /// The first process ended with this wait status.
  case exited(status: Int32)
  /// No task can ever run again. Text: who waits for what, held by whom.
  case deadlock(String)
  /// A task trapped nothing for too long while others could run. Text names task and pc.
  case spin(String)
  /// The configured virtual time is over.
  case timedOut(String)
  /// The user asked for the end (second Ctrl-C).
  case interrupted
}
