// Calls on directories and on file systems as wholes: getdents, getcwd, chdir, chroot, statfs, sync.

import LinuxABI
import Platform

extension SyscallTable {
  static var directorySyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.getdents) { call throws(Errno) in try call.kernel.listDirectory(call, wide: false) },
      SyscallEntry(SyscallNumber.getdents64) { call throws(Errno) in try call.kernel.listDirectory(call, wide: true) },
      SyscallEntry(SyscallNumber.getcwd) { call throws(Errno) in try call.kernel.currentDirectory(call) },
      SyscallEntry(SyscallNumber.chdir) { call throws(Errno) in
        let inode = try call.inode(0, follow: true)
        return try call.kernel.changeDirectory(call, to: inode)
      },
      SyscallEntry(SyscallNumber.fchdir) { call throws(Errno) in
        guard let inode = try call.file(allowPath: true).inode else { throw .ENOTDIR }
        return try call.kernel.changeDirectory(call, to: inode)
      },
      SyscallEntry(SyscallNumber.chroot) { call throws(Errno) in
        let inode = try call.inode(0, follow: true)
        guard let directory = inode as? DirectoryInode else { throw .ENOTDIR }
        try call.fileAccess.check(directory, 1)
        if !call.task.credentials.hasCapability(FileCapability.sysChroot) { throw .EPERM }
        call.task.fs.root = directory
        return .success
      },
      SyscallEntry(SyscallNumber.statfs) { call throws(Errno) in
        let inode = try call.inode(0, follow: true)
        try call.memory.copyOut(call.address(1), Kernel.fileSystemStatus(inode.fileSystem))
        return .success
      },
      SyscallEntry(SyscallNumber.fstatfs) { call throws(Errno) in
        let file = try call.file(allowPath: true)
        try call.memory.copyOut(call.address(1), Kernel.fileSystemStatus(file.inode?.fileSystem ?? .anonymous))
        return .success
      },
      // Nothing is on a disk: what was written is as safe as it can be.
      SyscallEntry(SyscallNumber.sync) { call throws(Errno) in .success },
      SyscallEntry(SyscallNumber.syncfs) { call throws(Errno) in
        _ = try call.file()
        return .success
      },
      SyscallEntry(SyscallNumber.fsync) { call throws(Errno) in try call.synchronize() },
      SyscallEntry(SyscallNumber.fdatasync) { call throws(Errno) in try call.synchronize() },
      SyscallEntry(SyscallNumber.sync_file_range) { call throws(Errno) in
        let file = try call.file()
        if call.uint32(3) & ~7 != 0 || call.int64(1) < 0 || call.int64(2) < 0 { throw .EINVAL }
        if !(file.inode is RegularInode || file.inode is DirectoryInode) { throw .ESPIPE }
        return .success
      },
      SyscallEntry(SyscallNumber.fadvise64) { call throws(Errno) in
        let file = try call.file()
        if file.inode is FifoInode || file is PipeEnd { throw .ESPIPE }
        if call.int64(2) < 0 || call.uint32(3) > 5 { throw .EINVAL }
        return .success
      },
      SyscallEntry(SyscallNumber.readahead) { call throws(Errno) in
        let file = try call.file()
        if !file.isReadable { throw .EBADF }
        if !(file.inode is RegularInode) { throw .EINVAL }
        return .success
      },
      SyscallEntry(SyscallNumber.name_to_handle_at, .partial("the file system has no handles")) {
        call throws(Errno) in
        throw .EOPNOTSUPP
      },
      SyscallEntry(SyscallNumber.open_by_handle_at, .partial("the file system has no handles")) {
        call throws(Errno) in
        throw call.task.credentials.hasCapability(FileCapability.dacReadSearch) ? .EOPNOTSUPP : .EPERM
      },
    ]
  }
}

