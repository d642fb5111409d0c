// What a run changed in the host's tree, for the summary and for `--export-changes`.

import LinuxABI
import Platform

/// One path that is not as the host has it.
public struct FileChange {
  public enum Kind: Hashable, Sendable {
    case regular, directory, symbolicLink(target: [UInt8])
    /// FIFO, socket or device.
    case special
    /// The host has the name, the guest took it away.
    case removed
  }
  public let path: [UInt8]
  public let kind: Kind
  /// st_mode, owner and modification time; zero for removed names.
  public let mode: UInt32
  public let user: UInt32
  public let group: UInt32
  public let modified: Nanoseconds
  public let size: Int64
  let inode: Inode?
}

extension Kernel {
  /// Paths below the root that the guest made, changed or removed, a directory before what it holds, sorted by name.
  /// A directory that only had entries made or removed is not listed itself. /proc, /dev and /sys are left out.
  public func fileChanges() -> [FileChange] {
    let fs = FSContext(root: files.root, workingDirectory: files.root)
    let credentials = Credentials(user: 0, group: 0, supplementaryGroups: [])
    let access = FileAccess(kernel: self, task: nil, fs: fs, credentials: credentials)
    var changes: [FileChange] = []
    collect(files.root, [0x2f], isNew: false, access, &changes)
    return changes
  }

  private func collect(
    _ directory: DirectoryInode, _ path: [UInt8], isNew: Bool, _ access: FileAccess, _ changes: inout [FileChange]
  ) {
    // What the host has in a directory that was moved is new at its new place.
    if isNew, let names = try? directory.list(access) {
      for listed in names { _ = try? directory.lookup(access, FileName(listed.name)) }
    }
    let entries = directory.entries.filter { $1.inode != nil || $1.isOnHost && $1.unseen == nil }
    for (name, entry) in entries.map({ ($0.bytes, $1) }).sorted(by: { $0.0.lexicographicallyPrecedes($1.0) }) {
      let here = DirectoryInode.join(path, name)
      guard let inode = entry.inode else {
        if entry.isOnHost && !isNew { changes.append(Self.removal(of: here)) }
        continue
      }
      if inode.fileSystem != .root { continue }
      let isNewHere = isNew || !entry.isHostInode
      if let child = inode as? DirectoryInode {
        if isNewHere || child.isMetadataChanged { changes.append(Self.change(child, at: here)) }
        collect(child, here, isNew: isNewHere, access, &changes)
      } else if isNewHere || inode.isChanged {
        changes.append(Self.change(inode, at: here))
      }
    }
  }

  private static func removal(of path: [UInt8]) -> FileChange {
    FileChange(
      path: path, kind: .removed, mode: 0, user: 0, group: 0, modified: .zero, size: 0, inode: nil)
  }

  private static func change(_ inode: Inode, at path: [UInt8]) -> FileChange {
    let kind: FileChange.Kind =
      switch inode.type {
      case FileMode.regular: .regular
      case FileMode.directory: .directory
      case FileMode.symbolicLink: .symbolicLink(target: (inode as? SymlinkInode)?.target ?? [])
      default: .special
      }
    return FileChange(
      path: path, kind: kind, mode: inode.mode, user: inode.user, group: inode.group, modified: inode.modified,
      size: inode.size, inode: inode)
  }

  /// Up to `count` bytes of a changed regular file; empty at its end.
  public func content(of change: FileChange, offset: Int64, count: Int) throws(Errno) -> [UInt8] {
    guard let regular = change.inode as? RegularInode else { return [] }
    return try regular.content.read(self, offset: offset, count: count)
  }

  /// Host files whose content the guest executed, mapped or read, in order of first sight.
  public var filesRead: [[UInt8]] { files.contentPaths }
}
