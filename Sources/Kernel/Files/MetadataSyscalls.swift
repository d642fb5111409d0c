// Calls that change what an inode says of itself: mode, owner, times, size; and those of extended attributes, of which
// there are none.

import LinuxABI
import Platform

extension SyscallTable {
  static var metadataSyscalls: [SyscallEntry] { modeEntries + timeEntries + sizeEntries + attributeEntries }

  private static var modeEntries: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.chmod) { call throws(Errno) in
        try call.changeMode(try call.inode(0, follow: true), call.uint32(1))
      },
      SyscallEntry(SyscallNumber.fchmod) { call throws(Errno) in
        try call.changeMode(try call.openInode(), call.uint32(1))
      },
      SyscallEntry(SyscallNumber.fchmodat) { call throws(Errno) in
        try call.changeMode(try call.changeableInode(0, 1, flags: 0), call.uint32(2))
      },
      SyscallEntry(SyscallNumber.fchmodat2) { call throws(Errno) in
        let flags = call.uint32(3)
        if flags & ~(AtFlags.symlinkNoFollow | AtFlags.emptyPath) != 0 { throw .EINVAL }
        return try call.changeMode(try call.changeableInode(0, 1, flags: flags), call.uint32(2))
      },
      SyscallEntry(SyscallNumber.chown) { call throws(Errno) in
        try call.changeOwner(try call.inode(0, follow: true), call.uint32(1), call.uint32(2))
      },
      SyscallEntry(SyscallNumber.lchown) { call throws(Errno) in
        try call.changeOwner(try call.inode(0, follow: false), call.uint32(1), call.uint32(2))
      },
      SyscallEntry(SyscallNumber.fchown) { call throws(Errno) in
        try call.changeOwner(try call.openInode(), call.uint32(1), call.uint32(2))
      },
      SyscallEntry(SyscallNumber.fchownat) { call throws(Errno) in
        let flags = call.uint32(4)
        if flags & ~(AtFlags.symlinkNoFollow | AtFlags.emptyPath) != 0 { throw .EINVAL }
        return try call.changeOwner(
          try call.changeableInode(0, 1, flags: flags), call.uint32(2), call.uint32(3))
      },
      SyscallEntry(SyscallNumber.umask) { call throws(Errno) in
        let old = call.task.fs.umask
        call.task.fs.umask = call.uint32(0) & 0o777
        return .value(Int64(old))
      },
    ]
  }

  private static var timeEntries: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.utime) { call throws(Errno) in
        let inode = try call.inode(0, follow: true)
        if call[1] == 0 { return try call.changeTimes(inode, .now, .now) }
        let seconds = try [call.memory.load(call.address(1), as: Int64.self), call.memory.load(call.address(1) + 8)]
        return try call.changeTimes(inode, .at(.seconds(seconds[0])), .at(.seconds(seconds[1])))
      },
      SyscallEntry(SyscallNumber.utimes) { call throws(Errno) in
        try call.changeTimes(try call.inode(0, follow: true), microsecondsAt: 1)
      },
      SyscallEntry(SyscallNumber.futimesat) { call throws(Errno) in
        let inode = call[1] == 0 ? try call.openInode() : try call.changeableInode(0, 1, flags: 0)
        return try call.changeTimes(inode, microsecondsAt: 2)
      },
      SyscallEntry(SyscallNumber.utimensat) { call throws(Errno) in
        let flags = call.uint32(3)
        if flags & ~(AtFlags.symlinkNoFollow | AtFlags.emptyPath) != 0 { throw .EINVAL }
        let times = try call.timesOfUtimensat(2)
        if case (.omit, .omit) = times { return .success }
        let inode = call[1] == 0 ? try call.openInode() : try call.changeableInode(0, 1, flags: flags)
        return try call.changeTimes(inode, times.0, times.1)
      },
    ]
  }

  private static var sizeEntries: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.truncate) { call throws(Errno) in
        if call.int64(1) < 0 { throw .EINVAL }
        let inode = try call.inode(0, follow: true)
        if inode.isDirectory { throw .EISDIR }
        guard let regular = inode as? RegularInode else { throw .EINVAL }
        try call.fileAccess.check(regular, 2)
        return try call.truncate(regular, to: call.int64(1))
      },
      SyscallEntry(SyscallNumber.ftruncate) { call throws(Errno) in
        if call.int64(1) < 0 { throw .EINVAL }
        let file = try call.file()
        guard file.isWritable, let regular = file.inode as? RegularInode else { throw .EINVAL }
        return try call.truncate(regular, to: call.int64(1))
      },
      SyscallEntry(SyscallNumber.fallocate, .partial("no FALLOC_FL_COLLAPSE_RANGE and INSERT_RANGE")) {
        call throws(Errno) in
        try call.allocate()
      },
    ]
  }

  /// The file system stores no extended attributes: xattr(7).
  private static var attributeEntries: [SyscallEntry] {
    let none = SyscallSupport.partial("the file system has no extended attributes")
    let path: [(UInt64, Bool, Errno)] = [
      (SyscallNumber.getxattr, true, .ENODATA), (SyscallNumber.lgetxattr, false, .ENODATA),
      (SyscallNumber.setxattr, true, .EOPNOTSUPP), (SyscallNumber.lsetxattr, false, .EOPNOTSUPP),
      (SyscallNumber.removexattr, true, .ENODATA), (SyscallNumber.lremovexattr, false, .ENODATA),
    ]
    let open: [(UInt64, Errno)] = [
      (SyscallNumber.fgetxattr, .ENODATA), (SyscallNumber.fsetxattr, .EOPNOTSUPP),
      (SyscallNumber.fremovexattr, .ENODATA),
    ]
    return path.map { (number, follow, errno) in
      SyscallEntry(number, none) { call throws(Errno) in
        _ = try call.inode(0, follow: follow)
        throw errno
      }
    }
      + open.map { (number, errno) in
        SyscallEntry(number, none) { call throws(Errno) in
          _ = try call.file()
          throw errno
        }
      } + [
        SyscallEntry(SyscallNumber.listxattr, none) { call throws(Errno) in
          _ = try call.inode(0, follow: true)
          return .success
        },
        SyscallEntry(SyscallNumber.llistxattr, none) { call throws(Errno) in
          _ = try call.inode(0, follow: false)
          return .success
        },
        SyscallEntry(SyscallNumber.flistxattr, none) { call throws(Errno) in
          _ = try call.file()
          return .success
        },
      ]
  }
}

