// socket(2), socketpair(2), bind(2), listen(2), accept(2), connect(2), shutdown(2) and kin. Only unix sockets exist.

import LinuxABI
import Platform

extension SyscallTable {
  static var socketSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.socket, .partial("AF_UNIX only")) { call throws(Errno) in
        let socket = try call.kernel.makeSocket(call)
        return try call.kernel.installNew(call, socket, closeOnExec: call.uint32(1) & OpenFlag.closeOnExec != 0)
      },
      SyscallEntry(SyscallNumber.socketpair, .partial("AF_UNIX only")) { call throws(Errno) in
        try call.kernel.socketPair(call)
      },
      SyscallEntry(SyscallNumber.bind) { call throws(Errno) in try call.kernel.bind(call) },
      SyscallEntry(SyscallNumber.listen) { call throws(Errno) in try call.kernel.listen(call) },
      SyscallEntry(SyscallNumber.accept) { call throws(Errno) in try call.kernel.accept(call, flags: 0) },
      SyscallEntry(SyscallNumber.accept4) { call throws(Errno) in try call.kernel.accept(call, flags: call.uint32(3)) },
      SyscallEntry(SyscallNumber.connect) { call throws(Errno) in try call.kernel.connect(call) },
      SyscallEntry(SyscallNumber.shutdown) { call throws(Errno) in
        let socket = try call.kernel.unixSocket(call)
        let how = call.int32(1)
        if how < 0 || how > 2 { throw .EINVAL }
        // unix_shutdown itself does not ask whether there is a connection.
        socket.shutDown(how, call.kernel)
        return .success
      },
      SyscallEntry(SyscallNumber.getsockname) { call throws(Errno) in
        let socket = try call.kernel.unixSocket(call)
        return try call.kernel.storeAddress(call, socket.local.bytes, at: call.address(1), length: call.address(2))
      },
      SyscallEntry(SyscallNumber.getpeername) { call throws(Errno) in
        guard let peer = try call.kernel.unixSocket(call).peer else { throw .ENOTCONN }
        return try call.kernel.storeAddress(call, peer.local.bytes, at: call.address(1), length: call.address(2))
      },
      SyscallEntry(SyscallNumber.getsockopt) { call throws(Errno) in try call.kernel.getSocketOption(call) },
      SyscallEntry(SyscallNumber.setsockopt) { call throws(Errno) in try call.kernel.setSocketOption(call) },
    ] + messageSyscalls
  }
}

/// What a waiting socket call keeps.
struct SocketWait: Resumption {
  var deadline: Nanoseconds?
  /// Bytes sent so far.
  var sent = 0
  /// Bytes received so far under MSG_WAITALL.
  var received: [UInt8] = []
  /// Messages done so far by sendmmsg and recvmmsg.
  var messages = 0
}

extension Kernel {
  /// The socket of argument 0 (or another). EBADF, ENOTSOCK.
  func unixSocket(_ call: Syscall, _ index: Int = 0) throws(Errno) -> UnixSocket {
    guard let socket = try call.task.files.file(call.int32(index)) as? UnixSocket else { throw .ENOTSOCK }
    return socket
  }

  fileprivate func makeSocket(_ call: Syscall) throws(Errno) -> UnixSocket {
    let type = call.int32(1)
    if type & ~(0xf | Int32(OpenFlag.nonblocking | OpenFlag.closeOnExec)) != 0 { throw .EINVAL }
    guard call.int32(0) == 1 else {
      noteRefused(family: call.int32(0))
      throw .EAFNOSUPPORT
    }
    if call.int32(2) != 0 && call.int32(2) != 1 { throw .EPROTONOSUPPORT }
    // SOCK_RAW is taken for a datagram socket, as unix_create does.
    let kind = type & 0xf == 3 ? SocketType.datagram : SocketType(rawValue: type & 0xf)
    guard let kind else { throw .ESOCKTNOSUPPORT }
    return UnixSocket(
      type: kind, inodeNumber: ipc.nextInode(),
      flags: OpenFlag.readWrite | UInt32(bitPattern: type) & OpenFlag.nonblocking)
  }

