// Open file descriptions of inodes: regular files, directories, and O_PATH.

import LinuxABI
import Platform

/// What open descriptions of an inode have in common: they count as users of it, and know where it was found.
class InodeFile: OpenFile {
  final private(set) var place: Location
  final private(set) var target: Inode
  final private var countsAsWriter = false

  init(_ inode: Inode, _ location: Location, flags: UInt32) {
    target = inode
    place = location
    place.inode = inode
    super.init(flags: flags)
    inode.openCount += 1
    // A memfd's first description does not count (mm/memfd.c makes it without get_write_access).
    countsAsWriter = isWritable && inode.fileSystem != .memfd
    if countsAsWriter { inode.writerCount += 1 }
  }

  /// For copies: counts nothing.
  init(copying other: InodeFile) {
    target = other.target
    place = other.place
    countsAsWriter = other.countsAsWriter
    super.init(flags: other.flags)
    copyBaseFields(from: other)
  }

  override func release(_ kernel: Kernel) {
    target.openCount -= 1
    if countsAsWriter { target.writerCount -= 1 }
    target.locks?.releaseDescription(self, kernel)
    target.releaseIfGone(kernel)
  }
  override var inode: Inode? { target }
  override var location: Location? { place }
  override func status(_ kernel: Kernel) throws(Errno) -> FileStatus { target.status() }
  override func displayPath(_ kernel: Kernel) -> [UInt8] { place.displayPath() }
  override func reopen(_ access: FileAccess, flags: UInt32) throws(Errno) -> OpenFile {
    try target.open(access, place, flags: flags)
  }
  override func copyReferences(_ context: CopyContext) {
    super.copyReferences(context)
    target = context.copy(target)
    place.copyReferences(context)
  }
}

/// An open regular file.
final class RegularFile: InodeFile {
  private var regular: RegularInode { unsafeDowncast(target, to: RegularInode.self) }

  init(_ inode: RegularInode, _ location: Location, flags: UInt32) { super.init(inode, location, flags: flags) }
  private init(copyingFile other: RegularFile) { super.init(copying: other) }
  override func shallowCopy() -> Self { unsafeDowncast(RegularFile(copyingFile: self), to: Self.self) }

  override var supportsPolling: Bool { false }

  override func read(_ call: Syscall, _ count: Int) throws(Errno) -> [UInt8] {
    let bytes = try regular.content.read(call.kernel, offset: offset, count: count)
    offset += Int64(bytes.count)
    return bytes
  }

  override func write(_ call: Syscall, _ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
    let at = flags & OpenFlags.append != 0 ? regular.size : offset
    let written = try store(call, bytes, at: at)
    offset = at + Int64(written)
    return written
  }

  override func pread(_ call: Syscall, _ count: Int, at offset: Int64) throws(Errno) -> [UInt8] {
    try regular.content.read(call.kernel, offset: offset, count: count)
  }

  /// With O_APPEND the bytes go to the end all the same: pwrite(2), BUGS.
  override func pwrite(_ call: Syscall, _ bytes: ArraySlice<UInt8>, at offset: Int64) throws(Errno) -> Int {
    try store(call, bytes, at: flags & OpenFlags.append != 0 ? regular.size : offset)
  }

  /// generic_write_checks: limits, then the bytes, then the times and the set-id bits.
  private func store(_ call: Syscall, _ bytes: ArraySlice<UInt8>, at offset: Int64) throws(Errno) -> Int {
    if bytes.isEmpty { return 0 }
    var count = bytes.count
    let limit = call.task.group.limits[ResourceLimits.fileSize].current
    if UInt64(offset) >= limit {
      call.kernel.send(SignalInfo(signal: 25, sender: call.task.group.id), to: call.task)
      throw .EFBIG
    }
    if offset >= FileContent.sizeMax { throw .EFBIG }
    count = min(count, Int(min(limit - UInt64(offset), UInt64(FileContent.sizeMax - offset))))
    if let seals = regular.seals {
      // F_SEAL_WRITE and F_SEAL_FUTURE_WRITE; F_SEAL_GROW.
      if seals & 0x18 != 0 { throw .EPERM }
      if seals & 4 != 0 && offset + Int64(count) > regular.size { throw .EPERM }
    }
    try regular.content.write(call.kernel, offset: offset, bytes.prefix(count))
    regular.touch(call.kernel, content: true)
    call.fileAccess.dropSetID(regular)
    return count
  }

