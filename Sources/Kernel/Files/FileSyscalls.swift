// The file system's part of the syscall table.

import LinuxABI

extension SyscallTable {
  static var fileSyscalls: [SyscallEntry] {
    transferSyscalls + pathSyscalls + descriptorSyscalls + metadataSyscalls + directorySyscalls + copySyscalls
  }
}
