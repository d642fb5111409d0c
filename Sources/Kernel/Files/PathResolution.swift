// From a path to an inode: path_resolution(7), link_path_walk in fs/namei.c.

import LinuxABI

/// Who looks at the file system, and from where.
struct FileAccess {
  let kernel: Kernel
  /// The task that asks, for links such as /proc/self; nil when nobody runs yet.
  let task: Task?
  var root: DirectoryInode
  var workingDirectory: DirectoryInode
  var credentials: Credentials

  init(kernel: Kernel, task: Task?, fs: FSContext, credentials: Credentials) {
    self.kernel = kernel
    self.task = task
    root = fs.root
    workingDirectory = fs.workingDirectory
    self.credentials = credentials
  }
}

extension Syscall {
  var fileAccess: FileAccess {
    FileAccess(kernel: kernel, task: task, fs: task.fs, credentials: task.credentials)
  }
}

/// A place in the tree: a name in a directory, and the inode there if there is one.
struct Location {
  enum Last { case name, dot, dotDot, root }
  /// The directory that holds the name.
  var directory: DirectoryInode
  var name: [UInt8]
  var inode: Inode?
  /// What the last component of the path was; only `.name` can be made, moved or removed.
  var last = Last.name
  /// The path ended in a slash: only a directory will do.
  var hasTrailingSlash = false
  /// /proc/PID/fd/N: the description to open again, for kinds whose inode alone is not enough.
  var openFile: OpenFile?

  init(_ directory: DirectoryInode, _ name: [UInt8], _ inode: Inode?) {
    self.directory = directory
    self.name = name
    self.inode = inode
  }
  /// The place of a directory itself.
  init(of directory: DirectoryInode) {
    self.init(directory.parent ?? directory, directory.name, directory)
  }

  /// What /proc shows for an open file: its path, with " (deleted)" once the name is gone.
  func displayPath() -> [UInt8] {
    if let own = inode as? DirectoryInode {
      return own.isRemoved ? own.path() + Array(" (deleted)".utf8) : own.path()
    }
    let path = DirectoryInode.join(directory.path(), name)
    let there = directory.entries[FileName(name)]?.inode
    // Directories that make up their content have no entries to compare with.
    if !directory.acceptsChanges || (there != nil && there === inode) { return path }
    return path + Array(" (deleted)".utf8)
  }

  mutating func copyReferences(_ context: CopyContext) {
    directory = context.copy(directory)
    inode = context.copy(inode)
    openFile = context.copy(openFile)
  }
}

/// How a path is walked.
struct WalkOptions {
  /// Follow a symbolic link in the last component.
  var follow = true
  /// RESOLVE_* of openat2(2).
  var resolve: UInt64 = 0
}

extension FileAccess {
  static let linksMax = 40
  static let nameMax = 255

  /// Walks a path. The last component need not exist: `Location.inode` is nil then. Throws ENOENT, ENOTDIR, EACCES,
  /// ELOOP, ENAMETOOLONG.
  func walk(_ path: [UInt8], from start: DirectoryInode? = nil, _ options: WalkOptions = WalkOptions()) throws(Errno)
    -> Location
  {
    var walker = PathWalker(access: self, options: options, start: start ?? workingDirectory)
    return try walker.walk(path)
  }

  /// The inode at a path. ENOENT when there is none.
  func find(_ path: [UInt8], from start: DirectoryInode? = nil, _ options: WalkOptions = WalkOptions()) throws(Errno)
    -> (Inode, Location)
  {
    let location = try walk(path, from: start, options)
    guard let inode = location.inode else { throw .ENOENT }
    return (inode, location)
  }

  /// fs/namei.c inode_permission: `mask` of 4 read, 2 write, 1 execute or search.
  func check(_ inode: Inode, _ mask: UInt32) throws(Errno) {
    if !permits(inode, mask) { throw .EACCES }
  }

  func permits(_ inode: Inode, _ mask: UInt32) -> Bool {
    let shift: UInt32 =
      credentials.fsUser == inode.user ? 6 : credentials.isMember(ofGroup: inode.group) ? 3 : 0
    if (inode.mode >> shift) & 7 & mask == mask { return true }
    if credentials.effectiveCapabilities == 0 { return false }
    if credentials.hasCapability(FileCapability.dacOverride) {
      // Execution of a file needs one execute bit all the same.
      if mask & 1 == 0 || inode.isDirectory || inode.mode & 0o111 != 0 { return true }
    }
    if credentials.hasCapability(FileCapability.dacReadSearch) {
      return mask == 4 || (inode.isDirectory && mask & 2 == 0)
    }
    return false
  }

