// splice(2), tee(2), vmsplice(2): bytes between pipes and files. No pages are moved: the bytes are copied.

import LinuxABI
import Platform

extension SyscallTable {
  static var spliceSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.splice) { call throws(Errno) in try call.kernel.splice(call) },
      SyscallEntry(SyscallNumber.tee) { call throws(Errno) in try call.kernel.tee(call) },
      SyscallEntry(SyscallNumber.vmsplice) { call throws(Errno) in try call.kernel.spliceMemory(call) },
    ]
  }
}

extension Kernel {
  /// SPLICE_F_MOVE, NONBLOCK, MORE, GIFT.
  private static let spliceFlags: UInt32 = 0xf
  private static let spliceNonblocking: UInt32 = 2

  /// One side of splice at least is a pipe; what is taken from a pipe is put in full.
  fileprivate func splice(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let (input, output) = (try call.file(0), try call.file(2))
    let flags = call.uint32(5)
    if flags & ~Self.spliceFlags != 0 { throw .EINVAL }
    if call[4] == 0 { return .success }
    if !input.isReadable || !output.isWritable { throw .EBADF }
    let (from, to) = (input as? PipeEnd, output as? PipeEnd)
    if from != nil && call[1] != 0 || to != nil && call[3] != 0 { throw .ESPIPE }
    if from == nil && to == nil { throw .EINVAL }
    if let from, let to, from.pipe === to.pipe { throw .EINVAL }
    if to == nil && output.flags & OpenFlags.append != 0 { throw .EINVAL }
    let nonblocking = flags & Self.spliceNonblocking != 0
    var count = Int(min(call[4], UInt64(Self.transferPiece)))
    if let to {
      if to.pipe.readers == 0 {
        sendBrokenPipe(call.task)
        throw .EPIPE
      }
      let room = (to.pipe.slotLimit - to.pipe.slots.count) * Pipe.pageSize
      if room == 0 { return try waitForSplice(call, to, reading: false, nonblocking || to.isNonblocking) }
      count = min(count, room)
    }
    let bytes: [UInt8]
    do throws(Errno) { bytes = try takeForSplice(call, input, from, count) } catch {
      if error != .EAGAIN { throw error }
      return try waitForSplice(call, input, reading: true, nonblocking || input.isNonblocking)
    }
    if bytes.isEmpty { return .success }
    return try putFromSplice(call, bytes, input, from, output)
  }

  /// Bytes of the input side; those of a pipe stay in it until the other side has taken them.
  private func takeForSplice(_ call: Syscall, _ input: OpenFile, _ pipe: PipeEnd?, _ count: Int) throws(Errno)
    -> [UInt8]
  {
    if let pipe {
      if pipe.pipe.isEmpty {
        if pipe.pipe.writers == 0 { return [] }
        throw .EAGAIN
      }
      return pipe.pipe.peek(count)
    }
    if call[1] == 0 { return try input.read(call, count) }
    let position: Int64 = try call.memory.load(call.address(1))
    if position < 0 { throw .EINVAL }
    let bytes = try input.pread(call, count, at: position)
    try call.memory.store(call.address(1), position + Int64(bytes.count))
    return bytes
  }

  private func putFromSplice(
    _ call: Syscall, _ bytes: [UInt8], _ input: OpenFile, _ from: PipeEnd?, _ output: OpenFile
  ) throws(Errno) -> SyscallOutcome {
    let written: Int
    do throws(Errno) {
      if call[3] == 0 {
        written = try output.write(call, bytes[...])
      } else {
        let position: Int64 = try call.memory.load(call.address(3))
        if position < 0 { throw .EINVAL }
        written = try output.pwrite(call, bytes[...], at: position)
        try call.memory.store(call.address(3), position + Int64(written))
      }
    } catch {
      if error == .EPIPE { sendBrokenPipe(call.task) }
      if error != .EAGAIN { throw error }
      return try waitForSplice(call, output, reading: false, output.isNonblocking)
    }
    if let from { _ = from.pipe.take(written, self) }
    return .value(written)
  }

  private func waitForSplice(_ call: Syscall, _ file: OpenFile, reading: Bool, _ nonblocking: Bool) throws(Errno)
    -> SyscallOutcome
  {
    try call.wait(Block(on: file.waitQueues, reason: file.blockReason(reading: reading)), nonblocking: nonblocking)
  }

  /// tee(2): copies from pipe to pipe and leaves the bytes where they are.
  fileprivate func tee(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let (input, output) = (try call.file(0), try call.file(1))
    let flags = call.uint32(3)
    if flags & ~Self.spliceFlags != 0 { throw .EINVAL }
    if call[2] == 0 { return .success }
    if !input.isReadable || !output.isWritable { throw .EBADF }
    guard let from = input as? PipeEnd, let to = output as? PipeEnd, from.pipe !== to.pipe else { throw .EINVAL }
    let nonblocking = flags & Self.spliceNonblocking != 0
    if to.pipe.readers == 0 {
      sendBrokenPipe(call.task)
      throw .EPIPE
    }
    if from.pipe.isEmpty {
      if from.pipe.writers == 0 { return .success }
      return try waitForSplice(call, input, reading: true, nonblocking)
    }
    if to.pipe.isFull { return try waitForSplice(call, output, reading: false, nonblocking) }
    let bytes = from.pipe.peek(Int(min(call[2], UInt64(Self.transferPiece))))
    return .value(try to.write(call, bytes[...]))
  }

  /// vmsplice(2): memory into a pipe, or (with the reading end) a pipe into memory.
  fileprivate func spliceMemory(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let file = try call.file()
    if call.uint32(3) & ~Self.spliceFlags != 0 { throw .EINVAL }
    guard file is PipeEnd else { throw .EBADF }
    let vectors = try call.vectors(1, 2)
    let flags: TransferFlags = call.uint32(3) & Self.spliceNonblocking != 0 ? .nowait : []
    return file.isWritable
      ? try write(call, from: vectors, at: nil, flags: flags) : try read(call, into: vectors, at: nil, flags: flags)
  }
}
