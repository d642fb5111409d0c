// Signal numbers and the fixed values that travel with them: arch/x86/include/uapi/asm/signal.h,
// include/uapi/asm-generic/siginfo.h.

/// Signals of x86-64. Real-time ones are 32...64.
public enum SignalNumber {
  public static let hup = 1, int = 2, quit = 3, ill = 4, trap = 5, abrt = 6, bus = 7, fpe = 8, kill = 9, usr1 = 10
  public static let segv = 11, usr2 = 12, pipe = 13, alrm = 14, term = 15, stkflt = 16, chld = 17, cont = 18
  public static let stop = 19, tstp = 20, ttin = 21, ttou = 22, urg = 23, xcpu = 24, xfsz = 25, vtalrm = 26
  public static let prof = 27, winch = 28, io = 29, pwr = 30, sys = 31
  public static let realtimeMin = 32, max = 64

  /// `SIGINT` and kin, for reports.
  public static func name(_ signal: Int) -> String {
    let names = [
      "0", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1",
      "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP",
      "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR",
      "SIGSYS",
    ]
    if signal >= 0 && signal < names.count { return names[signal] }
    return signal <= max ? "SIGRT_\(signal - realtimeMin)" : "signal \(signal)"
  }
}

/// si_code values.
public enum SignalCode {
  public static let user: Int32 = 0, kernel: Int32 = 0x80, queue: Int32 = -1, timer: Int32 = -2, tkill: Int32 = -6
  public static let childExited: Int32 = 1, childKilled: Int32 = 2, childDumped: Int32 = 3, childStopped: Int32 = 5
  public static let childContinued: Int32 = 6
}

/// sa_flags.
public enum SignalActionFlag {
  public static let noChildStop: UInt64 = 1, noChildWait: UInt64 = 2, info: UInt64 = 4
  public static let restorer: UInt64 = 0x0400_0000, onStack: UInt64 = 0x0800_0000, restart: UInt64 = 0x1000_0000
  public static let noDefer: UInt64 = 0x4000_0000, resetHandler: UInt64 = 0x8000_0000
  /// UAPI_SA_FLAGS: what rt_sigaction keeps.
  public static let known: UInt64 =
    noChildStop | noChildWait | info | 0x800 | restorer | onStack | restart | noDefer | resetHandler
}