  /// Whether the caller owns the inode or may act as if it did (CAP_FOWNER).
  func owns(_ inode: Inode) -> Bool {
    credentials.fsUser == inode.user || credentials.hasCapability(FileCapability.fileOwner)
  }
}

/// One walk along a path.
private struct PathWalker {
  let access: FileAccess
  let options: WalkOptions
  let start: DirectoryInode
  let root: DirectoryInode
  var path: [UInt8] = []
  var at = 0
  var linksFollowed = 0

  init(access: FileAccess, options: WalkOptions, start: DirectoryInode) {
    self.access = access
    self.options = options
    self.start = start
    root = options.resolve & (ResolveFlags.inRoot | ResolveFlags.beneath) != 0 ? start : access.root
  }

  mutating func walk(_ original: [UInt8]) throws(Errno) -> Location {
    if original.isEmpty { throw .ENOENT }
    path = original
    var current = start
    if path[0] == 0x2f { current = try beginning() }
    while true {
      while at < path.count && path[at] == 0x2f { at += 1 }
      if at == path.count { return ending(current) }
      let begin = at
      while at < path.count && path[at] != 0x2f { at += 1 }
      let length = at - begin
      if length > FileAccess.nameMax { throw .ENAMETOOLONG }
      var rest = at
      while rest < path.count && path[rest] == 0x2f { rest += 1 }
      let isLast = rest == path.count
      let hasSlash = at < path.count
      try access.check(current, 1)
      if path[begin] == 0x2e && length <= 2 && (length == 1 || path[begin + 1] == 0x2e) {
        let isUp = length == 2
        if isUp { current = try up(current) }
        if isLast {
          var location = Location(of: current)
          location.last = isUp ? .dotDot : .dot
          return location
        }
        continue
      }
      let name = Array(path[begin..<at])
      let inode = try current.lookup(access, FileName(name))
      if let link = inode as? SymlinkInode, !isLast || options.follow || hasSlash {
        if let jumped = try follow(link, &current) {
          if isLast { return try ended(jumped, hasSlash) }
          guard let directory = jumped.inode as? DirectoryInode else { throw .ENOTDIR }
          current = directory
        }
        continue
      }
      if isLast {
        return try ended(Location(current, name, inode), hasSlash)
      }
      guard let inode else { throw .ENOENT }
      guard let directory = inode as? DirectoryInode else { throw .ENOTDIR }
      if options.resolve & ResolveFlags.noCrossDevice != 0 && directory.fileSystem != current.fileSystem {
        throw .EXDEV
      }
      current = directory
    }
  }

  /// An absolute path begins at the root; RESOLVE_BENEATH refuses it.
  private func beginning() throws(Errno) -> DirectoryInode {
    if options.resolve & ResolveFlags.beneath != 0 { throw .EXDEV }
    return root
  }

  private func up(_ current: DirectoryInode) throws(Errno) -> DirectoryInode {
    if current === root {
      if options.resolve & ResolveFlags.beneath != 0 { throw .EXDEV }
      return current
    }
    return current.parent ?? current
  }

  /// A path that consists of slashes only, or a link to one.
  private func ending(_ current: DirectoryInode) -> Location {
    var location = Location(of: current)
    location.last = current === root ? .root : .dot
    return location
  }

  private func ended(_ location: Location, _ hasSlash: Bool) throws(Errno) -> Location {
    var location = location
    location.hasTrailingSlash = hasSlash
    if hasSlash, let inode = location.inode, !inode.isDirectory { throw .ENOTDIR }
    return location
  }

  /// Puts the target of a link before the rest of the path; links of /proc give a place at once.
  private mutating func follow(_ link: SymlinkInode, _ current: inout DirectoryInode) throws(Errno) -> Location? {
    if options.resolve & ResolveFlags.noSymlinks != 0 { throw .ELOOP }
    linksFollowed += 1
    if linksFollowed > FileAccess.linksMax { throw .ELOOP }
    if let location = try link.jump(access) {
      if options.resolve & (ResolveFlags.noMagicLinks) != 0 { throw .ELOOP }
      if options.resolve & (ResolveFlags.beneath | ResolveFlags.inRoot) != 0 { throw .EXDEV }
      return location
    }
    let target = try link.text(access)
    if target.isEmpty { throw .ENOENT }
    if target[0] == 0x2f { current = try beginning() }
    path = target + path[at...]
    at = 0
    return nil
  }
}
