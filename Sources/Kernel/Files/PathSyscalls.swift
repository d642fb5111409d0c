// Calls that take a path: open, stat, access, make, remove, move, link.

import LinuxABI
import Platform

extension Syscall {
  /// A path argument. ENAMETOOLONG beyond PATH_MAX.
  func path(_ index: Int) throws(Errno) -> [UInt8] { try memory.copyInString(address(index)) }

  /// The directory that a relative path starts from: the *at calls' first argument. EBADF, ENOTDIR.
  func directory(_ index: Int, for path: [UInt8]) throws(Errno) -> DirectoryInode {
    if path.first == 0x2f { return task.fs.root }
    let descriptor = int32(index)
    if descriptor == AtFlags.workingDirectory { return task.fs.workingDirectory }
    let file = try task.files.file(descriptor, allowPath: true)
    guard let directory = file.inode as? DirectoryInode else { throw .ENOTDIR }
    return directory
  }

  /// Walks the path in argument `pathIndex` from the directory in argument `directoryIndex` (nil: the working
  /// directory).
  func location(_ directoryIndex: Int?, _ pathIndex: Int, follow: Bool) throws(Errno) -> Location {
    let path = try path(pathIndex)
    let start = try directoryIndex.map { (index) throws(Errno) in try directory(index, for: path) }
    return try fileAccess.walk(path, from: start, WalkOptions(follow: follow))
  }

  /// The inode that an *at call names: by path, or with AT_EMPTY_PATH by descriptor.
  func inode(_ directoryIndex: Int, _ pathIndex: Int, flags: UInt32) throws(Errno) -> (Inode?, OpenFile?) {
    // A null path with AT_EMPTY_PATH is an empty one (Linux 6.11).
    let isEmpty = flags & AtFlags.emptyPath != 0
    let path = isEmpty && arguments[pathIndex] == 0 ? [] : try path(pathIndex)
    if path.isEmpty && isEmpty {
      if int32(directoryIndex) == AtFlags.workingDirectory { return (task.fs.workingDirectory, nil) }
      let file = try task.files.file(int32(directoryIndex), allowPath: true)
      return (file.inode, file)
    }
    let start = try directory(directoryIndex, for: path)
    let follow = flags & AtFlags.symlinkNoFollow == 0
    return (try fileAccess.find(path, from: start, WalkOptions(follow: follow)).0, nil)
  }

  /// The same, for calls that change the inode: EBADF for descriptors without one.
  func changeableInode(_ directoryIndex: Int, _ pathIndex: Int, flags: UInt32) throws(Errno) -> Inode {
    guard let inode = try inode(directoryIndex, pathIndex, flags: flags).0 else { throw .EBADF }
    return inode
  }

  func inode(_ pathIndex: Int, follow: Bool) throws(Errno) -> Inode {
    try fileAccess.find(try path(pathIndex), WalkOptions(follow: follow)).0
  }

  /// Permissions for something new: the umask takes bits away.
  func permissions(_ index: Int) -> UInt32 { uint32(index) & 0o7777 & ~task.fs.umask }
}

extension SyscallTable {
  static var pathSyscalls: [SyscallEntry] { openEntries + statEntries + makeEntries + removeEntries }

