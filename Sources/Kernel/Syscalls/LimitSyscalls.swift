// getrlimit(2), prlimit(2), getrusage(2), times(2).

import LinuxABI
import Platform

extension SyscallTable {
  static var limitSyscalls: [SyscallEntry] {
    let partly = SyscallSupport.partial("RLIMIT_CPU, RLIMIT_RSS and RLIMIT_RTTIME are kept, not enforced")
    return [
      SyscallEntry(SyscallNumber.getrlimit, .full, LimitSyscalls.getLimit),
      SyscallEntry(SyscallNumber.setrlimit, partly, LimitSyscalls.setLimit),
      SyscallEntry(SyscallNumber.prlimit64, partly, LimitSyscalls.prlimit),
      SyscallEntry(
        SyscallNumber.getrusage, .partial("virtual time; ru_maxrss is the writable memory now, mapped or not"),
        LimitSyscalls.getUsage),
      SyscallEntry(SyscallNumber.times, .partial("virtual time"), LimitSyscalls.times),
    ]
  }
}

enum LimitSyscalls {
  /// sysctl_nr_open: no RLIMIT_NOFILE goes beyond.
  private static let filesMax: UInt64 = 1 << 20

  private static func resource(_ number: UInt32) throws(Errno) -> Int {
    if number >= UInt32(ResourceLimits.count) { throw .EINVAL }
    return Int(number)
  }

  private static func load(_ call: Syscall, _ address: GuestAddress) throws(Errno) -> ResourceLimit {
    let bytes = try call.memory.copyIn(address, 16)
    return ResourceLimit(current: bytes.integer(at: 0), maximum: bytes.integer(at: 8))
  }

  private static func store(_ call: Syscall, _ address: GuestAddress, _ limit: ResourceLimit) throws(Errno) {
    var bytes: [UInt8] = []
    bytes.appendInteger(limit.current)
    bytes.appendInteger(limit.maximum)
    try call.memory.copyOut(address, bytes)
  }

  /// do_prlimit of kernel/sys.c.
  private static func set(_ call: Syscall, _ group: ThreadGroup, _ resource: Int, _ new: ResourceLimit) throws(Errno) {
    if new.current > new.maximum { throw .EINVAL }
    if resource == ResourceLimits.files && new.maximum > filesMax { throw .EPERM }
    // CAP_SYS_RESOURCE.
    if new.maximum > group.limits[resource].maximum && !call.task.credentials.hasCapability(24) { throw .EPERM }
    group.limits[resource] = new
  }

  static func getLimit(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    try store(call, call.address(1), call.task.group.limits[try resource(call.uint32(0))])
    return .success
  }

  static func setLimit(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let new = try load(call, call.address(1))
    try set(call, call.task.group, try resource(call.uint32(0)), new)
    return .success
  }

  static func prlimit(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let new = call[2] == 0 ? nil : try load(call, call.address(2))
    let group: ThreadGroup
    if call.int32(0) == 0 {
      group = call.task.group
    } else {
      guard let target = call.kernel.tasks[TaskID(call.int32(0))] else { throw .ESRCH }
      if target.group !== call.task.group && !mayChange(target, by: call.task) { throw .EPERM }
      group = target.group
    }
    let resource = try resource(call.uint32(1))
    let old = group.limits[resource]
    if let new { try set(call, group, resource, new) }
    if call[3] != 0 { try store(call, call.address(3), old) }
    return .success
  }

  /// check_prlimit_permission: all ids of the target are the caller's real ids, or CAP_SYS_RESOURCE.
  private static func mayChange(_ target: Task, by task: Task) -> Bool {
    let theirs = target.credentials
    let own = task.credentials
    let sameUser = [theirs.realUser, theirs.effectiveUser, theirs.savedUser].allSatisfy { $0 == own.realUser }
    let sameGroup = [theirs.realGroup, theirs.effectiveGroup, theirs.savedGroup].allSatisfy { $0 == own.realGroup }
    return (sameUser && sameGroup) || own.hasCapability(24)
  }

  // MARK: Usage

  static func getUsage(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let task = call.task
    var usage: TaskUsage
    switch call.int32(0) {
    case 0: usage = task.group.usage
    case -1: usage = task.group.usageOfChildren
    case 1: usage = task.usage
    default: throw .EINVAL
    }
    call.kernel.noteClockReading(by: task)
    var bytes = usage.encoded()
    // ru_maxrss, in KiB.
    if call.int32(0) != -1 { bytes.setInteger(call.memory.list.dataBytes / 1024, at: 32) }
    try call.memory.copyOut(call.address(1), bytes)
    return .success
  }

  /// In clock ticks of 10 ms; the result is the time since boot.
  static func times(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let ticks: (Nanoseconds) -> Int64 = { $0.rawValue / 10_000_000 }
    call.kernel.noteClockReading(by: call.task)
    if call[0] != 0 {
      let own = call.task.group.usage
      let children = call.task.group.usageOfChildren
      var bytes: [UInt8] = []
      for time in [own.userTime, own.systemTime, children.userTime, children.systemTime] { bytes.appendInteger(ticks(time)) }
      try call.memory.copyOut(call.address(0), bytes)
    }
    return .value(ticks(call.kernel.clock.monotonic))
  }
}

extension ThreadGroup {
  /// What the process used: its living and its ended tasks.
  var usage: TaskUsage {
    var sum = usageOfEndedTasks
    for task in tasks { sum += task.usage }
    return sum
  }
}
