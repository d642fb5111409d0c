// Inodes: what a name leads to. One tree of them is the guest's file system. A directory of the host fills itself on
// demand; once an inode is here, it is what the guest sees for the rest of the run, and every change is made to it in
// memory, so the tree is the host's files and the copy-on-write overlay in one.

import LinuxABI
import Platform

/// Which inodes share a st_dev.
enum FileSystemKind: UInt8, Hashable, Sendable {
  case root, proc, devices, sharedMemory, sys, pipes, sockets, anonymous, memfd

  /// Anonymous block device numbers, fixed.
  var device: UInt64 {
    switch self {
    case .root: encodeDevice(major: 0, minor: 25)
    case .proc: encodeDevice(major: 0, minor: 21)
    case .devices: encodeDevice(major: 0, minor: 5)
    case .sharedMemory: encodeDevice(major: 0, minor: 26)
    case .sys: encodeDevice(major: 0, minor: 20)
    case .pipes: encodeDevice(major: 0, minor: 14)
    case .sockets: encodeDevice(major: 0, minor: 8)
    case .anonymous: encodeDevice(major: 0, minor: 15)
    case .memfd: encodeDevice(major: 0, minor: 1)
    }
  }
  /// f_type of statfs(2): include/uapi/linux/magic.h.
  var magic: Int64 {
    switch self {
    case .root: 0x794c_7630
    case .proc: 0x9fa0
    case .devices, .sharedMemory, .memfd: 0x0102_1994
    case .sys: 0x6265_6572
    case .pipes: 0x5049_5045
    case .sockets: 0x534f_434b
    case .anonymous: 0x0904_1934
    }
  }
}

public class Inode: DeepCopyable {
  /// st_ino: counted by first sight, so that the host's does not show.
  final let number: UInt64
  final let fileSystem: FileSystemKind
  /// Type and permissions.
  final var mode: UInt32
  final var user: UInt32
  final var group: UInt32
  final var links: UInt32 = 1
  final var modified: Nanoseconds
  final var changed: Nanoseconds
  /// Set by utimensat; otherwise the access time is the modification time.
  final var accessed: Nanoseconds?
  /// st_rdev.
  final var deviceNumber: UInt64 = 0
  /// Open file descriptions of it.
  final var openCount = 0
  /// Those of them that can write: such a file cannot be executed.
  final var writerCount = 0
  /// Whether the guest made it or changed its content or metadata.
  final var isChanged = false
  /// Whether it changed in more than what its own content says: mode, owner, times set by hand.
  final var isMetadataChanged = false
  /// Record locks and flocks; made at the first one.
  final var locks: FileLocks?

  init(number: UInt64, fileSystem: FileSystemKind, mode: UInt32, user: UInt32, group: UInt32, time: Nanoseconds) {
    self.number = number
    self.fileSystem = fileSystem
    self.mode = mode
    self.user = user
    self.group = group
    modified = time
    changed = time
  }

  final var type: UInt32 { mode & FileMode.typeMask }
  final var isDirectory: Bool { type == FileMode.directory }
  final var isRegular: Bool { type == FileMode.regular }
  final var isSymbolicLink: Bool { type == FileMode.symbolicLink }

  /// st_size.
  var size: Int64 { 0 }

  /// Opens it. Permissions are checked already.
  func open(_ access: FileAccess, _ location: Location, flags: UInt32) throws(Errno) -> OpenFile { throw .ENXIO }

  /// Gives up the content of a file that has no name and no open description left.
  func releaseIfGone(_ kernel: Kernel) {}

  final func touch(_ kernel: Kernel, content: Bool) {
    let now = kernel.clock.realtime
    changed = now
    if content {
      modified = now
      accessed = nil
    } else {
      isMetadataChanged = true
    }
    isChanged = true
  }

  public func shallowCopy() -> Self { preconditionFailure("\(Swift.type(of: self)) does not say how to copy itself") }
  public func copyReferences(_ context: CopyContext) { locks = context.copy(locks) }
  final func copyBaseFields(from other: Inode) {
    links = other.links
    modified = other.modified
    changed = other.changed
    accessed = other.accessed
    deviceNumber = other.deviceNumber
    openCount = other.openCount
    writerCount = other.writerCount
    isChanged = other.isChanged
    isMetadataChanged = other.isMetadataChanged
    locks = other.locks
  }
}

