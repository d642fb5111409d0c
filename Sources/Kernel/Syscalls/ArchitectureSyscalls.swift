// x86's own calls: arch_prctl(2), iopl(2), ioperm(2).

import LinuxABI
import Platform

extension SyscallTable {
  static var architectureSyscalls: [SyscallEntry] {
    [
      SyscallEntry(
        SyscallNumber.arch_prctl, .partial("no CPUID faulting, no shadow stacks, no extended features on request"),
        ArchitectureSyscalls.archPrctl),
      SyscallEntry(SyscallNumber.iopl, .partial("no port access: EPERM"), ArchitectureSyscalls.iopl),
      SyscallEntry(SyscallNumber.ioperm, .partial("no port access: EPERM"), ArchitectureSyscalls.ioperm),
    ]
  }
}

enum ArchitectureSyscalls {
  /// do_arch_prctl_64 of arch/x86/kernel/process_64.c.
  static func archPrctl(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let context = call.task.context
    switch call.int32(0) {
    case 0x1001, 0x1002:  // ARCH_SET_GS, ARCH_SET_FS
      // TASK_SIZE_MAX: a base beyond user space is refused.
      if call.address(1) >= GuestAddress.userEnd { throw .EPERM }
      // A base goes with the null selector.
      if call.int32(0) == 0x1001 {
        context.registers.gs = 0
        context.registers.gsBase = call[1]
      } else {
        context.registers.fs = 0
        context.registers.fsBase = call[1]
      }
    case 0x1003: try call.memory.store(call.address(1), context.registers.fsBase)
    case 0x1004: try call.memory.store(call.address(1), context.registers.gsBase)
    case 0x1011: return .value(1 as Int64)  // ARCH_GET_CPUID: the instruction is enabled
    case 0x1012: throw .ENODEV  // ARCH_SET_CPUID: the processor cannot fault it
    default: throw .EINVAL
    }
    return .success
  }

  static func iopl(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call.uint32(0) > 3 { throw .EINVAL }
    if call.uint32(0) > 0 { throw .EPERM }
    return .success
  }

  static func ioperm(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let (end, overflow) = call[0].addingReportingOverflow(call[1])
    if overflow || end <= call[0] || end > 65536 { throw .EINVAL }
    // Nothing is ever turned on, so turning off succeeds.
    if call.int32(2) != 0 { throw .EPERM }
    return .success
  }
}
