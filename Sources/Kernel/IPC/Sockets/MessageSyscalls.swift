// sendto(2), sendmsg(2), sendmmsg(2), recvfrom(2), recvmsg(2), recvmmsg(2), and the control messages of unix(7).

import LinuxABI
import Platform

extension SyscallTable {
  static var messageSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.sendto) { call throws(Errno) in
        let range = try call.kernel.ioRange(call.address(1), call[2])
        var message = MessageHeader(data: [range])
        message.name = call.address(4)
        message.nameLength = call.int32(5)
        return try call.kernel.send(call, message, flags: call.uint32(3))
      },
      SyscallEntry(SyscallNumber.sendmsg) { call throws(Errno) in
        let message = try MessageHeader(call.memory, call.address(1))
        return try call.kernel.send(call, message, flags: call.uint32(2))
      },
      SyscallEntry(SyscallNumber.recvfrom) { call throws(Errno) in
        let range = try call.kernel.ioRange(call.address(1), call[2])
        return try call.kernel.receiveFrom(call, MessageHeader(data: [range]), flags: call.uint32(3))
      },
      SyscallEntry(SyscallNumber.recvmsg) { call throws(Errno) in
        let message = try MessageHeader(call.memory, call.address(1))
        return try call.kernel.receiveMessage(call, message, flags: call.uint32(2))
      },
      SyscallEntry(SyscallNumber.sendmmsg) { call throws(Errno) in try call.kernel.sendMany(call) },
      SyscallEntry(SyscallNumber.recvmmsg) { call throws(Errno) in try call.kernel.receiveMany(call) },
    ]
  }
}

/// struct msghdr.
struct MessageHeader {
  var address = GuestAddress(0)
  var name = GuestAddress(0)
  var nameLength: Int32 = 0
  var data: [GuestRange]
  var control = GuestAddress(0)
  var controlLength: UInt64 = 0

  static let size = 56
  static let nameLengthOffset: UInt64 = 8, controlLengthOffset: UInt64 = 40, flagsOffset: UInt64 = 48

  init(data: [GuestRange]) { self.data = data }

  init(_ memory: MemoryManager, _ address: GuestAddress) throws(Errno) {
    let bytes = try memory.copyIn(address, Self.size)
    self.address = address
    name = GuestAddress(bytes.integer(at: 0))
    nameLength = bytes.integer(at: 8)
    if nameLength < 0 { throw .EINVAL }
    let count: UInt64 = bytes.integer(at: 24)
    if count > 1024 { throw .EMSGSIZE }
    data = try memory.copyInIovecs(GuestAddress(bytes.integer(at: 16)), Int(count))
    control = GuestAddress(bytes.integer(at: 32))
    controlLength = bytes.integer(at: 40)
  }

  var count: Int { data.reduce(0) { $0 + Int($1.length) } }

  /// Up to `limit` bytes from position `start` of the data on.
  func gather(_ memory: MemoryManager, from start: Int, limit: Int) throws(Errno) -> [UInt8] {
    var skip = start
    var bytes: [UInt8] = []
    for range in data where bytes.count < limit {
      let length = Int(range.length)
      if skip >= length {
        skip -= length
        continue
      }
      let part = min(length - skip, limit - bytes.count)
      let piece = try memory.copyIn(range.start + UInt64(skip), part)
      if bytes.isEmpty { bytes = piece } else { bytes.append(contentsOf: piece) }
      skip = 0
    }
    return bytes
  }

  func scatter(_ memory: MemoryManager, _ bytes: [UInt8]) throws(Errno) {
    var rest = bytes[...]
    for range in data where !rest.isEmpty {
      let part = rest.prefix(Int(range.length))
      try memory.copyOut(range.start, part)
      rest = rest.dropFirst(part.count)
    }
  }
}

extension Kernel {
  /// import_single_range: the length is cut, the address must be one of user space.
  func ioRange(_ address: GuestAddress, _ length: UInt64) throws(Errno) -> GuestRange {
    if length > UInt64(Int64.max) { throw .EINVAL }
    guard let range = GuestRange(address, length: min(length, 0x7fff_f000)), range.end <= GuestAddress.userEnd else {
      throw .EFAULT
    }
    return range
  }

  // MARK: Sending

  /// What a stream takes from memory at a time.
  private static let streamPiece = 1 << 16

  func send(_ call: Syscall, _ message: MessageHeader, flags: UInt32) throws(Errno) -> SyscallOutcome {
    let socket = try unixSocket(call)
    do throws(Errno) {
      return try sendOnce(call, socket, message, flags: flags, state: call.resume as? SocketWait ?? SocketWait())
    } catch {
      if error == .EPIPE && socket.type == .stream && flags & MessageFlag.noSignal == 0 {
        send(
          SignalInfo(
            signal: 13, code: 0, sender: call.task.group.id, senderUser: call.task.credentials.realUser),
          to: call.task)
      }
      throw error
    }
  }

