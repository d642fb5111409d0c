// A unix socket: net/unix/af_unix.c. A message goes straight into the receiver's queue.

import DequeModule
import LinuxABI
import Platform

final class UnixSocket: OpenFile {
  let type: SocketType
  let inodeNumber: UInt64
  var local = UnixAddress.unnamed
  /// The other end; for datagram sockets where sends go by default.
  private(set) var peer: UnixSocket?
  private(set) var wasConnected = false
  private(set) var incoming = Deque<SocketMessage>()
  private(set) var incomingBytes = 0

  /// Connections that accept has not taken yet; nil when it does not listen.
  private(set) var pending: Deque<UnixSocket>?
  private var backlog = 0

  private(set) var receiveIsShut = false
  private(set) var sendIsShut = false
  private var isReleased = false
  /// SO_ERROR.
  private(set) var error: Errno?

  var options = SocketOptions()
  var peerCredentials = SocketCredentials.none

  /// Woken when something can be received or accepted.
  private(set) var receiveQueue = WaitQueue()
  /// Woken when this socket can send (again).
  private(set) var sendQueue = WaitQueue()
  /// Woken when this socket's own queue has room: datagram senders and connects wait here.
  private(set) var roomQueue = WaitQueue()

  /// /proc/sys/net/unix/max_dgram_qlen.
  static let datagramsMax = 10
  /// /proc/sys/net/core/somaxconn.
  static let backlogMax = 4096

  init(type: SocketType, inodeNumber: UInt64, flags: UInt32) {
    self.type = type
    self.inodeNumber = inodeNumber
    super.init(flags: flags)
  }

  var isListening: Bool { pending != nil }
  var isConnected: Bool { peer != nil || wasConnected && type.isConnectionOriented }

  // MARK: Connections

  /// socketpair(2), and both ends of an accepted connection.
  func join(_ other: UnixSocket) {
    peer = other
    other.peer = self
    wasConnected = true
    other.wasConnected = true
  }

  /// connect(2) of a datagram socket; nil dissolves.
  func setDefaultDestination(_ other: UnixSocket?, _ kernel: Kernel) {
    peer = other
    sendQueue.wakeAll(kernel)
  }

  /// listen(2).
  func listen(backlog count: Int32, by task: Task, _ kernel: Kernel) {
    backlog = count < 0 ? Self.backlogMax : min(Int(count), Self.backlogMax)
    if pending == nil { pending = Deque() }
    peerCredentials = SocketCredentials(of: task)
    roomQueue.wakeAll(kernel)
  }

  var backlogIsFull: Bool { (pending?.count ?? 0) > backlog }

  /// A connect found room: the new end waits for accept.
  func addPending(_ end: UnixSocket, _ kernel: Kernel) {
    pending?.append(end)
    receiveQueue.wakeAll(kernel)
  }

  func takePending(_ kernel: Kernel) -> UnixSocket? {
    let end = pending?.popFirst()
    if end != nil { roomQueue.wakeAll(kernel) }
    return end
  }

  func takeError() -> Errno? {
    defer { error = nil }
    return error
  }

  // MARK: Sending

  /// Whether this end may send to `target` at all. ENOTCONN, EPIPE, ECONNREFUSED, EPERM.
  private func checkCanSend(to target: UnixSocket?) throws(Errno) {
    if type == .datagram {
      if sendIsShut { throw .EPIPE }
      guard let target else { throw .ENOTCONN }
      if target.isReleased {
        if target === peer { peer = nil }
        throw .ECONNREFUSED
      }
      if target.receiveIsShut { throw .EPIPE }
      // unix_may_send.
      if let theirs = target.peer, theirs !== self { throw .EPERM }
    } else {
      if let error = takeError() { throw error }
      if !wasConnected { throw .ENOTCONN }
      guard let peer, !sendIsShut, !peer.receiveIsShut else { throw .EPIPE }
    }
  }

  /// Sends what finds room: all or nothing for packets. `files` go with the first byte; their references go over when
  /// this returns. EAGAIN when a sender has to wait, EMSGSIZE for a packet that never fits.
  func send(
    _ bytes: ArraySlice<UInt8>, to destination: UnixSocket?, files: [OpenFile], credentials: SocketCredentials,
    _ kernel: Kernel
  ) throws(Errno) -> Int {
    let target = destination ?? peer
    try checkCanSend(to: target)
    guard let target else { throw .ENOTCONN }
    var part = bytes
    if type == .stream {
      if bytes.isEmpty { return 0 }
      let room = options.sendBuffer - target.incomingBytes
      if room <= 0 { throw .EAGAIN }
      part = bytes.prefix(room)
    } else {
      if bytes.count > options.sendBuffer - 32 { throw .EMSGSIZE }
      if target.incoming.count > Self.datagramsMax || target.incomingBytes + bytes.count > options.sendBuffer
        && !target.incoming.isEmpty
      {
        throw .EAGAIN
      }
    }
    target.incoming.append(
      SocketMessage(bytes: part, source: local, credentials: credentials, files: files))
    target.incomingBytes += part.count
    target.receiveQueue.wakeAll(kernel)
    return part.count
  }

