import LinuxABI

extension SyscallTable {
  static var signalSyscalls: [SyscallEntry] { [] }
}