  private func sendOnce(
    _ call: Syscall, _ socket: UnixSocket, _ message: MessageHeader, flags: UInt32, state: SocketWait
  ) throws(Errno) -> SyscallOutcome {
    if flags & MessageFlag.outOfBand != 0 { throw .EOPNOTSUPP }
    var destination: UnixSocket?
    if message.name.rawValue != 0 && message.nameLength > 0 {
      if socket.type == .stream { throw socket.isConnected ? .EISCONN : .EOPNOTSUPP }
      if socket.type == .datagram {
        let bytes = try loadAddress(call, at: message.name, length: message.nameLength)
        destination = try findSocket(call, try UnixAddress(bytes), type: socket.type)
      }
    }
    var control = try controlToSend(call, message)
    let total = message.count
    var state = state
    // The files went with the first byte.
    if state.sent > 0 { control.files = [] }
    if socket.options.passCredentials && socket.local == .unnamed && socket.type == .datagram { autobind(socket) }
    do throws(Errno) {
      if socket.type != .stream {
        if total > socket.options.sendBuffer - 32 { throw .EMSGSIZE }
        let bytes = try message.gather(call.memory, from: 0, limit: total)
        for file in control.files { file.retain() }
        do throws(Errno) {
          return .value(
            try socket.send(
              bytes[...], to: destination, files: control.files, credentials: control.credentials, self))
        } catch {
          for file in control.files { file.releaseReference(self) }
          throw error
        }
      }
      if total == 0 { return .value(0 as Int64) }
      repeat {
        let bytes = try message.gather(call.memory, from: state.sent, limit: Self.streamPiece)
        for file in control.files { file.retain() }
        do throws(Errno) {
          state.sent += try socket.send(
            bytes[...], to: nil, files: control.files, credentials: control.credentials, self)
        } catch {
          for file in control.files { file.releaseReference(self) }
          throw error
        }
        control.files = []
      } while state.sent < total
      return .value(state.sent)
    } catch {
      if error != .EAGAIN {
        if state.sent > 0 { return .value(state.sent) }
        throw error
      }
      let mayNotWait = socket.isNonblocking || flags & MessageFlag.dontWait != 0
      if state.sent > 0 && (mayNotWait || call.wake == .signal || call.wake == .timeout) { return .value(state.sent) }
      return try waitOnSocket(
        call, on: socket.queuesForSending(to: destination), nonblocking: mayNotWait,
        timeout: socket.options.sendTimeout, state: state, reason: "room in a socket")
    }
  }

  /// Control messages of a send: SCM_RIGHTS and SCM_CREDENTIALS. scm_send of net/core/scm.c.
  private func controlToSend(
    _ call: Syscall, _ message: MessageHeader
  ) throws(Errno) -> (files: [OpenFile], credentials: SocketCredentials) {
    var files: [OpenFile] = []
    var credentials = SocketCredentials(of: call.task)
    if message.control.rawValue == 0 || message.controlLength == 0 { return (files, credentials) }
    if message.controlLength > 1 << 20 { throw .ENOBUFS }
    let bytes = try call.memory.copyIn(message.control, Int(message.controlLength))
    var at = 0
    while at + 16 <= bytes.count {
      let length: UInt64 = bytes.integer(at: at)
      if length < 16 || length > UInt64(bytes.count - at) { throw .EINVAL }
      let level: Int32 = bytes.integer(at: at + 8)
      let type: Int32 = bytes.integer(at: at + 12)
      let dataCount = Int(length) - 16
      if level == 1 {
        switch type {
        case 1:
          if dataCount / 4 + files.count > 253 { throw .EINVAL }
          for index in 0..<dataCount / 4 {
            files.append(try call.task.files.file(bytes.integer(at: at + 16 + index * 4), allowPath: true))
          }
        case 2:
          if dataCount != 12 { throw .EINVAL }
          credentials = SocketCredentials(
            process: bytes.integer(at: at + 16), user: bytes.integer(at: at + 20), group: bytes.integer(at: at + 24))
          try checkCredentials(call.task, credentials)
        default: throw .EINVAL
        }
      }
      at += (Int(length) + 7) & ~7
    }
    return (files, credentials)
  }

