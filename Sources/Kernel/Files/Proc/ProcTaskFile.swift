// The files of /proc/PID and /proc/PID/task/TID. Formats: proc(5), fs/proc/array.c, fs/proc/task_mmu.c.

import LinuxABI
import Platform

enum ProcTaskFile: UInt8, CaseIterable, Sendable {
  case status = 1
  case stat, statm, cmdline, comm, environ, maps, smaps, smapsRollup, limits, cgroup, mounts, mountinfo, oomScore
  case oomScoreAdjustment, io, waitChannel, auxv, loginUser, sessionID, scheduling, personality, children, memory

  var name: String {
    switch self {
    case .smapsRollup: "smaps_rollup"
    case .oomScore: "oom_score"
    case .oomScoreAdjustment: "oom_score_adj"
    case .waitChannel: "wchan"
    case .loginUser: "loginuid"
    case .sessionID: "sessionid"
    case .scheduling: "schedstat"
    case .memory: "mem"
    default: "\(self)"
    }
  }

  var permissions: UInt32 {
    switch self {
    case .environ, .io, .auxv, .personality: 0o400
    case .comm, .oomScoreAdjustment, .loginUser: 0o644
    case .memory: 0o600
    default: 0o444
    }
  }

  /// Those that show a process's memory.
  var needsTraceAccess: Bool {
    switch self {
    case .environ, .maps, .smaps, .smapsRollup, .auxv, .memory, .io: true
    default: false
    }
  }

  /// A zombie can still be looked at in part.
  var outlivesTask: Bool {
    switch self {
    case .environ, .auxv, .io, .memory: false
    default: true
    }
  }

  func text(_ kernel: Kernel, _ task: Task, reader: Task?) -> [UInt8] {
    let group = task.group
    switch self {
    case .cmdline: return task.hasEnded ? [] : strings(task.memory.argumentStrings, task, group.arguments)
    case .environ: return strings(task.memory.environmentStrings, task, group.environment)
    case .maps: return task.hasEnded ? [] : Self.maps(kernel, task, detailed: false)
    case .smaps: return task.hasEnded ? [] : Self.maps(kernel, task, detailed: true)
    case .auxv:
      var bytes: [UInt8] = []
      for entry in task.memory.auxiliaryVector {
        bytes.appendInteger(entry.type)
        bytes.appendInteger(entry.value)
      }
      if task.memory.auxiliaryVector.last?.type != 0 { bytes.append(contentsOf: repeatElement(0, count: 16)) }
      return bytes
    default: return Array(line(kernel, task, reader: reader).utf8)
    }
  }

  private func line(_ kernel: Kernel, _ task: Task, reader: Task?) -> String {
    switch self {
    case .status: return Self.status(kernel, task)
    case .stat: return Self.stat(kernel, task)
    case .statm:
      let pages = task.hasEnded ? 0 : task.memory.virtualBytes / 4096
      return "\(pages) \(pages) 0 0 0 \(pages) 0\n"
    case .comm: return task.name + "\n"
    case .limits: return Self.limits(task.group.limits)
    case .cgroup: return "0::/\n"
    case .mounts: return MountTable.mounts
    case .mountinfo: return MountTable.mountInformation
    case .oomScore: return "0\n"
    case .oomScoreAdjustment: return "\(task.group.oomScoreAdjustment)\n"
    case .io:
      return "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n"
    case .waitChannel:
      if case .blocked = task.runState, let blocked = task.blocked { return SyscallNumber.name(blocked.number) }
      return "0"
    case .loginUser, .sessionID: return "4294967295"
    case .scheduling: return "\(task.usage.userTime.rawValue) 0 \(task.usage.voluntarySwitches)\n"
    case .personality: return Self.hexadecimal(UInt64(task.personality), width: 8) + "\n"
    case .children: return task.group.children.filter { $0.parentTask === task }.map { "\($0.id) " }.joined()
    case .smapsRollup: return "Rss: 0 kB\n"
    default: return ""
    }
  }

  /// The strings as they lie in the guest's memory now (setproctitle changes them), else as exec got them.
  private func strings(_ range: GuestRange, _ task: Task, _ original: [[UInt8]]) -> [UInt8] {
    if !range.isEmpty, let bytes = try? task.memory.copyIn(range.start, Int(min(range.length, 1 << 20))) {
      return bytes
    }
    return original.flatMap { $0 + [0] }
  }

  /// Writable ones: comm, oom_score_adj.
  func store(_ kernel: Kernel, _ task: Task, _ bytes: ArraySlice<UInt8>) throws(Errno) {
    var text = String(decoding: bytes.prefix(64), as: UTF8.self)
    while text.last == "\n" { text.removeLast() }
    switch self {
    case .comm: task.name = String(decoding: Array(text.utf8.prefix(15)), as: UTF8.self)
    case .oomScoreAdjustment:
      guard let value = Int32(text), (-1000...1000).contains(value) else { throw .EINVAL }
      // Below what it is needs CAP_SYS_RESOURCE.
      if value < task.group.oomScoreAdjustment && !task.credentials.hasCapability(24) { throw .EACCES }
      task.group.oomScoreAdjustment = value
    default: throw .EPERM
    }
  }

  static func hexadecimal(_ value: UInt64, width: Int) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}

extension Task {
  /// The letter of /proc/PID/stat and its word.
  var stateForProc: (String, String) {
    switch runState {
    case .user, .resumeSyscall, .exiting: ("R", "running")
    case .blocked: blocked?.block.interruptible == false ? ("D", "disk sleep") : ("S", "sleeping")
    case .groupStopped: ("T", "stopped")
    case .zombie: ("Z", "zombie")
    case .dead: ("X", "dead")
    }
  }
}
