// Host numbers that the stub's injected calls use, and how a host refusal becomes a MachineError.
import CLinux
import LinuxABI
import Platform

/// x86-64 syscall numbers of the host (arch/x86/entry/syscalls/syscall_64.tbl).
enum HostCall {
  static let close: UInt64 = 3
  static let mmap: UInt64 = 9
  static let mprotect: UInt64 = 10
  static let munmap: UInt64 = 11
  static let rtSigprocmask: UInt64 = 14
  static let mremap: UInt64 = 25
  static let madvise: UInt64 = 28
  static let recvmsg: UInt64 = 47
  static let clone: UInt64 = 56
  static let setsid: UInt64 = 112
  static let prctl: UInt64 = 157
  static let seccomp: UInt64 = 317
}

enum HostFlag {
  static let mapShared: UInt64 = 0x01
  static let mapPrivate: UInt64 = 0x02
  static let mapFixed: UInt64 = 0x10
  static let mapAnonymous: UInt64 = 0x20
  static let mapNoReserve: UInt64 = 0x4000
  static let remapMayMove: UInt64 = 1
  static let remapFixed: UInt64 = 2
  static let adviseDontNeed: UInt64 = 4
  static let adviseLargePages: UInt64 = 14
  /// SIGCHLD | CLONE_PTRACE | CLONE_PARENT: the child is attached before it runs, and it is this process's own child,
  /// so reaping it leaves nothing in the stub it was forked from.
  static let cloneStub: UInt64 = 17 | 0x2000 | 0x8000
}

/// Words for a host error number.
func describe(errno: Int) -> String {
  let names: [Int: String] = [
    1: "EPERM", 2: "ENOENT", 3: "ESRCH", 4: "EINTR", 5: "EIO", 9: "EBADF", 10: "ECHILD", 11: "EAGAIN", 12: "ENOMEM",
    13: "EACCES", 14: "EFAULT", 16: "EBUSY", 17: "EEXIST", 22: "EINVAL", 23: "ENFILE", 24: "EMFILE", 27: "EFBIG",
    28: "ENOSPC", 38: "ENOSYS",
  ]
  return names[errno] ?? "error \(errno)"
}

/// Passes a host result on, or says which call the host refused.
@discardableResult
func checked(_ result: Int, _ what: @autoclosure () -> String) throws(MachineError) -> Int {
  if result >= 0 { return result }
  throw MachineError("\(what()): \(describe(errno: -result))")
}
