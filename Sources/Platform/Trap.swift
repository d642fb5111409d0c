// Why a guest task stopped executing: the guest's half of the conversation.

/// An instruction that the machine traps because its result varies between machines or moments.
public enum SpecialInstruction: UInt8, Hashable, Sendable {
  case rdtsc = 1, rdtscp, cpuid, rdrand, rdseed, rdpid, xgetbv
}

/// A processor exception, as Linux would turn it into a signal.
public struct Fault: Hashable, Sendable {
  /// The signal that Linux raises: SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP.
  public var signal: UInt8
  /// si_code, as the host reported it.
  public var code: Int32
  /// si_addr: the faulting address, or the pc where the exception has none.
  public var address: GuestAddress
  public init(signal: UInt8, code: Int32, address: GuestAddress) {
    self.signal = signal
    self.code = code
    self.address = address
  }
}

/// One stop of guest execution. The registers at the stop are in the context.
public enum Trap: Hashable, Sendable {
  /// A 64-bit `syscall`: number in origRax, arguments in their registers, rip after the instruction.
  case syscall
  /// `int 0x80`, `sysenter` or a compat entry: the kernel answers with a signal, never with a host call.
  case foreignSyscall
  /// A call into the vsyscall page: rip at the entry, the return address on the stack.
  case vsyscall
  case fault(Fault)
  /// rip is at the instruction; `length` is its size in bytes. The kernel sets results and advances rip.
  case instruction(SpecialInstruction, length: UInt8)
  /// The limit given to `run` is reached. rip is at an instruction that has not been executed, or, with a loaded
  /// value, only its load.
  case budget(StopPoint)
  /// Direct engine only: nothing trapped for the wall time of `RunLimit.wallSeconds`. Ends the run; cannot be replayed.
  case unresponsive
  /// Direct engine only: the host asked for the guest's end while it executed (second Ctrl-C). Cannot be replayed.
  case interrupted
}

/// Where a task stopped because of its limit, beyond what its ticks say.
public struct StopPoint: Hashable, Sendable {
  /// Instructions that it executed since the last tick of this run, or since the run's start without one. Only when
  /// the limit asked for instructions; 0 otherwise.
  public var instructions: UInt32
  /// When the limit's `updates` were reached: the number of the update that only loaded, counted from the last tick of this
  /// run, or from the run's start without one. 0 otherwise.
  public var updates: UInt32
  /// What that last one loaded. The machine keeps it: when the task goes on at the same place, its store follows;
  /// when it goes on elsewhere (a signal handler), the instruction counts as not begun.
  public var loadedValue: UInt64
  /// The limit's scheduling points were reached: rip is at one. Not part of a trace: a recording stops by ticks.
  public var isAtPoint: Bool
  public init(instructions: UInt32 = 0, updates: UInt32 = 0, loadedValue: UInt64 = 0, isAtPoint: Bool = false) {
    self.instructions = instructions
    self.updates = updates
    self.loadedValue = loadedValue
    self.isAtPoint = isAtPoint
  }
}

/// How far a task may run before it must stop. The direct engine knows `wallSeconds` only.
public struct RunLimit: Hashable, Sendable {
  /// Ticks to run at most, counted from here; nil for no bound. With 0 the run ends after `instructions` or `updates`.
  public var ticks: UInt64?
  /// Instructions beyond the last of these ticks; only with `ticks`, and without `updates`. A run that reaches a further tick
  /// first ends there.
  public var instructions: UInt32
  /// Stop inside the n-th update after the last of these ticks (from here without `ticks`), after its load and before its
  /// store; 0 for never. A run that meets fewer ends with `ticksForUpdatesMax` further ticks. An update is an instruction
  /// without a lock prefix that reads and writes the same operand in memory, not addressed by rsp or rbp.
  public var updates: UInt32
  /// Stop before the n-th scheduling point (`ObservingMachine`) from here, if the ticks do not end the run first; 0 for never.
  /// A point at which the run begins does not count. Only by itself or with `ticks`.
  public var points: UInt32
  /// After the last of these ticks, stop where this instruction is next, without executing it; only with `ticks`, and without
  /// the three above. A run that reaches a further tick first ends there. Between two ticks no instruction comes twice, so
  /// this names one place; `StopPoint.instructions` says how many lie before it.
  public var pc: GuestAddress?
  /// Wall time without a trap after which the run reports `.unresponsive`; 0 for never. Never reaches a guest.
  public var wallSeconds: UInt32
  public init(
    ticks: UInt64? = nil, instructions: UInt32 = 0, updates: UInt32 = 0, points: UInt32 = 0, pc: GuestAddress? = nil,
    wallSeconds: UInt32 = 0
  ) {
    self.ticks = ticks
    self.instructions = instructions
    self.updates = updates
    self.points = points
    self.pc = pc
    self.wallSeconds = wallSeconds
  }
  public static let unlimited = RunLimit()
  /// See `updates`.
  public static let ticksForUpdatesMax: UInt64 = 1 << 16
}

/// A guest action that translated code answered by itself since the last trap, in order. The direct engine has none.
public struct LocalEvent: Hashable, Sendable {
  public var kind: UInt8
  public var words: [UInt64]
  public init(kind: UInt8, words: [UInt64]) {
    self.kind = kind
    self.words = words
  }
}
