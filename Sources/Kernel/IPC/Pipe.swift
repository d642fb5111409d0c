// Pipes and FIFOs: pipe(7), fs/pipe.c.
//
// As in Linux the buffer is a ring of pages, not of bytes: a write of up to PIPE_BUF bytes either fits whole into the
// last page or takes a page of its own, which is what makes it atomic, and "writable" means that a page is free.

import DequeModule
import LinuxABI
import Platform

final class Pipe: DeepCopyable {
  /// One page of the ring; the slice may share a writer's array.
  struct Slot {
    var bytes: ArraySlice<UInt8>
    /// Where in the page the next byte would go.
    var used: Int
    /// Written with O_DIRECT: a read takes at most this and drops the rest.
    var isPacket: Bool
  }

  static let pageSize = 4096
  static let defaultSlots = 16
  /// /proc/sys/fs/pipe-max-size.
  static let slotsMax = 256

  let inode: UInt64
  private(set) var slots = Deque<Slot>()
  private(set) var byteCount = 0
  private(set) var slotLimit = Pipe.defaultSlots
  private(set) var readers = 0
  private(set) var writers = 0
  /// Openings so far: a FIFO's open waits for the other side's count to change.
  private(set) var readerOpenings: UInt64 = 0
  private(set) var writerOpenings: UInt64 = 0
  private(set) var readQueue = WaitQueue()
  private(set) var writeQueue = WaitQueue()
  /// Opens of a FIFO that wait for the other side.
  private(set) var openQueue = WaitQueue()

  init(inode: UInt64) { self.inode = inode }

  var capacity: Int { slotLimit * Self.pageSize }
  var isEmpty: Bool { slots.isEmpty }
  var isFull: Bool { slots.count >= slotLimit }
  /// Bytes that a write of whole pages can put there.
  var room: Int { max(0, slotLimit - slots.count) * Self.pageSize }

  // MARK: Ends

  func addEnd(reading: Bool, writing: Bool, _ kernel: Kernel) {
    if reading {
      readers += 1
      readerOpenings += 1
    }
    if writing {
      writers += 1
      writerOpenings += 1
    }
    openQueue.wakeAll(kernel)
    readQueue.wakeAll(kernel)
    writeQueue.wakeAll(kernel)
  }

  func removeEnd(reading: Bool, writing: Bool, _ kernel: Kernel) {
    if reading { readers -= 1 }
    if writing { writers -= 1 }
    if readers == 0 && writers == 0 {
      slots.removeAll()
      byteCount = 0
    }
    readQueue.wakeAll(kernel)
    writeQueue.wakeAll(kernel)
  }

  // MARK: Bytes

  /// Up to `count` bytes, or one packet's beginning; empty when nothing is there.
  func take(_ count: Int, _ kernel: Kernel) -> [UInt8] {
    var result: [UInt8] = []
    let wasFull = isFull
    while result.count < count, var slot = slots.first {
      let part = min(count - result.count, slot.bytes.count)
      if result.isEmpty { result.reserveCapacity(min(count, byteCount)) }
      result.append(contentsOf: slot.bytes.prefix(part))
      byteCount -= part
      if slot.isPacket {
        byteCount -= slot.bytes.count - part
        slots.removeFirst()
        break
      }
      if part == slot.bytes.count {
        slots.removeFirst()
      } else {
        slot.bytes = slot.bytes.dropFirst(part)
        slots[0] = slot
      }
    }
    if wasFull && !isFull || !result.isEmpty { writeQueue.wakeAll(kernel) }
    return result
  }

  /// Up to `count` bytes, left where they are.
  func peek(_ count: Int) -> [UInt8] {
    var result: [UInt8] = []
    for slot in slots where result.count < count { result.append(contentsOf: slot.bytes.prefix(count - result.count)) }
    return result
  }

