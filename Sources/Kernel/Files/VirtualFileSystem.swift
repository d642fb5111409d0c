// The guest's file system as a whole: its root, inode numbers, what is hidden, and what the run read of the host.

import LinuxABI
import Platform

public final class VirtualFileSystem: DeepCopyable {
  let hiddenPaths: Set<[UInt8]>
  private(set) var root: DirectoryInode
  /// Where memfds would have their names, were they in the tree: shmem's internal mount.
  private(set) var memoryFiles: DirectoryInode
  private var lastNumber: UInt64 = 1
  /// Inodes of host files with several names, so that hard links stay such (asked by key only).
  private var hardLinks: [HostFileIdentity: Inode] = [:]
  /// The numbers of what listings of the host named, so that hard links that nobody looked at have one number, too (asked by key only).
  private var listedNumbers: [HostFileIdentity: UInt64] = [:]
  /// Host files whose content entered the run, in order of first sight.
  public private(set) var contentPaths: [[UInt8]] = []
  private var contentPathsSeen: Set<[UInt8]> = []
  /// The inodes of descriptors 0, 1 and 2 at the start; nil for closed ones.
  private(set) var standardStreams: [HostStreamInode?] = [nil, nil, nil]
  /// Bytes of file content that the run holds in memory beside the host's files.
  var overlayBytes: Int64 = 0
  /// /proc/PID/net.
  var network: DirectoryInode?
  var bootText: String?
  /// What TIOCSPGRP chose; nil for the first process's group.
  var foregroundProcessGroup: Int32?
  /// Directories that hold a hidden name: their times could show what the tool did there.
  private let parentsOfHidden: Set<[UInt8]>

  init(configuration: KernelConfiguration) {
    hiddenPaths = Set(configuration.hiddenPaths)
    parentsOfHidden = Set(
      configuration.hiddenPaths.map { path in
        let end = path.lastIndex(of: 0x2f) ?? 0
        return end == 0 ? [0x2f] : Array(path[..<end])
      })
    root = DirectoryInode(
      number: 2, fileSystem: .root, permissions: 0o755, user: 0, group: 0, time: .zero, parent: nil, name: [],
      hostPath: [0x2f])
    memoryFiles = DirectoryInode(
      number: 1, fileSystem: .memfd, permissions: 0o700, user: 0, group: 0, time: .zero, parent: nil, name: [])
    lastNumber = 2
  }

  private init(copying other: VirtualFileSystem) {
    hiddenPaths = other.hiddenPaths
    parentsOfHidden = other.parentsOfHidden
    root = other.root
    memoryFiles = other.memoryFiles
    lastNumber = other.lastNumber
    hardLinks = other.hardLinks
    listedNumbers = other.listedNumbers
    contentPaths = other.contentPaths
    contentPathsSeen = other.contentPathsSeen
    standardStreams = other.standardStreams
    network = other.network
    overlayBytes = other.overlayBytes
    bootText = other.bootText
    foregroundProcessGroup = other.foregroundProcessGroup
  }

  public func shallowCopy() -> VirtualFileSystem { VirtualFileSystem(copying: self) }
  public func copyReferences(_ context: CopyContext) {
    root = context.copy(root)
    memoryFiles = context.copy(memoryFiles)
    hardLinks = hardLinks.mapValues { context.copy($0) }
    standardStreams = standardStreams.map { context.copy($0) }
    network = context.copy(network)
  }

  func nextNumber() -> UInt64 {
    lastNumber += 1
    return lastNumber
  }
  func makeStandardStream(_ kernel: Kernel, _ descriptor: Int32, _ kind: HostStreamKind) -> HostStreamInode {
    let inode = HostStreamInode(
      descriptor: descriptor, kind: kind, user: kernel.configuration.user, group: kernel.configuration.group,
      time: kernel.decisions.epoch, inputQueue: kernel.hostInputQueue)
    standardStreams[Int(descriptor)] = inode
    return inode
  }

  /// ENOSPC when the overlay would grow beyond its limit.
  func checkOverlay(_ kernel: Kernel, room: Int64) throws(Errno) {
    if room > 0 && overlayBytes + room > kernel.configuration.overlayBytesMax { throw .ENOSPC }
  }

  func isHidden(_ path: [UInt8]) -> Bool { !hiddenPaths.isEmpty && hiddenPaths.contains(path) }
  /// Whether the directory holds a hidden name.
  func mayHideNames(in path: [UInt8]) -> Bool { !parentsOfHidden.isEmpty && parentsOfHidden.contains(path) }

  func contentEntered(_ path: [UInt8]) {
    if contentPathsSeen.insert(path).inserted { contentPaths.append(path) }
  }

