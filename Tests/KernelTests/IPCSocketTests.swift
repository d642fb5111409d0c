// Unix sockets, signal descriptors, splice, and the deep copy of all that this folder keeps.

import LinuxABI
import Platform
import Testing

@testable import Kernel

@Suite struct SocketTests {
  let f = KernelFixture()
  static let stream: UInt64 = 1, datagram: UInt64 = 2, packet: UInt64 = 5
  static let nonblocking: UInt64 = 0o4000

  private func pair(_ type: UInt64) -> (UInt64, UInt64) {
    let out = f.allocate(8)
    #expect(f.call(SyscallNumber.socketpair, 1, type | Self.nonblocking, 0, out) == 0)
    return (f.word(out, as: UInt32.self).asUInt64, f.word(out + 4, as: UInt32.self).asUInt64)
  }
  private func send(_ socket: UInt64, _ text: String, flags: UInt64 = 0) -> Int64? {
    let bytes = Array(text.utf8)
    return f.call(SyscallNumber.sendto, socket, f.put(bytes), UInt64(bytes.count), flags, 0, 0)
  }
  private func receive(_ socket: UInt64, _ count: Int = 100, flags: UInt64 = 0) -> String? {
    let out = f.allocate(count)
    guard let got = f.call(SyscallNumber.recvfrom, socket, out, UInt64(count), flags, 0, 0) else { return nil }
    return got < 0 ? "error \(-got)" : f.text(out, min(Int(got), count))
  }
  private func abstract(_ name: String) -> (UInt64, UInt64) {
    let bytes: [UInt8] = [1, 0, 0] + Array(name.utf8)
    return (f.put(bytes), UInt64(bytes.count))
  }
  /// A msghdr with one piece of data and a control buffer.
  private func header(_ data: UInt64, _ count: Int, control: UInt64 = 0, controlCount: Int = 0) -> UInt64 {
    var vector: [UInt8] = []
    vector.appendInteger(data)
    vector.appendInteger(UInt64(count))
    var bytes: [UInt8] = []
    for word in [0, 0, f.put(vector), 1, control, UInt64(controlCount), 0] { bytes.appendInteger(word) }
    return f.put(bytes)
  }

  @Test func streamsJoinAndPacketsDoNot() {
    let (a, b) = pair(Self.stream)
    #expect(receive(b) == "error 11")
    #expect(send(a, "one") == 3)
    #expect(send(a, "two") == 3)
    #expect(receive(b, 4, flags: 2) == "onet")
    #expect(receive(b, 4) == "onet")
    #expect(receive(b) == "wo")
    let (c, d) = pair(Self.packet)
    #expect(send(c, "one") == 3)
    #expect(send(c, "two") == 3)
    #expect(receive(d, 2) == "on")
    #expect(receive(d) == "two")
    #expect(f.call(SyscallNumber.socketpair, 2, 1, 0, f.allocate(8)) == failure(.EAFNOSUPPORT))
  }

  @Test func aClosedEndIsSeen() throws {
    let (a, b) = pair(Self.stream)
    #expect(send(a, "rest") == 4)
    try f.task.files.close(f.kernel, Int32(a))
    #expect(receive(b) == "rest")
    #expect(receive(b) == "")
    #expect(send(b, "x", flags: 0x4000) == failure(.EPIPE))
    let events = try f.task.files.file(Int32(b)).readiness(f.kernel)
    #expect(events.isSuperset(of: [.hangup, .readHangup, .in]))
    // Bytes that were never read: the other side learns of it.
    let (c, d) = pair(Self.stream)
    #expect(send(c, "lost") == 4)
    try f.task.files.close(f.kernel, Int32(d))
    #expect(receive(c) == "error \(Errno.ECONNRESET.rawValue)")
  }

  @Test func aFullSocketMakesItsSenderWait() {
    let (a, b) = pair(Self.stream)
    let big = f.allocate(1 << 20)
    var total: Int64 = 0
    while let sent = f.call(SyscallNumber.sendto, a, big, 1 << 20, 0, 0, 0), sent > 0 { total += sent }
    #expect(total == 212_992)
    #expect(receive(b, 1)?.utf8.count == 1)
    #expect(f.call(SyscallNumber.sendto, a, big, 10, 0, 0, 0) == 1)
    let (c, d) = pair(Self.datagram)
    var count = 0
    while send(c, "x") == 1 { count += 1 }
    #expect(count == 11)
    #expect(receive(d) == "x")
    #expect(send(c, "x") == 1)
  }

