// Values of unix sockets: addresses, credentials, messages in flight. unix(7), socket(2).

import LinuxABI
import Platform

enum SocketType: Int32, Hashable, Sendable {
  case stream = 1, datagram = 2, sequentialPacket = 5
  var isConnectionOriented: Bool { self != .datagram }
}

/// MSG_*.
enum MessageFlag {
  static let peek: UInt32 = 0x2, controlTruncated: UInt32 = 0x8, truncated: UInt32 = 0x20, dontWait: UInt32 = 0x40
  static let waitAll: UInt32 = 0x100, outOfBand: UInt32 = 0x1, noSignal: UInt32 = 0x4000
  static let waitForOne: UInt32 = 0x1_0000, closeOnExec: UInt32 = 0x4000_0000
}

enum UnixAddress: Hashable, Sendable {
  case unnamed
  case path([UInt8])
  /// The name without its leading zero byte; may hold any bytes.
  case abstract([UInt8])

  /// unix_validate_addr and unix_mkname. EINVAL for a wrong family or length. A bare family means: choose a name.
  init(_ bytes: [UInt8]) throws(Errno) {
    if bytes.count < 2 || bytes.count > 110 || bytes[0] != 1 || bytes[1] != 0 { throw .EINVAL }
    let name = bytes.dropFirst(2)
    if name.isEmpty {
      self = .unnamed
    } else if name.first == 0 {
      self = .abstract(Array(name.dropFirst()))
    } else {
      self = .path(Array(name.prefix { $0 != 0 }))
    }
  }

  /// struct sockaddr_un, as long as the name needs.
  var bytes: [UInt8] {
    switch self {
    case .unnamed: [1, 0]
    case .path(let path): [1, 0] + path + [0]
    case .abstract(let name): [1, 0, 0] + name
    }
  }

  var text: String {
    switch self {
    case .unnamed: "an unnamed socket"
    case .path(let path): String(decoding: path, as: UTF8.self)
    case .abstract(let name): "@" + String(decoding: name, as: UTF8.self)
    }
  }
}

/// struct ucred.
struct SocketCredentials: Hashable, Sendable {
  var process: Int32
  var user: UInt32
  var group: UInt32

  init(process: Int32, user: UInt32, group: UInt32) {
    self.process = process
    self.user = user
    self.group = group
  }
  init(of task: Task) {
    self.init(
      process: task.group.id.rawValue, user: task.credentials.effectiveUser, group: task.credentials.effectiveGroup)
  }
  /// Of a socket that nobody connected: pid 0 and the overflow ids' -1.
  static let none = SocketCredentials(process: 0, user: ~0, group: ~0)

  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.appendInteger(process)
    bytes.appendInteger(user)
    bytes.appendInteger(group)
    return bytes
  }
}

/// What one send put into the receiver's queue. A stream's reader may take it in pieces.
struct SocketMessage {
  var bytes: ArraySlice<UInt8>
  var source: UnixAddress
  var credentials: SocketCredentials
  /// SCM_RIGHTS: each holds a reference.
  var files: [OpenFile]

  mutating func copyReferences(_ context: CopyContext) { files = context.copy(files) }
}

/// What a receive took.
struct ReceivedMessage {
  var bytes: [UInt8] = []
  /// The length of the whole packet, where there are packets.
  var fullCount = 0
  var source: UnixAddress?
  var credentials: SocketCredentials?
  /// References that go over to the receiver.
  var files: [OpenFile] = []
}
