// The verdict when no task can ever run again, or when a cycle of lock owners exists: who holds what is waited for. What
// all tasks wait for stands in Waiters.swift.
//
// Owners are known for PI and robust futexes, whose word names the thread, and for glibc's pthread_mutex_t, whose slow
// path waits with FUTEX_WAIT for the value 2 and whose owner stands eight bytes behind the word. A task that is joined
// is known too: the joiner waits on the word that the kernel clears at its end. A cycle counts only when every wait in
// it has no time-out and every owner is a live task whose lock has such a shape; when an owner was only read from
// memory, it must also last for a second of virtual time, or to the run's own end (`--timeout`).

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
struct LockOwner {
  var task: Task
  var kind: String

  /// What follows the futex in a line about `waiter`.
  func text(for waiter: Task) -> String {
    let name = task === waiter ? "itself" : "task \(task.id) (\(task.name))"
    return kind == LockOwner.join ? ", the end of \(name)" : " (\(kind)), held by \(name)"
  }
  static let join = "join", glibcMutex = "pthread mutex"
}

extension Kernel {
  func futexWaiter(of task: Task) -> FutexWaiter? {
    guard let state = task.blocked?.block.resume as? FutexWait, state.waiters.count == 1 else { return nil }
    return state.waiters[0]
  }

  /// The owner of the lock that a waiter waits for, where the lock's shape is known.
  func lockOwner(_ waiter: FutexWaiter) -> LockOwner? {
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
    guard waiter.isPlain, let bytes = try? waiter.task.memory.copyInPartial(waiter.address, 40), bytes.count >= 4
    else { return nil }
    let word: UInt32 = bytes.integer(at: 0)
    if word & FutexWord.waiters != 0 {
      guard let task = tasks[TaskID(Int32(bitPattern: word & FutexWord.threadMask))], task.isAlive,
        holdsRobustly(task, waiter.address)
      else { return nil }
      return LockOwner(task: task, kind: "robust mutex")
    }
    guard word == 2, expected == 2, let owner = ownerOfGlibcMutex(bytes), let task = tasks[owner], task.isAlive else {
      return nil
    }
    return LockOwner(task: task, kind: LockOwner.glibcMutex)
  }

  /// Whether the lock at `address` stands in the task's robust list. Its word alone says too little: reader-writer locks
  /// of other makes keep counts there.
  private func holdsRobustly(_ task: Task, _ address: GuestAddress) -> Bool {
    let head = task.robustListHead.rawValue
    guard head != 0, let raw = try? task.memory.copyIn(GuestAddress(head), 24) else { return false }
    var entry: UInt64 = raw.integer(at: 0)
    let offset: UInt64 = raw.integer(at: 8)
    for _ in 0..<2048 {
      entry &= ~1
      if entry == head { return false }
      if entry &+ offset == address.rawValue { return true }
      guard let next = try? task.memory.load(GuestAddress(entry), as: UInt64.self) else { return false }
      entry = next
    }
    return false
  }

  /// struct __pthread_mutex_s of glibc: lock, count, owner, users, kind, spins, list. Every field must be as in a
  /// locked mutex: a lock of another make may have any number where the owner would stand, and thread ids are small.
  private func ownerOfGlibcMutex(_ bytes: [UInt8]) -> TaskID? {
    guard bytes.count == 40 else { return nil }
    let count: UInt32 = bytes.integer(at: 4)
    let owner: Int32 = bytes.integer(at: 8)
    let users: UInt32 = bytes.integer(at: 12)
    let kind: Int32 = bytes.integer(at: 16)
    // nptl/pthreadP.h: type in the two low bits, 0x80 shared, 0x100 and 0x200 elision. Neither robust nor PI.
    guard owner > 0, kind & ~0x383 == 0, users > 0, users <= UInt32(tasks.tasks.count) else { return nil }
    // Only a recursive mutex counts; only a robust one is in a list.
    guard kind & 3 == 1 ? count > 0 : count == 0, bytes[24..<40].allSatisfy({ $0 == 0 }) else { return nil }
    return TaskID(owner)
  }