/// What a call wants a time to be.
enum TimeChange {
  case now, omit
  case at(Nanoseconds)
}

extension Nanoseconds {
  static func seconds(_ seconds: Int64) -> Nanoseconds {
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    return Nanoseconds(overflow ? (seconds < 0 ? .min : .max) : product)
  }
}

extension Syscall {
  /// The inode of the descriptor in argument 0. EBADF for O_PATH and for descriptors without one.
  fileprivate func openInode() throws(Errno) -> Inode {
    guard let inode = try file().inode else { throw .EBADF }
    return inode
  }

  /// chmod_common: only the owner; the set-group-id bit goes when the caller is not in the group.
  fileprivate func changeMode(_ inode: Inode, _ mode: UInt32) throws(Errno) -> SyscallOutcome {
    let access = fileAccess
    if inode.isSymbolicLink { throw .EOPNOTSUPP }
    if !access.owns(inode) { throw .EPERM }
    if inode.fileSystem == .proc || inode.fileSystem == .sys { throw .EPERM }
    var permissions = mode & 0o7777
    let keepsGroup =
      access.credentials.isMember(ofGroup: inode.group) || access.credentials.hasCapability(FileCapability.fileSetID)
    if !keepsGroup { permissions &= ~FileMode.setGroup }
    inode.mode = inode.mode & FileMode.typeMask | permissions
    inode.touch(kernel, content: false)
    return .success
  }

  /// chown_common and setattr_prepare: -1 leaves an id alone; set-id bits go.
  fileprivate func changeOwner(_ inode: Inode, _ user: UInt32, _ group: UInt32) throws(Errno) -> SyscallOutcome {
    let access = fileAccess
    let mayChange = access.credentials.hasCapability(FileCapability.changeOwner)
    let isOwner = access.credentials.fsUser == inode.user
    if user != .max && !mayChange && !(isOwner && user == inode.user) { throw .EPERM }
    if group != .max && !mayChange {
      let isMember = group == inode.group || access.credentials.isMember(ofGroup: group)
      if !(isOwner && isMember) { throw .EPERM }
    }
    if inode.fileSystem == .proc || inode.fileSystem == .sys { throw .EPERM }
    if user != .max { inode.user = user }
    if group != .max { inode.group = group }
    if (user != .max || group != .max) && !inode.isDirectory {
      inode.mode &= ~FileMode.setUser
      if inode.mode & 0o010 != 0 { inode.mode &= ~FileMode.setGroup }
    }
    inode.touch(kernel, content: false)
    return .success
  }

