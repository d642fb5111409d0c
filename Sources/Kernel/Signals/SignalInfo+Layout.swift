// siginfo_t in guest memory: 128 bytes, include/uapi/asm-generic/siginfo.h.

import LinuxABI
import Platform

extension SignalInfo {
  static let size = 128

  /// Which members of the union a siginfo has: siginfo_layout of kernel/signal.c.
  private enum Layout {
    case kill, timer, queue, fault, child, poll, system
  }

  private var layout: Layout {
    if code == SignalCode.timer { return .timer }
    if code < 0 { return code == SignalCode.tkill ? .kill : .queue }
    if code == SignalCode.user || code == SignalCode.kernel { return .kill }
    switch signal {
    case SignalNumber.ill, SignalNumber.fpe, SignalNumber.segv, SignalNumber.bus, SignalNumber.trap: return .fault
    case SignalNumber.chld: return .child
    case SignalNumber.io: return .poll
    case SignalNumber.sys: return .system
    default: return .kill
    }
  }

  /// The bytes that a handler or sigtimedwait sees.
  func encoded() -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Self.size)
    bytes.setInteger(Int32(signal), at: 0)
    bytes.setInteger(errno, at: 4)
    bytes.setInteger(code, at: 8)
    switch layout {
    case .kill:
      // SI_KERNEL carries neither pid nor uid; both are zero then.
      bytes.setInteger(sender.rawValue, at: 16)
      bytes.setInteger(senderUser, at: 20)
    case .queue:
      bytes.setInteger(sender.rawValue, at: 16)
      bytes.setInteger(senderUser, at: 20)
      bytes.setInteger(value, at: 24)
    case .timer:
      bytes.setInteger(timerID, at: 16)
      bytes.setInteger(overrun, at: 20)
      bytes.setInteger(value, at: 24)
    case .fault:
      bytes.setInteger(address.rawValue, at: 16)
    case .child:
      bytes.setInteger(sender.rawValue, at: 16)
      bytes.setInteger(senderUser, at: 20)
      bytes.setInteger(UInt32(truncatingIfNeeded: value), at: 24)
      bytes.setInteger(userTime, at: 32)
      bytes.setInteger(systemTime, at: 40)
    case .poll:
      // si_band and si_fd.
      bytes.setInteger(value, at: 16)
      bytes.setInteger(timerID, at: 24)
    case .system:
      // si_call_addr, si_syscall, si_arch.
      bytes.setInteger(address.rawValue, at: 16)
      bytes.setInteger(Int32(truncatingIfNeeded: value), at: 24)
      bytes.setInteger(0xC000_003E as UInt32, at: 28)
    }
    return bytes
  }

  /// What rt_sigqueueinfo was given. The signal number comes from the call.
  init(signal: Int, queued bytes: [UInt8]) {
    self.init(signal: signal)
    errno = bytes.integer(at: 4)
    code = bytes.integer(at: 8)
    if code == SignalCode.timer {
      timerID = bytes.integer(at: 16)
      overrun = bytes.integer(at: 20)
    } else {
      sender = TaskID(bytes.integer(at: 16) as Int32)
      senderUser = bytes.integer(at: 20)
    }
    value = bytes.integer(at: 24)
    address = GuestAddress(bytes.integer(at: 16) as UInt64)
  }
}
