// splice(2), tee(2), vmsplice(2): bytes into, out of and between pipes. fs/splice.c. Pages are not moved here, bytes are.

import LinuxABI
import Platform

extension SyscallTable {
  static var spliceSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.splice) { call throws(Errno) in try call.kernel.splice(call) },
      SyscallEntry(SyscallNumber.tee) { call throws(Errno) in try call.kernel.tee(call) },
      SyscallEntry(SyscallNumber.vmsplice) { call throws(Errno) in try call.kernel.vmsplice(call) },
    ]
  }
}

/// SPLICE_F_NONBLOCK; all flags together.
private enum SpliceFlag {
  static let nonblocking: UInt32 = 2, all: UInt32 = 15
}

extension Kernel {
  /// Moves at most what one look finds, as Linux does for pipes.
  fileprivate func splice(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call[4] == 0 { return .value(0 as Int64) }
    let flags = call.uint32(5)
    if flags & ~SpliceFlag.all != 0 { throw .EINVAL }
    let input = try call.task.files.file(call.int32(0))
    let output = try call.task.files.file(call.int32(2))
    if !input.isReadable || !output.isWritable { throw .EBADF }
    let count = Int(min(call[4], 0x7fff_f000))
    switch (input as? PipeEnd, output as? PipeEnd) {
    case (nil, nil): throw .EINVAL
    case (let from?, let to?):
      if call[1] != 0 || call[3] != 0 { throw .ESPIPE }
      if from.pipe === to.pipe { throw .EINVAL }
      return try movePipe(call, from, to, count, flags, keep: false)
    case (let from?, nil):
      if call[1] != 0 { throw .ESPIPE }
      return try spliceOut(call, from, output, count, flags)
    case (nil, let to?):
      if call[3] != 0 { throw .ESPIPE }
      return try spliceIn(call, input, to, count, flags)
    }
  }

  private func spliceOut(
    _ call: Syscall, _ from: PipeEnd, _ output: OpenFile, _ count: Int, _ flags: UInt32
  ) throws(Errno) -> SyscallOutcome {
    if output.flags & 0o2000 != 0 { throw .EINVAL }
    let pipe = from.pipe
    if pipe.isEmpty {
      if pipe.writers == 0 { return .value(0 as Int64) }
      return try waitForPipe(call, [pipe.readQueue], from.isNonblocking || flags & SpliceFlag.nonblocking != 0)
    }
    let bytes = pipe.peek(count)
    let written: Int
    do throws(Errno) {
      if call[3] != 0 {
        let position: Int64 = try call.memory.load(call.address(3))
        if position < 0 { throw .EINVAL }
        written = try output.pwrite(call, bytes[...], at: position)
        try call.memory.store(call.address(3), position + Int64(written))
      } else {
        written = try output.write(call, bytes[...])
      }
    } catch {
      if error == .EPIPE { sendBrokenPipe(call.task) }
      if error != .EAGAIN { throw error }
      return try waitForPipe(
        call, output.waitQueues, output.isNonblocking || flags & SpliceFlag.nonblocking != 0)
    }
    _ = pipe.take(written, self)
    return .value(written)
  }

  private func spliceIn(
    _ call: Syscall, _ input: OpenFile, _ to: PipeEnd, _ count: Int, _ flags: UInt32
  ) throws(Errno) -> SyscallOutcome {
    let pipe = to.pipe
    if pipe.readers == 0 {
      sendBrokenPipe(call.task)
      throw .EPIPE
    }
    let nonblocking = to.isNonblocking || flags & SpliceFlag.nonblocking != 0
    if pipe.isFull { return try waitForPipe(call, [pipe.writeQueue], nonblocking) }
    let want = min(count, pipe.room)
    let bytes: [UInt8]
    do throws(Errno) {
      if call[1] != 0 {
        let position: Int64 = try call.memory.load(call.address(1))
        if position < 0 { throw .EINVAL }
        bytes = try input.pread(call, want, at: position)
        try call.memory.store(call.address(1), position + Int64(bytes.count))
      } else {
        bytes = try input.read(call, want)
      }
    } catch {
      if error != .EAGAIN { throw error }
      return try waitForPipe(call, input.waitQueues, input.isNonblocking || flags & SpliceFlag.nonblocking != 0)
    }
    return .value(pipe.put(bytes[...], packets: false, self))
  }

