// sched(7), setpriority(2), ioprio_set(2). Policies and priorities are kept and shown; they do not change the order in
// which the deterministic scheduler runs tasks.

import LinuxABI
import Platform

/// What a task may say about how it wants to run. Inherited by clone.
struct TaskPolicies: Hashable, Sendable {
  /// SCHED_OTHER, FIFO, RR, BATCH, IDLE.
  var scheduler: UInt32 = 0
  /// 1...99 for FIFO and RR.
  var priority: UInt32 = 0
  /// SCHED_RESET_ON_FORK.
  var resetOnFork = false
  /// ioprio_set(2): class << 13 | level.
  var inputOutputPriority: UInt16 = 0
  /// set_mempolicy(2): mode with its flags, and whether node 0 was named.
  var memoryMode: UInt32 = 0
  var memoryNodes: UInt64 = 0

  static let fifo: UInt32 = 1, roundRobin: UInt32 = 2, batch: UInt32 = 3, idle: UInt32 = 5, deadline: UInt32 = 6
  static let resetOnForkFlag: UInt32 = 0x4000_0000

  /// What a child gets (sched_fork of kernel/sched/core.c).
  var forChild: TaskPolicies {
    var child = self
    if resetOnFork {
      child.scheduler = 0
      child.priority = 0
      child.resetOnFork = false
    }
    return child
  }
}

extension SyscallTable {
  static var schedulingSyscalls: [SyscallEntry] {
    let kept = SyscallSupport.partial("kept, without effect on the order of tasks")
    return [
      SyscallEntry(SyscallNumber.sched_getaffinity, .full, SchedulingSyscalls.getAffinity),
      SyscallEntry(SyscallNumber.sched_setaffinity, kept, SchedulingSyscalls.setAffinity),
      SyscallEntry(SyscallNumber.sched_getscheduler, .full, SchedulingSyscalls.getScheduler),
      SyscallEntry(SyscallNumber.sched_setscheduler, kept, SchedulingSyscalls.setScheduler),
      SyscallEntry(SyscallNumber.sched_getparam, .full, SchedulingSyscalls.getParameter),
      SyscallEntry(SyscallNumber.sched_setparam, kept, SchedulingSyscalls.setParameter),
      SyscallEntry(SyscallNumber.sched_getattr, .full, SchedulingSyscalls.getAttributes),
      SyscallEntry(SyscallNumber.sched_setattr, kept, SchedulingSyscalls.setAttributes),
      SyscallEntry(SyscallNumber.sched_get_priority_max, .full, SchedulingSyscalls.priorityMax),
      SyscallEntry(SyscallNumber.sched_get_priority_min, .full, SchedulingSyscalls.priorityMin),
      SyscallEntry(SyscallNumber.sched_rr_get_interval, .full, SchedulingSyscalls.interval),
      SyscallEntry(SyscallNumber.getpriority, .full, SchedulingSyscalls.getPriority),
      SyscallEntry(SyscallNumber.setpriority, kept, SchedulingSyscalls.setPriority),
      SyscallEntry(SyscallNumber.ioprio_get, .full, SchedulingSyscalls.getIOPriority),
      SyscallEntry(SyscallNumber.ioprio_set, kept, SchedulingSyscalls.setIOPriority),
    ]
  }
}

enum SchedulingSyscalls {
  private static let capabilityNice = 23

  /// The task that a pid argument names; 0 is the caller.
  private static func target(_ call: Syscall) throws(Errno) -> Task {
    let id = call.int32(0)
    if id < 0 { throw .EINVAL }
    if id == 0 { return call.task }
    guard let task = call.kernel.tasks[TaskID(id)] else { throw .ESRCH }
    return task
  }

  /// check_same_owner, or CAP_SYS_NICE.
  private static func mayChange(_ target: Task, by task: Task) -> Bool {
    let effective = task.credentials.effectiveUser
    return effective == target.credentials.effectiveUser || effective == target.credentials.realUser
      || task.credentials.hasCapability(capabilityNice)
  }

  // MARK: CPUs

  static func getAffinity(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let length = call.uint32(1)
    if length < 8 || length % 8 != 0 { throw .EINVAL }
    let target = try target(call)
    try call.memory.store(call.address(2), target.affinity & call.kernel.configuration.cpuMask)
    return .value(8 as Int64)
  }

