// eventfd(2): a counter that is read and written as eight bytes. fs/eventfd.c.

import LinuxABI
import Platform

final class EventFile: OpenFile {
  private var count: UInt64
  private let isSemaphore: Bool
  private var queue = WaitQueue()

  init(count: UInt64, isSemaphore: Bool, flags: UInt32) {
    self.count = count
    self.isSemaphore = isSemaphore
    super.init(flags: flags)
  }

  /// The whole counter, or one of it for a semaphore. EINVAL for less than eight bytes.
  override func read(_ call: Syscall, _ size: Int) throws(Errno) -> [UInt8] {
    if size < 8 { throw .EINVAL }
    if count == 0 { throw .EAGAIN }
    let value: UInt64 = isSemaphore ? 1 : count
    count -= value
    queue.wakeAll(call.kernel)
    var bytes: [UInt8] = []
    bytes.appendInteger(value)
    return bytes
  }

  /// Adds. EINVAL for less than eight bytes and for the largest value; waits while it would overflow.
  override func write(_ call: Syscall, _ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
    if bytes.count < 8 { throw .EINVAL }
    let value: UInt64 = Array(bytes.prefix(8)).integer(at: 0)
    if value == .max { throw .EINVAL }
    if UInt64.max - count <= value { throw .EAGAIN }
    count += value
    queue.wakeAll(call.kernel)
    // Eight bytes are taken, however many were given.
    return 8
  }

  override func readiness(_ kernel: Kernel) -> PollEvents {
    var events: PollEvents = []
    if count > 0 { events.insert(.in) }
    if count == .max { events.insert(.error) }
    if count < .max - 1 { events.insert(.out) }
    return events
  }
  override var waitQueues: [WaitQueue] { [queue] }
  override func blockReason(reading: Bool) -> BlockReason { .eventCounter }
  override func displayPath(_ kernel: Kernel) -> [UInt8] { Array("anon_inode:[eventfd]".utf8) }

  override func shallowCopy() -> Self {
    let new = EventFile(count: count, isSemaphore: isSemaphore, flags: flags)
    new.queue = queue
    new.copyBaseFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }
  override func copyReferences(_ context: CopyContext) {
    super.copyReferences(context)
    queue = context.copy(queue)
  }
}

extension SyscallTable {
  static var eventSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.eventfd) { call throws(Errno) in try call.kernel.makeEventFile(call, flags: 0) },
      SyscallEntry(SyscallNumber.eventfd2) { call throws(Errno) in
        try call.kernel.makeEventFile(call, flags: call.uint32(1))
      },
    ]
  }
}

extension Kernel {
  func makeEventFile(_ call: Syscall, flags: UInt32) throws(Errno) -> SyscallOutcome {
    // EFD_SEMAPHORE is 1.
    if flags & ~(1 | OpenFlag.nonblocking | OpenFlag.closeOnExec) != 0 { throw .EINVAL }
    let file = EventFile(
      count: UInt64(call.uint32(0)), isSemaphore: flags & 1 != 0,
      flags: OpenFlag.readWrite | flags & OpenFlag.nonblocking)
    return try installNew(call, file, closeOnExec: flags & OpenFlag.closeOnExec != 0)
  }
}