  /// scm_check_creds.
  private func checkCredentials(_ task: Task, _ claimed: SocketCredentials) throws(Errno) {
    let own = task.credentials
    let isOwnProcess = claimed.process == task.group.id.rawValue
    // CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID.
    guard isOwnProcess || own.hasCapability(21),
      [own.realUser, own.effectiveUser, own.savedUser].contains(claimed.user) || own.hasCapability(7),
      [own.realGroup, own.effectiveGroup, own.savedGroup].contains(claimed.group) || own.hasCapability(6)
    else { throw .EPERM }
    if !isOwnProcess && tasks.group(TaskID(claimed.process)) == nil { throw .ESRCH }
  }

  fileprivate func sendMany(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let count = min(call.uint32(2), 1024)
    let socket = try unixSocket(call)
    var state = call.resume as? SocketWait ?? SocketWait()
    while state.messages < Int(count) {
      let at = call.address(1) + UInt64(state.messages * 64)
      do throws(Errno) {
        let message = try MessageHeader(call.memory, at)
        var one = call
        one.resume = state
        switch try sendOnce(one, socket, message, flags: call.uint32(3), state: state) {
        case .value(let sent): try call.memory.store(at + 56, UInt32(truncatingIfNeeded: sent))
        case .block(let block):
          if state.messages > 0 { return .value(state.messages) }
          return .block(block)
        case .registersSet: break
        }
      } catch {
        if state.messages > 0 { return .value(state.messages) }
        throw error
      }
      state.messages += 1
      state.sent = 0
    }
    return .value(state.messages)
  }

  // MARK: Receiving

  /// Takes one message (or a stream's bytes), or says how to wait.
  private enum ReceiveOutcome {
    case message(ReceivedMessage)
    case block(Block)
  }

  private func receive(
    _ call: Syscall, _ socket: UnixSocket, count: Int, flags: UInt32, state: SocketWait
  ) throws(Errno) -> ReceiveOutcome {
    if flags & MessageFlag.outOfBand != 0 { throw socket.type == .stream ? .EINVAL : .EOPNOTSUPP }
    var state = state
    let peek = flags & MessageFlag.peek != 0
    let waitsForAll = flags & MessageFlag.waitAll != 0 && socket.type == .stream && !peek
    do throws(Errno) {
      while true {
        var message = try socket.receive(count - state.received.count, peek: peek, self)
        let isEnd = message.bytes.isEmpty && count > 0
        if !state.received.isEmpty {
          message.bytes = state.received + message.bytes
          message.fullCount = message.bytes.count
        }
        if !waitsForAll || isEnd || message.bytes.count >= count || !message.files.isEmpty { return .message(message) }
        state.received = message.bytes
      }
    } catch {
      if !state.received.isEmpty && (error != .EAGAIN || call.wake == .signal || call.wake == .timeout) {
        return .message(ReceivedMessage(bytes: state.received, fullCount: state.received.count))
      }
      if error != .EAGAIN { throw error }
      let mayNotWait = socket.isNonblocking || flags & MessageFlag.dontWait != 0
      if mayNotWait && !state.received.isEmpty {
        return .message(ReceivedMessage(bytes: state.received, fullCount: state.received.count))
      }
      let outcome = try waitOnSocket(
        call, on: [socket.receiveQueue], nonblocking: mayNotWait, timeout: socket.options.receiveTimeout,
        state: state, reason: "data in a socket")
      guard case .block(let block) = outcome else { throw .EAGAIN }
      return .block(block)
    }
  }

  /// MSG_TRUNC asks for the packet's whole length.
  private func receivedCount(_ message: ReceivedMessage, _ socket: UnixSocket, flags: UInt32) -> Int {
    flags & MessageFlag.truncated != 0 && socket.type != .stream ? message.fullCount : message.bytes.count
  }

  func receiveFrom(_ call: Syscall, _ header: MessageHeader, flags: UInt32) throws(Errno) -> SyscallOutcome {
    let socket = try unixSocket(call)
    let state = call.resume as? SocketWait ?? SocketWait()
    let message: ReceivedMessage
    switch try receive(call, socket, count: header.count, flags: flags, state: state) {
    case .block(let block): return .block(block)
    case .message(let taken): message = taken
    }
    for file in message.files { file.releaseReference(self) }
    try header.scatter(call.memory, message.bytes)
    if call[4] != 0 && call[5] != 0 {
      try storeAddress(call, nameBytes(message), at: call.address(4), length: call.address(5))
    }
    return .value(receivedCount(message, socket, flags: flags))
  }

  /// unix_copy_addr: an unnamed sender has no address at all.
  private func nameBytes(_ message: ReceivedMessage) -> [UInt8] {
    guard let source = message.source, source != .unnamed else { return [] }
    return source.bytes
  }