  override func seek(_ call: Syscall, _ offset: Int64, whence: Int32) throws(Errno) -> Int64 {
    let size = regular.size
    let new: Int64
    switch whence {
    case 0: new = offset
    case 1: (new) = try Self.sum(self.offset, offset)
    case 2: new = try Self.sum(size, offset)
    case 3, 4:
      guard offset >= 0, let found = regular.content.next(whence == 3 ? .data : .hole, from: offset) else {
        throw .ENXIO
      }
      new = found
    default: throw .EINVAL
    }
    if new < 0 { throw .EINVAL }
    self.offset = new
    return new
  }

  static func sum(_ a: Int64, _ b: Int64) throws(Errno) -> Int64 {
    let (sum, overflow) = a.addingReportingOverflow(b)
    if overflow { throw .EOVERFLOW }
    return sum
  }

  override func ioctl(_ call: Syscall, _ request: UInt32, _ argument: UInt64) throws(Errno) -> SyscallOutcome {
    // FIONREAD
    guard request == 0x541b else { throw .ENOTTY }
    let rest = max(0, regular.size - offset)
    try call.memory.store(GuestAddress(argument), Int32(truncatingIfNeeded: rest))
    return .success
  }

  override func memoryObject(_ kernel: Kernel) throws(Errno) -> MemoryObjectReference {
    try regular.content.memoryObject(kernel, regular, path: place.displayPath(), writable: isWritable)
  }
}

/// An open directory: its listing is taken when reading begins at the start, so that changes meanwhile neither repeat
/// nor skip names.
final class DirectoryFile: InodeFile {
  private var listing: [ListedName] = []
  private var hasListing = false
  /// The directory's count of changes when the listing was taken.
  private var changesSeen: UInt64 = 0
  var directory: DirectoryInode { unsafeDowncast(target, to: DirectoryInode.self) }

  init(_ inode: DirectoryInode, flags: UInt32) { super.init(inode, Location(of: inode), flags: flags) }
  private init(copyingFile other: DirectoryFile) {
    super.init(copying: other)
    listing = other.listing
    hasListing = other.hasListing
    changesSeen = other.changesSeen
  }
  override func shallowCopy() -> Self { unsafeDowncast(DirectoryFile(copyingFile: self), to: Self.self) }

  override var supportsPolling: Bool { false }
  override func displayPath(_ kernel: Kernel) -> [UInt8] { Location(of: directory).displayPath() }
  override func read(_ call: Syscall, _ count: Int) throws(Errno) -> [UInt8] { throw .EISDIR }
  override func pread(_ call: Syscall, _ count: Int, at offset: Int64) throws(Errno) -> [UInt8] { throw .EISDIR }

  override func seek(_ call: Syscall, _ offset: Int64, whence: Int32) throws(Errno) -> Int64 {
    let new: Int64
    switch whence {
    case 0: new = offset
    case 1: new = self.offset + offset
    default: throw .EINVAL
    }
    if new < 0 { throw .EINVAL }
    if new == 0 { hasListing = false }
    self.offset = new
    return new
  }

  /// The entry at the file position, with "." and ".." first; nil at the end. `advance` steps over it.
  func current(_ access: FileAccess) throws(Errno) -> ListedName? {
    if !hasListing {
      if directory.isRemoved { throw .ENOENT }
      listing = try directory.list(access)
      hasListing = true
      changesSeen = directory.changeCount
    }
    while true {
      switch offset {
      case 0: return ListedName([0x2e], directory)
      case 1: return ListedName([0x2e, 0x2e], directory.parent ?? directory)
      default:
        let index = Int(offset) - 2
        if index >= listing.count { return nil }
        let entry = listing[index]
        if !directory.acceptsChanges || directory.changeCount == changesSeen { return entry }
        // Removed or replaced since the listing was taken.
        if let now = directory.entries[FileName(entry.name)]?.listed(as: entry.name) { return now }
        offset += 1
      }
    }
  }
  func advance() { offset += 1 }
}

/// open(2) with O_PATH: a place, nothing that can be read.
final class PathFile: InodeFile {
  override init(_ inode: Inode, _ location: Location, flags: UInt32) { super.init(inode, location, flags: flags) }
  private init(copyingFile other: PathFile) { super.init(copying: other) }
  override func shallowCopy() -> Self { unsafeDowncast(PathFile(copyingFile: self), to: Self.self) }
}

extension FileAccess {
  /// file_remove_privs: a write by somebody without CAP_FSETID takes the set-user-id and set-group-id bits away.
  func dropSetID(_ inode: Inode) {
    if inode.mode & (FileMode.setUser | FileMode.setGroup) == 0 || credentials.hasCapability(FileCapability.fileSetID) {
      return
    }
    inode.mode &= ~FileMode.setUser
    if inode.mode & 0o010 != 0 { inode.mode &= ~FileMode.setGroup }
  }
}
