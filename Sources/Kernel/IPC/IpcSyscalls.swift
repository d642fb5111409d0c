// The syscalls of this folder, joined.

import LinuxABI

extension SyscallTable {
  static var ipcSyscalls: [SyscallEntry] {
    futexSyscalls + pipeSyscalls + pollSyscalls + eventSyscalls + epollSyscalls + timerFileSyscalls
      + socketSyscalls + spliceSyscalls + signalFileSyscalls
  }
}
