// What the end of a run has to say, for whoever started it.

import LinuxABI

extension Kernel {
  /// Virtual time since the guest's start.
  public var virtualTimeElapsed: Nanoseconds { clock.monotonic - Timekeeper.uptimeAtStart }

  /// Processes that have not ended, other than our init: "pid (name)", in order of creation.
  public func livingProcesses() -> [String] {
    var lines: [String] = []
    for group in tasks.groups.values where group !== initProcess && group.exitStatus == nil {
      lines.append("\(group.id) (\(group.leader?.name ?? "?"))")
    }
    return lines
  }

  /// Whether the run's virtual time is over (`--timeout`); then it has its verdict: a deadlock when a cycle of lock
  /// owners stands, since that is why it did not end.
  func endIfTimeIsOver() -> Bool {
    guard let timeout = configuration.timeout, virtualTimeElapsed >= timeout else { return false }
    if let cycle = standingLockCycle() {
      verdict = .deadlock(cycle)
    } else {
      let time = "the guest's time is over after \(virtualTimeElapsed.rawValue / 1_000_000) ms of virtual time"
      verdict = .timedOut(time + "\n" + describeWaits())
    }
    return true
  }
}
