import LinuxABI

extension SyscallTable {
  static var taskSyscalls: [SyscallEntry] { [] }
}
