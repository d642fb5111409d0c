// Waiting for children: do_wait of kernel/exit.c.

import LinuxABI
import Platform

/// WNOHANG and kin.
struct WaitOptions: OptionSet, Hashable, Sendable {
  let rawValue: UInt32
  static let noHang = WaitOptions(rawValue: 1)
  static let stopped = WaitOptions(rawValue: 2)
  static let exited = WaitOptions(rawValue: 4)
  static let continued = WaitOptions(rawValue: 8)
  static let noReap = WaitOptions(rawValue: 0x0100_0000)
  static let ownChildren = WaitOptions(rawValue: 0x2000_0000)
  static let all = WaitOptions(rawValue: 0x4000_0000)
  static let clone = WaitOptions(rawValue: 0x8000_0000)
  static let kinds: WaitOptions = [.ownChildren, .all, .clone]
}

/// Whom to wait for.
enum WaitTarget {
  case any
  case process(TaskID)
  case processGroup(TaskID)
  case pidfd(ThreadGroup)
}

/// What a wait found.
struct WaitResult {
  var process: TaskID
  var user: UInt32
  /// si_code and si_status.
  var code: Int32
  var value: Int32
  /// As wait4 encodes it.
  var status: Int32
  var usage: TaskUsage
}

extension Kernel {
  /// The first child with something to report; nil when there are children but none has. ECHILD without any.
  func findChild(_ task: Task, _ target: WaitTarget, _ options: WaitOptions) throws(Errno) -> WaitResult? {
    var hasChild = false
    for child in task.group.children {
      guard matches(child, target), isEligible(child, task, options) else { continue }
      hasChild = true
      if child.isZombie {
        if options.contains(.exited) { return report(endOf: child, options) }
        continue
      }
      if options.contains(.stopped), child.signals.isStopped, child.signals.unreportedStop != 0 {
        let signal = Int32(child.signals.unreportedStop)
        if !options.contains(.noReap) { child.signals.unreportedStop = 0 }
        return result(child, SignalCode.childStopped, signal, status: signal << 8 | 0x7f)
      }
      if options.contains(.continued), child.signals.unreportedContinue {
        if !options.contains(.noReap) { child.signals.unreportedContinue = false }
        return result(child, SignalCode.childContinued, Int32(SignalNumber.cont), status: 0xffff)
      }
    }
    if !hasChild { throw .ECHILD }
    return nil
  }

  private func matches(_ child: ThreadGroup, _ target: WaitTarget) -> Bool {
    switch target {
    case .any: true
    case .process(let id): child.id == id
    case .processGroup(let id): child.processGroup.id == id
    case .pidfd(let group): child === group
    }
  }

  /// eligible_child: "clone" children are those whose exit signal is not SIGCHLD.
  private func isEligible(_ child: ThreadGroup, _ task: Task, _ options: WaitOptions) -> Bool {
    if options.contains(.ownChildren) && child.parentTask !== task { return false }
    if options.contains(.all) { return true }
    return (Int(child.exitSignal) != SignalNumber.chld) == options.contains(.clone)
  }

  private func report(endOf child: ThreadGroup, _ options: WaitOptions) -> WaitResult {
    let status = child.exitStatus ?? 0
    let (code, value) = Self.childCode(status)
    let found = result(child, code, value, status: status)
    if !options.contains(.noReap) { reap(child) }
    return found
  }

  private func result(_ child: ThreadGroup, _ code: Int32, _ value: Int32, status: Int32) -> WaitResult {
    var usage = child.totalUsage
    usage += child.usageOfChildren
    return WaitResult(
      process: child.id, user: child.leader?.credentials.realUser ?? 0, code: code, value: value, status: status,
      usage: usage)
  }
}

extension SyscallTable {
  /// wait4(2).
  static func sysWait4(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    var options = WaitOptions(rawValue: call.uint32(2))
    if !options.isSubset(of: [.noHang, .stopped, .continued, .kinds]) { throw .EINVAL }
    options.insert(.exited)
    let pid = call.int32(0)
    if pid == Int32.min { throw .ESRCH }
    let target: WaitTarget
    switch pid {
    case -1: target = .any
    case 0: target = .processGroup(call.task.group.processGroup.id)
    case ..<0: target = .processGroup(TaskID(-pid))
    default: target = .process(TaskID(pid))
    }
    guard let found = try call.kernel.findChild(call.task, target, options) else {
      return try waitForChild(call, options)
    }
    if call[3] != 0 { try call.memory.copyOut(call.address(3), found.usage.encoded()) }
    if call[1] != 0 { try call.memory.store(call.address(1), found.status) }
    return .value(found.process)
  }

  /// waitid(2), with the fifth argument of the system call: struct rusage.
  static func sysWaitid(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    var options = WaitOptions(rawValue: call.uint32(3))
    if !options.isSubset(of: [.noHang, .noReap, .exited, .stopped, .continued, .kinds]) { throw .EINVAL }
    if options.isDisjoint(with: [.exited, .stopped, .continued]) { throw .EINVAL }
    let id = call.int32(1)
    let target: WaitTarget
    var isNonblockingPidfd = false
    switch call.int32(0) {
    case 0: target = .any
    case 1:
      if id <= 0 { throw .EINVAL }
      target = .process(TaskID(id))
    case 2:
      if id < 0 { throw .EINVAL }
      target = .processGroup(id == 0 ? call.task.group.processGroup.id : TaskID(id))
    case 3:
      if id < 0 { throw .EINVAL }
      guard let file = try call.task.files.file(id) as? PidFile else { throw .EBADF }
      target = .pidfd(file.process)
      isNonblockingPidfd = file.isNonblocking && !options.contains(.noHang)
      if isNonblockingPidfd { options.insert(.noHang) }
    default: throw .EINVAL
    }
    let found = try call.kernel.findChild(call.task, target, options)
    if found == nil {
      if isNonblockingPidfd { throw .EAGAIN }
      if !options.contains(.noHang) { return try waitForChild(call, options) }
    }
    if let found, call[4] != 0 { try call.memory.copyOut(call.address(4), found.usage.encoded()) }
    if call[2] != 0 {
      // Only the named fields are stored; all of them are zero when there was nothing.
      var bytes = [UInt8](repeating: 0, count: 28)
      if let found {
        bytes.setInteger(Int32(SignalNumber.chld), at: 0)
        bytes.setInteger(found.code, at: 8)
        bytes.setInteger(found.process.rawValue, at: 16)
        bytes.setInteger(found.user, at: 20)
        bytes.setInteger(found.value, at: 24)
      }
      try call.memory.copyOut(call.address(2), bytes[..<12])
      try call.memory.copyOut(call.address(2) + 16, bytes[16...])
    }
    return .success
  }

  private static func waitForChild(_ call: Syscall, _ options: WaitOptions) throws(Errno) -> SyscallOutcome {
    if options.contains(.noHang) { return .success }
    return try call.wait(Block(on: [call.task.group.childEvents], reason: .child))
  }
}
