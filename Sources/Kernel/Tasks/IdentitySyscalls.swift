// Who a task is and whom it belongs to: ids, process groups, sessions, pidfds.

import LinuxABI
import Platform

extension SyscallTable {
  static var identitySyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.getpid, .full) { call throws(Errno) in .value(call.task.group.id) },
      SyscallEntry(SyscallNumber.gettid, .full) { call throws(Errno) in .value(call.task.id) },
      SyscallEntry(SyscallNumber.getppid, .full) { call throws(Errno) in
        .value(call.task.group.parent?.id ?? TaskID(0))
      },
      SyscallEntry(SyscallNumber.getpgrp, .full) { call throws(Errno) in .value(call.task.group.processGroup.id) },
      SyscallEntry(SyscallNumber.getpgid, .full) { call throws(Errno) in
        .value(try process(call, call.int32(0)).processGroup.id)
      },
      SyscallEntry(SyscallNumber.getsid, .full) { call throws(Errno) in
        .value(try process(call, call.int32(0)).processGroup.session.id)
      },
      SyscallEntry(SyscallNumber.setpgid, .full, sysSetpgid),
      SyscallEntry(SyscallNumber.setsid, .full, sysSetsid),
      SyscallEntry(SyscallNumber.set_tid_address, .full, sysSetTidAddress),
      SyscallEntry(SyscallNumber.set_robust_list, .full, sysSetRobustList),
      SyscallEntry(SyscallNumber.get_robust_list, .full, sysGetRobustList),
      SyscallEntry(SyscallNumber.pidfd_open, .partial("no PIDFD_THREAD"), sysPidfdOpen),
      SyscallEntry(SyscallNumber.pidfd_getfd, .full, sysPidfdGetfd),
      SyscallEntry(SyscallNumber.kcmp, .partial("different objects have no order: 3 instead of 1 or 2"), sysKcmp),
    ]
  }

  /// The process of a task id; 0 is the caller's. ESRCH.
  private static func process(_ call: Syscall, _ id: Int32) throws(Errno) -> ThreadGroup {
    if id == 0 { return call.task.group }
    guard let group = call.kernel.tasks[TaskID(id)]?.group else { throw .ESRCH }
    return group
  }

  /// setpgid(2).
  private static func sysSetpgid(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let kernel = call.kernel
    let mine = call.task.group
    let pid = call.int32(0) == 0 ? mine.id.rawValue : call.int32(0)
    let wanted = call.int32(1) == 0 ? pid : call.int32(1)
    if wanted < 0 { throw .EINVAL }
    guard let task = kernel.tasks[TaskID(pid)] else { throw .ESRCH }
    if !task.isLeader { throw .EINVAL }
    let group = task.group
    if group.parent === mine {
      if group.processGroup.session !== mine.processGroup.session { throw .EPERM }
      if group.didExec { throw .EACCES }
    } else if group !== mine {
      throw .ESRCH
    }
    // A session leader stays where it is.
    if group.processGroup.session.id == group.id { throw .EPERM }
    if wanted == group.processGroup.id.rawValue { return .success }
    if wanted == pid {
      group.processGroup = ProcessGroup(id: TaskID(pid), session: mine.processGroup.session)
    } else {
      let existing = kernel.tasks.groups.values.first { $0.processGroup.id == TaskID(wanted) }
      guard let existing, existing.processGroup.session === mine.processGroup.session else { throw .EPERM }
      group.processGroup = existing.processGroup
    }
    return .success
  }

  /// setsid(2).
  private static func sysSetsid(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let group = call.task.group
    let exists = call.kernel.tasks.groups.values.contains { $0.processGroup.id == group.id }
    if group.processGroup.session.id == group.id || exists { throw .EPERM }
    group.processGroup = ProcessGroup(id: group.id, session: Session(id: group.id))
    return .value(group.id)
  }

  /// set_tid_address(2).
  private static func sysSetTidAddress(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    call.task.clearChildTID = call.address(0)
    return .value(call.task.id)
  }

  /// set_robust_list(2): the length is that of struct robust_list_head.
  private static func sysSetRobustList(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call[1] != 24 { throw .EINVAL }
    call.task.robustListHead = call.address(0)
    return .success
  }

  /// get_robust_list(2).
  private static func sysGetRobustList(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    var task = call.task
    if call.int32(0) != 0 {
      guard let other = call.kernel.tasks[TaskID(call.int32(0))] else { throw .ESRCH }
      task = other
    }
    try checkAccess(call.task, to: task)
    try call.memory.store(call.address(2), 24 as UInt64)
    try call.memory.store(call.address(1), task.robustListHead.rawValue)
    return .success
  }

  /// ptrace_may_access: the same user, or CAP_SYS_PTRACE.
  private static func checkAccess(_ task: Task, to other: Task) throws(Errno) {
    if task.group === other.group || task.credentials.hasCapability(19) { return }
    let (mine, theirs) = (task.credentials, other.credentials)
    let isSame =
      mine.realUser == theirs.realUser && mine.realUser == theirs.effectiveUser && mine.realUser == theirs.savedUser
      && mine.realGroup == theirs.realGroup && mine.realGroup == theirs.effectiveGroup
      && mine.realGroup == theirs.savedGroup
    if !isSame || other.group.dumpable != 1 { throw .EPERM }
  }

  /// pidfd_open(2).
  private static func sysPidfdOpen(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let flags = call.uint32(1)
    // PIDFD_NONBLOCK.
    if flags & ~0o4000 != 0 || call.int32(0) <= 0 { throw .EINVAL }
    guard let task = call.kernel.tasks[TaskID(call.int32(0))] else { throw .ESRCH }
    if !task.isLeader { throw .EINVAL }
    let descriptor = try call.task.files.install(
      PidFile(task.group, flags: 2 | flags), closeOnExec: true,
      limit: call.task.group.limits[ResourceLimits.files].current)
    return .value(Int64(descriptor))
  }

  /// pidfd_getfd(2).
  private static func sysPidfdGetfd(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call.uint32(2) != 0 { throw .EINVAL }
    guard let pidfd = try call.task.files.file(call.int32(0)) as? PidFile else { throw .EBADF }
    guard let task = pidfd.process.livingTasks.first else { throw .ESRCH }
    try checkAccess(call.task, to: task)
    let file = try task.files.file(call.int32(1), allowPath: true)
    let descriptor = try call.task.files.install(
      file, closeOnExec: true, limit: call.task.group.limits[ResourceLimits.files].current)
    return .value(Int64(descriptor))
  }

  /// kcmp(2).
  private static func sysKcmp(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    guard let first = call.kernel.tasks[TaskID(call.int32(0))], let second = call.kernel.tasks[TaskID(call.int32(1))]
    else { throw .ESRCH }
    try checkAccess(call.task, to: first)
    try checkAccess(call.task, to: second)
    let isSame: Bool
    switch call.int32(2) {
    case 0:
      let (a, b) = (Int32(truncatingIfNeeded: call[3]), Int32(truncatingIfNeeded: call[4]))
      isSame = try first.files.file(a, allowPath: true) === second.files.file(b, allowPath: true)
    case 1: isSame = first.memory === second.memory
    case 2: isSame = first.files === second.files
    case 3: isSame = first.fs === second.fs
    case 4: isSame = first.group.handlers === second.group.handlers
    // No I/O contexts here: all tasks are in the same one, which is none.
    case 5: isSame = true
    default: throw .EINVAL
    }
    return .value(isSame ? 0 : 3 as Int64)
  }
}
