// prctl(2), and calls about tasks that are answered without much ado or refused.

import LinuxABI
import Platform

extension SyscallTable {
  static var controlSyscalls: [SyscallEntry] {
    [
      SyscallEntry(
        SyscallNumber.prctl, .partial("no seccomp, no PR_SET_MM, no PR_SET_VMA names, no speculation control"), sysPrctl
      ),
      SyscallEntry(
        SyscallNumber.personality, .partial("kept and told; there is no address randomisation to switch off"),
        sysPersonality),
      SyscallEntry(SyscallNumber.ptrace, .partial("always EPERM: guests cannot trace each other")) {
        call throws(Errno) in
        throw .EPERM
      },
      SyscallEntry(SyscallNumber.unshare, .partial("files and working directory; namespaces give EPERM"), sysUnshare),
      SyscallEntry(SyscallNumber.setns, .partial("always EPERM")) { call throws(Errno) in throw .EPERM },
      SyscallEntry(SyscallNumber.rseq, .partial("always ENOSYS: libraries go without")) { call throws(Errno) in
        throw .ENOSYS
      },
      SyscallEntry(SyscallNumber.membarrier, .full, sysMembarrier),
    ]
  }

  /// personality(2); all ones only asks.
  private static func sysPersonality(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let old = call.task.personality
    if call.uint32(0) != UInt32.max { call.task.personality = call.uint32(0) }
    return .value(Int64(old))
  }

  /// unshare(2).
  private static func sysUnshare(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let flags = CloneFlags(rawValue: call[0])
    let systemSemaphores = CloneFlags(rawValue: 0x40000)
    let known: CloneFlags = [.thread, .fs, .handlers, .memory, .files, systemSemaphores, .namespaces]
    if !flags.subtracting(known).subtracting(CloneFlags(rawValue: 0x80)).isEmpty { throw .EINVAL }
    if !flags.isDisjoint(with: .namespaces) || call[0] & 0x80 != 0 { throw .EPERM }
    let task = call.task
    // check_unshare_flags: what threads share can only be unshared by a process that has one.
    if !flags.isDisjoint(with: [.thread, .handlers, .memory]) && task.group.livingTasks.count > 1 { throw .EINVAL }
    if flags.contains(.memory) && task.memory.users > 1 { throw .EINVAL }
    if flags.contains(.files) { call.kernel.unshareFiles(of: task) }
    if flags.contains(.fs) && task.fs.users > 1 {
      task.fs.users -= 1
      task.fs = task.fs.fork()
    }
    return .success
  }

  /// membarrier(2): tasks run one at a time, and every switch orders all memory, so each barrier holds already.
  private static func sysMembarrier(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call.uint32(1) != 0 { throw .EINVAL }
    let group = call.task.group
    let command = call.uint32(0)
    switch command {
    case 0: return .value(0x7f as Int64)
    // GLOBAL, GLOBAL_EXPEDITED.
    case 1, 2: return .success
    // REGISTER_GLOBAL_EXPEDITED, REGISTER_PRIVATE_EXPEDITED, REGISTER_PRIVATE_EXPEDITED_SYNC_CORE.
    case 4, 16, 64:
      group.registeredBarriers |= command
      return .success
    // PRIVATE_EXPEDITED, PRIVATE_EXPEDITED_SYNC_CORE: only after registration.
    case 8, 32:
      if group.registeredBarriers & (command << 1) == 0 { throw .EPERM }
      return .success
    default: throw .EINVAL
    }
  }

  // MARK: prctl