/// A regular file.
final class RegularInode: Inode {
  var content: FileContent
  /// Whether the host lets this user read it; nil until asked.
  var hostReadable: Bool?
  let hostPath: [UInt8]?
  /// F_ADD_SEALS of memfd_create(2); nil for other files.
  var seals: UInt32?

  init(
    number: UInt64, fileSystem: FileSystemKind, mode: UInt32, user: UInt32, group: UInt32, time: Nanoseconds,
    content: FileContent = FileContent(), hostPath: [UInt8]? = nil
  ) {
    self.content = content
    self.hostPath = hostPath
    super.init(number: number, fileSystem: fileSystem, mode: mode, user: user, group: group, time: time)
  }

  override var size: Int64 { content.size }
  override func releaseIfGone(_ kernel: Kernel) {
    if links == 0 && openCount == 0 { content.release(kernel) }
  }

  override func open(_ access: FileAccess, _ location: Location, flags: UInt32) throws(Errno) -> OpenFile {
    if content.isFromHost, let hostPath, flags & OpenFlags.truncate == 0 || flags & OpenFlags.accessMask == 0 {
      if hostReadable == nil { hostReadable = access.kernel.host.isAccessible(hostPath, mode: 4) }
      if hostReadable == false { throw .EACCES }
    }
    return RegularFile(self, location, flags: flags)
  }

  override func shallowCopy() -> Self {
    let new = RegularInode(
      number: number, fileSystem: fileSystem, mode: mode, user: user, group: group, time: modified, content: content,
      hostPath: hostPath)
    new.hostReadable = hostReadable
    new.seals = seals
    new.copyBaseFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }
  override func copyReferences(_ context: CopyContext) {
    super.copyReferences(context)
    content = context.copy(content)
  }
}

/// A symbolic link.
class SymlinkInode: Inode {
  final let target: [UInt8]

  init(number: UInt64, fileSystem: FileSystemKind, target: [UInt8], user: UInt32, group: UInt32, time: Nanoseconds) {
    self.target = target
    super.init(
      number: number, fileSystem: fileSystem, mode: FileMode.symbolicLink | 0o777, user: user, group: group, time: time)
  }

  override var size: Int64 { Int64(target.count) }
  /// What readlink(2) gives.
  func text(_ access: FileAccess) throws(Errno) -> [UInt8] { target }
  /// Where following it leads, for links of /proc that do not go by their text; nil for ordinary links.
  func jump(_ access: FileAccess) throws(Errno) -> Location? { nil }

  override func shallowCopy() -> Self {
    let new = SymlinkInode(
      number: number, fileSystem: fileSystem, target: target, user: user, group: group, time: modified)
    new.copyBaseFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }
}

/// A FIFO. Its pipe comes to life with the first open.
final class FifoInode: Inode {
  var pipe: (any DeepCopyable)?

  override func shallowCopy() -> Self {
    let new = FifoInode(
      number: number, fileSystem: fileSystem, mode: mode, user: user, group: group, time: modified)
    new.pipe = pipe
    new.copyBaseFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }
  override func copyReferences(_ context: CopyContext) {
    super.copyReferences(context)
    if let pipe { self.pipe = context.copyAny(pipe) }
  }
}

/// The name of a unix socket: unix(7). The endpoint is what bind(2) put there.
final class SocketInode: Inode {
  var endpoint: (any DeepCopyable)?

  override func shallowCopy() -> Self {
    let new = SocketInode(
      number: number, fileSystem: fileSystem, mode: mode, user: user, group: group, time: modified)
    new.endpoint = endpoint
    new.copyBaseFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }
  override func copyReferences(_ context: CopyContext) {
    super.copyReferences(context)
    if let endpoint { self.endpoint = context.copyAny(endpoint) }
  }
}

/// A device node. Which device it is follows from its number alone.
final class DeviceInode: Inode {
  override func open(_ access: FileAccess, _ location: Location, flags: UInt32) throws(Errno) -> OpenFile {
    guard type == FileMode.characterDevice else { throw .ENXIO }
    return try access.kernel.openDevice(self, access, location, flags: flags)
  }
  override func shallowCopy() -> Self {
    let new = DeviceInode(
      number: number, fileSystem: fileSystem, mode: mode, user: user, group: group, time: modified)
    new.copyBaseFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }
}
