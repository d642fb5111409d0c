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
  /// The budget given to `run` is used up.
  case budget
  /// Direct engine only: nothing trapped for the wall time of `RunLimit.wallSeconds`. Ends the run; cannot be replayed.
  case unresponsive
  /// Direct engine only: the host asked for the guest's end while it executed (second Ctrl-C). Cannot be replayed.
  case interrupted
}

/// How far a task may run before it must stop.
public struct RunLimit: Hashable, Sendable {
  /// Ticks to run at most; nil for no bound. The direct engine has no ticks and refuses a bound.
  public var ticks: Ticks?
  /// Instructions beyond the tick; only with `ticks`.
  public var instructions: UInt32
  /// Wall time without a trap after which the run reports `.unresponsive`; 0 for never. Never reaches a guest.
  public var wallSeconds: UInt32
  public init(ticks: Ticks? = nil, instructions: UInt32 = 0, wallSeconds: UInt32 = 0) {
    self.ticks = ticks
    self.instructions = instructions
    self.wallSeconds = wallSeconds
  }
  public static let unlimited = RunLimit()
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
