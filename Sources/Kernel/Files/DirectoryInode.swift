// Directories: one tree for the host's files and what the guest made of them.

import LinuxABI
import Platform

/// One component of a path, as a key.
struct FileName: Hashable, Sendable {
  let bytes: [UInt8]
  init(_ bytes: [UInt8]) { self.bytes = bytes }
  init(_ text: StaticString) { bytes = text.withUTF8Buffer { Array($0) } }

  func hash(into hasher: inout Hasher) {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    hasher.combine(hash)
  }
}

/// What a listing of the host said of a name that nobody looked at yet.
struct UnseenFile {
  /// The number that its inode will have.
  var number: UInt64
  var type: UInt8
  var identity: HostFileIdentity
}

/// What a directory knows about a name.
struct DirectoryEntry {
  /// nil: no such name (also as the memory that the host has none), or an unseen one.
  var inode: Inode?
  /// Set until the name is looked up.
  var unseen: UnseenFile?
  /// The host's directory has the name, whatever the guest did to it.
  var isOnHost: Bool
  /// `inode` is the one that the host has under this name.
  var isHostInode: Bool

  /// What getdents(2) says of the name; nil when there is none.
  func listed(as name: [UInt8]) -> ListedName? {
    if let inode { return ListedName(name, inode) }
    return unseen.map { ListedName(name: name, number: $0.number, type: $0.type) }
  }
}

/// A name as getdents(2) shows it: d_ino and d_type.
struct ListedName {
  var name: [UInt8]
  var number: UInt64
  var type: UInt8
}

extension ListedName {
  init(_ name: [UInt8], _ inode: Inode) {
    self.init(name: name, number: inode.number, type: UInt8(truncatingIfNeeded: inode.type >> 12))
  }
}

/// A directory. Subclasses make up their content (/proc).
class DirectoryInode: Inode {
  /// nil for the root and for a directory that was removed.
  final var parent: DirectoryInode?
  final var name: [UInt8]
  /// The host directory that fills this one; nil when the guest made it.
  final var hostPath: [UInt8]?
  final private(set) var entries: [FileName: DirectoryEntry] = [:]
  /// All names of the host are in `entries`.
  final private var isComplete: Bool
  /// rmdir took it away: nothing can be made in it.
  final var isRemoved = false
  /// Counts what takes the meaning of a listing away: names that came, went or were replaced.
  final private(set) var changeCount: UInt64 = 0

  init(
    number: UInt64, fileSystem: FileSystemKind, permissions: UInt32, user: UInt32, group: UInt32, time: Nanoseconds,
    parent: DirectoryInode?, name: [UInt8], hostPath: [UInt8]? = nil
  ) {
    self.parent = parent
    self.name = name
    self.hostPath = hostPath
    isComplete = hostPath == nil
    super.init(
      number: number, fileSystem: fileSystem, mode: FileMode.directory | (permissions & 0o7777), user: user,
      group: group, time: time)
    // A directory of the host does not count its subdirectories (as btrfs and overlayfs); one that the guest made does.
    links = hostPath == nil ? 2 : 1
  }

  override var size: Int64 { 4096 }
  /// Whether the guest can make, move and remove entries.
  var acceptsChanges: Bool { true }

  // MARK: Looking

  /// The inode of a name (not "." and ".."), or nil.
  func lookup(_ access: FileAccess, _ name: FileName) throws(Errno) -> Inode? {
    guard let entry = entries[name] else { return isComplete ? nil : try fill(access.kernel, name, nil) }
    guard let unseen = entry.unseen else { return entry.inode }
    return try fill(access.kernel, name, unseen)
  }

  /// Asks the host for a name that was not seen yet.
  private func fill(_ kernel: Kernel, _ name: FileName, _ unseen: UnseenFile?) throws(Errno) -> Inode? {
    guard let hostPath else { return nil }
    let path = Self.join(hostPath, name.bytes)
    var inode: Inode?
    if !kernel.files.isHidden(path) {
      do throws(Errno) {
        inode = try kernel.files.inodeOfHost(kernel, path, parent: self, name: name.bytes, unseen)
      } catch {
        if error != .ENOENT && error != .ENOTDIR { throw error }
      }
    }
    if unseen != nil && inode == nil { changeCount += 1 }
    entries[name] = DirectoryEntry(inode: inode, isOnHost: inode != nil, isHostInode: inode != nil)
    return inode
  }

  /// All entries, sorted by name. What the host's listing tells is enough: most of its names nobody looks at.
  func list(_ access: FileAccess) throws(Errno) -> [ListedName] {
    if !isComplete, let hostPath {
      let kernel = access.kernel
      let hides = kernel.files.mayHideNames(in: hostPath)
      for file in try kernel.host.list(hostPath) {
        let name = FileName(file.name)
        if entries[name] != nil || hides && kernel.files.isHidden(Self.join(hostPath, file.name)) { continue }
        if let known = kernel.files.entry(of: file) { entries[name] = known } else { _ = try? fill(kernel, name, nil) }
      }
      isComplete = true
    }
    return existing()
  }

  /// Entries that are known and exist, sorted by name.
  final func existing() -> [ListedName] {
    entries.compactMap { name, entry in entry.listed(as: name.bytes) }.sorted { $0.name.lexicographicallyPrecedes($1.name) }
  }

  static func join(_ directory: [UInt8], _ name: [UInt8]) -> [UInt8] {
    directory == [0x2f] ? directory + name : directory + [0x2f] + name
  }

  // MARK: Changing

  /// Puts an inode under a name; what was there is replaced. Link counts are the caller's business.
  final func set(_ name: [UInt8], _ inode: Inode) {
    let old = entries[FileName(name)]
    entries[FileName(name)] = DirectoryEntry(inode: inode, isOnHost: old?.isOnHost ?? false, isHostInode: false)
    changeCount += 1
    if let directory = inode as? DirectoryInode {
      directory.parent = self
      directory.name = name
    }
  }

  /// Takes a name away; the host's entry of that name stays hidden.
  final func remove(_ name: [UInt8]) {
    let old = entries[FileName(name)]
    entries[FileName(name)] = DirectoryEntry(inode: nil, isOnHost: old?.isOnHost ?? false, isHostInode: false)
    changeCount += 1
  }

  /// The path from the root of the tree.
  final func path() -> [UInt8] {
    var pieces: [[UInt8]] = []
    var at = self
    while let parent = at.parent {
      pieces.append(at.name)
      at = parent
    }
    if pieces.isEmpty { return isRemoved ? name : [0x2f] }
    var result: [UInt8] = []
    for piece in pieces.reversed() {
      result.append(0x2f)
      result.append(contentsOf: piece)
    }
    return result
  }

  override func open(_ access: FileAccess, _ location: Location, flags: UInt32) throws(Errno) -> OpenFile {
    DirectoryFile(self, flags: flags)
  }

  // MARK: Copying

  override func shallowCopy() -> Self {
    let new = DirectoryInode(
      number: number, fileSystem: fileSystem, permissions: mode, user: user, group: group, time: modified,
      parent: parent, name: name, hostPath: hostPath)
    new.copyDirectoryFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }
  final func copyDirectoryFields(from other: DirectoryInode) {
    copyBaseFields(from: other)
    entries = other.entries
    isComplete = other.isComplete
    isRemoved = other.isRemoved
    changeCount = other.changeCount
  }
  override func copyReferences(_ context: CopyContext) {
    super.copyReferences(context)
    parent = context.copy(parent)
    // Every entry becomes its copy; the order does not matter.
    entries = entries.mapValues { entry in
      var new = entry
      new.inode = context.copy(entry.inode)
      return new
    }
  }
}