  private static var openEntries: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.open) { call throws(Errno) in
        try call.kernel.open(call, nil, 0, flags: call.uint32(1), mode: call.uint32(2))
      },
      SyscallEntry(SyscallNumber.creat) { call throws(Errno) in
        try call.kernel.open(
          call, nil, 0, flags: OpenFlags.create | OpenFlags.writeOnly | OpenFlags.truncate, mode: call.uint32(1))
      },
      SyscallEntry(SyscallNumber.openat) { call throws(Errno) in
        try call.kernel.open(call, 0, 1, flags: call.uint32(2), mode: call.uint32(3))
      },
      SyscallEntry(SyscallNumber.openat2, .partial("RESOLVE_CACHED gives EAGAIN")) { call throws(Errno) in
        let (flags, mode, resolve) = try call.openHow(2, size: 3)
        return try call.kernel.open(call, 0, 1, flags: flags, mode: mode, resolve: resolve)
      },
    ]
  }

  private static var statEntries: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.stat) { call throws(Errno) in
        try call.memory.copyOut(call.address(1), try call.inode(0, follow: true).status().encoded)
        return .success
      },
      SyscallEntry(SyscallNumber.lstat) { call throws(Errno) in
        try call.memory.copyOut(call.address(1), try call.inode(0, follow: false).status().encoded)
        return .success
      },
      SyscallEntry(SyscallNumber.fstat) { call throws(Errno) in
        let file = try call.file(allowPath: true)
        try call.memory.copyOut(call.address(1), try file.status(call.kernel).encoded)
        return .success
      },
      SyscallEntry(SyscallNumber.newfstatat) { call throws(Errno) in
        let allowed = AtFlags.symlinkNoFollow | AtFlags.noAutomount | AtFlags.emptyPath
        if call.uint32(3) & ~allowed != 0 { throw .EINVAL }
        try call.memory.copyOut(call.address(2), try call.status(0, 1, flags: call.uint32(3)).encoded)
        return .success
      },
      SyscallEntry(SyscallNumber.statx, .partial("no birth time, no attributes")) { call throws(Errno) in
        // AT_STATX_SYNC_TYPE takes two bits.
        let allowed = AtFlags.symlinkNoFollow | AtFlags.noAutomount | AtFlags.emptyPath | 0x6000
        let flags = call.uint32(2)
        if flags & ~allowed != 0 || flags & 0x6000 == 0x6000 || call.uint32(3) & 0x8000_0000 != 0 { throw .EINVAL }
        try call.memory.copyOut(call.address(4), try call.status(0, 1, flags: flags).encodedStatx)
        return .success
      },
      SyscallEntry(SyscallNumber.access) { call throws(Errno) in
        try call.kernel.access(call, nil, 0, mode: call.uint32(1), flags: 0)
      },
      SyscallEntry(SyscallNumber.faccessat) { call throws(Errno) in
        try call.kernel.access(call, 0, 1, mode: call.uint32(2), flags: 0)
      },
      SyscallEntry(SyscallNumber.faccessat2) { call throws(Errno) in
        try call.kernel.access(call, 0, 1, mode: call.uint32(2), flags: call.uint32(3))
      },
      SyscallEntry(SyscallNumber.readlink) { call throws(Errno) in
        let inode = try call.inode(0, follow: false)
        return try call.kernel.readLink(call, inode, to: 1, size: 2)
      },
      SyscallEntry(SyscallNumber.readlinkat) { call throws(Errno) in
        let flags = AtFlags.symlinkNoFollow | AtFlags.emptyPath
        let inode = try call.changeableInode(0, 1, flags: flags)
        let isEmpty = try call.memory.load(call.address(1), as: UInt8.self) == 0
        if isEmpty && !inode.isSymbolicLink { throw .ENOENT }
        return try call.kernel.readLink(call, inode, to: 2, size: 3)
      },
    ]
  }

  private static var makeEntries: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.mkdir) { call throws(Errno) in
        let location = try call.location(nil, 0, follow: false)
        try call.fileAccess.makeDirectory(location, permissions: call.permissions(1))
        return .success
      },
      SyscallEntry(SyscallNumber.mkdirat) { call throws(Errno) in
        let location = try call.location(0, 1, follow: false)
        try call.fileAccess.makeDirectory(location, permissions: call.permissions(2))
        return .success
      },
      SyscallEntry(SyscallNumber.mknod) { call throws(Errno) in
        try call.makeNode(try call.location(nil, 0, follow: false), mode: call.uint32(1), device: call[2])
      },
      SyscallEntry(SyscallNumber.mknodat) { call throws(Errno) in
        try call.makeNode(try call.location(0, 1, follow: false), mode: call.uint32(2), device: call[3])
      },
      SyscallEntry(SyscallNumber.symlink) { call throws(Errno) in
        try call.makeSymlink(target: try call.path(0), try call.location(nil, 1, follow: false))
      },
      SyscallEntry(SyscallNumber.symlinkat) { call throws(Errno) in
        try call.makeSymlink(target: try call.path(0), try call.location(1, 2, follow: false))
      },
      SyscallEntry(SyscallNumber.link) { call throws(Errno) in
        let inode = try call.inode(0, follow: false)
        try call.fileAccess.makeLink(inode, at: try call.location(nil, 1, follow: false))
        return .success
      },
      SyscallEntry(SyscallNumber.linkat) { call throws(Errno) in
        let flags = call.uint32(4)
        if flags & ~(AtFlags.symlinkFollow | AtFlags.emptyPath) != 0 { throw .EINVAL }
        let follow = flags & AtFlags.symlinkFollow != 0 ? 0 : AtFlags.symlinkNoFollow
        let inode = try call.changeableInode(0, 1, flags: flags & AtFlags.emptyPath | follow)
        try call.fileAccess.makeLink(inode, at: try call.location(2, 3, follow: false))
        return .success
      },
    ]
  }

  private static var removeEntries: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.unlink) { call throws(Errno) in
        try call.unlink(try call.location(nil, 0, follow: false))
      },
      SyscallEntry(SyscallNumber.rmdir) { call throws(Errno) in
        try call.fileAccess.removeDirectory(try call.location(nil, 0, follow: false))
        return .success
      },
      SyscallEntry(SyscallNumber.unlinkat) { call throws(Errno) in
        if call.uint32(2) & ~AtFlags.removeDirectory != 0 { throw .EINVAL }
        let location = try call.location(0, 1, follow: false)
        if call.uint32(2) & AtFlags.removeDirectory == 0 { return try call.unlink(location) }
        try call.fileAccess.removeDirectory(location)
        return .success
      },
      SyscallEntry(SyscallNumber.rename) { call throws(Errno) in
        let (old, new) = (try call.location(nil, 0, follow: false), try call.location(nil, 1, follow: false))
        try call.fileAccess.rename(old, new, exchange: false, noReplace: false)
        return .success
      },
      SyscallEntry(SyscallNumber.renameat) { call throws(Errno) in
        let (old, new) = (try call.location(0, 1, follow: false), try call.location(2, 3, follow: false))
        try call.fileAccess.rename(old, new, exchange: false, noReplace: false)
        return .success
      },
      SyscallEntry(SyscallNumber.renameat2, .partial("RENAME_WHITEOUT gives EINVAL")) { call throws(Errno) in
        let flags = call.uint32(4)
        if flags & ~3 != 0 || flags == 3 { throw .EINVAL }
        let (old, new) = (try call.location(0, 1, follow: false), try call.location(2, 3, follow: false))
        try call.fileAccess.rename(old, new, exchange: flags & 2 != 0, noReplace: flags & 1 != 0)
        return .success
      },
    ]
  }
}