  /// There is no network in this version: the summary names what was asked for.
  private func noteRefused(family: Int32) {
    let name: String
    switch family {
    case 2: name = "an IPv4 socket"
    case 10: name = "an IPv6 socket"
    default: return
    }
    if !statistics.refusedTargets.contains(name) { statistics.refusedTargets.append(name) }
  }

  fileprivate func socketPair(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let first = try makeSocket(call)
    let second = try makeSocket(call)
    first.join(second)
    first.peerCredentials = SocketCredentials(of: call.task)
    second.peerCredentials = first.peerCredentials
    return try installPair(
      call, first, second, at: call.address(3), closeOnExec: call.uint32(1) & OpenFlag.closeOnExec != 0)
  }

  // MARK: Addresses

  /// move_addr_to_kernel. EINVAL for a length that no address has.
  func loadAddress(_ call: Syscall, at address: GuestAddress, length: Int32) throws(Errno) -> [UInt8] {
    if length < 0 || length > 128 { throw .EINVAL }
    return try call.memory.copyIn(address, Int(length))
  }

  /// move_addr_to_user: as much as fits, and the full length.
  @discardableResult
  func storeAddress(
    _ call: Syscall, _ bytes: [UInt8], at address: GuestAddress, length: GuestAddress
  ) throws(Errno) -> SyscallOutcome {
    let room: Int32 = try call.memory.load(length)
    if room < 0 { throw .EINVAL }
    try call.memory.copyOut(address, bytes.prefix(Int(room)))
    try call.memory.store(length, Int32(bytes.count))
    return .success
  }

  fileprivate func bind(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let socket = try unixSocket(call)
    let address = try UnixAddress(try loadAddress(call, at: call.address(1), length: call.int32(2)))
    if case .unnamed = address {
      // unix_autobind: a second one changes nothing.
      if socket.local == .unnamed { autobind(socket) }
      return .success
    }
    if socket.local != .unnamed { throw .EINVAL }
    switch address {
    case .unnamed: break
    case .abstract(let name):
      if ipc.abstractSockets[name] != nil { throw .EADDRINUSE }
      ipc.abstractSockets[name] = socket
    case .path(let path): try bindPath(call, socket, path)
    }
    socket.local = address
    return .success
  }

  /// An abstract name of five hexadecimal digits.
  func autobind(_ socket: UnixSocket) {
    var name: [UInt8]
    repeat { name = ipc.nextAutomaticName() } while ipc.abstractSockets[name] != nil
    ipc.abstractSockets[name] = socket
    socket.local = .abstract(name)
  }

  /// A socket goes: its abstract name is free again. A path name stays as a dead file.
  func forgetName(of socket: UnixSocket) {
    if case .abstract(let name) = socket.local, ipc.abstractSockets[name] === socket {
      ipc.abstractSockets.removeValue(forKey: name)
    }
  }

  /// unix_find_other: ECONNREFUSED when nobody has the name, EPROTOTYPE for another type.
  func findSocket(_ call: Syscall, _ address: UnixAddress, type: SocketType) throws(Errno) -> UnixSocket {
    let found: UnixSocket?
    switch address {
    case .unnamed: throw .ECONNREFUSED
    case .abstract(let name): found = ipc.abstractSockets[name]
    case .path(let path): found = try socketAtPath(call, path)
    }
    guard let found, found.references > 0 else { throw .ECONNREFUSED }
    if found.type != type { throw .EPROTOTYPE }
    return found
  }

  // MARK: Connections

  fileprivate func listen(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let socket = try unixSocket(call)
    if !socket.type.isConnectionOriented { throw .EOPNOTSUPP }
    if socket.local == .unnamed || socket.isConnected { throw .EINVAL }
    socket.listen(backlog: call.int32(1), by: call.task, self)
    return .success
  }

