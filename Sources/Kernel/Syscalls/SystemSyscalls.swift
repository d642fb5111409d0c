// Calls on the machine as a whole: uname(2), sysinfo(2), getrandom(2), getcpu(2), and those that only the
// administrator of a real machine may make, which answer as in a container without privileges.

import LinuxABI
import Platform

extension SyscallTable {
  static var systemSyscalls: [SyscallEntry] {
    machineSyscalls + refusedSyscalls + schedulingSyscalls + limitSyscalls + credentialSyscalls + architectureSyscalls
      + memoryPolicySyscalls + processMemorySyscalls
  }

  private static var machineSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.uname, .full, SystemSyscalls.uname),
      SyscallEntry(SyscallNumber.sysinfo, .partial("free memory and load are fixed"), SystemSyscalls.sysinfo),
      SyscallEntry(SyscallNumber.getrandom, .partial("bytes follow from the seed"), SystemSyscalls.getrandom),
      SyscallEntry(SyscallNumber.getcpu, .full, SystemSyscalls.getcpu),
    ]
  }

  /// Calls that need a privilege that no guest has, whatever its user.
  private static var refusedSyscalls: [SyscallEntry] {
    let permission: [UInt64] = [
      SyscallNumber.sethostname, SyscallNumber.setdomainname, SyscallNumber.syslog, SyscallNumber.reboot,
      SyscallNumber.mount, SyscallNumber.umount2, SyscallNumber.pivot_root, SyscallNumber.swapon, SyscallNumber.swapoff,
      SyscallNumber.acct, SyscallNumber.quotactl, SyscallNumber.quotactl_fd, SyscallNumber.vhangup,
      SyscallNumber.init_module, SyscallNumber.finit_module, SyscallNumber.delete_module, SyscallNumber.kexec_load,
      SyscallNumber.kexec_file_load, SyscallNumber.mount_setattr, SyscallNumber.move_mount, SyscallNumber.open_tree,
      SyscallNumber.fsopen, SyscallNumber.fsconfig, SyscallNumber.fsmount, SyscallNumber.fspick, SyscallNumber.bpf,
      SyscallNumber.perf_event_open, SyscallNumber.userfaultfd, SyscallNumber.fanotify_init,
    ]
    let absent: [UInt64] = [
      SyscallNumber.io_uring_setup, SyscallNumber.io_uring_enter, SyscallNumber.io_uring_register,
      SyscallNumber.modify_ldt,
    ]
    return permission.map { SyscallEntry($0, .partial("needs a privilege: EPERM")) { _ throws(Errno) in throw .EPERM } }
      + absent.map { SyscallEntry($0, .partial("not offered: ENOSYS")) { _ throws(Errno) in throw .ENOSYS } }
      + [
        SyscallEntry(SyscallNumber.seccomp, .partial("no filters: EINVAL")) { _ throws(Errno) in throw .EINVAL }
      ]
  }
}

enum SystemSyscalls {
  /// struct new_utsname: six fields of 65 bytes.
  static func uname(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let configuration = call.kernel.configuration
    let texts = [
      "Linux", configuration.hostName, configuration.kernelRelease, configuration.kernelVersion, "x86_64", "(none)",
    ]
    var bytes: [UInt8] = []
    for text in texts {
      let field = Array(text.utf8.prefix(64))
      bytes += field + [UInt8](repeating: 0, count: 65 - field.count)
    }
    try call.memory.copyOut(call.address(0), bytes)
    return .success
  }

  /// struct sysinfo. The free memory is a fixed part of the whole, so that nothing of the host shows.
  static func sysinfo(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let kernel = call.kernel
    kernel.noteClockReading(by: call.task)
    var bytes: [UInt8] = []
    bytes.appendInteger(kernel.clock.monotonic.rawValue / Nanoseconds.second.rawValue)
    for _ in 0..<3 { bytes.appendInteger(0 as UInt64) }
    bytes.appendInteger(kernel.configuration.memoryBytes)
    bytes.appendInteger(kernel.configuration.freeMemoryBytes)
    // Shared and buffer memory, swap and free swap.
    for _ in 0..<4 { bytes.appendInteger(0 as UInt64) }
    bytes.appendInteger(UInt16(truncatingIfNeeded: kernel.tasks.tasks.count))
    bytes += [UInt8](repeating: 0, count: 6)
    // High memory, free high memory.
    for _ in 0..<2 { bytes.appendInteger(0 as UInt64) }
    bytes.appendInteger(1 as UInt32)
    bytes += [UInt8](repeating: 0, count: 112 - bytes.count)
    try call.memory.copyOut(call.address(0), bytes)
    return .success
  }

  /// drivers/char/random.c. All random bytes come from `Decisions`; there is no entropy to wait for.
  static func getrandom(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let nonblocking: UInt32 = 1
    let random: UInt32 = 2
    let insecure: UInt32 = 4
    let flags = call.uint32(2)
    if flags & ~(nonblocking | random | insecure) != 0 { throw .EINVAL }
    if flags & (random | insecure) == random | insecure { throw .EINVAL }
    let wanted = min(call[1], 0x7fff_f000)
    var done: UInt64 = 0
    while done < wanted {
      let bytes = call.kernel.drawRandomBytes(Int(min(wanted - done, 65536)))
      let stored = try call.memory.copyOutPartial(call.address(0) + done, bytes[...])
      done += UInt64(stored)
      if stored < bytes.count { break }
    }
    if done == 0 && wanted > 0 { throw .EFAULT }
    return .value(Int64(done))
  }

  static func getcpu(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call[0] != 0 { try call.memory.store(call.address(0), UInt32(call.task.currentCPU(call.kernel))) }
    if call[1] != 0 { try call.memory.store(call.address(1), 0 as UInt32) }
    return .success
  }
}

extension KernelConfiguration {
  /// What sysinfo and /proc/meminfo call free.
  var freeMemoryBytes: UInt64 { memoryBytes / 4 * 3 }
  /// The CPUs that exist, as a mask.
  var cpuMask: UInt64 { cpuCount >= 64 ? ~0 : (1 << UInt64(cpuCount)) - 1 }
}

extension Task {
  /// The virtual CPU that it is on: the first that its mask allows.
  func currentCPU(_ kernel: Kernel) -> Int {
    let allowed = affinity & kernel.configuration.cpuMask
    return allowed == 0 ? 0 : allowed.trailingZeroBitCount
  }
}
