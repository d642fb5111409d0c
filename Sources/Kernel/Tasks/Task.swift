// A task: what Linux schedules, one guest thread. It is a register file with the kernel objects that it uses and an
// explicit place in its run loop.

import LinuxABI
import Platform

/// A thread id as the guest sees it (there is one PID namespace; nested ones are not offered).
public struct TaskID: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
  public let rawValue: Int32
  public init(rawValue: Int32) { self.rawValue = rawValue }
  public init(_ value: Int32) { rawValue = value }
  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  public var description: String { String(rawValue) }
}

/// Where a task stands in its run loop. Every point at which it can be descheduled is a case.
enum RunState {
  /// Goes on in guest code, after pending signals were looked at.
  case user
  /// Its blocked syscall is to be tried again.
  case resumeSyscall(WakeReason)
  /// Waits inside `task.blocked`.
  case blocked
  /// Stopped by a stop signal until SIGCONT or SIGKILL.
  case groupStopped
  /// Leaves the kernel's objects one by one, at its next turn.
  case exiting
  /// Ended; a process leader stays so until it is waited for.
  case zombie
  /// Gone.
  case dead
}

public final class Task: DeepCopyable {
  /// Changes only when a thread that is not the leader makes execve: it becomes the leader.
  public internal(set) var id: TaskID
  let context: ExecutionContext
  var runState: RunState = .user
  /// The process: Linux's thread group.
  var group: ThreadGroup
  var memory: MemoryManager
  var files: FDTable
  var fs: FSContext
  var credentials: Credentials
  /// comm, at most 15 bytes.
  var name: String

  /// The syscall it is blocked in; set exactly in `.blocked` and `.resumeSyscall`.
  var blocked: BlockedSyscall?
  var restartBlock: RestartBlock?
  /// The syscall whose result is in rax and which a signal may restart; nil when the last trap was none.
  var syscallInProgress: UInt64?

  /// Signal mask, thread-directed queue, alternate stack.
  var signals = TaskSignals()
  /// Wait status (as wait4 encodes it) once exiting.
  var exitStatus: Int32 = 0

  /// CLONE_CHILD_CLEARTID: cleared and woken at exit.
  var clearChildTID = GuestAddress(0)
  /// set_robust_list(2).
  var robustListHead = GuestAddress(0)
  /// The parent that waits in vfork for this task's exec or exit.
  var vforkParent: Task?
  /// What that parent waits on.
  var vforkDone: WaitQueue?
  /// rseq(2) registration; never active (no migration happens), kept for validation.
  var rseq: (address: GuestAddress, length: UInt32, signature: UInt32)?
  /// CPU mask of sched_setaffinity, and the virtual CPU that getcpu names.
  var affinity: UInt64 = ~0
  var niceness: Int32 = 0
  var policies = TaskPolicies()
  /// prctl(PR_SET_PDEATHSIG).
  var parentDeathSignal: UInt8 = 0
  /// personality(2).
  var personality: UInt32 = 0
  /// prctl(PR_SET_TIMERSLACK), in nanoseconds: kept, not used, since virtual time has no slack.
  var timerSlack: UInt64 = 50_000
  var usage = TaskUsage()
  /// Where the task stands in the run queue; kept by the scheduler.
  var isQueued = false
  /// Ticks that it had executed at its last stop: they stay known when its context is gone.
  var ticks: UInt64 = 0
  /// How many choices of the next task still pass this one over (`Slice.picksHeldBack`).
  var picksHeldBack = 0
  /// How often it stopped in guest code, for whatever reason (`SliceAge`).
  var stops = 0
  /// Its last run ended inside an update.
  var isInsideUpdate = false
  /// Set by sched_yield until the scheduler has seen it.
  var yielding = false
  /// Numbers the waits of this task, so that a late timer is known as such.
  var waitTicket: UInt64 = 0

  init(
    id: TaskID, context: ExecutionContext, group: ThreadGroup, memory: MemoryManager, files: FDTable, fs: FSContext,
    credentials: Credentials, name: String
  ) {
    self.id = id
    self.context = context
    self.group = group
    self.memory = memory
    self.files = files
    self.fs = fs
    self.credentials = credentials
    self.name = name
  }

  public func shallowCopy() -> Task {
    let registers = ExecutionContext(id: context.id, space: context.space, registers: context.registers)
    let new = Task(
      id: id, context: registers, group: group, memory: memory, files: files, fs: fs, credentials: credentials,
      name: name)
    new.runState = runState
    new.blocked = blocked
    new.restartBlock = restartBlock
    new.syscallInProgress = syscallInProgress
    new.signals = signals
    new.exitStatus = exitStatus
    new.clearChildTID = clearChildTID
    new.robustListHead = robustListHead
    new.vforkParent = vforkParent
    new.vforkDone = vforkDone
    new.rseq = rseq
    new.affinity = affinity
    new.niceness = niceness
    new.policies = policies
    new.parentDeathSignal = parentDeathSignal
    new.personality = personality
    new.timerSlack = timerSlack
    new.usage = usage
    new.isQueued = isQueued
    new.ticks = ticks
    new.picksHeldBack = picksHeldBack
    new.stops = stops
    new.isInsideUpdate = isInsideUpdate
    new.yielding = yielding
    new.waitTicket = waitTicket
    return new
  }

  public func copyReferences(_ context: CopyContext) {
    group = context.copy(group)
    memory = context.copy(memory)
    files = context.copy(files)
    fs = context.copy(fs)
    vforkParent = context.copy(vforkParent)
    vforkDone = context.copy(vforkDone)
    if var blocked {
      blocked.block.queues = context.copy(blocked.block.queues)
      blocked.block.resume?.copyReferences(context)
      self.blocked = blocked
    }
    restartBlock?.resume?.copyReferences(context)
  }
}

extension Task {
  /// PF_EXITING: takes no signals and runs no guest code any more.
  var hasEnded: Bool {
    switch runState {
    case .exiting, .zombie, .dead: true
    case .user, .resumeSyscall, .blocked, .groupStopped: false
    }
  }
  /// It has given everything back: a zombie, or gone.
  var hasLeft: Bool {
    switch runState {
    case .zombie, .dead: true
    case .user, .resumeSyscall, .blocked, .groupStopped, .exiting: false
    }
  }
  var isLeader: Bool { group.leader === self }
}

/// What a task used, for getrusage and times. Virtual: nothing of the host.
struct TaskUsage: Hashable, Sendable {
  var userTime = Nanoseconds.zero
  var systemTime = Nanoseconds.zero
  var voluntarySwitches: Int64 = 0
  var involuntarySwitches: Int64 = 0
  var minorFaults: Int64 = 0

  static func += (sum: inout TaskUsage, other: TaskUsage) {
    sum.userTime += other.userTime
    sum.systemTime += other.systemTime
    sum.voluntarySwitches += other.voluntarySwitches
    sum.involuntarySwitches += other.involuntarySwitches
    sum.minorFaults += other.minorFaults
  }

  /// struct rusage of getrusage(2); what is not counted is zero, as Linux leaves many fields.
  func encoded() -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 144)
    for (index, time) in [userTime, systemTime].enumerated() {
      bytes.setInteger(time.rawValue / 1_000_000_000, at: index * 16)
      bytes.setInteger(time.rawValue % 1_000_000_000 / 1000, at: index * 16 + 8)
    }
    bytes.setInteger(minorFaults, at: 64)
    bytes.setInteger(voluntarySwitches, at: 128)
    bytes.setInteger(involuntarySwitches, at: 136)
    return bytes
  }
}
