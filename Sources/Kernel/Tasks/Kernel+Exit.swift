// The end of tasks and processes: kernel/exit.c.

import LinuxABI
import Platform

extension Kernel {
  /// The task's last step: gives back what it holds, tells its parent, and becomes a zombie or goes.
  func finishExit(_ task: Task) { preconditionFailure("owned by Tasks") }
}
