// Pipes, event counters, poll, select and epoll.

import LinuxABI
import Platform
import Testing

@testable import Kernel

@Suite struct PipeTests {
  let f = KernelFixture()

  private func pipe(_ flags: UInt32 = 0, in f: KernelFixture) -> (Int64, Int64) {
    let pair = f.allocate(8)
    #expect(f.call(SyscallNumber.pipe2, pair, UInt64(flags)) == 0)
    return (Int64(f.word(pair, as: Int32.self)), Int64(f.word(pair + 4, as: Int32.self)))
  }

  @Test func bytesComeOutInOrder() throws {
    let before = f.task.files.slots.compactMap { $0 }.count
    let (reader, writer) = pipe(in: f)
    #expect(f.read(reader, 10) == .failure(.EAGAIN))
    #expect(f.write(writer, Array("hello ".utf8)) == .success(6))
    #expect(f.write(writer, Array("world".utf8)) == .success(5))
    #expect(f.read(reader, 8) == .success(Array("hello wo".utf8)))
    #expect(f.read(reader, 8) == .success(Array("rld".utf8)))
    #expect(f.call(SyscallNumber.pipe2, f.allocate(8), 1) == failure(.EINVAL))
    #expect(f.call(SyscallNumber.pipe2, 8, 0) == failure(.EFAULT))
    #expect(f.task.files.slots.compactMap { $0 }.count == before + 2)
  }

  @Test func aFullPipeTakesNoMore() {
    let (reader, writer) = pipe(in: f)
    #expect(f.write(writer, [UInt8](repeating: 1, count: 100_000)) == .success(65536))
    #expect(f.write(writer, [1]) == .failure(.EAGAIN))
    // Less than a page leaves no page free.
    #expect(f.read(reader, 100).map { $0.count } == .success(100))
    #expect(f.write(writer, [1]) == .failure(.EAGAIN))
    #expect(f.read(reader, 3996).map { $0.count } == .success(3996))
    #expect(f.write(writer, [UInt8](repeating: 2, count: 4096)) == .success(4096))
    #expect(f.write(writer, [1]) == .failure(.EAGAIN))
  }

