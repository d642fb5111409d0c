// What an explanation says, as plain values: the same for the terminal and for `--json`. The keys are those of these members;
// README.md tells what they mean. Addresses are texts in hexadecimal, since JSON's numbers do not hold 64 bits.

/// One frame of a stack.
public struct Frame: Hashable, Sendable, Encodable {
  public var address: String
  /// nil when nothing is known of the code there.
  public var function: String?
  public var file: String?
  public var line: Int?
  public var column: Int?
  /// Of optimised code: another line whose statement begins with this instruction.
  public var alsoLine: Int?
  /// The file that the code is from, by its last name, and the address that the file gives it (for addr2line).
  public var module: String?
  public var moduleAddress: String?
  /// Its code is a part of the next frame's function.
  public var isInlined: Bool
  /// Code that has source lines outside of /usr, or that lies in a program without any.
  public var isOfProgram: Bool
}

/// Memory that tasks share.
public struct SharedPlace: Hashable, Sendable, Encodable {
  public enum Kind: String, Hashable, Sendable, Encodable {
    case global, stack, heap, file, sharedMemory
  }
  public var kind: Kind
  /// Empty for a file or a pipe that is reached by system calls.
  public var address: String
  /// Bytes; 0 for a file.
  public var size: Int
  /// Of a global variable; with `offset` the distance from its start.
  public var symbol: String?
  public var offset: UInt64?
  /// The part of the variable, as its type has it: ".items[3].count".
  public var member: String?
  /// In words: "counter", "account.balance", "table+0x10", "the heap at 0x5000", "the stack of task 3 at 0x7ff0".
  public var name: String
}

/// A mutex that a task held at an access.
public struct HeldLock: Hashable, Sendable, Encodable {
  public var lock: SharedPlace
  public var takenAt: [Frame]
  /// nil when it was not seen to let go.
  public var releasedAt: [Frame]?
}

/// One access to it.
public struct AccessReport: Hashable, Sendable, Encodable {
  public enum Operation: String, Hashable, Sendable, Encodable {
    case read, write
    case atomicUpdate = "atomic update"
  }
  /// Against the switch: what the stopped task did before it, what others did meanwhile, what it did after it went on.
  public enum Role: String, Hashable, Sendable, Encodable {
    case before, meanwhile, after
  }
  public var task: Int32
  public var taskName: String
  public var role: Role
  public var operation: Operation
  /// The event in which it happened; nil when it did not.
  public var event: UInt64?
  /// False for what the task would have done next: the run ended before.
  public var happened: Bool
  /// The system call that touched it, where no instruction did.
  public var systemCall: String?
  /// In a signal handler.
  public var isInHandler: Bool
  /// That one's frame in the stack, where it is known.
  public var handler: Frame?
  /// What stood there before and after it; nil where it could not be seen.
  public var valueBefore: String?
  public var valueAfter: String?
  /// Mutexes that the task held then, as far as it took them near the switch.
  public var locks: [HeldLock]
  /// The innermost frame first.
  public var stack: [Frame]
}

/// Accesses of two tasks whose order mattered, in the order in which they happened.
public struct Race: Hashable, Sendable, Encodable {
  /// Of the switch that brought the order about, in `switches`; nil for a task that started late or never, and for the last wait of the one that failed.
  public var switchIndex: Int?
  public var place: SharedPlace
  public var accesses: [AccessReport]
  /// The program's data; otherwise something inside a library, or a lock.
  public var isProgramData: Bool
  public var summary: String
}

/// A change of turn without which the failure does not happen, as far as the search knows.
public struct SwitchReport: Hashable, Sendable, Encodable {
  public var kind: String
  public var event: UInt64
  public var task: Int32
  public var taskName: String
  public var next: Int32
  /// When the task went on; nil when it never did.
  public var resumedAtEvent: UInt64?
  /// The call at which it stood, when it was stopped behind one or before one.
  public var systemCall: String?
  public var stack: [Frame]
}

/// A task that waits for ever.
public struct BlockedTask: Hashable, Sendable, Encodable {
  public var task: Int32
  public var taskName: String
  public var systemCall: String
  /// The word that it waits on.
  public var lock: SharedPlace?
  /// The task that holds the lock, where that can be read from it.
  public var holder: Int32?
  /// It waits for the holder to end; `lock` is then the word that the kernel clears at that task's end.
  public var isJoin: Bool
  /// Where that task took it.
  public var heldSince: [Frame]?
  /// The holder is of another process: this one has a copy of the lock as it was when it was forked, and nobody will release it.
  public var isCopyOfLock: Bool
  /// Where the process was forked.
  public var forkedAt: [Frame]?
  /// Where nobody holds it (a condition, a semaphore): the last other task that touched it, and where.
  public var lastUsedBy: Int32?
  public var lastUsedAt: [Frame]?
  /// The signal handler that it waits in.
  public var handler: Frame?
  public var stack: [Frame]
}

/// One turn of a task: what it did until another one ran.
public struct Turn: Hashable, Sendable, Encodable {
  public var task: Int32
  public var taskName: String
  public var firstEvent: UInt64
  public var lastEvent: UInt64
  /// How it ended.
  public var end: String
  /// Its index in `switches`, when one ended it.
  public var switchIndex: Int?
}

public struct Explanation: Sendable, Encodable {
  /// Of these keys.
  public var version = 1
  public var trace: String
  public var program: [String]
  /// "signal 6", "exit status 1", "deadlock".
  public var failure: String
  /// One line: what raced.
  public var headline: String
  /// Whether the trace has a search's note; without one, the last preemptions are looked at.
  public var hasSearchNote: Bool
  public var races: [Race]
  public var blocked: [BlockedTask]
  public var switches: [SwitchReport]
  public var timeline: [Turn]
  /// What could not be done, and what to know about the rest.
  public var remarks: [String]
}
