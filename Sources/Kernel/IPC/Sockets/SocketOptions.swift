// getsockopt(2), setsockopt(2): socket(7).

import LinuxABI
import Platform

struct SocketOptions: Hashable, Sendable {
  var sendBuffer = 212_992
  var receiveBuffer = 212_992
  /// SO_RCVTIMEO, SO_SNDTIMEO; nil for none.
  var receiveTimeout: Nanoseconds?
  var sendTimeout: Nanoseconds?
  var passCredentials = false
  /// Flags that a unix socket keeps but does not act on: SO_REUSEADDR, SO_BROADCAST, SO_KEEPALIVE and kin.
  var flags: Set<Int32> = []
  var linger: (on: Int32, seconds: Int32) { lingerOn ? (1, lingerSeconds) : (0, lingerSeconds) }
  var lingerOn = false
  var lingerSeconds: Int32 = 0
  var priority: Int32 = 0
  var receiveLowWater: Int32 = 1
}

private enum SocketOption {
  static let reuseAddress: Int32 = 2, type: Int32 = 3, error: Int32 = 4, dontRoute: Int32 = 5, broadcast: Int32 = 6
  static let sendBuffer: Int32 = 7, receiveBuffer: Int32 = 8, keepAlive: Int32 = 9, outOfBandInline: Int32 = 10
  static let priority: Int32 = 12, linger: Int32 = 13, reusePort: Int32 = 15, passCredentials: Int32 = 16
  static let peerCredentials: Int32 = 17, receiveLowWater: Int32 = 18, sendLowWater: Int32 = 19
  static let receiveTimeout: Int32 = 20, sendTimeout: Int32 = 21, timestamp: Int32 = 29, acceptsConnections: Int32 = 30
  static let sendBufferForce: Int32 = 32, receiveBufferForce: Int32 = 33, protocolNumber: Int32 = 38, domain: Int32 = 39
  static let socketLevel: Int32 = 1
}

extension Kernel {
  func getSocketOption(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let socket = try unixSocket(call)
    let room: Int32 = try call.memory.load(call.address(4))
    if room < 0 { throw .EINVAL }
    if call.int32(1) != SocketOption.socketLevel { throw .EOPNOTSUPP }
    let bytes = try optionBytes(socket, call.int32(2))
    try call.memory.copyOut(call.address(3), bytes.prefix(Int(room)))
    try call.memory.store(call.address(4), min(room, Int32(bytes.count)))
    return .success
  }

  private func optionBytes(_ socket: UnixSocket, _ option: Int32) throws(Errno) -> [UInt8] {
    let options = socket.options
    var bytes: [UInt8] = []
    switch option {
    case SocketOption.type: bytes.appendInteger(socket.type.rawValue)
    case SocketOption.error: bytes.appendInteger(socket.takeError()?.rawValue ?? 0)
    case SocketOption.sendBuffer: bytes.appendInteger(Int32(options.sendBuffer))
    case SocketOption.receiveBuffer: bytes.appendInteger(Int32(options.receiveBuffer))
    case SocketOption.linger:
      bytes.appendInteger(options.linger.on)
      bytes.appendInteger(options.linger.seconds)
    case SocketOption.passCredentials: bytes.appendInteger(options.passCredentials ? 1 as Int32 : 0)
    case SocketOption.peerCredentials: bytes = socket.peerCredentials.bytes
    case SocketOption.receiveLowWater: bytes.appendInteger(options.receiveLowWater)
    case SocketOption.sendLowWater: bytes.appendInteger(1 as Int32)
    case SocketOption.receiveTimeout: bytes = (options.receiveTimeout ?? .zero).timevalBytes
    case SocketOption.sendTimeout: bytes = (options.sendTimeout ?? .zero).timevalBytes
    case SocketOption.acceptsConnections: bytes.appendInteger(socket.isListening ? 1 as Int32 : 0)
    case SocketOption.protocolNumber: bytes.appendInteger(0 as Int32)
    case SocketOption.domain: bytes.appendInteger(1 as Int32)
    case SocketOption.priority: bytes.appendInteger(options.priority)
    case SocketOption.reuseAddress, SocketOption.dontRoute, SocketOption.broadcast, SocketOption.keepAlive,
      SocketOption.outOfBandInline, SocketOption.reusePort, SocketOption.timestamp:
      bytes.appendInteger(options.flags.contains(option) ? 1 as Int32 : 0)
    default: throw .ENOPROTOOPT
    }
    return bytes
  }

  func setSocketOption(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let socket = try unixSocket(call)
    if call.int32(1) != SocketOption.socketLevel { throw .EOPNOTSUPP }
    let length = call.int32(4)
    let option = call.int32(2)
    if length < 4 { throw .EINVAL }
    let value: Int32 = try call.memory.load(call.address(3))
    switch option {
    case SocketOption.sendBuffer, SocketOption.sendBufferForce:
      if option == SocketOption.sendBufferForce && !call.task.credentials.hasCapability(12) { throw .EPERM }
      socket.options.sendBuffer = max(4608, min(max(0, Int(value)), 212_992) * 2)
      socket.sendQueue.wakeAll(self)
    case SocketOption.receiveBuffer, SocketOption.receiveBufferForce:
      if option == SocketOption.receiveBufferForce && !call.task.credentials.hasCapability(12) { throw .EPERM }
      socket.options.receiveBuffer = max(2304, min(max(0, Int(value)), 212_992) * 2)
    case SocketOption.passCredentials: socket.options.passCredentials = value != 0
    case SocketOption.linger:
      if length < 8 { throw .EINVAL }
      socket.options.lingerOn = value != 0
      socket.options.lingerSeconds = try call.memory.load(call.address(3) + 4)
    case SocketOption.receiveTimeout: socket.options.receiveTimeout = try socketTimeout(call, length)
    case SocketOption.sendTimeout: socket.options.sendTimeout = try socketTimeout(call, length)
    case SocketOption.priority:
      if value < 0 || value > 6 && !call.task.credentials.hasCapability(12) { throw .EPERM }
      socket.options.priority = value
    case SocketOption.receiveLowWater: socket.options.receiveLowWater = value < 0 ? .max : max(1, value)
    case SocketOption.reusePort: throw .EOPNOTSUPP
    case SocketOption.reuseAddress, SocketOption.dontRoute, SocketOption.broadcast, SocketOption.keepAlive,
      SocketOption.outOfBandInline, SocketOption.timestamp:
      if value != 0 { socket.options.flags.insert(option) } else { socket.options.flags.remove(option) }
    default: throw .ENOPROTOOPT
    }
    return .success
  }

  /// sock_set_timeout: zero means none. EDOM for microseconds out of range.
  private func socketTimeout(_ call: Syscall, _ length: Int32) throws(Errno) -> Nanoseconds? {
    if length < 16 { throw .EINVAL }
    let bytes = try call.memory.copyIn(call.address(3), 16)
    let seconds: Int64 = bytes.integer(at: 0)
    let microseconds: Int64 = bytes.integer(at: 8)
    if microseconds < 0 || microseconds >= 1_000_000 { throw .EDOM }
    if seconds < 0 { return .zero }
    if seconds == 0 && microseconds == 0 { return nil }
    return try Nanoseconds(validSeconds: seconds, nanoseconds: microseconds * 1000)
  }
}
