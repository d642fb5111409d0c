// Files whose content the kernel makes up when they are read: proc(5). The text is made at the first read, and again
// when reading begins anew at offset 0, as seq_file does.

import LinuxABI
import Platform

/// A made-up file, of a task or of the system.
final class ProcFileInode: Inode {
  enum Content {
    case fixed([UInt8])
    case system(ProcSystemFile)
    case task(ProcTaskFile, Task)
    case descriptor(OpenFile)
  }
  private(set) var content: Content

  init(
    number: UInt64, fileSystem: FileSystemKind = .proc, permissions: UInt32, user: UInt32, group: UInt32,
    time: Nanoseconds, content: Content
  ) {
    self.content = content
    super.init(
      number: number, fileSystem: fileSystem, mode: FileMode.regular | permissions, user: user, group: group, time: time
    )
  }

  /// Files of /sys say that they have one page.
  override var size: Int64 { fileSystem == .sys ? 4096 : 0 }

  func text(_ kernel: Kernel, reader: Task?) throws(Errno) -> [UInt8] {
    switch content {
    case .fixed(let bytes): return bytes
    case .system(let file): return Array(file.text(kernel).utf8)
    case .task(let file, let task):
      if task.hasEnded && !file.outlivesTask { throw .ESRCH }
      return file.text(kernel, task, reader: reader)
    case .descriptor(let file):
      let flags = String(file.flags, radix: 8)
      let padded = String(repeating: "0", count: max(0, 7 - flags.count)) + flags
      let number = (try? file.status(kernel).number) ?? 0
      let head = "pos:\t\(file.offset)\nflags:\t\(padded)\nmnt_id:\t1\nino:\t\(number)\n"
      return Array((head + file.informationLines(kernel)).utf8)
    }
  }

  override func open(_ access: FileAccess, _ location: Location, flags: UInt32) throws(Errno) -> OpenFile {
    if case .task(let file, let task) = content, file.needsTraceAccess, !access.mayTrace(task) { throw .EACCES }
    return ProcFile(self, location, flags: flags)
  }

  override func shallowCopy() -> Self {
    let new = ProcFileInode(
      number: number, fileSystem: fileSystem, permissions: mode & 0o7777, user: user, group: group, time: modified,
      content: content)
    new.copyBaseFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }
  override func copyReferences(_ context: CopyContext) {
    super.copyReferences(context)
    switch content {
    case .fixed, .system: break
    case .task(let file, let task): content = .task(file, context.copy(task))
    case .descriptor(let file): content = .descriptor(context.copy(file))
    }
  }
}

/// An open made-up file.
final class ProcFile: InodeFile {
  private var snapshot: [UInt8]?
  private var source: ProcFileInode { unsafeDowncast(target, to: ProcFileInode.self) }

  init(_ inode: ProcFileInode, _ location: Location, flags: UInt32) { super.init(inode, location, flags: flags) }
  private init(copyingFile other: ProcFile) {
    snapshot = other.snapshot
    super.init(copying: other)
  }
  override func shallowCopy() -> Self { unsafeDowncast(ProcFile(copyingFile: self), to: Self.self) }

  override var supportsPolling: Bool { false }

  override func read(_ call: Syscall, _ count: Int) throws(Errno) -> [UInt8] {
    let bytes = try pread(call, count, at: offset)
    offset += Int64(bytes.count)
    return bytes
  }

  override func pread(_ call: Syscall, _ count: Int, at offset: Int64) throws(Errno) -> [UInt8] {
    if case .task(.memory, let task) = source.content {
      do { return try task.memory.copyInPartial(GuestAddress(UInt64(bitPattern: offset)), count) } catch { throw .EIO }
    }
    let text: [UInt8]
    if let snapshot, offset > 0 {
      text = snapshot
    } else {
      text = try source.text(call.kernel, reader: call.task)
      snapshot = text
    }
    if offset >= Int64(text.count) { return [] }
    return Array(text[Int(offset)..<min(text.count, Int(offset) + count)])
  }

  override func write(_ call: Syscall, _ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
    guard case .task(let file, let task) = source.content else { throw .EINVAL }
    try file.store(call.kernel, task, bytes)
    return bytes.count
  }
  override func pwrite(_ call: Syscall, _ bytes: ArraySlice<UInt8>, at offset: Int64) throws(Errno) -> Int {
    if case .task(.memory, let task) = source.content {
      let stored = try task.memory.copyOutPartial(GuestAddress(UInt64(bitPattern: offset)), bytes)
      if stored == 0 { throw .EIO }
      return stored
    }
    return try write(call, bytes)
  }

  override func seek(_ call: Syscall, _ offset: Int64, whence: Int32) throws(Errno) -> Int64 {
    let new: Int64
    switch whence {
    case 0: new = offset
    case 1: new = try RegularFile.sum(self.offset, offset)
    default: throw .EINVAL
    }
    if new < 0 { throw .EINVAL }
    self.offset = new
    return new
  }
}

extension FileAccess {
  /// ptrace_may_access of kernel/ptrace.c: the same process, the same ids, or CAP_SYS_PTRACE. Nobody looks into init.
  func mayTrace(_ subject: Task) -> Bool {
    if let task, task.group === subject.group { return true }
    if subject.group === kernel.initProcess { return false }
    let other = subject.credentials
    let (user, group) = (credentials.realUser, credentials.realGroup)
    let isSame =
      [other.realUser, other.effectiveUser, other.savedUser].allSatisfy { $0 == user }
      && [other.realGroup, other.effectiveGroup, other.savedGroup].allSatisfy { $0 == group }
    return isSame && subject.group.dumpable == 1 || credentials.hasCapability(19)
  }
}
