// read(2), write(2) and their vectored and positioned forms.

import LinuxABI
import Platform

extension SyscallTable {
  static var transferSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.read) { call throws(Errno) in
        try call.kernel.read(call, into: [try call.buffer(1, 2)], at: nil)
      },
      SyscallEntry(SyscallNumber.write) { call throws(Errno) in
        try call.kernel.write(call, from: [try call.buffer(1, 2)], at: nil)
      },
      SyscallEntry(SyscallNumber.readv) { call throws(Errno) in
        try call.kernel.read(call, into: try call.vectors(1, 2), at: nil)
      },
      SyscallEntry(SyscallNumber.writev) { call throws(Errno) in
        try call.kernel.write(call, from: try call.vectors(1, 2), at: nil)
      },
      SyscallEntry(SyscallNumber.pread64) { call throws(Errno) in
        try call.kernel.read(call, into: [try call.buffer(1, 2)], at: try call.position(3))
      },
      SyscallEntry(SyscallNumber.pwrite64) { call throws(Errno) in
        try call.kernel.write(call, from: [try call.buffer(1, 2)], at: try call.position(3))
      },
      SyscallEntry(SyscallNumber.preadv) { call throws(Errno) in
        try call.kernel.read(call, into: try call.vectors(1, 2), at: try call.position(3))
      },
      SyscallEntry(SyscallNumber.pwritev) { call throws(Errno) in
        try call.kernel.write(call, from: try call.vectors(1, 2), at: try call.position(3))
      },
      SyscallEntry(SyscallNumber.preadv2, .partial("RWF_NOWAIT only on files that wait; RWF_HIPRI has no effect")) {
        call throws(Errno) in
        let flags = try call.transferFlags(5, writing: false)
        let position: Int64? = call.int64(3) == -1 ? nil : try call.position(3)
        return try call.kernel.read(call, into: try call.vectors(1, 2), at: position, flags: flags)
      },
      SyscallEntry(SyscallNumber.pwritev2, .partial("no RWF_ATOMIC; RWF_HIPRI and RWF_DSYNC have no effect")) {
        call throws(Errno) in
        let flags = try call.transferFlags(5, writing: true)
        let position: Int64? = call.int64(3) == -1 ? nil : try call.position(3)
        return try call.kernel.write(call, from: try call.vectors(1, 2), at: position, flags: flags)
      },
    ]
  }
}

/// RWF_* of preadv2(2).
struct TransferFlags: OptionSet, Hashable, Sendable {
  let rawValue: UInt32
  static let nowait = TransferFlags(rawValue: 0x08)
  static let append = TransferFlags(rawValue: 0x10)
}

extension Syscall {
  /// MAX_RW_COUNT: longer counts are cut, not refused.
  static let transferBytesMax: UInt64 = 0x7fff_f000

  /// The buffer of read and write. EFAULT when it wraps.
  func buffer(_ address: Int, _ count: Int) throws(Errno) -> GuestRange {
    if Int64(bitPattern: arguments[count]) < 0 { throw .EINVAL }
    let length = min(arguments[count], Self.transferBytesMax)
    guard let range = GuestRange(self.address(address), length: length) else { throw .EFAULT }
    return range
  }
  func vectors(_ address: Int, _ count: Int) throws(Errno) -> [GuestRange] {
    let number = arguments[count]
    if number > 1024 { throw .EINVAL }
    return try memory.copyInIovecs(self.address(address), Int(number))
  }
  func position(_ index: Int) throws(Errno) -> Int64 {
    let position = int64(index)
    if position < 0 { throw .EINVAL }
    return position
  }
  func transferFlags(_ index: Int, writing: Bool) throws(Errno) -> TransferFlags {
    let flags = uint32(index)
    if flags & ~0x1f != 0 || (!writing && flags & 0x10 != 0) { throw .EOPNOTSUPP }
    return TransferFlags(rawValue: flags & 0x18)
  }
  /// The open file of the descriptor in argument 0.
  func file(_ index: Int = 0, allowPath: Bool = false) throws(Errno) -> OpenFile {
    try task.files.file(int32(index), allowPath: allowPath)
  }
}

/// Bytes that a blocked write has written so far.
struct TransferProgress: Resumption {
  var done: Int
  /// Until when it waits; nil for as long as it takes.
  var deadline: Nanoseconds?
}

extension Kernel {
  /// Bytes that pass through at once, so that memory stays bounded.
  static let transferPiece = 1 << 20

  /// Reads into guest memory: at the file's own position, or at `position`. Returns as soon as something was read.
  func read(_ call: Syscall, into ranges: [GuestRange], at position: Int64?, flags: TransferFlags = [])
    throws(Errno) -> SyscallOutcome
  {
    let file = try call.file()
    if !file.isReadable { throw .EBADF }
    let total = Self.total(ranges)
    var done = 0
    repeat {
      let want = min(total - done, Self.transferPiece)
      let bytes: [UInt8]
      do throws(Errno) {
        if let position {
          bytes = try file.pread(call, want, at: position + Int64(done))
        } else {
          bytes = try file.read(call, want)
        }
      } catch {
        if done > 0 { return .value(done) }
        if error == .EAGAIN { return try wait(call, for: file, reading: true, flags, done: 0) }
        throw error
      }
      let stored = try scatter(call, bytes, into: ranges, skipping: done)
      if stored < bytes.count {
        // What did not reach the guest was not read, where that can be taken back.
        if position == nil && file.inode is RegularInode { file.offset -= Int64(bytes.count - stored) }
        if done + stored == 0 { throw .EFAULT }
        return .value(done + stored)
      }
      done += stored
      if bytes.count < want { break }
    } while done < total
    return .value(done)
  }