  /// Where a sender waits that found no room.
  func queuesForSending(to destination: UnixSocket?) -> [WaitQueue] {
    if type == .stream { return [sendQueue] }
    guard let target = destination ?? peer else { return [sendQueue] }
    return [sendQueue, target.roomQueue]
  }

  // MARK: Receiving

  /// Takes (or with `peek` only looks at) up to `count` bytes: of several messages for a stream, of one otherwise.
  /// EAGAIN when a receiver has to wait; an empty result is the end.
  func receive(_ count: Int, peek: Bool, _ kernel: Kernel) throws(Errno) -> ReceivedMessage {
    if type == .stream && isListening || type == .stream && !wasConnected { throw .EINVAL }
    if type == .sequentialPacket && !wasConnected { throw .ENOTCONN }
    if incoming.isEmpty {
      if let error = takeError() { throw error }
      if receiveIsShut || type.isConnectionOriented && (peer == nil || peer!.sendIsShut) { return ReceivedMessage() }
      throw .EAGAIN
    }
    let result = type == .stream ? takeStream(count, peek: peek) : takePacket(count, peek: peek)
    if !peek {
      roomQueue.wakeAll(kernel)
      peer?.sendQueue.wakeAll(kernel)
    }
    return result
  }

  private func takePacket(_ count: Int, peek: Bool) -> ReceivedMessage {
    let message = incoming[0]
    if !peek {
      incoming.removeFirst()
      incomingBytes -= message.bytes.count
    } else {
      for file in message.files { file.retain() }
    }
    return ReceivedMessage(
      bytes: Array(message.bytes.prefix(count)), fullCount: message.bytes.count, source: message.source,
      credentials: message.credentials, files: message.files)
  }

  /// unix_stream_read_generic: passed descriptors and other credentials (when they are asked for) end a read.
  private func takeStream(_ count: Int, peek: Bool) -> ReceivedMessage {
    var result = ReceivedMessage()
    result.source = incoming[0].source
    result.credentials = incoming[0].credentials
    var index = 0
    while result.bytes.count < count, index < incoming.count {
      var message = incoming[index]
      if index > 0 || !result.bytes.isEmpty {
        if !message.files.isEmpty { break }
        if options.passCredentials && message.credentials != result.credentials { break }
      }
      let part = message.bytes.prefix(count - result.bytes.count)
      result.bytes.append(contentsOf: part)
      let hadFiles = !message.files.isEmpty
      if hadFiles {
        if peek { for file in message.files { file.retain() } }
        result.files = message.files
      }
      if peek {
        index += 1
      } else {
        incomingBytes -= part.count
        message.files = []
        message.bytes = message.bytes.dropFirst(part.count)
        if message.bytes.isEmpty { incoming.removeFirst() } else { incoming[0] = message }
      }
      if hadFiles { break }
    }
    result.fullCount = result.bytes.count
    return result
  }

  // MARK: The end

  /// shutdown(2): 0 receiving, 1 sending, 2 both.
  func shutDown(_ how: Int32, _ kernel: Kernel) {
    if how != 1 { receiveIsShut = true }
    if how != 0 { sendIsShut = true }
    if type.isConnectionOriented, let peer {
      if how != 1 { peer.sendIsShut = true }
      if how != 0 { peer.receiveIsShut = true }
      peer.wakeEverybody(kernel)
    }
    wakeEverybody(kernel)
  }

  func wakeEverybody(_ kernel: Kernel) {
    receiveQueue.wakeAll(kernel)
    sendQueue.wakeAll(kernel)
    roomQueue.wakeAll(kernel)
  }

  /// unix_release_sock: the peer of a connection sees a hang-up, and ECONNRESET when bytes were left unread.
  override func release(_ kernel: Kernel) {
    isReleased = true
    kernel.forgetName(of: self)
    for end in pending ?? [] {
      end.error = nil
      end.release(kernel, isEmbryo: true)
    }
    pending = nil
    release(kernel, isEmbryo: false)
  }