extension Syscall {
  /// struct open_how of openat2(2): flags, mode, resolve. E2BIG for fields that are not known and not zero.
  fileprivate func openHow(_ index: Int, size sizeIndex: Int) throws(Errno) -> (UInt32, UInt32, UInt64) {
    let size = arguments[sizeIndex]
    if size < 24 { throw .EINVAL }
    if size > 4096 { throw .E2BIG }
    let bytes = try memory.copyIn(address(index), Int(size))
    if bytes[24...].contains(where: { $0 != 0 }) { throw .E2BIG }
    let flags: UInt64 = bytes.integer(at: 0)
    let mode: UInt64 = bytes.integer(at: 8)
    let resolve: UInt64 = bytes.integer(at: 16)
    let known: UInt64 = 0o37777703
    if flags & ~known != 0 || resolve & ~0x3f != 0 || mode & ~0o7777 != 0 { throw .EINVAL }
    let makes =
      flags & UInt64(OpenFlags.create) != 0
      || flags & UInt64(OpenFlags.temporaryFile) == UInt64(OpenFlags.temporaryFile)
    if mode != 0 && !makes { throw .EINVAL }
    if resolve & (ResolveFlags.beneath | ResolveFlags.inRoot) == ResolveFlags.beneath | ResolveFlags.inRoot {
      throw .EINVAL
    }
    if resolve & ResolveFlags.cached != 0 { throw .EAGAIN }
    return (UInt32(truncatingIfNeeded: flags), UInt32(truncatingIfNeeded: mode), resolve)
  }

  fileprivate func status(_ directoryIndex: Int, _ pathIndex: Int, flags: UInt32) throws(Errno) -> FileStatus {
    let (inode, file) = try inode(directoryIndex, pathIndex, flags: flags)
    if let file { return try file.status(kernel) }
    guard let inode else { throw .EBADF }
    return inode.status()
  }

  fileprivate func makeNode(_ location: Location, mode: UInt32, device: UInt64) throws(Errno) -> SyscallOutcome {
    let permissions = mode & 0o7777 & ~task.fs.umask
    try fileAccess.makeNode(location, mode: mode & FileMode.typeMask | permissions, device: device)
    return .success
  }

  fileprivate func makeSymlink(target: [UInt8], _ location: Location) throws(Errno) -> SyscallOutcome {
    if target.isEmpty { throw .ENOENT }
    try fileAccess.makeSymlink(location, target: target)
    return .success
  }

