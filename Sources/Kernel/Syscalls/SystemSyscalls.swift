import LinuxABI

extension SyscallTable {
  static var systemSyscalls: [SyscallEntry] { [] }
}
