// The directories of /proc whose entries are the tasks of the moment and their descriptors.

import LinuxABI
import Platform

/// A directory that the guest cannot change.
class FixedDirectory: DirectoryInode {
  /// The trees of made-up files, which come into being when somebody looks: most programs never do, and every copy of
  /// the kernel would carry them along.
  enum Content: UInt8, Hashable, Sendable { case proc, sys, network }
  /// What it is to be filled with; nil once it is.
  final var missing: Content?

  override var acceptsChanges: Bool { false }

  final func fill(_ kernel: Kernel) {
    guard let content = missing else { return }
    missing = nil
    kernel.files.fill(self, with: content, kernel)
  }
  override func lookup(_ access: FileAccess, _ name: FileName) throws(Errno) -> Inode? {
    fill(access.kernel)
    return try super.lookup(access, name)
  }
  override func list(_ access: FileAccess) throws(Errno) -> [ListedName] {
    fill(access.kernel)
    return try super.list(access)
  }
  final func copyFixedFields(from other: FixedDirectory) {
    copyDirectoryFields(from: other)
    missing = other.missing
  }
  override func shallowCopy() -> Self {
    let new = FixedDirectory(
      number: number, fileSystem: fileSystem, permissions: mode, user: user, group: group, time: modified,
      parent: parent, name: name)
    new.copyFixedFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }
  override var size: Int64 { 0 }
}

/// /proc itself: fixed files, and one directory for each process.
final class ProcRoot: FixedDirectory {
  override func lookup(_ access: FileAccess, _ name: FileName) throws(Errno) -> Inode? {
    if let inode = try super.lookup(access, name) { return inode }
    guard let id = ProcDirectory.number(name.bytes) else { return nil }
    // Threads are there by id, though not in the listing.
    guard let task = access.kernel.tasks[TaskID(id)] else { return nil }
    return ProcDirectory(.process, task, parent: self)
  }

  override func list(_ access: FileAccess) throws(Errno) -> [ListedName] {
    fill(access.kernel)
    var result = existing()
    for group in access.kernel.tasks.groups.values {
      guard let leader = group.leader ?? group.tasks.first else { continue }
      let directory = ProcDirectory(.process, leader, parent: self)
      result.append(ListedName(directory.name, directory))
    }
    return result
  }

  override func shallowCopy() -> Self {
    let new = ProcRoot(
      number: number, fileSystem: fileSystem, permissions: mode, user: user, group: group, time: modified,
      parent: parent, name: name)
    new.copyFixedFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }
}

/// A directory of one task.
final class ProcDirectory: FixedDirectory {
  enum Kind: UInt8 { case process = 64, thread, threads, descriptors, descriptorInformation, network }
  let kind: Kind
  private(set) var task: Task

  init(_ kind: Kind, _ task: Task, parent: DirectoryInode) {
    self.kind = kind
    self.task = task
    let base = UInt64(task.id.rawValue) << 32
    // A thread's own directory is another one than that of the process it leads.
    let ofThread = kind == .thread || (parent as? ProcDirectory)?.isOfThread == true
    let number = base | UInt64(kind.rawValue) | (ofThread ? 1 << 31 : 0)
    let name: String =
      switch kind {
      case .process, .thread: "\(task.id)"
      case .threads: "task"
      case .descriptors: "fd"
      case .descriptorInformation: "fdinfo"
      case .network: "net"
      }
    let permissions: UInt32 = kind == .descriptors ? 0o500 : 0o555
    super.init(
      number: number, fileSystem: .proc, permissions: permissions, user: task.credentials.effectiveUser,
      group: task.credentials.effectiveGroup, time: task.group.startTime, parent: parent, name: Array(name.utf8))
  }

  private var isOfThread: Bool { number & (1 << 31) != 0 }

  static func number(_ name: [UInt8]) -> Int32? {
    if name.isEmpty || name.count > 9 || name[0] == 0x30 && name.count > 1 { return nil }
    var value: Int32 = 0
    for byte in name {
      if byte < 0x30 || byte > 0x39 { return nil }
      value = value * 10 + Int32(byte - 0x30)
    }
    return value
  }