  /// How many of the bytes found room. A piece of at most PIPE_BUF goes whole or not at all.
  func put(_ bytes: ArraySlice<UInt8>, packets: Bool, _ kernel: Kernel) -> Int {
    var rest = bytes
    // pipe_write: the part that is not a whole page is merged into the last page if it fits there.
    let odd = rest.count % Self.pageSize
    if odd > 0, !packets, var last = slots.last, !last.isPacket, last.used + odd <= Self.pageSize {
      last.bytes.append(contentsOf: rest.prefix(odd))
      last.used += odd
      slots[slots.count - 1] = last
      rest = rest.dropFirst(odd)
    }
    while !rest.isEmpty && !isFull {
      let part = rest.prefix(Self.pageSize)
      slots.append(Slot(bytes: part, used: part.count, isPacket: packets))
      rest = rest.dropFirst(part.count)
    }
    let taken = bytes.count - rest.count
    byteCount += taken
    if taken > 0 { readQueue.wakeAll(kernel) }
    return taken
  }

  /// F_SETPIPE_SZ: rounded up to a power of two of pages. EINVAL for zero, EPERM beyond the system's limit, EBUSY when
  /// it holds more.
  func resize(_ size: UInt32, privileged: Bool) throws(Errno) -> Int {
    if size == 0 || size > 1 << 31 { throw .EINVAL }
    var pages = 1
    while pages * Self.pageSize < Int(size) { pages *= 2 }
    if pages > slotLimit && pages > Self.slotsMax && !privileged { throw .EPERM }
    if pages < slots.count { throw .EBUSY }
    slotLimit = pages
    return capacity
  }

  func shallowCopy() -> Pipe {
    let new = Pipe(inode: inode)
    new.slots = slots
    new.byteCount = byteCount
    new.slotLimit = slotLimit
    new.readers = readers
    new.writers = writers
    new.readerOpenings = readerOpenings
    new.writerOpenings = writerOpenings
    new.readQueue = readQueue
    new.writeQueue = writeQueue
    new.openQueue = openQueue
    return new
  }
  func copyReferences(_ context: CopyContext) {
    readQueue = context.copy(readQueue)
    writeQueue = context.copy(writeQueue)
    openQueue = context.copy(openQueue)
  }
}

/// One open end of a pipe, or a FIFO's opening, which may be both ends.
final class PipeEnd: OpenFile {
  private(set) var pipe: Pipe
  /// Where a FIFO was opened; nil for a pipe without a name.
  var place: Location?

  init(pipe: Pipe, flags: UInt32) {
    self.pipe = pipe
    super.init(flags: flags)
  }

  /// O_DIRECT: each write is a packet.
  private var writesPackets: Bool { flags & 0o40000 != 0 }

  override func release(_ kernel: Kernel) { pipe.removeEnd(reading: isReadable, writing: isWritable, kernel) }

  override func read(_ call: Syscall, _ count: Int) throws(Errno) -> [UInt8] {
    if count == 0 { return [] }
    if pipe.isEmpty {
      if pipe.writers == 0 { return [] }
      throw .EAGAIN
    }
    return pipe.take(count, call.kernel)
  }

  /// EPIPE when nobody can read: the caller sends SIGPIPE.
  override func write(_ call: Syscall, _ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
    if bytes.isEmpty { return 0 }
    if pipe.readers == 0 { throw .EPIPE }
    let count = pipe.put(bytes, packets: writesPackets, call.kernel)
    if count == 0 { throw .EAGAIN }
    return count
  }

  override func ioctl(_ call: Syscall, _ request: UInt32, _ argument: UInt64) throws(Errno) -> SyscallOutcome {
    // FIONREAD
    if request == 0x541b {
      try call.memory.store(GuestAddress(argument), Int32(pipe.byteCount))
      return .success
    }
    throw .ENOTTY
  }

  /// pipe_poll.
  override func readiness(_ kernel: Kernel) -> PollEvents {
    var events: PollEvents = []
    if isReadable {
      if !pipe.isEmpty { events.formUnion([.in, .readNormal]) }
      if pipe.writers == 0 && pipe.writerOpenings > 0 { events.insert(.hangup) }
    }
    if isWritable {
      if !pipe.isFull { events.formUnion([.out, .writeNormal]) }
      if pipe.readers == 0 { events.insert(.error) }
    }
    return events
  }