  @Test func connectingAndAccepting() {
    let listener = UInt64(f.call(SyscallNumber.socket, 1, Self.stream, 0)!)
    let client = UInt64(f.call(SyscallNumber.socket, 1, Self.stream, 0)!)
    let (name, length) = abstract("server")
    #expect(f.call(SyscallNumber.connect, client, name, length) == failure(.ECONNREFUSED))
    #expect(f.call(SyscallNumber.bind, listener, name, length) == 0)
    #expect(f.call(SyscallNumber.bind, client, name, length) == failure(.EADDRINUSE))
    #expect(f.call(SyscallNumber.connect, client, name, length) == failure(.ECONNREFUSED))
    #expect(f.call(SyscallNumber.listen, listener, 5) == 0)
    let thread = f.makeThread()
    #expect(f.call(SyscallNumber.accept, by: thread, listener, 0, 0) == nil)
    #expect(f.call(SyscallNumber.connect, client, name, length) == 0)
    #expect(f.call(SyscallNumber.connect, client, name, length) == failure(.EISCONN))
    let accepted = f.resume(thread)
    #expect(accepted != nil && accepted! > 0)
    #expect(send(client, "hi") == 2)
    #expect(receive(UInt64(accepted!)) == "hi")
    // SO_PEERCRED, SO_ACCEPTCONN.
    let out = f.allocate(16)
    let size = f.putInteger(12 as Int32)
    #expect(f.call(SyscallNumber.getsockopt, client, 1, 17, out, size) == 0)
    #expect(f.word(out, as: Int32.self) == f.task.group.id.rawValue)
    #expect(f.call(SyscallNumber.getsockopt, listener, 1, 30, out, size) == 0)
    #expect(f.word(out, as: Int32.self) == 1)
    #expect(f.call(SyscallNumber.close, listener) == 0)
    #expect(f.kernel.ipc.abstractSockets.isEmpty)
  }

  @Test func descriptorsTravel() throws {
    let (a, b) = pair(Self.stream)
    let counter = f.call(SyscallNumber.eventfd2, 7, 0)!
    var control: [UInt8] = []
    control.appendInteger(UInt64(20))
    control.appendInteger(Int32(1))
    control.appendInteger(Int32(1))
    control.appendInteger(Int32(counter))
    control.appendInteger(UInt32(0))
    let message = header(f.put([65]), 1, control: f.put(control), controlCount: 24)
    #expect(f.call(SyscallNumber.sendmsg, a, message, 0) == 1)
    #expect(f.call(SyscallNumber.close, UInt64(counter)) == 0)
    let room = f.allocate(24)
    let incoming = header(f.allocate(8), 8, control: room, controlCount: 24)
    #expect(f.call(SyscallNumber.recvmsg, b, incoming, 0x4000_0000) == 1)
    #expect(f.word(room, as: UInt64.self) == 20)
    let received = f.word(room + 16, as: Int32.self)
    #expect(f.read(Int64(received), 8) == .success([7, 0, 0, 0, 0, 0, 0, 0]))
    #expect(f.task.files.slot(received)?.closeOnExec == true)
    // What is never received is released with the socket.
    let other = f.call(SyscallNumber.eventfd2, 1, 0)!
    let file = try f.task.files.file(Int32(other))
    control.setInteger(Int32(other), at: 16)
    #expect(f.call(SyscallNumber.sendmsg, a, header(f.put([65]), 1, control: f.put(control), controlCount: 24), 0) == 1)
    #expect(file.references == 2)
    #expect(f.call(SyscallNumber.close, b) == 0)
    #expect(file.references == 1)
  }

  @Test func waitAllCollects() {
    let out = f.allocate(8)
    #expect(f.call(SyscallNumber.socketpair, 1, Self.stream, 0, out) == 0)
    let (a, b) = (f.word(out, as: UInt32.self).asUInt64, f.word(out + 4, as: UInt32.self).asUInt64)
    let thread = f.makeThread()
    let buffer = f.allocate(16)
    #expect(f.call(SyscallNumber.recvfrom, by: thread, b, buffer, 6, 0x100, 0, 0) == nil)
    #expect(send(a, "abc") == 3)
    #expect(f.resume(thread) == nil)
    #expect(send(a, "defg") == 4)
    #expect(f.resume(thread) == 6)
    #expect(f.text(buffer, 6) == "abcdef")
    #expect(receive(b) == "g")
  }

  @Test func aReceiveTimeoutEnds() {
    let out = f.allocate(8)
    #expect(f.call(SyscallNumber.socketpair, 1, Self.datagram, 0, out) == 0)
    let a = f.word(out, as: UInt32.self).asUInt64
    let time = f.put(Nanoseconds(2_000_000).timevalBytes)
    #expect(f.call(SyscallNumber.setsockopt, a, 1, 20, time, 16) == 0)
    #expect(f.call(SyscallNumber.recvfrom, a, f.allocate(8), 8, 0, 0, 0) == nil)
    f.passTime()
    #expect(f.resume(f.task) == failure(.EAGAIN))
  }