  fileprivate func changeTimes(_ inode: Inode, microsecondsAt index: Int) throws(Errno) -> SyscallOutcome {
    if self[index] == 0 { return try changeTimes(inode, .now, .now) }
    let bytes = try memory.copyIn(address(index), 32)
    var times: [TimeChange] = []
    for offset in [0, 16] {
      let microseconds: Int64 = bytes.integer(at: offset + 8)
      if !(0..<1_000_000).contains(microseconds) { throw .EINVAL }
      times.append(.at(.seconds(bytes.integer(at: offset)) + Nanoseconds(microseconds * 1000)))
    }
    return try changeTimes(inode, times[0], times[1])
  }

  /// Two struct timespec with UTIME_NOW and UTIME_OMIT; a null pointer means now.
  fileprivate func timesOfUtimensat(_ index: Int) throws(Errno) -> (TimeChange, TimeChange) {
    if self[index] == 0 { return (.now, .now) }
    let bytes = try memory.copyIn(address(index), 32)
    var times: [TimeChange] = []
    for offset in [0, 16] {
      let nanoseconds: Int64 = bytes.integer(at: offset + 8)
      switch nanoseconds {
      case 0x3fff_ffff: times.append(.now)
      case 0x3fff_fffe: times.append(.omit)
      case 0..<1_000_000_000: times.append(.at(.seconds(bytes.integer(at: offset)) + Nanoseconds(nanoseconds)))
      default: throw .EINVAL
      }
    }
    return (times[0], times[1])
  }

  /// vfs_utimes: who may write may set both to now, else only the owner.
  fileprivate func changeTimes(_ inode: Inode, _ accessed: TimeChange, _ modified: TimeChange) throws(Errno)
    -> SyscallOutcome
  {
    let access = fileAccess
    if case (.now, .now) = (accessed, modified) {
      if !access.owns(inode) { try access.check(inode, 2) }
    } else if !access.owns(inode) {
      throw .EPERM
    }
    let now = kernel.clock.realtime
    let oldAccess = inode.accessed ?? inode.modified
    switch modified {
    case .now: inode.modified = now
    case .at(let time): inode.modified = time
    case .omit: break
    }
    switch accessed {
    case .now: inode.accessed = now
    case .at(let time): inode.accessed = time
    case .omit: inode.accessed = oldAccess
    }
    inode.touch(kernel, content: false)
    return .success
  }

  fileprivate func truncate(_ inode: RegularInode, to size: Int64) throws(Errno) -> SyscallOutcome {
    if UInt64(size) > task.group.limits[ResourceLimits.fileSize].current && size > inode.size {
      kernel.send(SignalInfo(signal: 25, sender: task.group.id), to: task)
      throw .EFBIG
    }
    if size > FileContent.sizeMax { throw .EFBIG }
    if let seals = inode.seals {
      if seals & 2 != 0 && size < inode.size || seals & 4 != 0 && size > inode.size { throw .EPERM }
    }
    try inode.content.truncate(kernel, to: size)
    inode.touch(kernel, content: true)
    fileAccess.dropSetID(inode)
    return .success
  }

  /// fallocate(2): memory is given out on demand, so allocating changes the size at most.
  fileprivate func allocate() throws(Errno) -> SyscallOutcome {
    let file = try file()
    let (mode, offset, length) = (uint32(1), int64(2), int64(3))
    if offset < 0 || length <= 0 { throw .EINVAL }
    if !file.isWritable { throw .EBADF }
    guard let inode = file.inode as? RegularInode else {
      throw file.inode is FifoInode || file is PipeEnd ? .ESPIPE : .ENODEV
    }
    let end = try RegularFile.sum(offset, length)
    if end > FileContent.sizeMax { throw .EFBIG }
    let (keepSize, punch, zero): (UInt32, UInt32, UInt32) = (1, 2, 0x10)
    if mode & ~(keepSize | punch | zero) != 0 { throw .EOPNOTSUPP }
    if mode & punch != 0 && (mode & keepSize == 0 || mode & zero != 0) { throw .EOPNOTSUPP }
    if let seals = inode.seals {
      if seals & 0x18 != 0 && mode & (punch | zero) != 0 { throw .EPERM }
      if seals & 4 != 0 && mode & keepSize == 0 && end > inode.size { throw .EPERM }
    }
    if mode & (punch | zero) != 0 { try inode.content.zero(kernel, offset: offset, count: length) }
    if mode & keepSize == 0 && end > inode.size { try inode.content.truncate(kernel, to: end) }
    inode.touch(kernel, content: true)
    return .success
  }
}
