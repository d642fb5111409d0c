// pipe(2), pipe2(2), and the pipe commands of fcntl(2).

import LinuxABI
import Platform

extension SyscallTable {
  static var pipeSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.pipe) { call throws(Errno) in try call.kernel.makePipe(call, flags: 0) },
      SyscallEntry(SyscallNumber.pipe2) { call throws(Errno) in try call.kernel.makePipe(call, flags: call.uint32(1)) },
    ]
  }
}

/// Open flags of this folder's descriptors.
enum OpenFlag {
  static let writeOnly: UInt32 = 1, readWrite: UInt32 = 2
  static let nonblocking: UInt32 = 0o4000, direct: UInt32 = 0o40000, closeOnExec: UInt32 = 0o2000000
}

extension Kernel {
  /// pipe2(2). EINVAL for flags it does not know; EMFILE; EFAULT closes both ends again.
  func makePipe(_ call: Syscall, flags: UInt32) throws(Errno) -> SyscallOutcome {
    let known = OpenFlag.nonblocking | OpenFlag.direct | OpenFlag.closeOnExec
    if flags & ~known != 0 { throw .EINVAL }
    let pipe = Pipe(inode: ipc.nextInode())
    let status = flags & (OpenFlag.nonblocking | OpenFlag.direct)
    let reader = PipeEnd(pipe: pipe, flags: status)
    let writer = PipeEnd(pipe: pipe, flags: status | OpenFlag.writeOnly)
    pipe.addEnd(reading: true, writing: true, self)
    return try installPair(call, reader, writer, at: call.address(0), closeOnExec: flags & OpenFlag.closeOnExec != 0)
  }

  /// Installs two new files and stores their descriptors as int[2]; undoes all when one step fails.
  func installPair(
    _ call: Syscall, _ first: OpenFile, _ second: OpenFile, at address: GuestAddress, closeOnExec: Bool
  ) throws(Errno) -> SyscallOutcome {
    let files = call.task.files
    let limit = call.task.group.limits[ResourceLimits.files].current
    // Held while it is not clear whether the call succeeds.
    first.retain()
    second.retain()
    defer {
      first.releaseReference(self)
      second.releaseReference(self)
    }
    let one = try files.install(first, closeOnExec: closeOnExec, limit: limit)
    let two: Int32
    do throws(Errno) { two = try files.install(second, closeOnExec: closeOnExec, limit: limit) } catch {
      try files.close(self, one)
      throw error
    }
    var bytes: [UInt8] = []
    bytes.appendInteger(one)
    bytes.appendInteger(two)
    do throws(Errno) { try call.memory.copyOut(address, bytes) } catch {
      try files.close(self, one)
      try files.close(self, two)
      throw error
    }
    return .success
  }

  /// Installs one new file and returns its descriptor; the file is released when there is no room.
  func installNew(_ call: Syscall, _ file: OpenFile, closeOnExec: Bool) throws(Errno) -> SyscallOutcome {
    file.retain()
    defer { file.releaseReference(self) }
    let limit = call.task.group.limits[ResourceLimits.files].current
    return .value(Int64(try call.task.files.install(file, closeOnExec: closeOnExec, limit: limit)))
  }

  /// F_SETPIPE_SZ and F_GETPIPE_SZ of fcntl(2). EBADF for what is no pipe.
  func pipeSize(_ call: Syscall, of file: OpenFile, set size: UInt32?) throws(Errno) -> SyscallOutcome {
    guard let end = file as? PipeEnd else { throw .EBADF }
    guard let size else { return .value(end.pipe.capacity) }
    // CAP_SYS_RESOURCE
    return .value(try end.pipe.resize(size, privileged: call.task.credentials.hasCapability(24)))
  }
}