  /// Between pipes; with `keep` the bytes stay in the first (tee).
  private func movePipe(
    _ call: Syscall, _ from: PipeEnd, _ to: PipeEnd, _ count: Int, _ flags: UInt32, keep: Bool
  ) throws(Errno) -> SyscallOutcome {
    let nonblocking = flags & SpliceFlag.nonblocking != 0
    if to.pipe.readers == 0 {
      sendBrokenPipe(call.task)
      throw .EPIPE
    }
    if from.pipe.isEmpty {
      if from.pipe.writers == 0 { return .value(0 as Int64) }
      return try waitForPipe(call, [from.pipe.readQueue], nonblocking || from.isNonblocking)
    }
    if to.pipe.isFull { return try waitForPipe(call, [to.pipe.writeQueue], nonblocking || to.isNonblocking) }
    let bytes = from.pipe.peek(min(count, to.pipe.room))
    let moved = to.pipe.put(bytes[...], packets: false, self)
    if !keep { _ = from.pipe.take(moved, self) }
    return .value(moved)
  }

  private func waitForPipe(
    _ call: Syscall, _ queues: [WaitQueue], _ nonblocking: Bool
  ) throws(Errno) -> SyscallOutcome {
    try call.wait(Block(on: queues, reason: .pipe(reading: true)), nonblocking: nonblocking)
  }

  fileprivate func tee(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let flags = call.uint32(3)
    if flags & ~SpliceFlag.all != 0 { throw .EINVAL }
    if call[2] == 0 { return .value(0 as Int64) }
    let input = try call.task.files.file(call.int32(0))
    let output = try call.task.files.file(call.int32(1))
    if !input.isReadable || !output.isWritable { throw .EBADF }
    guard let from = input as? PipeEnd, let to = output as? PipeEnd, from.pipe !== to.pipe else { throw .EINVAL }
    return try movePipe(call, from, to, Int(min(call[2], 0x7fff_f000)), flags, keep: true)
  }

  fileprivate func vmsplice(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let flags = call.uint32(3)
    if flags & ~SpliceFlag.all != 0 { throw .EINVAL }
    guard let end = try call.task.files.file(call.int32(0)) as? PipeEnd else { throw .EBADF }
    if call[2] > 1024 { throw .EINVAL }
    let message = MessageHeader(data: try call.memory.copyInIovecs(call.address(1), Int(call[2])))
    let total = message.count
    if total == 0 { return .value(0 as Int64) }
    let nonblocking = end.isNonblocking || flags & SpliceFlag.nonblocking != 0
    if end.isWritable {
      let done = (call.resume as? TransferProgress)?.done ?? 0
      if end.pipe.readers == 0 {
        sendBrokenPipe(call.task)
        throw .EPIPE
      }
      let bytes = try message.gather(call.memory, from: done, limit: min(total - done, max(end.pipe.room, 1)))
      let written = done + (end.pipe.isFull ? 0 : end.pipe.put(bytes[...], packets: false, self))
      if written == total || written > 0 && (nonblocking || call.wake == .signal) { return .value(written) }
      let block = Block(
        on: [end.pipe.writeQueue], resume: TransferProgress(done: written), reason: .pipe(reading: false))
      return try call.wait(block, nonblocking: nonblocking)
    }
    if end.pipe.isEmpty {
      if end.pipe.writers == 0 { return .value(0 as Int64) }
      return try waitForPipe(call, [end.pipe.readQueue], nonblocking)
    }
    let bytes = end.pipe.take(total, self)
    try message.scatter(call.memory, bytes)
    return .value(bytes.count)
  }
}