  static func setAffinity(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let bytes = try call.memory.copyIn(call.address(2), Int(min(call.uint32(1), 8)))
    var mask: UInt64 = 0
    for byte in bytes.reversed() { mask = mask << 8 | UInt64(byte) }
    let target = try target(call)
    if !mayChange(target, by: call.task) { throw .EPERM }
    mask &= call.kernel.configuration.cpuMask
    if mask == 0 { throw .EINVAL }
    target.affinity = mask
    return .success
  }

  // MARK: Policies

  private static func isRealtime(_ policy: UInt32) -> Bool {
    policy == TaskPolicies.fifo || policy == TaskPolicies.roundRobin
  }

  /// __sched_setscheduler of kernel/sched/core.c. `policy` may carry SCHED_RESET_ON_FORK.
  private static func setPolicy(_ call: Syscall, _ target: Task, policy: UInt32, priority: UInt32) throws(Errno) {
    let number = policy & ~TaskPolicies.resetOnForkFlag
    // SCHED_DEADLINE promises a bandwidth, which nothing here can give.
    guard number <= 3 || number == TaskPolicies.idle else { throw .EINVAL }
    if isRealtime(number) ? !(1...99).contains(priority) : priority != 0 { throw .EINVAL }
    if !mayChange(target, by: call.task) { throw .EPERM }
    let reset = policy & TaskPolicies.resetOnForkFlag != 0
    if !call.task.credentials.hasCapability(capabilityNice) {
      let limit = target.group.limits[ResourceLimits.realtimePriority].current
      if isRealtime(number) {
        if number != target.policies.scheduler && limit == 0 { throw .EPERM }
        if priority > target.policies.priority && UInt64(priority) > limit { throw .EPERM }
      }
      if target.policies.resetOnFork && !reset { throw .EPERM }
    }
    target.policies.scheduler = number
    target.policies.priority = priority
    target.policies.resetOnFork = reset
  }

  static func getScheduler(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let policies = try target(call).policies
    return .value(Int64(policies.scheduler | (policies.resetOnFork ? TaskPolicies.resetOnForkFlag : 0)))
  }

  static func setScheduler(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call.int32(1) < 0 || call[2] == 0 { throw .EINVAL }
    let priority: UInt32 = try call.memory.load(call.address(2))
    try setPolicy(call, try target(call), policy: call.uint32(1), priority: priority)
    return .success
  }

  static func getParameter(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call[1] == 0 { throw .EINVAL }
    try call.memory.store(call.address(1), try target(call).policies.priority)
    return .success
  }

  static func setParameter(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call[1] == 0 { throw .EINVAL }
    let priority: UInt32 = try call.memory.load(call.address(1))
    let target = try target(call)
    let reset = target.policies.resetOnFork ? TaskPolicies.resetOnForkFlag : 0
    try setPolicy(call, target, policy: target.policies.scheduler | reset, priority: priority)
    return .success
  }

  /// struct sched_attr: size, policy, flags, nice, priority, runtime, deadline, period, util_min, util_max.
  static func getAttributes(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let size = call.uint32(2)
    if call[1] == 0 || size < 48 || size > 4096 || call[3] != 0 { throw .EINVAL }
    let target = try target(call)
    let used = min(size, 56)
    var bytes: [UInt8] = []
    bytes.appendInteger(used)
    bytes.appendInteger(target.policies.scheduler)
    bytes.appendInteger(target.policies.resetOnFork ? 1 as UInt64 : 0)
    bytes.appendInteger(isRealtime(target.policies.scheduler) ? 0 : target.niceness)
    bytes.appendInteger(target.policies.priority)
    bytes += [UInt8](repeating: 0, count: 56 - bytes.count)
    try call.memory.copyOut(call.address(1), bytes[..<Int(used)])
    return .success
  }

  static func setAttributes(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call[1] == 0 || call[2] != 0 { throw .EINVAL }
    var size: UInt32 = try call.memory.load(call.address(1))
    if size == 0 { size = 48 }
    if size < 48 || size > 4096 {
      try call.memory.store(call.address(1), 56 as UInt32)
      throw .E2BIG
    }
    let bytes = try call.memory.copyIn(call.address(1), Int(size))
    if bytes.dropFirst(56).contains(where: { $0 != 0 }) { throw .E2BIG }
    let flags: UInt64 = bytes.integer(at: 8)
    // SCHED_FLAG_RESET_ON_FORK; keeping parameters and utilisation clamps are not offered.
    if flags & ~1 != 0 { throw .EINVAL }
    let policy: UInt32 = bytes.integer(at: 4)
    if policy > 0xffff { throw .EINVAL }
    let target = try target(call)
    let nice = max(-20, min(19, bytes.integer(at: 16, as: Int32.self)))
    if !isRealtime(policy) && nice < target.niceness { try requireNice(nice, target, call.task) }
    try setPolicy(
      call, target, policy: policy | (flags & 1 != 0 ? TaskPolicies.resetOnForkFlag : 0),
      priority: bytes.integer(at: 20))
    if !isRealtime(policy) { target.niceness = nice }
    return .success
  }

