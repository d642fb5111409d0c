// What a run is asked to be, and what became of it. Plain values; the command line fills and prints them.

import Kernel

/// One run of a guest program.
public struct RunOptions: Sendable {
  /// The program file, found already.
  public var program: [UInt8] = []
  /// argv, the program's name first.
  public var arguments: [[UInt8]] = []
  public var environment: [[UInt8]] = []
  public var environmentNames: [String] = []
  /// Variables kept from the guest as likely secrets.
  public var withheldNames: [String] = []
  public var workingDirectory: [UInt8] = []

  public var engine = Engine.standard
  public var seed: UInt64 = 0
  /// Nanoseconds since 1970 at the guest's start.
  public var epochNanoseconds: Int64 = 0
  public var policy = SchedulePolicy.random
  public var cpuCount = 4
  /// The processor that the guest sees, where the engine can show another than the host's.
  public var processor = ProcessorModel.v3
  /// Virtual seconds after which the run ends with `timedOut`; nil for never.
  public var timeoutSeconds: Double?
  /// What a cycle of lock owners means while other tasks can run.
  public var deadlockPolicy = DeadlockPolicy.end
  public var waitsForAll = false
  /// Time is the host's; the trace holds what was read.
  public var usesHostClock = false
  /// The machine answers for the guest's clocks and for CPUID where it can, so that asking is no event of the run. Searches leave it: to them a reading
  /// of a clock is something that a task does.
  public var machineAnswers = false
  /// A trace that any processor replays. Sound only for programs that execute no CPUID, RDRAND, XGETBV and kin.
  public var isPortable = false
  /// Calls as they happen, to the tool's standard error.
  public var traceCalls = false
  /// Signals to the tool reach the guest while it runs, and a second Ctrl-C ends the run; otherwise the caller has them.
  public var takesHostSignals = true

  /// The oracle test: every slice is like this, also while nothing else could run.
  public var everySlice: EverySlice?
  /// Goes on with a deep copy of the kernel after so many traps: the test of the copy. nil for never.
  public var kernelCopyInterval: UInt64?
  /// Holds the kernel at each call that creates a task, and goes on with a deep copy: the test of the held kernel.
  public var copiesKernelAtClones = false

  /// A recording embeds the whole file of every program and library that is executed, its debug information too.
  public var embedsWholePrograms = false

  public var hidden = HiddenPaths()
  /// Directory that receives the files the guest changed; nil drops them.
  public var exportDirectory: String?
  public init() {}

  /// The arguments as text, as the trace's header holds them.
  var argumentTexts: [String] { arguments.map { String(decoding: $0, as: UTF8.self) } }
}

/// Why a run ended.
public enum RunEnd: Sendable, Equatable {
  /// The first process ended with this wait status.
  case exited(status: Int32)
  case deadlock(String)
  case spin(String)
  case timedOut(String)
  /// The user pressed Ctrl-C twice.
  case interrupted

  /// The short name that traces and reports use.
  public var verdict: String {
    switch self {
    case .exited: ""
    case .deadlock: "deadlock"
    case .spin: "spin"
    case .timedOut: "timeout"
    case .interrupted: "interrupted"
    }
  }

  public var explanation: String {
    switch self {
    case .exited, .interrupted: ""
    case .deadlock(let text), .spin(let text), .timedOut(let text): text
    }
  }

  /// The exit status of the tool, unless the guest died of a signal.
  public var toolStatus: Int32 {
    switch self {
    case .exited(let status): status & 0x7f == 0 ? status >> 8 & 0xff : 128 + (status & 0x7f)
    case .deadlock: 123
    case .spin, .timedOut: 124
    case .interrupted: 130
    }
  }

  /// The signal that the guest died of and the tool dies of in turn.
  public var fatalSignal: Int32? {
    switch self {
    case .exited(let status): status & 0x7f == 0 ? nil : status & 0x7f
    case .interrupted: 2
    case .deadlock, .spin, .timedOut: nil
    }
  }

  public var isFailure: Bool { self != .exited(status: 0) }
}

/// What a run did, for the summary.
public struct RunResult: Sendable {
  public var end: RunEnd
  public var events: UInt64 = 0
  public var syscalls: UInt64 = 0
  public var switches: UInt64 = 0
  /// Virtual time from start to end.
  public var virtualNanoseconds: Int64 = 0
  /// Files of the overlay that differ from the host's; they were dropped unless exported.
  public var filesChanged = 0
  public var exportedTo: String?
  public var unknownSyscalls: [(name: String, count: Int)] = []
  public var refusedTargets: [String] = []
  /// Processes that still ran at the end and were killed, "pid (name)".
  public var killedProcesses: [String] = []
  public var deadlockReports: [String] = []
  /// What the engine did: names and counts.
  public var engineCounts: [(name: String, count: UInt64)] = []
}

/// The tool itself failed: exit 125 (or 126, 127), with one line.
public struct SessionError: Error, CustomStringConvertible, Sendable {
  public var description: String
  public var exitStatus: Int32
  public init(_ description: String, exitStatus: Int32 = 125) {
    self.description = description
    self.exitStatus = exitStatus
  }
}