  func receiveMessage(_ call: Syscall, _ header: MessageHeader, flags: UInt32) throws(Errno) -> SyscallOutcome {
    let socket = try unixSocket(call)
    let state = call.resume as? SocketWait ?? SocketWait()
    switch try receive(call, socket, count: header.count, flags: flags, state: state) {
    case .block(let block): return .block(block)
    case .message(let message): return .value(try deliver(call, socket, message, header, flags: flags))
    }
  }

  /// Copies a message out to where a msghdr says, with its control messages, and sets the header's results.
  private func deliver(
    _ call: Syscall, _ socket: UnixSocket, _ message: ReceivedMessage, _ header: MessageHeader, flags: UInt32
  ) throws(Errno) -> Int {
    do throws(Errno) { try header.scatter(call.memory, message.bytes) } catch {
      for file in message.files { file.releaseReference(self) }
      throw error
    }
    var resultFlags = flags & MessageFlag.closeOnExec
    if message.fullCount > message.bytes.count { resultFlags |= MessageFlag.truncated }
    var control: [UInt8] = []
    let room = Int(min(header.controlLength, 1 << 20))
    if socket.options.passCredentials, let credentials = message.credentials {
      if !appendControl(&control, type: 2, credentials.bytes, room: room) {
        resultFlags |= MessageFlag.controlTruncated
      }
    }
    if !message.files.isEmpty {
      // scm_detach_fds: as many as have room in the buffer and in the table.
      let fitting = max(0, (room - control.count - 16) / 4)
      var descriptors: [UInt8] = []
      let limit = call.task.group.limits[ResourceLimits.files].current
      for file in message.files.prefix(fitting) {
        let closeOnExec = flags & MessageFlag.closeOnExec != 0
        guard let new = try? call.task.files.install(file, closeOnExec: closeOnExec, limit: limit) else { break }
        descriptors.appendInteger(new)
      }
      if descriptors.count / 4 < message.files.count { resultFlags |= MessageFlag.controlTruncated }
      if !descriptors.isEmpty { _ = appendControl(&control, type: 1, descriptors, room: room) }
      for file in message.files { file.releaseReference(self) }
    }
    if !control.isEmpty { try call.memory.copyOut(header.control, control.prefix(room)) }
    if header.name.rawValue != 0 {
      let name = nameBytes(message)
      try call.memory.copyOut(header.name, name.prefix(Int(header.nameLength)))
      try call.memory.store(header.address + MessageHeader.nameLengthOffset, Int32(name.count))
    }
    try call.memory.store(header.address + MessageHeader.controlLengthOffset, UInt64(min(control.count, room)))
    try call.memory.store(header.address + MessageHeader.flagsOffset, resultFlags)
    return receivedCount(message, socket, flags: flags)
  }

  /// put_cmsg: what does not fit is cut; false then.
  private func appendControl(_ control: inout [UInt8], type: Int32, _ data: [UInt8], room: Int) -> Bool {
    if room - control.count < 16 { return false }
    let fits = control.count + 16 + data.count <= room
    let part = data.prefix(room - control.count - 16)
    control.appendInteger(UInt64(16 + part.count))
    control.appendInteger(1 as Int32)
    control.appendInteger(type)
    control.append(contentsOf: part)
    while control.count % 8 != 0 && control.count < room { control.append(0) }
    return fits
  }

  fileprivate func receiveMany(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let count = min(call.uint32(2), 1024)
    let socket = try unixSocket(call)
    var state = call.resume as? SocketWait ?? SocketWait()
    var flags = call.uint32(3)
    let timeout = call[4] == 0 ? nil : try call.memory.copyInTimespec(call.address(4))
    let end = timeout.map { clock.monotonic + $0 }
    while state.messages < Int(count) {
      let at = call.address(1) + UInt64(state.messages * 64)
      do throws(Errno) {
        let header = try MessageHeader(call.memory, at)
        switch try receive(call, socket, count: header.count, flags: flags & ~MessageFlag.waitForOne, state: state) {
        case .message(let message):
          let received = try deliver(call, socket, message, header, flags: flags & ~MessageFlag.waitForOne)
          try call.memory.store(at + 56, UInt32(received))
        case .block(var block):
          // The timeout is looked at between messages only, as in Linux.
          if var inner = block.resume as? SocketWait {
            inner.messages = state.messages
            block.resume = inner
          }
          return .block(block)
        }
      } catch {
        if state.messages > 0 { return .value(state.messages) }
        throw error
      }
      state.messages += 1
      state.received = []
      if flags & MessageFlag.waitForOne != 0 { flags |= MessageFlag.dontWait }
      if let end, clock.monotonic >= end { break }
    }
    return .value(state.messages)
  }
}