  /// A name with a slash behind it is no file: ENOTDIR, or EISDIR for a directory.
  fileprivate func unlink(_ location: Location) throws(Errno) -> SyscallOutcome {
    if location.hasTrailingSlash, let inode = location.inode { throw inode.isDirectory ? .EISDIR : .ENOTDIR }
    try fileAccess.unlink(location)
    return .success
  }
}

extension Kernel {
  /// open(2) and kin: the lowest free descriptor for the file.
  fileprivate func open(
    _ call: Syscall, _ directoryIndex: Int?, _ pathIndex: Int, flags: UInt32, mode: UInt32, resolve: UInt64 = 0
  ) throws(Errno) -> SyscallOutcome {
    let closeOnExec = flags & OpenFlags.closeOnExec != 0
    if let opening = call.resume as? FifoOpening {
      return try finishOpen(call, try openFifo(call, opening.end.pipe, opening.end.place), closeOnExec)
    }
    let path = try call.path(pathIndex)
    let start = try directoryIndex.map { (index) throws(Errno) in try call.directory(index, for: path) }
    let outcome = try call.fileAccess.open(
      path, from: start, flags: flags, mode: mode & ~call.task.fs.umask, resolve: resolve, call: call)
    return try finishOpen(call, outcome, closeOnExec)
  }

  private func finishOpen(_ call: Syscall, _ outcome: OpenOutcome, _ closeOnExec: Bool) throws(Errno) -> SyscallOutcome
  {
    switch outcome {
    case .file(let file): return try installNew(call, file, closeOnExec: closeOnExec)
    case .block(let block): return .block(block)
    }
  }

  /// Opens a FIFO by its inode: the first open gives it its pipe.
  func openFifo(_ call: Syscall, _ inode: FifoInode, _ location: Location, flags: UInt32) throws(Errno) -> OpenOutcome {
    let pipe: Pipe
    if let existing = inode.pipe as? Pipe {
      pipe = existing
    } else {
      pipe = Pipe(inode: inode.number)
      inode.pipe = pipe
    }
    var place = location
    place.inode = inode
    return try openFifo(call, pipe, place, flags: flags)
  }

  private func openFifo(_ call: Syscall, _ pipe: Pipe, _ place: Location?, flags: UInt32 = 0) throws(Errno)
    -> OpenOutcome
  {
    switch try Pipe.openEnd(call, fifo: pipe, flags: flags) {
    case .opened(let end):
      end.place = place
      return .file(end)
    case .block(let block):
      (block.resume as? FifoOpening)?.end.place = place
      return .block(block)
    }
  }

  /// faccessat2(2): real ids, unless AT_EACCESS asks for the effective ones.
  fileprivate func access(
    _ call: Syscall, _ directoryIndex: Int?, _ pathIndex: Int, mode: UInt32, flags: UInt32
  ) throws(Errno) -> SyscallOutcome {
    if mode & ~7 != 0 { throw .EINVAL }
    if flags & ~(AtFlags.effectiveAccess | AtFlags.symlinkNoFollow | AtFlags.emptyPath) != 0 { throw .EINVAL }
    var access = call.fileAccess
    if flags & AtFlags.effectiveAccess == 0 {
      access.credentials.fsUser = access.credentials.realUser
      access.credentials.fsGroup = access.credentials.realGroup
      let isRoot = access.credentials.realUser == 0
      access.credentials.effectiveCapabilities = isRoot ? access.credentials.permittedCapabilities : 0
    }
    let path = try call.path(pathIndex)
    let inode: Inode
    if path.isEmpty && flags & AtFlags.emptyPath != 0, let directoryIndex {
      guard let found = try call.inode(directoryIndex, pathIndex, flags: flags).0 else { return .success }
      inode = found
    } else {
      let start = try directoryIndex.map { (index) throws(Errno) in try call.directory(index, for: path) }
      inode = try access.find(path, from: start, WalkOptions(follow: flags & AtFlags.symlinkNoFollow == 0)).0
    }
    if mode != 0 { try access.check(inode, mode) }
    return .success
  }

  /// readlink(2): cut to the buffer, no terminator.
  fileprivate func readLink(_ call: Syscall, _ inode: Inode, to buffer: Int, size: Int) throws(Errno) -> SyscallOutcome
  {
    if call.int32(size) <= 0 { throw .EINVAL }
    guard let link = inode as? SymlinkInode else { throw .EINVAL }
    let text = try link.text(call.fileAccess)
    let part = text.prefix(Int(call.int32(size)))
    try call.memory.copyOut(call.address(buffer), part)
    return .value(part.count)
  }
}