extension Syscall {
  fileprivate func synchronize() throws(Errno) -> SyscallOutcome {
    let file = try file()
    if !(file.inode is RegularInode || file.inode is DirectoryInode) { throw .EINVAL }
    return .success
  }
}

extension Kernel {
  /// getdents(2) and getdents64(2): as many whole entries as fit. EINVAL when not even one does.
  fileprivate func listDirectory(_ call: Syscall, wide: Bool) throws(Errno) -> SyscallOutcome {
    guard let file = try call.file() as? DirectoryFile else { throw .ENOTDIR }
    let limit = Int(call.uint32(2))
    let access = call.fileAccess
    var bytes: [UInt8] = []
    let begin = file.offset
    while let entry = try file.current(access) {
      // ino, off, reclen, then type and name (64), or name and type in the last byte (old).
      let length = (19 + entry.name.count + 1 + 7) & ~7
      if bytes.count + length > limit {
        if bytes.isEmpty { throw .EINVAL }
        break
      }
      file.advance()
      let end = bytes.count + length
      bytes.appendInteger(entry.number)
      bytes.appendInteger(file.offset)
      bytes.appendInteger(UInt16(length))
      if wide { bytes.append(entry.type) }
      bytes.append(contentsOf: entry.name)
      bytes.append(contentsOf: repeatElement(0, count: end - bytes.count))
      if !wide { bytes[end - 1] = entry.type }
    }
    do throws(Errno) { try call.memory.copyOut(call.address(1), bytes) } catch {
      file.offset = begin
      throw error
    }
    return .value(bytes.count)
  }

  /// getcwd(2): with the terminator; "(unreachable)" outside the root; ENOENT when it was removed.
  fileprivate func currentDirectory(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let fs = call.task.fs
    if fs.workingDirectory.isRemoved { throw .ENOENT }
    let bytes = Self.path(of: fs.workingDirectory, under: fs.root) + [0]
    if UInt64(bytes.count) > call[1] { throw .ERANGE }
    try call.memory.copyOut(call.address(0), bytes)
    return .value(bytes.count)
  }

  /// The path of a directory as a task with this root sees it.
  static func path(of directory: DirectoryInode, under root: DirectoryInode) -> [UInt8] {
    let full = directory.path()
    guard root.parent != nil else { return full }
    let prefix = root.path()
    if full == prefix { return [0x2f] }
    if full.starts(with: prefix) && full[prefix.count] == 0x2f { return Array(full[prefix.count...]) }
    return Array("(unreachable)".utf8) + full
  }

  fileprivate func changeDirectory(_ call: Syscall, to inode: Inode) throws(Errno) -> SyscallOutcome {
    guard let directory = inode as? DirectoryInode else { throw .ENOTDIR }
    try call.fileAccess.check(directory, 1)
    call.task.fs.workingDirectory = directory
    return .success
  }

  /// struct statfs of 64 bits, 120 bytes: fixed figures, so that the host's disks do not show.
  static func fileSystemStatus(_ kind: FileSystemKind) -> [UInt8] {
    let isStorage = kind == .root || kind == .devices || kind == .sharedMemory || kind == .memfd
    let blocks: UInt64 = isStorage ? 16 << 20 : 0
    let files: UInt64 = isStorage ? 4 << 20 : 0
    var bytes: [UInt8] = []
    bytes.reserveCapacity(120)
    bytes.appendInteger(kind.magic)
    bytes.appendInteger(4096 as Int64)
    // Half is free.
    for count in [blocks, blocks / 2, blocks / 2, files, files / 2] { bytes.appendInteger(count) }
    bytes.appendInteger(UInt64(kind.device))
    bytes.appendInteger(255 as Int64)
    bytes.appendInteger(4096 as Int64)
    // ST_VALID | ST_RELATIME
    bytes.appendInteger(0x1020 as Int64)
    bytes.append(contentsOf: repeatElement(0, count: 120 - bytes.count))
    return bytes
  }
}