  /// Writes from guest memory. A blocking file takes all, in several goes if it must.
  func write(_ call: Syscall, from ranges: [GuestRange], at position: Int64?, flags: TransferFlags = [])
    throws(Errno) -> SyscallOutcome
  {
    let file = try call.file()
    if !file.isWritable { throw .EBADF }
    let total = Self.total(ranges)
    var done = (call.resume as? TransferProgress)?.done ?? 0
    let appends = flags.contains(.append) && file.flags & OpenFlags.append == 0
    if appends { file.flags |= OpenFlags.append }
    defer { if appends { file.flags &= ~OpenFlags.append } }
    repeat {
      let want = min(total - done, Self.transferPiece)
      let (bytes, pieces) = try gather(call, ranges, skipping: done, want, keepPieces: file.hostStream != nil)
      if bytes.isEmpty && want > 0 {
        if done > 0 { return .value(done) }
        throw .EFAULT
      }
      let written: Int
      do throws(Errno) {
        if let position {
          written = try file.pwrite(call, bytes[...], at: position + Int64(done))
        } else if let stream = file.hostStream {
          written = try stream.write(call, pieces: pieces, bytes[...])
        } else {
          written = try file.write(call, bytes[...])
        }
      } catch {
        if error == .EPIPE { sendBrokenPipe(call.task) }
        if error == .EAGAIN {
          if done > 0 && (file.isNonblocking || call.wake == .signal || call.wake == .timeout) { return .value(done) }
          return try wait(call, for: file, reading: false, flags, done: done)
        }
        if done > 0 { return .value(done) }
        throw error
      }
      done += written
      let isShort = written < bytes.count && (!file.supportsPolling || file.isNonblocking || file is EventFile)
      if isShort || bytes.count < want { break }
    } while done < total
    return .value(done)
  }

  private static func total(_ ranges: [GuestRange]) -> Int {
    var total = 0
    for range in ranges { total += Int(range.length) }
    return total
  }

  private func wait(
    _ call: Syscall, for file: OpenFile, reading: Bool, _ flags: TransferFlags, done: Int
  ) throws(Errno) -> SyscallOutcome {
    var progress = call.resume as? TransferProgress ?? TransferProgress(done: 0)
    progress.done = done
    if let limit = file.waitLimit(reading: reading) {
      if call.wake == .timeout { throw .EAGAIN }
      if call.wake == .signal { throw .EINTR }
      if progress.deadline == nil { progress.deadline = clock.monotonic + limit }
    }
    let block = Block(
      on: file.waitQueues, until: progress.deadline, resume: progress, reason: file.blockReason(reading: reading))
    return try call.wait(block, nonblocking: file.isNonblocking || flags.contains(.nowait))
  }

  /// A write to a pipe or socket that nobody reads: SIGPIPE beside EPIPE.
  func sendBrokenPipe(_ task: Task) {
    send(SignalInfo(signal: 13, sender: task.group.id, senderUser: task.credentials.realUser), to: task)
  }

  /// Stores bytes into the ranges from their byte `done` on; how many reached the guest.
  private func scatter(_ call: Syscall, _ bytes: [UInt8], into ranges: [GuestRange], skipping done: Int) throws(Errno)
    -> Int
  {
    if bytes.isEmpty { return 0 }
    if ranges.count == 1 { return try call.memory.copyOutPartial(ranges[0].start + UInt64(done), bytes[...]) }
    var skip = done
    var rest = bytes[...]
    for range in ranges where !rest.isEmpty {
      let length = Int(range.length)
      if skip >= length {
        skip -= length
        continue
      }
      let part = rest.prefix(length - skip)
      let stored = try call.memory.copyOutPartial(range.start + UInt64(skip), part)
      rest = rest.dropFirst(stored)
      if stored < part.count { break }
      skip = 0
    }
    return bytes.count - rest.count
  }

  /// Up to `count` bytes of the ranges from their byte `done` on, and the pieces of guest memory that they came from.
  private func gather(
    _ call: Syscall, _ ranges: [GuestRange], skipping done: Int, _ count: Int, keepPieces: Bool
  ) throws(Errno) -> ([UInt8], [GuestRange]) {
    if ranges.count == 1 {
      let start = ranges[0].start + UInt64(done)
      let bytes = try call.memory.copyInPartial(start, count)
      return (bytes, keepPieces ? [GuestRange(start, start + UInt64(bytes.count))] : [])
    }
    var skip = done
    var bytes: [UInt8] = []
    var pieces: [GuestRange] = []
    for range in ranges where bytes.count < count {
      let length = Int(range.length)
      if skip >= length {
        skip -= length
        continue
      }
      let start = range.start + UInt64(skip)
      let want = min(length - skip, count - bytes.count)
      let part = try call.memory.copyInPartial(start, want)
      bytes.append(contentsOf: part)
      if keepPieces && !part.isEmpty { pieces.append(GuestRange(start, start + UInt64(part.count))) }
      if part.count < want { break }
      skip = 0
    }
    return (bytes, pieces)
  }
}
