// What the end of a run has to say, for whoever started it.

import LinuxABI
import Platform

extension Kernel {
  /// Virtual time since the guest's start.
  public var virtualTimeElapsed: Nanoseconds { clock.monotonic - Timekeeper.uptimeAtStart }

  /// The task whose turn it is, and the machine's name for it.
  public var currentTask: (id: TaskID, context: ContextID)? { scheduler.current.map { ($0.id, $0.context.id) } }

  /// Where the program of the task whose turn it is was loaded, from its first segment to the end of what follows without a gap.
  public var currentProgramImage: GuestRange? {
    guard let memory = scheduler.current?.memory else { return nil }
    let mappings = memory.mappings
    guard let inside = mappings.firstIndex(where: { $0.range.contains(memory.programCode.start) }) else { return nil }
    var first = inside, last = inside
    while first > 0, mappings[first - 1].range.end == mappings[first].range.start { first -= 1 }
    while last + 1 < mappings.count, mappings[last + 1].range.start == mappings[last].range.end { last += 1 }
    return GuestRange(mappings[first].range.start, mappings[last].range.end)
  }

  /// What code is mapped from files in the memory of the task whose turn it is, by rising address.
  public var currentCode: [LoadedCode] {
    guard let memory = scheduler.current?.memory else { return [] }
    let image = currentProgramImage
    return memory.mappings.compactMap { mapping in
      guard mapping.protection.contains(.execute), let object = mapping.object, !object.path.isEmpty else { return nil }
      let isProgram = image?.contains(mapping.range.start) == true
      return LoadedCode(range: mapping.range, offset: mapping.offset, path: object.path, isProgram: isProgram)
    }
  }

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

/// Code that a mapping shows.
public struct LoadedCode: Sendable {
  public var range: GuestRange
  /// Of the mapping in the file, in bytes.
  public var offset: UInt64
  public var path: [UInt8]
  /// Of the program itself, not of a library.
  public var isProgram: Bool
}
