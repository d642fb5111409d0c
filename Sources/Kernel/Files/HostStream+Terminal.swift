// A terminal as standard stream: ioctl_tty(2), termios(3).

import LinuxABI
import Platform

/// Requests of include/uapi/asm-generic/ioctls.h.
enum TerminalRequest {
  static let getAttributes: UInt32 = 0x5401
  static let setAttributes: ClosedRange<UInt32> = 0x5402...0x5404
  static let sendBreak: UInt32 = 0x5409, control: UInt32 = 0x540a, flush: UInt32 = 0x540b
  static let setControlling: UInt32 = 0x540e, getForeground: UInt32 = 0x540f, setForeground: UInt32 = 0x5410
  static let outputQueue: UInt32 = 0x5411, getSize: UInt32 = 0x5413, setSize: UInt32 = 0x5414
  static let inputQueue: UInt32 = 0x541b, giveUp: UInt32 = 0x5422, getSession: UInt32 = 0x5429
}

extension HostStream {
  /// struct termios of the kernel ABI: four flag words, the line discipline, 19 control characters.
  static let termiosBytes = 36

  func control(_ call: Syscall, _ request: UInt32, _ argument: UInt64) throws(Errno) -> SyscallOutcome {
    let kernel = call.kernel
    let address = GuestAddress(argument)
    if request == TerminalRequest.inputQueue {
      return try inputQueueLength(call, address)
    }
    guard stream.kind == .terminal else { throw .ENOTTY }
    switch request {
    case TerminalRequest.getAttributes:
      guard let attributes = kernel.host.terminalAttributes(stream.descriptor) else { throw .ENOTTY }
      try call.memory.copyOut(address, attributes.prefix(Self.termiosBytes))
    case TerminalRequest.setAttributes:
      let bytes = try call.memory.copyIn(address, Self.termiosBytes)
      try kernel.host.setTerminalAttributes(stream.descriptor, bytes, when: Int32(request - 0x5402))
    case TerminalRequest.getSize:
      guard let size = kernel.host.terminalSize(stream.descriptor) else { throw .ENOTTY }
      var bytes: [UInt8] = []
      for value in [size.rows, size.columns, 0, 0] { bytes.appendInteger(value) }
      try call.memory.copyOut(address, bytes)
    case TerminalRequest.setSize: throw .EPERM
    case TerminalRequest.getForeground:
      try call.memory.store(address, kernel.foregroundProcessGroup)
    case TerminalRequest.setForeground:
      try setForeground(call, try call.memory.load(address))
    case TerminalRequest.getSession:
      try call.memory.store(address, call.task.group.processGroup.session.id.rawValue)
    case TerminalRequest.outputQueue:
      try call.memory.store(address, 0 as Int32)
    case TerminalRequest.sendBreak, TerminalRequest.control, TerminalRequest.flush: break
    // The terminal is the session's already; it stays so.
    case TerminalRequest.setControlling: break
    default: throw .ENOTTY
    }
    return .success
  }

  /// FIONREAD. How much there is cannot be told without reading; that there is something can.
  private func inputQueueLength(_ call: Syscall, _ address: GuestAddress) throws(Errno) -> SyscallOutcome {
    let length: Int64
    switch stream.kind {
    case .file:
      try stream.loadInput(call.kernel)
      length = max(0, stream.size - offset)
    case .pipe, .terminal: length = isReadable && readiness(call.kernel).contains(.in) ? 1 : 0
    case .null, .closed: throw .ENOTTY
    }
    try call.memory.store(address, Int32(truncatingIfNeeded: length))
    return .success
  }

  /// tiocspgrp: a process group of the caller's session.
  private func setForeground(_ call: Syscall, _ id: Int32) throws(Errno) {
    if id < 0 { throw .EINVAL }
    let session = call.task.group.processGroup.session
    guard let member = call.kernel.tasks.members(of: TaskID(id)).first else { throw .ESRCH }
    if member.processGroup.session !== session { throw .EPERM }
    call.kernel.files.foregroundProcessGroup = id
  }
}

extension Kernel {
  /// The process group that the terminal's signals go to.
  var foregroundProcessGroup: Int32 {
    files.foregroundProcessGroup ?? firstProcess?.processGroup.id.rawValue ?? 0
  }
}