  private static func sysPrctl(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let task = call.task
    switch call.int32(0) {
    case 1:  // PR_SET_PDEATHSIG
      if call[1] > UInt64(SignalNumber.max) { throw .EINVAL }
      task.parentDeathSignal = UInt8(call[1])
    case 2:  // PR_GET_PDEATHSIG
      try call.memory.store(call.address(1), Int32(task.parentDeathSignal))
    case 3:  // PR_GET_DUMPABLE
      return .value(Int64(task.group.dumpable))
    case 4:  // PR_SET_DUMPABLE
      if call[1] > 1 { throw .EINVAL }
      task.group.dumpable = Int32(call[1])
    case 13:  // PR_GET_TIMING
      return .success
    case 14:  // PR_SET_TIMING: only PR_TIMING_STATISTICAL
      if call[1] != 0 { throw .EINVAL }
    case 15:  // PR_SET_NAME
      task.name = call.kernel.commandName(String(decoding: try copyInName(call), as: UTF8.self))
    case 16:  // PR_GET_NAME
      var name = Array(task.name.utf8.prefix(15))
      while name.count < 16 { name.append(0) }
      try call.memory.copyOut(call.address(1), name)
    case 21:  // PR_GET_SECCOMP: disabled
      return .success
    case 25:  // PR_GET_TSC: PR_TSC_ENABLE
      try call.memory.store(call.address(1), 1 as Int32)
    case 26:  // PR_SET_TSC
      if call[1] != 1 { throw .EINVAL }
    case 29:  // PR_SET_TIMERSLACK; 0 is the default
      task.timerSlack = call[1] == 0 || call.int64(1) < 0 ? 50_000 : call[1]
    case 30:  // PR_GET_TIMERSLACK
      return .value(Int64(task.timerSlack))
    case 36:  // PR_SET_CHILD_SUBREAPER
      task.group.isSubreaper = call[1] != 0
    case 37:  // PR_GET_CHILD_SUBREAPER
      try call.memory.store(call.address(1), task.group.isSubreaper ? 1 : 0 as Int32)
    case 40:  // PR_GET_TID_ADDRESS
      try call.memory.store(call.address(1), task.clearChildTID.rawValue)
    case 42:  // PR_GET_THP_DISABLE
      return .success
    default:
      return try prctlOfCredentials(call)
    }
    return .success
  }

  /// strncpy_from_user: up to 15 bytes, which need not be ended.
  private static func copyInName(_ call: Syscall) throws(Errno) -> [UInt8] {
    let bytes = try call.memory.copyInPartial(call.address(1), 15)
    if let end = bytes.firstIndex(of: 0) { return Array(bytes[..<end]) }
    if bytes.count < 15 { throw .EFAULT }
    return bytes
  }

  /// The options of security/commoncap.c, and EINVAL for what is not there.
  private static func prctlOfCredentials(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let task = call.task
    switch call.int32(0) {
    case 7:  // PR_GET_KEEPCAPS
      return .value(task.credentials.keepCapabilities ? 1 : 0 as Int64)
    case 8:  // PR_SET_KEEPCAPS
      if call[1] > 1 { throw .EINVAL }
      task.credentials.keepCapabilities = call[1] == 1
      return .success
    case 23:  // PR_CAPBSET_READ
      if call[1] > 40 { throw .EINVAL }
      return .value(Int64(task.credentials.boundingCapabilities >> call[1] & 1))
    case 24:  // PR_CAPBSET_DROP, with CAP_SETPCAP
      if !task.credentials.hasCapability(8) { throw .EPERM }
      if call[1] > 40 { throw .EINVAL }
      task.credentials.boundingCapabilities &= ~(1 << call[1])
      return .success
    case 27:  // PR_GET_SECUREBITS
      return .success
    case 28:  // PR_SET_SECUREBITS
      if !task.credentials.hasCapability(8) { throw .EPERM }
      if call[1] != 0 { throw .EPERM }
      return .success
    case 38:  // PR_SET_NO_NEW_PRIVS
      if call[1] != 1 || call[2] != 0 || call[3] != 0 || call[4] != 0 { throw .EINVAL }
      task.credentials.noNewPrivileges = true
      return .success
    case 39:  // PR_GET_NO_NEW_PRIVS
      if call[1] != 0 || call[2] != 0 || call[3] != 0 || call[4] != 0 { throw .EINVAL }
      return .value(task.credentials.noNewPrivileges ? 1 : 0 as Int64)
    case 47:  // PR_CAP_AMBIENT
      return try prctlAmbient(call)
    default:
      throw .EINVAL
    }
  }

  private static func prctlAmbient(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let task = call.task
    if call[3] != 0 || call[4] != 0 { throw .EINVAL }
    if call[1] == 4 {  // CLEAR_ALL
      if call[2] != 0 { throw .EINVAL }
      task.credentials.ambientCapabilities = 0
      return .success
    }
    if call[2] > 40 { throw .EINVAL }
    let bit: UInt64 = 1 << call[2]
    switch call[1] {
    case 1: return .value(task.credentials.ambientCapabilities & bit != 0 ? 1 : 0 as Int64)
    case 2:
      let credentials = task.credentials
      if credentials.permittedCapabilities & credentials.inheritableCapabilities & bit == 0 { throw .EPERM }
      task.credentials.ambientCapabilities |= bit
      return .success
    case 3:
      task.credentials.ambientCapabilities &= ~bit
      return .success
    default: throw .EINVAL
    }
  }
}