  fileprivate func connect(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let socket = try unixSocket(call)
    let bytes = try loadAddress(call, at: call.address(1), length: call.int32(2))
    // AF_UNSPEC dissolves a datagram socket's association.
    if bytes.count >= 2, bytes[0] == 0, bytes[1] == 0, socket.type == .datagram {
      socket.setDefaultDestination(nil, self)
      return .success
    }
    let address = try UnixAddress(bytes)
    if socket.options.passCredentials && socket.local == .unnamed { autobind(socket) }
    if socket.type == .datagram {
      let target = try findSocket(call, address, type: .datagram)
      if let theirs = target.peer, theirs !== socket { throw .EPERM }
      socket.setDefaultDestination(target, self)
      return .success
    }
    if socket.isListening { throw .EINVAL }
    if socket.isConnected { throw .EISCONN }
    let listener = try findSocket(call, address, type: socket.type)
    if !listener.isListening || listener.receiveIsShut { throw .ECONNREFUSED }
    if listener.backlogIsFull {
      return try waitOnSocket(
        call, on: [listener.roomQueue], nonblocking: socket.isNonblocking, timeout: socket.options.sendTimeout,
        state: SocketWait(), reason: "a listener to accept at \(address.text)")
    }
    let end = UnixSocket(type: socket.type, inodeNumber: ipc.nextInode(), flags: OpenFlag.readWrite)
    end.local = listener.local
    end.options.passCredentials = listener.options.passCredentials
    end.join(socket)
    end.peerCredentials = SocketCredentials(of: call.task)
    socket.peerCredentials = listener.peerCredentials
    listener.addPending(end, self)
    socket.sendQueue.wakeAll(self)
    return .success
  }

  fileprivate func accept(_ call: Syscall, flags: UInt32) throws(Errno) -> SyscallOutcome {
    if flags & ~(OpenFlag.nonblocking | OpenFlag.closeOnExec) != 0 { throw .EINVAL }
    let socket = try unixSocket(call)
    if !socket.type.isConnectionOriented { throw .EOPNOTSUPP }
    if !socket.isListening { throw .EINVAL }
    guard let end = socket.takePending(self) else {
      if socket.receiveIsShut { throw .EINVAL }
      return try waitOnSocket(
        call, on: [socket.receiveQueue], nonblocking: socket.isNonblocking, timeout: socket.options.receiveTimeout,
        state: SocketWait(), reason: "a connection at \(socket.local.text)")
    }
    end.flags |= flags & OpenFlag.nonblocking
    end.retain()
    defer { end.releaseReference(self) }
    let limit = call.task.group.limits[ResourceLimits.files].current
    let closeOnExec = flags & OpenFlag.closeOnExec != 0
    let descriptor = try call.task.files.install(end, closeOnExec: closeOnExec, limit: limit)
    if call[1] != 0 {
      do throws(Errno) {
        let name = end.peer?.local.bytes ?? UnixAddress.unnamed.bytes
        try storeAddress(call, name, at: call.address(1), length: call.address(2))
      } catch {
        try call.task.files.close(self, descriptor)
        throw error
      }
    }
    return .value(Int64(descriptor))
  }

  // MARK: Waiting

  /// The end of a socket call that has to wait: EAGAIN when it may not or its time is up, a restart errno after a signal
  /// (EINTR with a timeout: sock_intr_errno), else a block.
  func waitOnSocket(
    _ call: Syscall, on queues: [WaitQueue], nonblocking: Bool, timeout: Nanoseconds?, state: SocketWait,
    reason: String
  ) throws(Errno) -> SyscallOutcome {
    if nonblocking || call.wake == .timeout { throw .EAGAIN }
    if call.wake == .signal { throw timeout == nil ? .ERESTARTSYS : .EINTR }
    var state = state
    if let earlier = call.resume as? SocketWait {
      state.deadline = earlier.deadline
    } else {
      state.deadline = timeout.map { clock.monotonic + $0 }
    }
    return .block(Block(on: queues, until: state.deadline, resume: state, reason: .socket(reason)))
  }
}