  override var waitQueues: [WaitQueue] {
    isReadable && isWritable ? [pipe.readQueue, pipe.writeQueue] : [isReadable ? pipe.readQueue : pipe.writeQueue]
  }

  override func blockReason(reading: Bool) -> BlockReason { .pipe(reading: reading) }
  override func displayPath(_ kernel: Kernel) -> [UInt8] {
    place?.displayPath() ?? Array("pipe:[\(pipe.inode)]".utf8)
  }
  override var inode: Inode? { place?.inode }
  override var location: Location? { place }
  override func status(_ kernel: Kernel) throws(Errno) -> FileStatus {
    if let inode = place?.inode { return inode.status() }
    let credentials = kernel.configuration
    return FileStatus(
      device: FileSystemKind.pipes.device, number: pipe.inode, mode: FileMode.fifo | 0o600, links: 1,
      user: credentials.user, group: credentials.group, size: 0, accessed: kernel.decisions.epoch,
      modified: kernel.decisions.epoch, changed: kernel.decisions.epoch)
  }

  /// /proc/PID/fd/N of a pipe: fifo_open of the same pipe.
  override func reopen(_ access: FileAccess, flags: UInt32) throws(Errno) -> OpenFile {
    let end = PipeEnd(pipe: pipe, flags: flags)
    end.place = place
    if end.isWritable && !end.isReadable && end.isNonblocking && pipe.readers == 0 { throw .ENXIO }
    pipe.addEnd(reading: end.isReadable, writing: end.isWritable, access.kernel)
    return end
  }

  override func shallowCopy() -> Self {
    let new = PipeEnd(pipe: pipe, flags: flags)
    new.place = place
    new.copyBaseFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }
  override func copyReferences(_ context: CopyContext) {
    super.copyReferences(context)
    pipe = context.copy(pipe)
    place?.copyReferences(context)
  }
}

/// What an open of a FIFO that waits for the other side keeps.
struct FifoOpening: Resumption {
  var end: PipeEnd
  /// The other side's openings when the wait began.
  var seen: UInt64

  mutating func copyReferences(_ context: CopyContext) { end = context.copy(end) }
}

enum FifoOpenOutcome {
  case opened(PipeEnd)
  case block(Block)
}

extension Pipe {
  /// fifo_open: a reader waits for a writer and the other way round; O_NONBLOCK does not wait, and is ENXIO for a writer
  /// without a reader. Call it again with the same `call` when the block was woken: `call.resume` is a `FifoOpening`
  /// then, whose `end.pipe` is the FIFO, so the path need not be looked up again.
  static func openEnd(_ call: Syscall, fifo pipe: Pipe, flags: UInt32) throws(Errno) -> FifoOpenOutcome {
    let kernel = call.kernel
    if let state = call.resume as? FifoOpening {
      let end = state.end
      let now = end.isReadable ? end.pipe.writerOpenings : end.pipe.readerOpenings
      if now != state.seen { return .opened(end) }
      if call.wake == .signal {
        end.pipe.removeEnd(reading: end.isReadable, writing: end.isWritable, kernel)
        throw .ERESTARTSYS
      }
      return .block(
        Block(on: [end.pipe.openQueue], resume: state, reason: .other("the other end of a FIFO to be opened")))
    }
    let end = PipeEnd(pipe: pipe, flags: flags)
    if end.isWritable && !end.isReadable && end.isNonblocking && pipe.readers == 0 { throw .ENXIO }
    pipe.addEnd(reading: end.isReadable, writing: end.isWritable, kernel)
    let other = end.isReadable ? pipe.writers : pipe.readers
    if end.isReadable && end.isWritable || end.isNonblocking || other > 0 { return .opened(end) }
    let seen = end.isReadable ? pipe.writerOpenings : pipe.readerOpenings
    return .block(
      Block(
        on: [pipe.openQueue], resume: FifoOpening(end: end, seen: seen),
        reason: .other("the other end of a FIFO to be opened")))
  }
}
