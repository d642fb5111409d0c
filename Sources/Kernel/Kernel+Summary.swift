// What the end of a run has to say, for whoever started it.

import LinuxABI
import Platform

extension Kernel {
  /// Virtual time since the guest's start.
  public var virtualTimeElapsed: Nanoseconds { clock.monotonic - Timekeeper.uptimeAtStart }

  /// The task whose turn it is, and the machine's name for it.
  public var currentTask: (id: TaskID, context: ContextID)? { scheduler.current.map { ($0.id, $0.context.id) } }

  /// Processes that have not ended, other than our init: "pid (name)", in order of creation.
  public func livingProcesses() -> [String] {
    var lines: [String] = []
    for group in tasks.groups.values where group !== initProcess && group.exitStatus == nil {
      lines.append("\(group.id) (\(group.leader?.name ?? "?"))")
    }
    return lines
  }

  /// Whether the run's virtual time is over (`--timeout`); then it has its verdict.
  func endIfTimeIsOver() -> Bool {
    guard let timeout = configuration.timeout, virtualTimeElapsed >= timeout else { return false }
    verdict = .timedOut("the guest's time is over after \(virtualTimeElapsed.rawValue / 1_000_000) ms of virtual time")
    return true
  }
}
