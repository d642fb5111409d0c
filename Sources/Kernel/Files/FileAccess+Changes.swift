// Changes to the tree: make, remove, move, link. fs/namei.c; each function checks what vfs_create, vfs_unlink,
// vfs_rename and so on check, and does the change in memory.

import LinuxABI

extension FileAccess {
  // MARK: Making

  /// may_create: the name is free, and the directory may be written.
  private func checkMayCreate(_ location: Location) throws(Errno) {
    if location.inode != nil || location.last != .name { throw .EEXIST }
    if location.directory.isRemoved || !location.directory.acceptsChanges { throw .ENOENT }
    try check(location.directory, 3)
  }

  /// The group of a new file: the directory's when that is set-group-id, else the caller's (inode_init_owner).
  private func groupOfNew(in directory: DirectoryInode) -> UInt32 {
    directory.mode & FileMode.setGroup != 0 ? directory.group : credentials.fsGroup
  }

  private func insert(_ inode: Inode, at location: Location) {
    inode.isChanged = true
    location.directory.set(location.name, inode)
    location.directory.touch(kernel, content: true)
  }

  func makeRegular(in directory: DirectoryInode, permissions: UInt32) -> RegularInode {
    let inode = RegularInode(
      number: kernel.files.nextNumber(), fileSystem: directory.fileSystem, mode: FileMode.regular | permissions,
      user: credentials.fsUser, group: groupOfNew(in: directory), time: kernel.clock.realtime)
    inode.isChanged = true
    return inode
  }

  func createRegular(_ location: Location, permissions: UInt32) throws(Errno) -> RegularInode {
    try checkMayCreate(location)
    let inode = makeRegular(in: location.directory, permissions: permissions)
    insert(inode, at: location)
    return inode
  }

  /// mkdir(2). `permissions` have the umask applied.
  func makeDirectory(_ location: Location, permissions: UInt32) throws(Errno) {
    try checkMayCreate(location)
    let directory = location.directory
    // Set-group-id is inherited by directories.
    let inherited = directory.mode & FileMode.setGroup
    let inode = DirectoryInode(
      number: kernel.files.nextNumber(), fileSystem: directory.fileSystem,
      permissions: permissions & 0o1777 | inherited, user: credentials.fsUser, group: groupOfNew(in: directory),
      time: kernel.clock.realtime, parent: directory, name: location.name)
    insert(inode, at: location)
    if directory.hostPath == nil { directory.links += 1 }
  }

  /// symlink(2).
  func makeSymlink(_ location: Location, target: [UInt8]) throws(Errno) {
    if location.hasTrailingSlash && location.inode == nil { throw .ENOENT }
    try checkMayCreate(location)
    let inode = SymlinkInode(
      number: kernel.files.nextNumber(), fileSystem: location.directory.fileSystem, target: target,
      user: credentials.fsUser, group: groupOfNew(in: location.directory), time: kernel.clock.realtime)
    insert(inode, at: location)
  }

  /// mknod(2): FIFOs, sockets, devices, regular files. Returns the inode, so that bind(2) can put its endpoint there.
  @discardableResult
  func makeNode(_ location: Location, mode: UInt32, device: UInt64) throws(Errno) -> Inode {
    if location.hasTrailingSlash && location.inode == nil { throw .ENOENT }
    try checkMayCreate(location)
    let number = kernel.files.nextNumber()
    let (system, group) = (location.directory.fileSystem, groupOfNew(in: location.directory))
    let (user, time) = (credentials.fsUser, kernel.clock.realtime)
    let inode: Inode
    switch mode & FileMode.typeMask {
    case 0, FileMode.regular:
      inode = RegularInode(
        number: number, fileSystem: system, mode: FileMode.regular | mode & 0o7777, user: user, group: group,
        time: time)
    case FileMode.fifo:
      inode = FifoInode(number: number, fileSystem: system, mode: mode, user: user, group: group, time: time)
    case FileMode.socket:
      inode = SocketInode(number: number, fileSystem: system, mode: mode, user: user, group: group, time: time)
    case FileMode.characterDevice, FileMode.blockDevice:
      if !credentials.hasCapability(FileCapability.makeNode) { throw .EPERM }
      inode = DeviceInode(number: number, fileSystem: system, mode: mode, user: user, group: group, time: time)
      inode.deviceNumber = device
    case FileMode.directory: throw .EPERM
    default: throw .EINVAL
    }
    insert(inode, at: location)
    return inode
  }

  /// link(2).
  func makeLink(_ inode: Inode, at location: Location) throws(Errno) {
    if location.hasTrailingSlash && location.inode == nil { throw .ENOENT }
    try checkMayCreate(location)
    if inode.fileSystem != location.directory.fileSystem { throw .EXDEV }
    if inode.isDirectory { throw .EPERM }
    // The host's link count may stand for names that were never seen; it counts on from there.
    inode.links += 1
    inode.touch(kernel, content: false)
    insert(inode, at: location)
  }

  // MARK: Removing

  /// may_delete: write permission, and the sticky bit.
  private func checkMayDelete(_ directory: DirectoryInode, _ inode: Inode) throws(Errno) {
    try check(directory, 3)
    if !directory.acceptsChanges { throw .EPERM }
    let isOwner = credentials.fsUser == inode.user || credentials.fsUser == directory.user
    if directory.mode & FileMode.sticky != 0 && !isOwner && !credentials.hasCapability(FileCapability.fileOwner) {
      throw .EPERM
    }
    if let victim = inode as? DirectoryInode, isMountPoint(victim) { throw .EBUSY }
  }

