import LinuxABI

extension SyscallTable {
  static var memorySyscalls: [SyscallEntry] { [] }
}
