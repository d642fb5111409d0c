// One syscall in flight, what its handler may answer, and how a blocked one is kept.
//
// A handler decodes, calls the kernel and copies out. It never waits: when it cannot go on it returns `.block` with
// what it waits for, and the kernel calls it again, with the same arguments, when that happened. So a blocked syscall
// is a value, and no guest state lives on a native stack.

import LinuxABI
import Platform

/// Why a blocked syscall is tried again.
enum WakeReason: Hashable, Sendable {
  /// Something it waits on changed.
  case event
  /// Its deadline passed.
  case timeout
  /// A signal wants to be delivered (or the task is being killed): clean up, then return progress or throw a restart
  /// errno (`ERESTARTSYS` and kin; see Errno).
  case signal
}

/// Value that a blocking handler keeps until it is called again (an absolute deadline, bytes moved so far, a node in a queue).
protocol Resumption {
  /// Replaces references to kernel state by copies.
  mutating func copyReferences(_ context: CopyContext)
}
extension Resumption {
  mutating func copyReferences(_ context: CopyContext) {}
}

/// What kind of thing a task waits for. Kept as a value; text is made only when somebody asks.
enum BlockReason: Hashable, Sendable {
  case sleep
  case futex(GuestAddress)
  case pipe(reading: Bool)
  case socket(String)
  case child
  case poll
  case signal
  case fileLock
  case timer
  case eventCounter
  case hostInput
  case vfork
  case other(String)
}

/// What a blocked task waits for.
struct Block {
  var queues: [WaitQueue]
  /// Virtual monotonic time at which to wake with `.timeout`.
  var deadline: Nanoseconds?
  /// False for waits that only SIGKILL ends (vfork).
  var interruptible: Bool
  var resume: (any Resumption)?
  /// For the deadlock verdict and /proc/PID/wchan.
  var reason: BlockReason

  init(
    on queues: [WaitQueue], until deadline: Nanoseconds? = nil, interruptible: Bool = true,
    resume: (any Resumption)? = nil, reason: BlockReason
  ) {
    self.queues = queues
    self.deadline = deadline
    self.interruptible = interruptible
    self.resume = resume
    self.reason = reason
  }
}

/// What a handler answers, apart from throwing an Errno.
enum SyscallOutcome {
  /// The value for rax.
  case value(Int64)
  /// Not yet: call again when woken.
  case block(Block)
  /// Registers and run state are already as they should be (rt_sigreturn, exit, execve).
  case registersSet

  static var success: SyscallOutcome { .value(0 as Int64) }
  static func value(_ count: Int) -> SyscallOutcome { .value(Int64(count)) }
  static func value(_ id: TaskID) -> SyscallOutcome { .value(Int64(id.rawValue)) }
}

/// One syscall in flight, as its handler sees it.
struct Syscall {
  let kernel: Kernel
  let task: Task
  let number: UInt64
  let arguments: InlineArray<6, UInt64>
  /// nil at the first call; why the handler is called again otherwise.
  var wake: WakeReason?
  /// What the handler kept when it blocked.
  var resume: (any Resumption)?

  subscript(_ index: Int) -> UInt64 { arguments[index] }
  func address(_ index: Int) -> GuestAddress { GuestAddress(arguments[index]) }
  /// Arguments of C type int and unsigned int: the upper half is ignored, as the kernel's wrappers do.
  func int32(_ index: Int) -> Int32 { Int32(truncatingIfNeeded: arguments[index]) }
  func uint32(_ index: Int) -> UInt32 { UInt32(truncatingIfNeeded: arguments[index]) }
  func int64(_ index: Int) -> Int64 { Int64(bitPattern: arguments[index]) }
  var memory: MemoryManager { task.memory }

  /// The usual end of a handler that found nothing to do yet: EAGAIN for a non-blocking file, the restart errno when a
  /// signal ended the wait, else block.
  func wait(_ block: Block, nonblocking: Bool = false) throws(Errno) -> SyscallOutcome {
    if nonblocking { throw .EAGAIN }
    if wake == .signal { throw .ERESTARTSYS }
    return .block(block)
  }
}

typealias SyscallHandler = @Sendable (Syscall) throws(Errno) -> SyscallOutcome

/// A syscall that a task is blocked in.
struct BlockedSyscall {
  var number: UInt64
  var arguments: InlineArray<6, UInt64>
  var block: Block
  var timer: TimerID?
}

/// What restart_syscall(2) continues: a wait with a deadline that a stop signal or SIGCONT interrupted.
struct RestartBlock {
  var number: UInt64
  var arguments: InlineArray<6, UInt64>
  var resume: (any Resumption)?
}
