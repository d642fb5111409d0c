// Calls that send signals: kill(2), tgkill(2), rt_sigqueueinfo(2), pidfd_send_signal(2).

import LinuxABI
import Platform

extension SyscallTable {
  static var signalSendingSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.kill, .full, sysKill),
      SyscallEntry(SyscallNumber.tkill, .full, sysTkill),
      SyscallEntry(SyscallNumber.tgkill, .full, sysTgkill),
      SyscallEntry(SyscallNumber.rt_sigqueueinfo, .full, sysSigqueueinfo),
      SyscallEntry(SyscallNumber.rt_tgsigqueueinfo, .full, sysTgsigqueueinfo),
      SyscallEntry(SyscallNumber.pidfd_send_signal, .full, sysPidfdSendSignal),
    ]
  }

  /// kill(2): a process, a process group, or all.
  private static func sysKill(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let pid = call.int32(0)
    let info = ownInfo(call, signal: Int(call.int32(1)), code: SignalCode.user)
    let kernel = call.kernel
    if pid > 0 {
      guard let group = kernel.tasks[TaskID(pid)]?.group else { throw .ESRCH }
      try send(call, info, to: group)
      return .success
    }
    if pid == Int32.min { throw .ESRCH }
    if pid == -1 {
      let others = kernel.tasks.groups.values.filter { $0 !== kernel.initProcess && $0 !== call.task.group }
      return try sendToAll(call, info, others, isEveryone: true)
    }
    let id = pid == 0 ? call.task.group.processGroup.id : TaskID(-pid)
    return try sendToAll(
      call, info, kernel.tasks.groups.values.filter { $0.processGroup.id == id }, isEveryone: false)
  }

  /// __kill_pgrp_info succeeds when one process could be signalled; kill(-1) forgets EPERM and keeps other errors.
  private static func sendToAll(
    _ call: Syscall, _ info: SignalInfo, _ groups: [ThreadGroup], isEveryone: Bool
  ) throws(Errno) -> SyscallOutcome {
    if groups.isEmpty { throw .ESRCH }
    var lastError: Errno?
    var anySent = false
    for group in groups {
      do throws(Errno) {
        try send(call, info, to: group)
        anySent = true
      } catch {
        if !isEveryone || error != .EPERM { lastError = error }
      }
    }
    if let lastError, !anySent { throw lastError }
    return .success
  }

  /// tkill(2).
  private static func sysTkill(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call.int32(0) <= 0 { throw .EINVAL }
    let info = ownInfo(call, signal: Int(call.int32(1)), code: SignalCode.tkill)
    return try sendToTask(call, info, process: nil, TaskID(call.int32(0)))
  }

  /// tgkill(2).
  private static func sysTgkill(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call.int32(0) <= 0 || call.int32(1) <= 0 { throw .EINVAL }
    let info = ownInfo(call, signal: Int(call.int32(2)), code: SignalCode.tkill)
    return try sendToTask(call, info, process: TaskID(call.int32(0)), TaskID(call.int32(1)))
  }

  /// rt_sigqueueinfo(2).
  private static func sysSigqueueinfo(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let pid = TaskID(call.int32(0))
    let info = try givenInfo(call, signal: Int(call.int32(1)), at: call.address(2), toSelf: pid == call.task.group.id)
    guard let group = call.kernel.tasks[pid]?.group else { throw .ESRCH }
    try send(call, info, to: group)
    return .success
  }

  /// rt_tgsigqueueinfo(2).
  private static func sysTgsigqueueinfo(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let thread = TaskID(call.int32(1))
    let info = try givenInfo(
      call, signal: Int(call.int32(2)), at: call.address(3),
      toSelf: call.kernel.tasks[thread]?.group === call.task.group)
    if call.int32(0) <= 0 || call.int32(1) <= 0 { throw .EINVAL }
    return try sendToTask(call, info, process: TaskID(call.int32(0)), thread)
  }

  /// pidfd_send_signal(2).
  private static func sysPidfdSendSignal(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call.uint32(3) != 0 { throw .EINVAL }
    guard let file = try call.task.files.file(call.int32(0)) as? PidFile else { throw .EBADF }
    let signal = Int(call.int32(1))
    var info = ownInfo(call, signal: signal, code: SignalCode.user)
    if call[2] != 0 {
      let bytes = try call.memory.copyIn(call.address(2), SignalInfo.size)
      if Int(bytes.integer(at: 0, as: Int32.self)) != signal { throw .EINVAL }
      info = SignalInfo(signal: signal, queued: bytes)
      if file.process !== call.task.group && (info.code >= 0 || info.code == SignalCode.tkill) { throw .EPERM }
    }
    if file.process.isReaped { throw .ESRCH }
    try send(call, info, to: file.process)
    return .success
  }

  // MARK: Parts

  private static func ownInfo(_ call: Syscall, signal: Int, code: Int32) -> SignalInfo {
    SignalInfo(signal: signal, code: code, sender: call.task.group.id, senderUser: call.task.credentials.realUser)
  }

  /// A siginfo of the caller's making. EPERM when it pretends to come from the kernel or from kill, to another process.
  private static func givenInfo(
    _ call: Syscall, signal: Int, at address: GuestAddress, toSelf: Bool
  ) throws(Errno) -> SignalInfo {
    let info = SignalInfo(signal: signal, queued: try call.memory.copyIn(address, SignalInfo.size))
    if (info.code >= 0 || info.code == SignalCode.tkill) && !toSelf { throw .EPERM }
    return info
  }

  private static func sendToTask(
    _ call: Syscall, _ info: SignalInfo, process: TaskID?, _ id: TaskID
  ) throws(Errno) -> SyscallOutcome {
    guard let task = call.kernel.tasks[id], process == nil || task.group.id == process else { throw .ESRCH }
    try checkPermission(call, info.signal, task)
    if info.signal != 0 && call.kernel.send(info, to: task) == .full { throw .EAGAIN }
    return .success
  }

  private static func send(_ call: Syscall, _ info: SignalInfo, to group: ThreadGroup) throws(Errno) {
    guard let leader = group.leader else { throw .ESRCH }
    try checkPermission(call, info.signal, leader)
    if info.signal != 0 && call.kernel.send(info, to: group) == .full { throw .EAGAIN }
  }

  /// check_kill_permission.
  private static func checkPermission(_ call: Syscall, _ signal: Int, _ target: Task) throws(Errno) {
    if signal < 0 || signal > SignalNumber.max { throw .EINVAL }
    if target.group === call.task.group { return }
    let mine = call.task.credentials
    let theirs = target.credentials
    if mine.effectiveUser == theirs.savedUser || mine.effectiveUser == theirs.realUser
      || mine.realUser == theirs.savedUser || mine.realUser == theirs.realUser
    {
      return
    }
    // CAP_KILL.
    if mine.hasCapability(5) { return }
    if signal == SignalNumber.cont && target.group.processGroup.session === call.task.group.processGroup.session {
      return
    }
    throw .EPERM
  }
}
