// A syscall as a line of text, in the manner of strace: for `dump`, `--strace` and divergence reports.

import LinuxABI
import Platform
import Trace

/// How an argument is shown.
enum ArgumentKind {
  case decimal, hex, octal, path, pointer
}

/// Looks up the bytes that a pointer argument names, where they can be had.
typealias StringLookup = (GuestAddress) -> String?

enum SyscallText {
  /// name(arguments): as many arguments as the call has, strings where `lookup` finds them.
  static func call(_ words: SyscallWords, lookup: StringLookup? = nil) -> String {
    let name = SyscallNumber.name(words.number)
    let values = [words.a0, words.a1, words.a2, words.a3, words.a4, words.a5]
    let kinds = signature(of: name)
    let shown = zip(values, kinds).map { value, kind in text(value, kind, lookup) }
    return name + "(" + shown.joined(separator: ", ") + ")"
  }

  /// The value of a finished call: -1 with its errno, an address, or a number.
  static func result(_ value: UInt64, of number: UInt64) -> String {
    let signed = Int64(bitPattern: value)
    if signed < 0 && signed >= -4095 { return "-\(Errno(rawValue: Int32(-signed)))" }
    switch SyscallNumber.name(number) {
    case "mmap", "brk", "mremap", "shmat": return "0x" + String(value, radix: 16)
    default: return String(signed)
    }
  }

  private static func text(_ value: UInt64, _ kind: ArgumentKind, _ lookup: StringLookup?) -> String {
    switch kind {
    case .decimal:
      let small = Int64(Int32(truncatingIfNeeded: value))
      return value >> 32 == 0 || value >> 31 == 0x1_ffff_ffff ? String(small) : String(Int64(bitPattern: value))
    case .octal: return "0" + String(value, radix: 8)
    case .hex: return "0x" + String(value, radix: 16)
    case .pointer: return value == 0 ? "NULL" : "0x" + String(value, radix: 16)
    case .path:
      if value == 0 { return "NULL" }
      if let found = lookup?(GuestAddress(value)) { return quoted(found) }
      return "0x" + String(value, radix: 16)
    }
  }

  /// In double quotes, with control characters escaped, cut at 64 characters.
  static func quoted(_ string: String) -> String {
    var result = "\""
    for (index, scalar) in string.unicodeScalars.enumerated() {
      if index == 64 { return result + "\"..." }
      switch scalar {
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      default:
        if scalar.value < 0x20 || scalar.value == 0x7f {
          result += "\\" + String(scalar.value, radix: 8)
        } else {
          result.unicodeScalars.append(scalar)
        }
      }
    }
    return result + "\""
  }

  /// One letter an argument: d decimal, x hex, o octal, s string, p pointer. Calls that are not here show six words.
  private static func signature(of name: String) -> [ArgumentKind] {
    guard let letters = signatures[name] else { return [.hex, .hex, .hex, .hex, .hex, .hex] }
    return letters.map { letter in
      switch letter {
      case "d": .decimal
      case "o": .octal
      case "s": .path
      case "p": .pointer
      default: .hex
      }
    }
  }