  private func isMountPoint(_ directory: DirectoryInode) -> Bool {
    guard let parent = directory.parent else { return true }
    return parent.fileSystem != directory.fileSystem
  }

  /// unlink(2).
  func unlink(_ location: Location) throws(Errno) {
    if location.last != .name { throw location.last == .dotDot ? .ENOTEMPTY : .EISDIR }
    guard let inode = location.inode else { throw .ENOENT }
    try checkMayDelete(location.directory, inode)
    if inode.isDirectory { throw .EISDIR }
    location.directory.remove(location.name)
    location.directory.touch(kernel, content: true)
    dropName(of: inode)
  }

  /// A name of the inode is gone.
  private func dropName(of inode: Inode) {
    if inode.links > 0 { inode.links -= 1 }
    inode.changed = kernel.clock.realtime
    inode.releaseIfGone(kernel)
  }

  /// rmdir(2).
  func removeDirectory(_ location: Location) throws(Errno) {
    switch location.last {
    case .dot: throw .EINVAL
    case .dotDot: throw .ENOTEMPTY
    case .root: throw .EBUSY
    case .name: break
    }
    guard let inode = location.inode else { throw .ENOENT }
    guard let directory = inode as? DirectoryInode else { throw .ENOTDIR }
    try checkMayDelete(location.directory, directory)
    if !(try directory.list(self).isEmpty) { throw .ENOTEMPTY }
    detach(directory, from: location.directory)
    location.directory.remove(location.name)
    location.directory.touch(kernel, content: true)
  }

  private func detach(_ directory: DirectoryInode, from parent: DirectoryInode) {
    directory.name = directory.path()
    directory.isRemoved = true
    directory.parent = nil
    directory.links = 0
    if parent.hostPath == nil && parent.links > 2 { parent.links -= 1 }
  }

  // MARK: Moving

  /// renameat2(2).
  func rename(_ old: Location, _ new: Location, exchange: Bool, noReplace: Bool) throws(Errno) {
    if old.last != .name || new.last != .name { throw noReplace && new.last != .name ? .EEXIST : .EBUSY }
    guard let inode = old.inode else { throw .ENOENT }
    if noReplace && new.inode != nil { throw .EEXIST }
    if exchange && new.inode == nil { throw .ENOENT }
    if !inode.isDirectory && (old.hasTrailingSlash || (!exchange && new.hasTrailingSlash)) { throw .ENOTDIR }
    if old.directory.fileSystem != new.directory.fileSystem { throw .EXDEV }
    if let moved = inode as? DirectoryInode, contains(moved, new.directory) { throw .EINVAL }
    if let target = new.inode as? DirectoryInode, contains(target, old.directory) {
      throw exchange ? .EINVAL : .ENOTEMPTY
    }
    if inode === new.inode { return }
    try checkMayDelete(old.directory, inode)
    if new.directory.isRemoved || !new.directory.acceptsChanges { throw .ENOENT }
    if let target = new.inode {
      try checkMayDelete(new.directory, target)
    } else {
      try check(new.directory, 3)
    }
    // A directory that gets a new parent is written itself: its ".." changes.
    if inode.isDirectory && old.directory !== new.directory { try check(inode, 2) }
    if exchange, let other = new.inode {
      swap(old, inode, new, other)
      return
    }
    try replaceTarget(of: new, by: inode)
    old.directory.remove(old.name)
    new.directory.set(new.name, inode)
    moveLinks(inode, from: old.directory, to: new.directory)
    finishMove(inode, old, new)
  }

  private func contains(_ ancestor: DirectoryInode, _ directory: DirectoryInode) -> Bool {
    var at: DirectoryInode? = directory
    while let here = at {
      if here === ancestor { return true }
      at = here.parent
    }
    return false
  }

  private func replaceTarget(of new: Location, by inode: Inode) throws(Errno) {
    guard let target = new.inode else { return }
    if let directory = target as? DirectoryInode {
      if !inode.isDirectory { throw .EISDIR }
      if !(try directory.list(self).isEmpty) { throw .ENOTEMPTY }
      detach(directory, from: new.directory)
    } else {
      if inode.isDirectory { throw .ENOTDIR }
      dropName(of: target)
    }
  }

  private func swap(_ old: Location, _ inode: Inode, _ new: Location, _ other: Inode) {
    old.directory.set(old.name, other)
    new.directory.set(new.name, inode)
    moveLinks(inode, from: old.directory, to: new.directory)
    moveLinks(other, from: new.directory, to: old.directory)
    other.changed = kernel.clock.realtime
    finishMove(inode, old, new)
  }

  private func moveLinks(_ inode: Inode, from old: DirectoryInode, to new: DirectoryInode) {
    if !inode.isDirectory || old === new { return }
    if old.hostPath == nil && old.links > 2 { old.links -= 1 }
    if new.hostPath == nil { new.links += 1 }
  }

  private func finishMove(_ inode: Inode, _ old: Location, _ new: Location) {
    inode.changed = kernel.clock.realtime
    old.directory.touch(kernel, content: true)
    if new.directory !== old.directory { new.directory.touch(kernel, content: true) }
  }
}
