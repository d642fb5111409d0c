import LinuxABI

extension SyscallTable {
  static var timeSyscalls: [SyscallEntry] { [] }
}
