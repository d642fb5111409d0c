// The verdict when no task can ever run again: who waits for what.

import LinuxABI

extension Kernel {
  /// One line a blocked task. Owners of futexes are added where they are known.
  func describeDeadlock() -> String {
    var lines: [String] = []
    for task in tasks.tasks.values {
      guard case .blocked = task.runState, let blocked = task.blocked else { continue }
      lines.append(
        "task \(task.id) (\(task.name)) waits in \(SyscallNumber.name(blocked.number)) for \(blocked.block.reason)")
    }
    return lines.joined(separator: "\n")
  }
}
