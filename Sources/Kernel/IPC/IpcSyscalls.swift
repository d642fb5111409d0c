import LinuxABI

extension SyscallTable {
  static var ipcSyscalls: [SyscallEntry] { [] }
}
