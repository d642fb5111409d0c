// The life of tasks as syscalls: clone, exec, exit, wait. Identity and prctl have files of their own.

import LinuxABI
import Platform

extension SyscallTable {
  static var taskSyscalls: [SyscallEntry] {
    let namespaces = SyscallSupport.partial("no namespaces: their flags give EPERM; CLONE_INTO_CGROUP gives EINVAL")
    let exec = SyscallSupport.partial("set-user-id and set-group-id bits are not honoured")
    return [
      SyscallEntry(SyscallNumber.clone, namespaces, sysClone),
      SyscallEntry(SyscallNumber.clone3, namespaces, sysClone3),
      SyscallEntry(SyscallNumber.fork, .full, sysFork),
      SyscallEntry(SyscallNumber.vfork, .full, sysVfork),
      SyscallEntry(SyscallNumber.execve, exec, sysExecve),
      SyscallEntry(SyscallNumber.execveat, exec, sysExecveat),
      SyscallEntry(SyscallNumber.exit, .full, sysExit),
      SyscallEntry(SyscallNumber.exit_group, .full, sysExitGroup),
      SyscallEntry(SyscallNumber.wait4, .full, sysWait4),
      SyscallEntry(SyscallNumber.waitid, .full, sysWaitid),
    ] + identitySyscalls + controlSyscalls
  }

  private static func clone(
    _ call: Syscall, _ options: () throws(Errno) -> CloneOptions
  ) throws(Errno) -> SyscallOutcome {
    if let wait = call.resume as? VforkWait { return call.kernel.finishVfork(call, wait) }
    return try call.kernel.clone(call, try options())
  }

  /// clone(2).
  private static func sysClone(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    try clone(call) { () throws(Errno) in try CloneOptions(clone: call) }
  }

  /// clone3(2).
  private static func sysClone3(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    try clone(call) { () throws(Errno) in try CloneOptions(clone3: call) }
  }

  /// fork(2).
  private static func sysFork(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    var options = CloneOptions(flags: [])
    options.exitSignal = UInt8(SignalNumber.chld)
    return try call.kernel.clone(call, options)
  }

  /// vfork(2).
  private static func sysVfork(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    try clone(call) { () throws(Errno) in
      var options = CloneOptions(flags: [.vfork, .memory])
      options.exitSignal = UInt8(SignalNumber.chld)
      return options
    }
  }

  /// execve(2).
  private static func sysExecve(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if let wait = call.resume as? ExecWait { return try call.kernel.continueExec(call, wait) }
    let path = try call.memory.copyInString(call.address(0))
    if path.isEmpty { throw .ENOENT }
    return try call.kernel.execute(call, path: path)
  }

  /// execveat(2). A path below a descriptor is reached through /proc/PID/fd, as the kernel names it itself.
  private static func sysExecveat(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if let wait = call.resume as? ExecWait { return try call.kernel.continueExec(call, wait) }
    let flags = call.uint32(4)
    // AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW.
    if flags & ~0x1100 != 0 { throw .EINVAL }
    var path = try call.memory.copyInString(call.address(1))
    if path.isEmpty && flags & 0x1000 == 0 { throw .ENOENT }
    let descriptor = call.int32(0)
    if path.first != UInt8(ascii: "/") && descriptor != -100 {
      _ = try call.task.files.file(descriptor, allowPath: true)
      let base = Array("/proc/\(call.task.id)/fd/\(descriptor)".utf8)
      path = path.isEmpty ? base : base + [UInt8(ascii: "/")] + path
    }
    if path.isEmpty { throw .EACCES }
    return try call.kernel.execute(call, path: path)
  }

  /// _exit(2) of one thread.
  private static func sysExit(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    call.kernel.endTask(call.task, status: (call.int32(0) & 0xff) << 8)
    return .registersSet
  }

  /// exit_group(2).
  private static func sysExitGroup(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let group = call.task.group
    let status = (call.int32(0) & 0xff) << 8
    call.kernel.beginGroupExit(group, status: status, cause: nil, except: call.task)
    call.kernel.endTask(call.task, status: group.exitStatus ?? status)
    return .registersSet
  }
}
