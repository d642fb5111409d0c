// What a task's end means for futexes: futex_exec_release and futex_exit_release of kernel/futex/core.c, mm_release of
// kernel/fork.c.

import LinuxABI
import Platform

extension Kernel {
  /// Walks the robust list, hands over PI futexes, clears the word of CLONE_CHILD_CLEARTID and wakes one waiter there.
  /// Called at exit and at a successful execve, while `task.memory` is still the old space.
  func taskReleasesFutexes(_ task: Task) {
    if task.robustListHead.rawValue != 0 {
      let head = task.robustListHead
      task.robustListHead = GuestAddress(0)
      try? walkRobustList(task, head)
    }
    releasePriorityInheritingFutexes(task)
    if let state = task.blocked?.block.resume as? FutexWait {
      for waiter in state.waiters { ipc.futexes.remove(waiter) }
    }
    let word = task.clearChildTID
    task.clearChildTID = GuestAddress(0)
    // Nobody can see the word when the space ends with the task.
    guard word.rawValue != 0, task.memory.users > 1 else { return }
    try? task.memory.store(word, 0 as Int32)
    futexWake(memory: task.memory, address: word, count: 1)
  }

  /// exit_robust_list: bit 0 of an entry's address says that it is a PI futex.
  private func walkRobustList(_ task: Task, _ head: GuestAddress) throws(Errno) {
    let raw = try task.memory.copyIn(head, 24)
    var entry: UInt64 = raw.integer(at: 0)
    let offset: UInt64 = raw.integer(at: 8)
    let pending: UInt64 = raw.integer(at: 16)
    // ROBUST_LIST_LIMIT: a list may be circular.
    for _ in 0..<2048 {
      if entry & ~1 == head.rawValue { break }
      let following = try? task.memory.load(GuestAddress(entry & ~1), as: UInt64.self)
      if entry & ~1 != pending & ~1 {
        try ownerDied(task, GuestAddress((entry & ~1) &+ offset), isPI: entry & 1 != 0, isPending: false)
      }
      guard let following else { return }
      entry = following
    }
    if pending & ~1 != 0 {
      try ownerDied(task, GuestAddress((pending & ~1) &+ offset), isPI: pending & 1 != 0, isPending: true)
    }
  }

  /// handle_futex_death.
  private func ownerDied(_ task: Task, _ address: GuestAddress, isPI: Bool, isPending: Bool) throws(Errno) {
    if address.rawValue & 3 != 0 { throw .EINVAL }
    let word: UInt32 = try task.memory.load(address)
    let owner = word & FutexWord.threadMask
    if isPending && !isPI && owner == 0 {
      // It died between the unlock in user space and the wake.
      return futexWake(memory: task.memory, address: address, count: 1)
    }
    if owner != UInt32(bitPattern: task.id.rawValue) { return }
    try task.memory.store(address, (word & FutexWord.waiters) | FutexWord.ownerDied)
    if !isPI && word & FutexWord.waiters != 0 { futexWake(memory: task.memory, address: address, count: 1) }
  }
}
