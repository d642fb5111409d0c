import LinuxABI

extension SyscallTable {
  static var fileSyscalls: [SyscallEntry] { [] }
}