  private static let signatures: [String: String] = [
    "read": "dpd", "write": "dpd", "open": "sxo", "close": "d", "stat": "sp", "fstat": "dp", "lstat": "sp",
    "poll": "pdd", "lseek": "ddd", "mmap": "pxxxdx", "mprotect": "pxx", "munmap": "px", "brk": "p",
    "rt_sigaction": "dppd", "rt_sigprocmask": "dppd", "rt_sigreturn": "", "ioctl": "dxp", "pread64": "dpdd",
    "pwrite64": "dpdd", "readv": "dpd", "writev": "dpd", "access": "so", "pipe": "p", "select": "dpppp",
    "sched_yield": "", "mremap": "pxxxp", "msync": "pxx", "mincore": "pxp", "madvise": "pxd", "dup": "d", "dup2": "dd",
    "pause": "", "nanosleep": "pp", "getitimer": "dp", "alarm": "d", "setitimer": "dpp", "getpid": "",
    "sendfile": "ddpd", "socket": "ddd", "connect": "dpd", "accept": "dpp", "sendto": "dpdxpd", "recvfrom": "dpdxpp",
    "sendmsg": "dpx", "recvmsg": "dpx", "shutdown": "dd", "bind": "dpd", "listen": "dd", "getsockname": "dpp",
    "getpeername": "dpp", "socketpair": "dddp", "setsockopt": "dddpd", "getsockopt": "dddpp", "clone": "xpppp",
    "fork": "", "vfork": "", "execve": "spp", "exit": "d", "wait4": "dpdp", "kill": "dd", "uname": "p", "fcntl": "ddx",
    "flock": "dd", "fsync": "d", "fdatasync": "d", "truncate": "sd", "ftruncate": "dd", "getdents": "dpd",
    "getcwd": "pd", "chdir": "s", "fchdir": "d", "rename": "ss", "mkdir": "so", "rmdir": "s", "creat": "so",
    "link": "ss", "unlink": "s", "symlink": "ss", "readlink": "spd", "chmod": "so", "fchmod": "do", "chown": "sdd",
    "fchown": "ddd", "lchown": "sdd", "umask": "o", "gettimeofday": "pp", "getrlimit": "dp", "getrusage": "dp",
    "sysinfo": "p", "times": "p", "getuid": "", "getgid": "", "setuid": "d", "setgid": "d", "geteuid": "",
    "getegid": "", "setpgid": "dd", "getppid": "", "getpgrp": "", "setsid": "", "getgroups": "dp", "setgroups": "dp",
    "getpgid": "d", "getsid": "d", "rt_sigpending": "pd", "rt_sigtimedwait": "pppd", "rt_sigqueueinfo": "ddp",
    "rt_sigsuspend": "pd", "sigaltstack": "pp", "statfs": "sp", "fstatfs": "dp", "getpriority": "dd",
    "setpriority": "ddd", "prctl": "dxxxx", "arch_prctl": "xp", "setrlimit": "dp", "sync": "", "gettid": "",
    "tkill": "dd", "time": "p", "futex": "pxdpxd", "sched_setaffinity": "ddp", "sched_getaffinity": "ddp",
    "epoll_create": "d", "getdents64": "dpd", "set_tid_address": "p", "restart_syscall": "", "fadvise64": "dddd",
    "timer_create": "dpp", "timer_settime": "dxpp", "timer_gettime": "dp", "timer_getoverrun": "d",
    "timer_delete": "d", "clock_settime": "dp", "clock_gettime": "dp", "clock_getres": "dp",
    "clock_nanosleep": "dxpp", "exit_group": "d", "epoll_wait": "dpdd", "epoll_ctl": "dddp", "tgkill": "ddd",
    "utimes": "sp", "waitid": "ddpxp", "openat": "dsxo", "mkdirat": "dso", "mknodat": "dsox", "fchownat": "dsddx",
    "futimesat": "dsp", "newfstatat": "dspx", "unlinkat": "dsx", "renameat": "dsds", "linkat": "dsdsx",
    "symlinkat": "sds", "readlinkat": "dspd", "fchmodat": "dso", "faccessat": "dso", "pselect6": "dppppp",
    "ppoll": "pdppd", "unshare": "x", "set_robust_list": "pd", "get_robust_list": "dpp", "splice": "dpdpdx",
    "tee": "dddx", "utimensat": "dspx", "epoll_pwait": "dpddpd", "signalfd": "dpd", "timerfd_create": "dx",
    "eventfd": "d", "fallocate": "dxdd", "timerfd_settime": "dxpp", "timerfd_gettime": "dp", "accept4": "dppx",
    "signalfd4": "dpdx", "eventfd2": "dx", "epoll_create1": "x", "dup3": "ddx", "pipe2": "px", "preadv": "dpdd",
    "pwritev": "dpdd", "prlimit64": "ddpp", "sendmmsg": "dpdx", "recvmmsg": "dpdxp", "getcpu": "ppp",
    "renameat2": "dsdsx", "seccomp": "dxp", "getrandom": "pdx", "memfd_create": "sx", "execveat": "dsppx",
    "membarrier": "dxd", "copy_file_range": "dpdpdx", "statx": "dsxxp", "rseq": "pdxx", "pidfd_open": "dx",
    "clone3": "pd", "close_range": "ddx", "openat2": "dspd", "faccessat2": "dsox", "epoll_pwait2": "dpdppd",
  ]
}
