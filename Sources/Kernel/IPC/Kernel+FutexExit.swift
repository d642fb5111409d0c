// What a task's end means for futexes.

import LinuxABI
import Platform

extension Kernel {
  /// mm_release of kernel/fork.c: the robust list is walked, then the word of CLONE_CHILD_CLEARTID is cleared and one
  /// waiter there is woken. Called at exit and at a successful execve, while `task.memory` is still the old space.
  func taskReleasesFutexes(_ task: Task) {
    let word = task.clearChildTID
    task.robustListHead = GuestAddress(0)
    task.clearChildTID = GuestAddress(0)
    // Nobody can see the word when the space ends with the task.
    guard word.rawValue != 0, task.memory.users > 1 else { return }
    try? task.memory.store(word, 0 as Int32)
  }
}