  @Test func smallWritesAreWholeOrNothing() {
    let (_, writer) = pipe(in: f)
    for _ in 0..<16 { #expect(f.write(writer, [UInt8](repeating: 1, count: 3000)) == .success(3000)) }
    #expect(f.write(writer, [UInt8](repeating: 1, count: 3000)) == .failure(.EAGAIN))
    #expect(f.write(writer, [UInt8](repeating: 1, count: 1000)) == .success(1000))
  }

  @Test func packetsKeepTheirBounds() {
    let (reader, writer) = pipe(0o40000, in: f)
    #expect(f.write(writer, Array("one".utf8)) == .success(3))
    #expect(f.write(writer, Array("two".utf8)) == .success(3))
    #expect(f.read(reader, 2) == .success(Array("on".utf8)))
    #expect(f.read(reader, 10) == .success(Array("two".utf8)))
  }

  @Test func endsSeeEachOtherGo() throws {
    let (reader, writer) = pipe(in: f)
    #expect(f.write(writer, [1]) == .success(1))
    try f.task.files.close(f.kernel, Int32(writer))
    #expect(f.read(reader, 10) == .success([1]))
    #expect(f.read(reader, 10) == .success([]))
    let events = try f.task.files.file(Int32(reader)).readiness(f.kernel)
    #expect(events.contains(.hangup))
    let (reader2, writer2) = pipe(in: f)
    try f.task.files.close(f.kernel, Int32(reader2))
    #expect(f.write(writer2, [1]) == .failure(.EPIPE))
  }

  @Test func pollWaitsAndSees() {
    let (reader, writer) = pipe(in: f)
    var list: [UInt8] = []
    for descriptor in [reader, writer, 77] {
      list.appendInteger(Int32(descriptor))
      list.appendInteger(descriptor == writer ? 0 as UInt16 : 1 as UInt16)
      list.appendInteger(0xffff as UInt16)
    }
    let array = f.put(list)
    #expect(f.call(SyscallNumber.poll, array, 3, 0) == 1)
    #expect(f.word(array + 6, as: UInt16.self) == 0)
    #expect(f.word(array + 22, as: UInt16.self) == 0x20)
    #expect(f.call(SyscallNumber.poll, array, 1, 1000) == nil)
    #expect(f.write(writer, [1]) == .success(1))
    #expect(f.resume(f.task) == 1)
    #expect(f.word(array + 6, as: UInt16.self) == 1)
    #expect(f.read(reader, 1) == .success([1]))
    #expect(f.call(SyscallNumber.poll, array, 1, 10) == nil)
    f.passTime()
    #expect(f.resume(f.task) == 0)
  }

  @Test func selectStoresTheTimeLeft() {
    let (reader, writer) = pipe(in: f)
    let set = f.putInteger(UInt64(1) << UInt64(reader))
    let timeout = f.put(Nanoseconds(5_000_000_000).timevalBytes)
    #expect(f.call(SyscallNumber.select, UInt64(reader + 1), set, 0, 0, timeout) == nil)
    #expect(f.write(writer, [1]) == .success(1))
    #expect(f.resume(f.task) == 1)
    #expect(f.word(set, as: UInt64.self) == UInt64(1) << UInt64(reader))
    #expect(f.word(timeout, as: Int64.self) == 4 || f.word(timeout + 8, as: Int64.self) == 0)
    let other = f.putInteger(UInt64(1) << 20)
    #expect(f.call(SyscallNumber.select, 21, other, 0, 0, 0) == failure(.EBADF))
  }

  @Test func eventCountersAddAndDrain() {
    let counter = f.call(SyscallNumber.eventfd2, 3, 0)
    #expect(f.read(counter, 8) == .success([3, 0, 0, 0, 0, 0, 0, 0]))
    #expect(f.read(counter, 8) == .failure(.EAGAIN))
    #expect(f.read(counter, 4) == .failure(.EINVAL))
    #expect(f.write(counter, [UInt8](repeating: 0xff, count: 8)) == .failure(.EINVAL))
    #expect(f.write(counter, [0xfe] + [UInt8](repeating: 0xff, count: 7)) == .success(8))
    #expect(f.write(counter, [1, 0, 0, 0, 0, 0, 0, 0]) == .failure(.EAGAIN))
    let semaphore = f.call(SyscallNumber.eventfd2, 2, 1)
    #expect(f.read(semaphore, 8) == .success([1, 0, 0, 0, 0, 0, 0, 0]))
    #expect(f.read(semaphore, 8) == .success([1, 0, 0, 0, 0, 0, 0, 0]))
    #expect(f.read(semaphore, 8) == .failure(.EAGAIN))
  }
}

@Suite struct EpollTests {
  let f = KernelFixture()
  static let add: UInt64 = 1, delete: UInt64 = 2, modify: UInt64 = 3

  private func control(_ epoll: Int64?, _ operation: UInt64, _ file: Int64?, _ events: UInt32, _ data: UInt64) -> Int64? {
    var bytes: [UInt8] = []
    bytes.appendInteger(events)
    bytes.appendInteger(data)
    return f.call(SyscallNumber.epoll_ctl, UInt64(epoll!), operation, UInt64(file!), f.put(bytes))
  }
  private func counter(_ value: UInt64 = 0) -> Int64? { f.call(SyscallNumber.eventfd2, value, 0) }
  private func ready(_ epoll: Int64?, _ count: UInt64 = 8) -> [UInt64] {
    let out = f.allocate(12 * 8)
    guard let found = f.call(SyscallNumber.epoll_wait, UInt64(epoll!), out, count, 0), found > 0 else { return [] }
    return (0..<UInt64(found)).map { f.word(out + $0 * 12 + 4, as: UInt64.self) }
  }
  private let one: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 0]