  private static func priorityBounds(_ call: Syscall) throws(Errno) -> (Int64, Int64) {
    switch call.uint32(0) {
    case TaskPolicies.fifo, TaskPolicies.roundRobin: return (1, 99)
    case 0, TaskPolicies.batch, TaskPolicies.idle, TaskPolicies.deadline: return (0, 0)
    default: throw .EINVAL
    }
  }
  static func priorityMax(_ call: Syscall) throws(Errno) -> SyscallOutcome { .value(try priorityBounds(call).1) }
  static func priorityMin(_ call: Syscall) throws(Errno) -> SyscallOutcome { .value(try priorityBounds(call).0) }

  /// 100 ms for SCHED_RR, nothing for SCHED_FIFO, and the usual slice for the others.
  static func interval(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let nanoseconds: Int64 =
      switch try target(call).policies.scheduler {
      case TaskPolicies.fifo: 0
      case TaskPolicies.roundRobin: 100_000_000
      default: 4_000_000
      }
    var bytes: [UInt8] = []
    bytes.appendInteger(0 as Int64)
    bytes.appendInteger(nanoseconds)
    try call.memory.copyOut(call.address(1), bytes)
    return .success
  }

  // MARK: nice

  /// The tasks that (which, who) names: a process's thread, a process group, a user.
  private static func members(_ call: Syscall, process: Int32, group: Int32, user: Int32) throws(Errno) -> [Task] {
    let kernel = call.kernel
    let id = call.int32(1)
    let tasks: [Task]
    switch call.int32(0) {
    case process:
      tasks = id == 0 ? [call.task] : kernel.tasks[TaskID(id)].map { [$0] } ?? []
    case group:
      let groupID = id == 0 ? call.task.group.processGroup.id : TaskID(id)
      tasks = kernel.tasks.members(of: groupID).flatMap(\.tasks)
    case user:
      let wanted = id == 0 ? call.task.credentials.realUser : UInt32(bitPattern: id)
      tasks = kernel.tasks.tasks.values.filter { $0.credentials.realUser == wanted }
    default:
      throw .EINVAL
    }
    if tasks.isEmpty { throw .ESRCH }
    return tasks
  }

  /// The highest priority of those named, as 20 - nice, so that it is never negative.
  static func getPriority(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let tasks = try members(call, process: 0, group: 1, user: 2)
    return .value(tasks.map { Int64(20 - $0.niceness) }.max()!)
  }

  /// can_nice: RLIMIT_NICE counts from 1 (nice 19) to 40 (nice -20). EACCES.
  private static func requireNice(_ nice: Int32, _ target: Task, _ task: Task) throws(Errno) {
    let limit = target.group.limits[ResourceLimits.nice].current
    if UInt64(20 - nice) > limit && !task.credentials.hasCapability(capabilityNice) { throw .EACCES }
  }

  static func setPriority(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let nice = max(-20, min(19, call.int32(2)))
    var problem: Errno?
    for target in try members(call, process: 0, group: 1, user: 2) {
      do throws(Errno) {
        if !mayChange(target, by: call.task) { throw .EPERM }
        if nice < target.niceness { try requireNice(nice, target, call.task) }
        target.niceness = nice
      } catch { problem = error }
    }
    if let problem { throw problem }
    return .success
  }

  static func getIOPriority(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let tasks = try members(call, process: 1, group: 2, user: 3)
    // The best: the lowest class and level that is set, or none.
    let set = tasks.map(\.policies.inputOutputPriority).filter { $0 != 0 }
    return .value(Int64(set.min() ?? 0))
  }

  static func setIOPriority(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let value = call.int32(2)
    let level = value & 0x1fff
    switch value >> 13 {
    case 0 where level == 0: break
    case 1:
      if level > 7 { throw .EINVAL }
      if !call.task.credentials.hasCapability(21) && !call.task.credentials.hasCapability(capabilityNice) { throw .EPERM }
    case 2 where level <= 7, 3: break
    default: throw .EINVAL
    }
    for target in try members(call, process: 1, group: 2, user: 3) {
      if !mayChange(target, by: call.task) { throw .EPERM }
      target.policies.inputOutputPriority = UInt16(value)
    }
    return .success
  }
}
