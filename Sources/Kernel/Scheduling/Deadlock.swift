// The verdict when no task can ever run again, or when a cycle of lock owners exists: who waits for what, held by whom.
//
// Owners are known for PI and robust futexes, whose word names the thread, and for glibc's pthread_mutex_t, whose slow
// path waits with FUTEX_WAIT for the value 2 and whose owner stands eight bytes behind the word. A task that is joined is
// known too: the joiner waits on the word that the kernel clears at its end. A cycle counts as certain only when every
// wait in it has no time-out and every owner is a live task whose lock has such a shape.

import LinuxABI
import Platform

/// What the run does about a cycle of lock owners while other tasks can still run.
public enum DeadlockPolicy: String, Hashable, Sendable, CaseIterable {
  /// Ends the run with `Verdict.deadlock`.
  case end
  /// Notes it in the statistics and goes on.
  case report
}

/// Who holds what a task waits for.
private struct LockOwner {
  var task: Task
  var kind: String

  /// What follows the futex in a line about `waiter`.
  func text(for waiter: Task) -> String {
    let name = task === waiter ? "itself" : "task \(task.id) (\(task.name))"
    return kind == LockOwner.join ? ", the end of \(name)" : " (\(kind)), held by \(name)"
  }
  static let join = "join"
}

extension Kernel {
  /// One line a blocked task.
  func describeDeadlock() -> String {
    var lines: [String] = []
    for task in tasks.tasks.values {
      if case .blocked = task.runState, task.group !== initProcess { lines.append(describeWait(of: task)) }
    }
    return lines.joined(separator: "\n")
  }

  private func describeWait(of task: Task) -> String {
    guard let blocked = task.blocked else { return "task \(task.id) (\(task.name))" }
    var line = "task \(task.id) (\(task.name)) waits in \(SyscallNumber.name(blocked.number)) for "
    line += blocked.block.reason.text
    if let waiter = futexWaiter(of: task) {
      if let owner = lockOwner(waiter) { line += owner.text(for: task) }
    }
    return line
  }

  private func futexWaiter(of task: Task) -> FutexWaiter? {
    guard let state = task.blocked?.block.resume as? FutexWait, state.waiters.count == 1 else { return nil }
    return state.waiters[0]
  }

  /// The owner of the lock that a waiter waits for, where the lock's shape is known.
  private func lockOwner(_ waiter: FutexWaiter) -> LockOwner? {
    if let owner = ipc.futexes.owners[waiter.key], let task = tasks[owner], task.isAlive {
      return LockOwner(task: task, kind: "PI mutex")
    }
    guard let expected = waiter.expected else { return nil }
    // pthread_join: the word holds the thread's id until CLONE_CHILD_CLEARTID clears it.
    if let task = tasks[TaskID(Int32(bitPattern: expected))], task.isAlive, task.clearChildTID == waiter.address,
      task.memory === waiter.task.memory
    {
      return LockOwner(task: task, kind: LockOwner.join)
    }
    guard waiter.isPlain,
      let bytes = try? waiter.task.memory.copyInPartial(waiter.address, 20), bytes.count >= 4
    else { return nil }
    let word: UInt32 = bytes.integer(at: 0)
    if word & FutexWord.waiters != 0 {
      guard let task = tasks[TaskID(Int32(bitPattern: word & FutexWord.threadMask))], task.isAlive else { return nil }
      return LockOwner(task: task, kind: "mutex")
    }
    // pthread_mutex_t: lock, count, owner, users, kind; nptl/pthreadP.h for the bits of kind.
    guard bytes.count == 20, word == 2, expected == 2 else { return nil }
    let owner: Int32 = bytes.integer(at: 8)
    let kind: Int32 = bytes.integer(at: 16)
    guard owner > 0, kind & ~0x383 == 0, let task = tasks[TaskID(owner)], task.isAlive else { return nil }
    return LockOwner(task: task, kind: "pthread mutex")
  }

  /// Follows the owners from a wait that begins now. When they lead back, the tasks on the way can never run again.
  func lookForLockCycle(from waiter: FutexWaiter) {
    guard var owner = lockOwner(waiter) else { return }
    var lines = [
      "task \(waiter.task.id) (\(waiter.task.name)) waits for the futex at \(waiter.address)"
        + owner.text(for: waiter.task)
    ]
    for _ in 0..<tasks.tasks.count {
      if owner.task === waiter.task {
        let text = "a cycle of lock owners:\n" + lines.joined(separator: "\n")
        switch configuration.deadlockPolicy {
        case .end: verdict = .deadlock(text)
        case .report: statistics.lockCycles.append(text)
        }
        return
      }
      guard case .blocked = owner.task.runState, owner.task.blocked?.block.deadline == nil,
        let next = futexWaiter(of: owner.task), !next.isWoken, let nextOwner = lockOwner(next)
      else { return }
      lines.append(
        "task \(next.task.id) (\(next.task.name)) waits for the futex at \(next.address)"
          + nextOwner.text(for: next.task))
      owner = nextOwner
    }
  }
}

extension BlockReason {
  /// For people.
  var text: String {
    switch self {
    case .sleep: "the end of a sleep"
    case .futex(let address): "the futex at \(address)"
    case .pipe(let reading): reading ? "data in a pipe" : "room in a pipe"
    case .socket(let what): what
    case .child: "a child"
    case .poll: "file descriptors to become ready"
    case .signal: "a signal"
    case .fileLock: "a file lock"
    case .timer: "a timer"
    case .eventCounter: "an event counter"
    case .hostInput: "standard input"
    case .vfork: "a vfork child to execute or end"
    case .other(let what): what
    }
  }
}