  @Test func spliceMovesBytes() {
    let pair = f.allocate(16)
    #expect(f.call(SyscallNumber.pipe2, pair, 0) == 0)
    #expect(f.call(SyscallNumber.pipe2, pair + 8, 0) == 0)
    let ends = (0..<4).map { f.word(pair + UInt64($0) * 4, as: UInt32.self).asUInt64 }
    #expect(f.write(Int64(ends[1]), Array("splice".utf8)) == .success(6))
    #expect(f.call(SyscallNumber.tee, ends[0], ends[3], 3, 0) == 3)
    #expect(f.call(SyscallNumber.splice, ends[0], 0, ends[3], 0, 100, 0) == 6)
    #expect(f.read(Int64(ends[2]), 100) == .success(Array("splsplice".utf8)))
    #expect(f.call(SyscallNumber.splice, ends[0], 0, ends[3], 0, 100, 2) == failure(.EAGAIN))
  }

  @Test func signalDescriptorsTakeSignals() {
    let mask = f.putInteger(UInt64(1) << 9)
    f.task.signals.mask = SignalSet(10)
    let file = f.call(SyscallNumber.signalfd4, UInt64(bitPattern: -1), mask, 8, 0)
    #expect(f.read(file, 128) == .failure(.EAGAIN))
    f.kernel.send(SignalInfo(signal: 10, code: -1, sender: TaskID(5), value: 99), to: f.task.group)
    guard case .success(let record) = f.read(file, 256) else {
      Issue.record("no record")
      return
    }
    #expect(record.count == 128)
    #expect(record.integer(at: 0, as: UInt32.self) == 10)
    #expect(record.integer(at: 12, as: UInt32.self) == 5)
    #expect(record.integer(at: 44, as: Int32.self) == 99)
    #expect(f.read(file, 128) == .failure(.EAGAIN))
  }
}

@Suite struct IPCCopyTests {
  @Test func everythingIsCopied() throws {
    let f = KernelFixture()
    let out = f.allocate(8)
    #expect(f.call(SyscallNumber.pipe2, out, 0) == 0)
    let counter = f.call(SyscallNumber.eventfd2, 1, 0)!
    #expect(f.call(SyscallNumber.socketpair, 1, 1, 0, out) == 0)
    let socket = f.word(out, as: UInt32.self).asUInt64
    var control: [UInt8] = []
    control.appendInteger(UInt64(20))
    control.appendInteger(Int32(1))
    control.appendInteger(Int32(1))
    control.appendInteger(Int32(counter))
    control.appendInteger(UInt32(0))
    var vector: [UInt8] = []
    vector.appendInteger(f.put([1]))
    vector.appendInteger(UInt64(1))
    var header: [UInt8] = []
    for word in [0, 0, f.put(vector), 1, f.put(control), 24, 0] { header.appendInteger(word) }
    #expect(f.call(SyscallNumber.sendmsg, socket, f.put(header), 0) == 1)
    let name: [UInt8] = [1, 0, 0, 65]
    #expect(f.call(SyscallNumber.bind, socket, f.put(name), 4) == 0)
    let epoll = f.call(SyscallNumber.epoll_create1, 0)!
    var event: [UInt8] = []
    event.appendInteger(UInt32(1))
    event.appendInteger(UInt64(5))
    #expect(f.call(SyscallNumber.epoll_ctl, UInt64(epoll), 1, UInt64(counter), f.put(event)) == 0)
    let timer = f.call(SyscallNumber.timerfd_create, 0, 0)!
    let setting = f.put(Nanoseconds(0).timespecBytes + Nanoseconds(3_000_000_000_000_000_000).timespecBytes)
    #expect(f.call(SyscallNumber.timerfd_settime, UInt64(timer), 1, setting, 0) == 0)
    #expect(f.call(SyscallNumber.timer_create, 0, 0, f.allocate(4)) == 0)
    #expect(f.call(SyscallNumber.timer_settime, 0, 1, setting, 0) == 0)
    #expect(f.call(SyscallNumber.alarm, 5) == 0)
    #expect(f.call(SyscallNumber.signalfd4, UInt64(bitPattern: -1), f.putInteger(UInt64(1)), 8, 0) != nil)
    let word = f.putInteger(0 as UInt32)
    #expect(f.call(SyscallNumber.futex, by: f.makeThread(), word, 0, 0, 0) == nil)
    #expect(f.call(SyscallNumber.futex, by: f.makeThread(), word, 0, 0, f.putTime(1_000_000)) == nil)
    let waiter = f.makeThread()
    _ = f.call(SyscallNumber.epoll_wait, by: waiter, UInt64(epoll), f.allocate(12), 1, 0)
    #expect(f.call(SyscallNumber.nanosleep, by: waiter, f.putTime(5_000_000), 0) == nil)

    expectIndependentCopy(of: f)
  }
}

extension UInt32 {
  fileprivate var asUInt64: UInt64 { UInt64(self) }
}
