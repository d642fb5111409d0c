// What a system call may work on besides its own task, as far as its number and arguments tell: whether it makes a difference that it comes
// before or behind what another task does.

import LinuxABI
import Platform

/// How far a system call reaches.
enum CallReach: Hashable, Sendable {
  /// Nothing that another task has a part in.
  case own
  /// The futex at a word that only the tasks of this space know, by its object (`HistoryEvent.object`), and those who wait there.
  case futex(UInt64)
  /// A descriptor, by its object.
  case descriptor(UInt64)
  /// Anything.
  case anything
  /// Anything, and its task ends.
  case end
  /// Anything, and the time: it waits for a time, sets a timer, or tells what time it is; and all calls that are not known here.
  case time

  /// `space`: of the task's memory, nil when it is not known.
  init(of registers: Registers, descriptor: UInt64?, in space: AddressSpaceID?) {
    let number = registers.origRax
    if number == SyscallNumber.futex {
      self = Self.futex(registers, space)
    } else if Self.ownCalls.contains(number) {
      self = .own
    } else if number == SyscallNumber.exit {
      self = .end
    } else if let descriptor {
      self = .descriptor(descriptor)
    } else {
      self = Self.timelessCalls.contains(number) ? .anything : .time
    }
  }

  /// futex(2): operations with a time-out wait for a time; those without FUTEX_PRIVATE_FLAG, and those with two words, are left
  /// as they come.
  private static func futex(_ registers: Registers, _ space: AddressSpaceID?) -> CallReach {
    let wait: UInt64 = 0, wake: UInt64 = 1, waitBitset: UInt64 = 9, wakeBitset: UInt64 = 10, privateFlag: UInt64 = 128
    let requeue: UInt64 = 3, compareAndRequeue: UInt64 = 4, wakeOp: UInt64 = 5
    let operation = registers.rsi & 0x7f
    switch operation {
    case wait, waitBitset: if registers.r10 != 0 { return .time }
    case wake, wakeBitset: break
    case requeue, compareAndRequeue, wakeOp: return .anything
    default: return .time
    }
    guard registers.rsi & privateFlag != 0, let space else { return .anything }
    return .futex(UInt64(space.rawValue) << 48 ^ registers.rdi >> 3)
  }

  private static let ownCalls: Set<UInt64> = [
    SyscallNumber.gettid, SyscallNumber.getpid, SyscallNumber.rt_sigprocmask, SyscallNumber.sigaltstack,
    SyscallNumber.set_robust_list, SyscallNumber.rseq,
  ]

  /// Calls whose effect and result do not depend on the time. Not those that can wait for one by their arguments.
  private static let timelessCalls: Set<UInt64> = [
    SyscallNumber.open, SyscallNumber.openat, SyscallNumber.creat, SyscallNumber.access, SyscallNumber.faccessat,
    SyscallNumber.mmap, SyscallNumber.mprotect, SyscallNumber.munmap, SyscallNumber.mremap, SyscallNumber.brk,
    SyscallNumber.madvise, SyscallNumber.rt_sigaction, SyscallNumber.rt_sigreturn, SyscallNumber.rt_sigsuspend,
    SyscallNumber.pause, SyscallNumber.kill, SyscallNumber.tkill, SyscallNumber.tgkill, SyscallNumber.pipe, SyscallNumber.pipe2,
    SyscallNumber.socketpair, SyscallNumber.clone, SyscallNumber.clone3, SyscallNumber.fork, SyscallNumber.vfork,
    SyscallNumber.execve, SyscallNumber.exit_group, SyscallNumber.wait4, SyscallNumber.waitid,
    SyscallNumber.sched_yield, SyscallNumber.set_tid_address, SyscallNumber.getrandom, SyscallNumber.prlimit64,
    SyscallNumber.getppid, SyscallNumber.getuid, SyscallNumber.geteuid, SyscallNumber.getgid, SyscallNumber.getegid,
    SyscallNumber.eventfd2, SyscallNumber.memfd_create, SyscallNumber.membarrier, SyscallNumber.arch_prctl,
    SyscallNumber.sched_getaffinity, SyscallNumber.uname, SyscallNumber.getcwd, SyscallNumber.readlink,
  ]
}