  /// How long a cycle must last whose owners were only read from memory: a lock of another make that looks like
  /// glibc's is released long before.
  static let lockCycleDuration = Nanoseconds.second

  /// A wait begins: when the owners lead back to it, the tasks on the way can never run again.
  func lookForLockCycle(from waiter: FutexWaiter) {
    guard let cycle = lockCycle(from: waiter) else { return }
    if cycle.isCertain { return report(cycle) }
    _ = timers.arm(clock.monotonic + Self.lockCycleDuration, waiter)
  }

  /// The suspected cycle had its time.
  fileprivate func confirmLockCycle(from waiter: FutexWaiter) {
    guard case .blocked = waiter.task.runState, futexWaiter(of: waiter.task) === waiter, !waiter.isWoken,
      let cycle = lockCycle(from: waiter)
    else { return }
    report(cycle)
  }

  private func report(_ cycle: LockCycle) {
    switch configuration.deadlockPolicy {
    case .end: verdict = .deadlock(text(cycle))
    case .report: statistics.lockCycles.append(text(cycle))
    }
  }

  /// The cycle, and what the tasks do that are not in it.
  private func text(_ cycle: LockCycle) -> String {
    var text = "a cycle of lock owners:\n" + cycle.lines.joined(separator: "\n")
    let others = waiters().filter { !cycle.tasks.contains($0.task) }
    if !others.isEmpty { text += "\nbesides:\n" + describeWaits(others) }
    return text
  }

  /// No task can ever run again.
  func describeDeadlock() -> String {
    guard let cycle = standingCycle() else { return describeWaits() }
    return text(cycle)
  }

  /// A cycle of lock owners that stands now, in words, however short it has stood: for a run that is stopped before the
  /// cycle had its time. nil under `DeadlockPolicy.report`.
  public func standingLockCycle() -> String? {
    if configuration.deadlockPolicy != .end { return nil }
    return standingCycle().map { text($0) }
  }

  private func standingCycle() -> LockCycle? {
    for task in tasks.tasks.values {
      if case .blocked = task.runState, task.blocked?.block.deadline == nil, let waiter = futexWaiter(of: task),
        !waiter.isWoken, let cycle = lockCycle(from: waiter)
      {
        return cycle
      }
    }
    return nil
  }

  private func lockCycle(from waiter: FutexWaiter) -> LockCycle? {
    // Nearly every wait ends here, so there are no words before there is a cycle.
    guard followOwners(from: waiter, { _, _ in }) else { return nil }
    var cycle = LockCycle()
    _ = followOwners(from: waiter) { next, owner in
      if owner.kind == LockOwner.glibcMutex { cycle.isCertain = false }
      cycle.tasks.append(next.task.id)
      cycle.lines.append(
        "task \(next.task.id) (\(next.task.name)) waits for the futex at \(next.address)" + owner.text(for: next.task))
    }
    return cycle
  }

  /// Follows the owners from wait to wait. Whether they lead back to the first.
  private func followOwners(from waiter: FutexWaiter, _ visit: (FutexWaiter, LockOwner) -> Void) -> Bool {
    var next = waiter
    for _ in 0...tasks.tasks.count {
      guard let owner = lockOwner(next) else { return false }
      visit(next, owner)
      if owner.task === waiter.task { return true }
      guard case .blocked = owner.task.runState, owner.task.blocked?.block.deadline == nil,
        let following = futexWaiter(of: owner.task), !following.isWoken
      else { return false }
      next = following
    }
    return false
  }
}

/// Tasks that wait for each other.
private struct LockCycle {
  var tasks: [TaskID] = []
  var lines: [String] = []
  /// Every owner is known to the kernel, none only read from memory.
  var isCertain = true
}

extension FutexWaiter: TimerTarget {
  func timerFired(_ kernel: Kernel, token: UInt64) { kernel.confirmLockCycle(from: self) }
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