  private func file(_ file: ProcTaskFile, _ kernel: Kernel) -> ProcFileInode {
    ProcFileInode(
      number: number & ~0x7f | UInt64(file.rawValue), permissions: file.permissions, user: user, group: group,
      time: kernel.clock.realtime, content: .task(file, task))
  }

  private func link(_ kind: ProcLink.Kind, _ kernel: Kernel) -> ProcLink {
    let offset: UInt64 =
      switch kind {
      case .executable: 0x78
      case .workingDirectory: 0x79
      case .root: 0x7a
      case .descriptor(let descriptor): 0x100 + UInt64(descriptor) << 1
      case .selfProcess, .selfThread: 0x7b
      }
    return ProcLink(number: number & ~0x7f | offset, kind, task, user: user, group: group, time: kernel.clock.realtime)
  }

  private func information(_ file: OpenFile, _ descriptor: Int32, _ kernel: Kernel) -> ProcFileInode {
    ProcFileInode(
      number: number & ~0x7f | (0x101 + UInt64(descriptor) << 1), permissions: 0o400, user: user, group: group,
      time: kernel.clock.realtime, content: .descriptor(file))
  }

  override func lookup(_ access: FileAccess, _ name: FileName) throws(Errno) -> Inode? {
    let kernel = access.kernel
    if kernel.tasks[task.id] !== task { return nil }
    switch kind {
    case .process, .thread:
      let text = String(decoding: name.bytes, as: UTF8.self)
      return ownEntries(kernel).first { $0.name == text }?.make()
    case .threads:
      guard let id = Self.number(name.bytes), let thread = task.group.tasks.first(where: { $0.id.rawValue == id })
      else { return nil }
      return ProcDirectory(.thread, thread, parent: self)
    case .descriptors, .descriptorInformation:
      guard let descriptor = Self.number(name.bytes), let slot = openSlot(descriptor) else { return nil }
      return kind == .descriptors
        ? link(.descriptor(descriptor), kernel) : information(slot.file, descriptor, kernel)
    case .network: return try kernel.files.network?.lookup(access, name)
    }
  }

  override func list(_ access: FileAccess) throws(Errno) -> [ListedName] {
    let kernel = access.kernel
    if kernel.tasks[task.id] !== task { throw .ENOENT }
    switch kind {
    case .process, .thread: return ownEntries(kernel).map { ListedName(Array($0.name.utf8), $0.make()) }
    case .threads:
      return task.group.tasks.map {
        let directory = ProcDirectory(.thread, $0, parent: self)
        return ListedName(directory.name, directory)
      }
    case .descriptors, .descriptorInformation:
      var result: [ListedName] = []
      for index in task.files.slots.indices {
        guard let slot = openSlot(Int32(index)) else { continue }
        let inode: Inode =
          kind == .descriptors
          ? link(.descriptor(Int32(index)), kernel) : information(slot.file, Int32(index), kernel)
        result.append(ListedName(Array("\(index)".utf8), inode))
      }
      return result
    case .network: return try kernel.files.network?.list(access) ?? []
    }
  }

  private func openSlot(_ descriptor: Int32) -> FDTable.Slot? { task.hasEnded ? nil : task.files.slot(descriptor) }

  /// The entries of a task's directory, sorted by name; made when asked for.
  private func ownEntries(_ kernel: Kernel) -> [(name: String, make: () -> Inode)] {
    var entries: [(name: String, make: () -> Inode)] = []
    for file in ProcTaskFile.allCases where file != .children || kind == .thread {
      entries.append((file.name, { self.file(file, kernel) }))
    }
    let links: [(String, ProcLink.Kind)] = [("exe", .executable), ("cwd", .workingDirectory), ("root", .root)]
    for (name, kind) in links { entries.append((name, { self.link(kind, kernel) })) }
    var directories: [(String, Kind)] = [("fd", .descriptors), ("fdinfo", .descriptorInformation), ("net", .network)]
    if kind == .process { directories.append(("task", .threads)) }
    for (name, kind) in directories { entries.append((name, { ProcDirectory(kind, self.task, parent: self) })) }
    return entries.sorted { $0.name < $1.name }
  }