  private func release(_ kernel: Kernel, isEmbryo: Bool) {
    isReleased = true
    if type.isConnectionOriented, let peer {
      peer.receiveIsShut = true
      peer.sendIsShut = true
      if !incoming.isEmpty || isEmbryo { peer.error = .ECONNRESET }
      peer.peer = nil
      peer.wakeEverybody(kernel)
    }
    peer = nil
    let left = incoming
    incoming = []
    incomingBytes = 0
    for message in left { for file in message.files { file.releaseReference(kernel) } }
    wakeEverybody(kernel)
  }

  // MARK: The file

  override func read(_ call: Syscall, _ count: Int) throws(Errno) -> [UInt8] {
    let message = try receive(count, peek: false, call.kernel)
    for file in message.files { file.releaseReference(call.kernel) }
    return message.bytes
  }

  override func write(_ call: Syscall, _ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
    try send(bytes, to: nil, files: [], credentials: SocketCredentials(of: call.task), call.kernel)
  }

  override func ioctl(_ call: Syscall, _ request: UInt32, _ argument: UInt64) throws(Errno) -> SyscallOutcome {
    switch request {
    case 0x541b:  // SIOCINQ, FIONREAD
      if isListening { throw .EINVAL }
      let count = type == .stream ? incomingBytes : incoming.first?.bytes.count ?? 0
      try call.memory.store(GuestAddress(argument), Int32(count))
    case 0x5411:  // SIOCOUTQ
      try call.memory.store(GuestAddress(argument), Int32(type.isConnectionOriented ? peer?.incomingBytes ?? 0 : 0))
    default: throw .ENOTTY
    }
    return .success
  }

  /// unix_poll and unix_dgram_poll.
  override func readiness(_ kernel: Kernel) -> PollEvents {
    var events: PollEvents = []
    if error != nil { events.insert(.error) }
    if receiveIsShut && sendIsShut { events.insert(.hangup) }
    if receiveIsShut { events.formUnion([.readHangup, .in, .readNormal]) }
    if !incoming.isEmpty || !(pending?.isEmpty ?? true) { events.formUnion([.in, .readNormal]) }
    if type.isConnectionOriented && !wasConnected && !isListening { events.insert(.hangup) }
    if isWritable(kernel) { events.formUnion([.out, .writeNormal, .writeBand]) }
    return events
  }

  private func isWritable(_ kernel: Kernel) -> Bool {
    guard let peer else { return true }
    if type == .stream { return peer.incomingBytes * 4 <= options.sendBuffer }
    return peer.incoming.count <= Self.datagramsMax
  }

  override var waitQueues: [WaitQueue] {
    if type != .stream, let peer { return [receiveQueue, sendQueue, peer.roomQueue] }
    return [receiveQueue, sendQueue]
  }
  override func waitLimit(reading: Bool) -> Nanoseconds? {
    reading ? options.receiveTimeout : options.sendTimeout
  }
  override func blockReason(reading: Bool) -> BlockReason {
    .socket(reading ? "data in a socket" : "room in a socket")
  }
  override func displayPath(_ kernel: Kernel) -> [UInt8] { Array("socket:[\(inodeNumber)]".utf8) }

  override func status(_ kernel: Kernel) throws(Errno) -> FileStatus {
    FileStatus(
      device: FileSystemKind.sockets.device, number: inodeNumber, mode: FileMode.socket | 0o777, links: 1,
      user: kernel.configuration.user, group: kernel.configuration.group, size: 0, accessed: kernel.decisions.epoch,
      modified: kernel.decisions.epoch, changed: kernel.decisions.epoch)
  }

  // MARK: Copying

  override func shallowCopy() -> Self {
    let new = UnixSocket(type: type, inodeNumber: inodeNumber, flags: flags)
    new.local = local
    new.peer = peer
    new.wasConnected = wasConnected
    new.incoming = incoming
    new.incomingBytes = incomingBytes
    new.pending = pending
    new.backlog = backlog
    new.receiveIsShut = receiveIsShut
    new.sendIsShut = sendIsShut
    new.isReleased = isReleased
    new.error = error
    new.options = options
    new.peerCredentials = peerCredentials
    new.receiveQueue = receiveQueue
    new.sendQueue = sendQueue
    new.roomQueue = roomQueue
    new.copyBaseFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }
  override func copyReferences(_ context: CopyContext) {
    super.copyReferences(context)
    peer = context.copy(peer)
    for index in incoming.indices { incoming[index].copyReferences(context) }
    if let pending { self.pending = Deque(pending.map { context.copy($0) }) }
    receiveQueue = context.copy(receiveQueue)
    sendQueue = context.copy(sendQueue)
    roomQueue = context.copy(roomQueue)
  }
}