  @Test func levelTriggeredFilesTakeTurns() {
    let epoll = f.call(SyscallNumber.epoll_create1, 0)
    let (a, b) = (counter(), counter())
    #expect(control(epoll, Self.add, a, 1, 10) == 0)
    #expect(control(epoll, Self.add, b, 1, 20) == 0)
    #expect(control(epoll, Self.add, b, 1, 20) == failure(.EEXIST))
    #expect(ready(epoll) == [])
    #expect(f.write(b, one) == .success(8))
    #expect(f.write(a, one) == .success(8))
    #expect(ready(epoll) == [20, 10])
    #expect(ready(epoll, 1) == [20])
    #expect(ready(epoll, 1) == [10])
    #expect(f.read(b, 8).map { $0.count } == .success(8))
    #expect(ready(epoll) == [10])
    #expect(control(epoll, Self.delete, a, 0, 0) == 0)
    #expect(control(epoll, Self.delete, a, 0, 0) == failure(.ENOENT))
    #expect(ready(epoll) == [])
  }

  @Test func edgesAndOneShotsFireOnce() {
    let epoll = f.call(SyscallNumber.epoll_create1, 0)
    let (a, b) = (counter(1), counter(1))
    #expect(control(epoll, Self.add, a, 1 | 1 << 31, 1) == 0)
    #expect(control(epoll, Self.add, b, 1 | 1 << 30, 2) == 0)
    #expect(ready(epoll) == [1, 2])
    #expect(ready(epoll) == [])
    #expect(f.write(a, one) == .success(8))
    #expect(f.write(b, one) == .success(8))
    #expect(ready(epoll) == [1])
    #expect(control(epoll, Self.modify, b, 1 | 1 << 30, 3) == 0)
    #expect(ready(epoll) == [3])
  }

  @Test func aWaitEndsWithAnEventOrTheTime() {
    let epoll = f.call(SyscallNumber.epoll_create1, 0)
    let a = counter()
    #expect(control(epoll, Self.add, a, 1, 5) == 0)
    let out = f.allocate(24)
    #expect(f.call(SyscallNumber.epoll_wait, UInt64(epoll!), out, 2, UInt64(bitPattern: -1)) == nil)
    #expect(f.write(a, one) == .success(8))
    #expect(f.resume(f.task) == 1)
    #expect(f.read(a, 8).map { $0.count } == .success(8))
    #expect(f.call(SyscallNumber.epoll_wait, UInt64(epoll!), out, 2, 100) == nil)
    f.passTime()
    #expect(f.resume(f.task) == 0)
    #expect(f.call(SyscallNumber.epoll_wait, UInt64(epoll!), out, 0, 0) == failure(.EINVAL))
    #expect(f.call(SyscallNumber.epoll_wait, UInt64(a!), out, 1, 0) == failure(.EINVAL))
  }

  @Test func aClosedFileLeaves() throws {
    let epoll = f.call(SyscallNumber.epoll_create1, 0)
    let a = counter(1)
    #expect(control(epoll, Self.add, a, 1, 5) == 0)
    try f.task.files.close(f.kernel, Int32(a!))
    #expect(ready(epoll) == [])
  }

  @Test func nestingWorksAndHasBounds() {
    let inner = f.call(SyscallNumber.epoll_create1, 0)
    let outer = f.call(SyscallNumber.epoll_create1, 0)
    let a = counter(1)
    #expect(control(outer, Self.add, inner, 1, 9) == 0)
    #expect(control(inner, Self.add, a, 1, 1) == 0)
    #expect(ready(outer) == [9])
    #expect(control(inner, Self.add, outer, 1, 1) == failure(.ELOOP))
    #expect(control(inner, Self.add, inner, 1, 1) == failure(.EINVAL))
    var last = outer
    for depth in 0..<4 {
      let next = f.call(SyscallNumber.epoll_create1, 0)
      let result = control(next, Self.add, last, 1, 0)
      #expect(result == (depth < 3 ? 0 : failure(.ELOOP)), "depth \(depth)")
      last = next
    }
  }
}
