import LinuxABI
extension SyscallTable {
  static var intervalTimerSyscalls: [SyscallEntry] { [] }
}
