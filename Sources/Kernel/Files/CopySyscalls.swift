// Bytes from one file to another without passing through guest memory: sendfile, copy_file_range; and memfd_create.

import LinuxABI
import Platform

extension SyscallTable {
  static var copySyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.sendfile) { call throws(Errno) in try call.kernel.sendFile(call) },
      SyscallEntry(SyscallNumber.copy_file_range) { call throws(Errno) in try call.kernel.copyFileRange(call) },
      SyscallEntry(SyscallNumber.memfd_create, .partial("no MFD_HUGETLB")) { call throws(Errno) in
        try call.kernel.createMemoryFile(call)
      },
    ]
  }
}

extension Kernel {
  /// sendfile(2): from a file that can be mapped to anything that can be written.
  fileprivate func sendFile(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let output = try call.file(0)
    let input = try call.file(1)
    if !input.isReadable || !output.isWritable { throw .EBADF }
    if output.flags & OpenFlags.append != 0 { throw .EINVAL }
    if input.inode is DirectoryInode || input.supportsPolling { throw .EINVAL }
    var position: Int64?
    if call[2] != 0 {
      let at: Int64 = try call.memory.load(call.address(2))
      if at < 0 { throw .EINVAL }
      position = at
    }
    let total = Int(min(call[3], Syscall.transferBytesMax))
    var done = (call.resume as? TransferProgress)?.done ?? 0
    let before = done
    // A resumed call keeps the position that the guest gave; what was sent already is added here.
    var outcome: Errno?
    while done < total {
      let at = position.map { $0 + Int64(done) } ?? input.offset
      let bytes = try input.pread(call, min(total - done, Self.transferPiece), at: at)
      if bytes.isEmpty { break }
      let written: Int
      do throws(Errno) { written = try output.write(call, bytes[...]) } catch {
        outcome = error
        break
      }
      done += written
      if position == nil { input.offset += Int64(written) }
      if written < bytes.count && !output.supportsPolling { break }
    }
    if outcome == .EPIPE { sendBrokenPipe(call.task) }
    if outcome == .EAGAIN && !output.isNonblocking && call.wake != .signal {
      let block = Block(
        on: output.waitQueues, resume: TransferProgress(done: done), reason: output.blockReason(reading: false))
      return .block(block)
    }
    if done == 0, let outcome { throw outcome == .EAGAIN && call.wake == .signal ? .ERESTARTSYS : outcome }
    if let position, done > 0 || before > 0 { try call.memory.store(call.address(2), position + Int64(done)) }
    return .value(done)
  }

  /// copy_file_range(2): between regular files.
  fileprivate func copyFileRange(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let input = try call.file(0)
    let output = try call.file(2)
    if call.uint32(5) != 0 { throw .EINVAL }
    if input.inode is DirectoryInode || output.inode is DirectoryInode { throw .EISDIR }
    guard let from = input.inode as? RegularInode, let to = output.inode as? RegularInode else { throw .EINVAL }
    if !input.isReadable || !output.isWritable || output.flags & OpenFlags.append != 0 { throw .EBADF }
    let source = call[1] == 0 ? input.offset : try call.memory.load(call.address(1), as: Int64.self)
    let target = call[3] == 0 ? output.offset : try call.memory.load(call.address(3), as: Int64.self)
    if source < 0 || target < 0 { throw .EINVAL }
    let total = Int(min(call[4], Syscall.transferBytesMax))
    if from === to && source < target + Int64(total) && target < source + Int64(total) { throw .EINVAL }
    var done = 0
    while done < total {
      let bytes = try input.pread(call, min(total - done, Self.transferPiece), at: source + Int64(done))
      if bytes.isEmpty { break }
      let written = try output.pwrite(call, bytes[...], at: target + Int64(done))
      done += written
      if written < bytes.count { break }
    }
    if call[1] == 0 {
      input.offset = source + Int64(done)
    } else {
      try call.memory.store(call.address(1), source + Int64(done))
    }
    if call[3] == 0 {
      output.offset = target + Int64(done)
    } else {
      try call.memory.store(call.address(3), target + Int64(done))
    }
    return .value(done)
  }

  /// memfd_create(2).
  fileprivate func createMemoryFile(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let flags = call.uint32(1)
    // MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_NOEXEC_SEAL, MFD_EXEC
    if flags & ~0x1b != 0 || flags & 0x18 == 0x18 { throw .EINVAL }
    let name = try call.memory.copyInString(call.address(0), limit: 250, tooLong: .EINVAL)
    let credentials = call.task.credentials
    let isExecutable = flags & 8 == 0
    let inode = RegularInode(
      number: ipc.nextInode(), fileSystem: .memfd, mode: FileMode.regular | (isExecutable ? 0o777 : 0o666),
      user: credentials.fsUser, group: credentials.fsGroup, time: clock.realtime)
    inode.links = 0
    // F_SEAL_SEAL unless sealing is allowed; MFD_NOEXEC_SEAL allows it and seals the execute bits.
    inode.seals = flags & 8 != 0 ? 0x20 : flags & 2 != 0 ? 0 : 1
    let place = Location(files.memoryFiles, Array("memfd:".utf8) + name, inode)
    let file = RegularFile(inode, place, flags: OpenFlags.readWrite | OpenFlags.largeFile)
    return try installNew(call, file, closeOnExec: flags & 1 != 0)
  }
}