  override func shallowCopy() -> Self {
    let new = ProcDirectory(kind, task, parent: parent!)
    new.copyDirectoryFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }
  override func copyReferences(_ context: CopyContext) {
    super.copyReferences(context)
    task = context.copy(task)
  }
}

/// The links of /proc that lead to an object, not to a text.
final class ProcLink: SymlinkInode {
  enum Kind: Hashable, Sendable { case executable, workingDirectory, root, descriptor(Int32), selfProcess, selfThread }
  let kind: Kind
  /// nil for /proc/self and /proc/thread-self, which depend on who looks.
  private(set) var task: Task?

  init(number: UInt64, _ kind: Kind, _ task: Task?, user: UInt32, group: UInt32, time: Nanoseconds) {
    self.kind = kind
    self.task = task
    super.init(number: number, fileSystem: .proc, target: [], user: user, group: group, time: time)
    if case .descriptor(let descriptor) = kind, let file = task?.files.slot(descriptor)?.file {
      let access: UInt32 = (file.isReadable ? 0o500 : 0) | (file.isWritable ? 0o300 : 0)
      mode = FileMode.symbolicLink | access
    }
  }

  override var size: Int64 {
    if case .descriptor = kind { return 64 }
    return 0
  }

  private func file(_ descriptor: Int32) throws(Errno) -> OpenFile {
    guard let task, !task.hasEnded, let slot = task.files.slot(descriptor) else { throw .ENOENT }
    return slot.file
  }

  override func text(_ access: FileAccess) throws(Errno) -> [UInt8] {
    switch kind {
    case .selfProcess:
      guard let task = access.task else { throw .ENOENT }
      return Array("\(task.group.id)".utf8)
    case .selfThread:
      guard let task = access.task else { throw .ENOENT }
      return Array("\(task.group.id)/task/\(task.id)".utf8)
    case .executable:
      guard let task, !task.hasEnded, !task.group.executablePath.isEmpty else { throw .ENOENT }
      return task.group.executablePath
    case .workingDirectory:
      guard let task, !task.hasEnded else { throw .ENOENT }
      return Kernel.path(of: task.fs.workingDirectory, under: access.root)
    case .root:
      guard let task, !task.hasEnded else { throw .ENOENT }
      return Kernel.path(of: task.fs.root, under: access.root)
    case .descriptor(let descriptor): return try file(descriptor).displayPath(access.kernel)
    }
  }

  override func jump(_ access: FileAccess) throws(Errno) -> Location? {
    switch kind {
    case .selfProcess, .selfThread, .executable: return nil
    case .workingDirectory, .root:
      guard let task, !task.hasEnded else { throw .ENOENT }
      return Location(of: kind == .root ? task.fs.root : task.fs.workingDirectory)
    case .descriptor(let descriptor):
      let file = try file(descriptor)
      if let inode = file.inode {
        if let directory = inode as? DirectoryInode { return Location(of: directory) }
        var location = file.location ?? Location(access.root, [], inode)
        location.inode = inode
        return location
      }
      var location = Location(access.root, [], DescriptorInode(try file.status(access.kernel)))
      location.openFile = file
      return location
    }
  }

  override func shallowCopy() -> Self {
    let new = ProcLink(number: number, kind, task, user: user, group: group, time: modified)
    new.copyBaseFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }
  override func copyReferences(_ context: CopyContext) {
    super.copyReferences(context)
    task = context.copy(task)
  }
}

/// What /proc/PID/fd/N leads to for a description without an inode in the tree: it has what fstat says.
final class DescriptorInode: Inode {
  let shown: FileStatus

  init(_ status: FileStatus) {
    shown = status
    super.init(
      number: status.number, fileSystem: .anonymous, mode: status.mode, user: status.user, group: status.group,
      time: status.modified)
    deviceNumber = status.deviceNumber
  }
  override var size: Int64 { shown.size }
  override func shallowCopy() -> Self {
    let new = DescriptorInode(shown)
    new.copyBaseFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }
}