  /// Puts the kernel's own file systems into the tree, over what the host has there.
  func mountOwnFileSystems(_ kernel: Kernel) {
    if let status = try? kernel.host.status([0x2f]) {
      root.mode = status.mode
      root.user = status.user
      root.group = status.group
      root.modified = status.modified
      root.changed = status.changed
    }
    concealTimes(root, [0x2f], kernel)
    makeDevices(kernel)
    makeProc(kernel)
    makeSys(kernel)
  }

  /// A directory whose host times change for reasons that have nothing to do with the run shows the run's epoch
  /// instead: where the tool itself writes, where anyone may (/tmp), and above the working directory.
  private func concealTimes(_ inode: Inode, _ path: [UInt8], _ kernel: Kernel) {
    guard inode.mode & FileMode.typeMask == FileMode.directory else { return }
    let isForAll = inode.mode & 0o1002 == 0o1002
    let isToolFolder = mayHideNames(in: path)
    let working = kernel.configuration.workingDirectory
    let isAbove = path.count < working.count && working.starts(with: path == [0x2f] ? path : path + [0x2f])
    if isForAll || isToolFolder || isAbove {
      inode.modified = kernel.decisions.epoch
      inode.changed = kernel.decisions.epoch
    }
  }

  /// What a directory knows of a name that the host listed; nil when the host told too little.
  func entry(of file: HostEntry) -> DirectoryEntry? {
    guard file.type != 0 else { return nil }
    if UInt32(file.type) << 12 == FileMode.directory {
      let unseen = UnseenFile(number: nextNumber(), type: file.type, identity: file.identity)
      return DirectoryEntry(inode: nil, unseen: unseen, isOnHost: true, isHostInode: true)
    }
    if let inode = hardLinks[file.identity] { return DirectoryEntry(inode: inode, isOnHost: true, isHostInode: true) }
    let number = listedNumbers[file.identity] ?? nextNumber()
    listedNumbers[file.identity] = number
    let unseen = UnseenFile(number: number, type: file.type, identity: file.identity)
    return DirectoryEntry(inode: nil, unseen: unseen, isOnHost: true, isHostInode: true)
  }

  /// The number of a file that is looked at for the first time: that of the listing, if that spoke of this file. It may speak of another:
  /// of what a mount covers, or of nothing (file systems without lasting inodes). For a directory that does not matter.
  private func number(of status: HostFileStatus, isShared: Bool, _ unseen: UnseenFile?) -> UInt64 {
    if let unseen {
      let isSame = isShared ? unseen.identity == status.identity : unseen.identity.inode == status.identity.inode
      if isSame || status.mode & FileMode.typeMask == FileMode.directory { return unseen.number }
    }
    if isShared, let number = listedNumbers[status.identity] { return number }
    return nextNumber()
  }

  /// An inode for a file of the host that is looked at for the first time. `unseen`: what a listing said of it.
  func inodeOfHost(
    _ kernel: Kernel, _ path: [UInt8], parent: DirectoryInode, name: [UInt8], _ unseen: UnseenFile?
  ) throws(Errno) -> Inode {
    let status = try kernel.host.status(path)
    let type = status.mode & FileMode.typeMask
    let isShared = type != FileMode.directory && status.links > 1
    if isShared, let known = hardLinks[status.identity] { return known }
    let number = number(of: status, isShared: isShared, unseen)
    let inode: Inode
    switch type {
    case FileMode.directory:
      inode = DirectoryInode(
        number: number, fileSystem: .root, permissions: status.mode, user: status.user, group: status.group,
        time: status.modified, parent: parent, name: name, hostPath: path)
    case FileMode.regular:
      inode = RegularInode(
        number: number, fileSystem: .root, mode: status.mode, user: status.user, group: status.group,
        time: status.modified, content: FileContent(hostPath: path, size: status.size), hostPath: path)
    case FileMode.symbolicLink:
      inode = SymlinkInode(
        number: number, fileSystem: .root, target: try kernel.host.readLink(path), user: status.user,
        group: status.group, time: status.modified)
    case FileMode.fifo:
      inode = FifoInode(
        number: number, fileSystem: .root, mode: status.mode, user: status.user, group: status.group,
        time: status.modified)
    case FileMode.socket:
      inode = SocketInode(
        number: number, fileSystem: .root, mode: status.mode, user: status.user, group: status.group,
        time: status.modified)
    default:
      inode = DeviceInode(
        number: number, fileSystem: .root, mode: status.mode, user: status.user, group: status.group,
        time: status.modified)
      inode.deviceNumber = status.deviceNumber
    }
    inode.changed = status.changed
    if type != FileMode.directory { inode.links = max(1, status.links) }
    concealTimes(inode, path, kernel)
    if isShared { hardLinks[status.identity] = inode }
    return inode
  }
}
