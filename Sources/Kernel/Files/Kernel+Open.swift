// open(2): from a path and flags to an open file description. do_filp_open and do_open in fs/namei.c.

import LinuxABI
import Platform

/// What opening gave.
enum OpenOutcome {
  case file(OpenFile)
  /// A FIFO whose other end is not there yet.
  case block(Block)
}

extension FileAccess {
  /// Opens a path. `mode` is that of a file to be made, umask already applied.
  func open(
    _ path: [UInt8], from start: DirectoryInode? = nil, flags original: UInt32, mode: UInt32, resolve: UInt64 = 0,
    call: Syscall?
  ) throws(Errno) -> OpenOutcome {
    var flags = original
    if flags & OpenFlags.path != 0 {
      flags &= OpenFlags.path | OpenFlags.directory | OpenFlags.noFollow | OpenFlags.closeOnExec
    }
    if flags & OpenFlags.temporaryFile == OpenFlags.temporaryFile {
      return .file(try openTemporary(path, start, flags: flags, mode: mode, resolve))
    }
    let exclusive = flags & (OpenFlags.create | OpenFlags.exclusive) == OpenFlags.create | OpenFlags.exclusive
    let follow = flags & OpenFlags.noFollow == 0 && !exclusive
    let location = try walk(path, from: start, WalkOptions(follow: follow, resolve: resolve))
    if flags & OpenFlags.create != 0 {
      // fs/namei.c open_last_lookups: a name to be made does not end in a slash.
      if location.hasTrailingSlash || location.last != .name { throw .EISDIR }
      if location.inode == nil {
        if flags & OpenFlags.directory != 0 { throw .EINVAL }
        return .file(try createAndOpen(location, flags: flags, mode: mode))
      }
      if exclusive { throw .EEXIST }
      if location.inode!.isDirectory { throw .EISDIR }
    }
    guard let inode = location.inode else { throw .ENOENT }
    return try openFound(inode, location, flags: flags, call: call)
  }

  private func createAndOpen(_ location: Location, flags: UInt32, mode: UInt32) throws(Errno) -> OpenFile {
    let inode = try createRegular(location, permissions: mode & 0o7777)
    // The mode of a new file does not stand against the open that makes it.
    var place = location
    place.inode = inode
    return try inode.open(self, place, flags: Self.statusFlags(flags))
  }

  private func openFound(_ inode: Inode, _ location: Location, flags: UInt32, call: Syscall?) throws(Errno)
    -> OpenOutcome
  {
    if flags & OpenFlags.directory != 0 && !inode.isDirectory {
      throw inode.isSymbolicLink && flags & OpenFlags.path == 0 ? .ELOOP : .ENOTDIR
    }
    if flags & OpenFlags.path != 0 { return .file(PathFile(inode, location, flags: OpenFlags.path)) }
    if inode.isSymbolicLink { throw .ELOOP }
    if let magic = location.openFile {
      try checkOpen(inode, flags)
      return .file(try magic.reopen(self, flags: Self.statusFlags(flags)))
    }
    try checkOpen(inode, flags)
    if let fifo = inode as? FifoInode {
      guard let call else { throw .ENXIO }
      return try kernel.openFifo(call, fifo, location, flags: Self.statusFlags(flags))
    }
    let file = try inode.open(self, location, flags: Self.statusFlags(flags))
    if flags & OpenFlags.truncate != 0, let regular = inode as? RegularInode {
      try regular.content.truncate(kernel, to: 0)
      regular.touch(kernel, content: true)
      dropSetID(regular)
    }
    return .file(file)
  }

  /// may_open: kinds and permissions.
  func checkOpen(_ inode: Inode, _ flags: UInt32) throws(Errno) {
    let mode = flags & OpenFlags.accessMask
    var mask: UInt32 = mode == OpenFlags.readOnly ? 4 : mode == OpenFlags.writeOnly ? 2 : 6
    if flags & OpenFlags.truncate != 0 { mask |= 2 }
    if inode.isDirectory && mask & 2 != 0 { throw .EISDIR }
    try check(inode, mask)
    if flags & OpenFlags.noAccessTime != 0 && !owns(inode) { throw .EPERM }
  }

  /// F_GETFL does not show what concerned only the opening.
  static func statusFlags(_ flags: UInt32) -> UInt32 {
    let opening =
      OpenFlags.create | OpenFlags.exclusive | OpenFlags.noControllingTerminal | OpenFlags.truncate
      | OpenFlags.closeOnExec
    return flags & ~opening | OpenFlags.largeFile
  }

  /// O_TMPFILE: a regular file without a name.
  private func openTemporary(
    _ path: [UInt8], _ start: DirectoryInode?, flags: UInt32, mode: UInt32, _ resolve: UInt64
  ) throws(Errno) -> OpenFile {
    if flags & OpenFlags.accessMask == OpenFlags.readOnly { throw .EINVAL }
    let (inode, _) = try find(path, from: start, WalkOptions(follow: true, resolve: resolve))
    guard let directory = inode as? DirectoryInode else { throw .ENOTDIR }
    if !directory.acceptsChanges { throw .EOPNOTSUPP }
    try check(directory, 3)
    let file = makeRegular(in: directory, permissions: mode & 0o7777)
    file.links = 0
    let number = Array("#\(file.number)".utf8)
    return try file.open(self, Location(directory, number, file), flags: Self.statusFlags(flags))
  }
}

extension Kernel {
  /// Finds a program: ENOENT, EACCES (no execute bit, not regular), ELOOP, ENOTDIR, ETXTBSY (open for writing) as
  /// execve(2).
  func openProgram(_ path: [UInt8], fs: FSContext, credentials: Credentials) throws(Errno) -> ProgramFile {
    let access = FileAccess(kernel: self, task: scheduler.current, fs: fs, credentials: credentials)
    let (inode, location) = try access.find(path)
    return try openProgram(inode, location, access)
  }

  /// The same for a place that is found already (execveat with AT_EMPTY_PATH).
  func openProgram(_ inode: Inode, _ location: Location, _ access: FileAccess) throws(Errno) -> ProgramFile {
    guard let regular = inode as? RegularInode else { throw .EACCES }
    try access.check(regular, 1)
    if regular.writerCount > 0 { throw .ETXTBSY }
    return InodeProgram(regular, path: location.displayPath())
  }
}

/// A program in the guest's file system.
final class InodeProgram: ProgramFile {
  private let inode: RegularInode

  init(_ inode: RegularInode, path: [UInt8]) {
    self.inode = inode
    super.init(path: path, size: inode.size, mode: inode.mode, user: inode.user, group: inode.group)
  }

  override func read(_ kernel: Kernel, offset: Int64, count: Int) throws(Errno) -> [UInt8] {
    try inode.content.read(kernel, offset: offset, count: count)
  }
  override func memoryObject(_ kernel: Kernel) throws(Errno) -> MemoryObjectReference {
    try inode.content.memoryObject(kernel, inode, path: path, writable: false)
  }
}
