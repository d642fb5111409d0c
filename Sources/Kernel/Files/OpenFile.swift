// An open file description: what a descriptor refers to, shared by dup and fork. One subclass for each kind.

import LinuxABI
import Platform

/// Readiness bits, with the values of poll(2) and epoll(7).
struct PollEvents: OptionSet, Hashable, Sendable {
  let rawValue: UInt32
  static let `in` = PollEvents(rawValue: 0x001)
  static let priority = PollEvents(rawValue: 0x002)
  static let out = PollEvents(rawValue: 0x004)
  static let error = PollEvents(rawValue: 0x008)
  static let hangup = PollEvents(rawValue: 0x010)
  static let invalid = PollEvents(rawValue: 0x020)
  static let readNormal = PollEvents(rawValue: 0x040)
  static let readBand = PollEvents(rawValue: 0x080)
  static let writeNormal = PollEvents(rawValue: 0x100)
  static let writeBand = PollEvents(rawValue: 0x200)
  static let readHangup = PollEvents(rawValue: 0x2000)
}

/// Open file description. Methods that a kind does not have throw what Linux would.
public class OpenFile: DeepCopyable {
  /// O_ACCMODE and the file status flags (O_APPEND, O_NONBLOCK, O_ASYNC, O_DIRECT ...).
  final var flags: UInt32
  /// Descriptors (in all tables) and messages in flight that refer to it. At zero `release` runs.
  final private(set) var references = 0
  /// File position, for kinds that have one.
  final var offset: Int64 = 0
  /// For F_SETOWN and kin.
  final var owner: Int32 = 0

  /// Interest lists of epoll that it stands in.
  final var epollItems: [EpollItem] = []

  init(flags: UInt32) { self.flags = flags }

  final var isReadable: Bool { flags & 3 != 1 && flags & 0o10000000 == 0 }
  final var isWritable: Bool { flags & 3 != 0 && flags & 0o10000000 == 0 }
  final var isNonblocking: Bool { flags & 0o4000 != 0 }

  final func retain() { references += 1 }
  final func releaseReference(_ kernel: Kernel) {
    references -= 1
    precondition(references >= 0, "an open file lost more references than it had")
    if references > 0 { return }
    for item in epollItems { item.fileIsReleased(kernel) }
    release(kernel)
  }

  // MARK: For subclasses

  /// The last reference is gone.
  func release(_ kernel: Kernel) {}
  /// Up to `count` bytes at the file's own position; empty at end of file. EAGAIN when a reader has to wait.
  func read(_ call: Syscall, _ count: Int) throws(Errno) -> [UInt8] { throw .EINVAL }
  /// How many bytes were taken. EAGAIN when a writer has to wait. A call that takes less than given and may block
  /// is continued by the handler.
  func write(_ call: Syscall, _ bytes: ArraySlice<UInt8>) throws(Errno) -> Int { throw .EINVAL }
  func pread(_ call: Syscall, _ count: Int, at offset: Int64) throws(Errno) -> [UInt8] { throw .ESPIPE }
  func pwrite(_ call: Syscall, _ bytes: ArraySlice<UInt8>, at offset: Int64) throws(Errno) -> Int { throw .ESPIPE }
  /// lseek(2); returns the new position.
  func seek(_ call: Syscall, _ offset: Int64, whence: Int32) throws(Errno) -> Int64 { throw .ESPIPE }
  func ioctl(_ call: Syscall, _ request: UInt32, _ argument: UInt64) throws(Errno) -> SyscallOutcome { throw .ENOTTY }
  /// What poll would report now (all bits that hold, before masking).
  func readiness(_ kernel: Kernel) -> PollEvents { [.in, .out, .readNormal, .writeNormal] }
  /// Queues that are woken when `readiness` may have changed.
  var waitQueues: [WaitQueue] { [] }
  /// False for kinds that epoll refuses (EPERM): regular files and directories.
  var supportsPolling: Bool { true }
  /// How long a read or write waits at most: SO_RCVTIMEO and SO_SNDTIMEO.
  func waitLimit(reading: Bool) -> Nanoseconds? { nil }
  /// Why a task waits here.
  func blockReason(reading: Bool) -> BlockReason { .other("file") }
  /// The object that backs mmap of this file, created at first use; the file keeps its count (see
  /// `MemoryObjectReference`), a mapping takes its own. ENODEV where mmap is not possible.
  func memoryObject(_ kernel: Kernel) throws(Errno) -> MemoryObjectReference { throw .ENODEV }
  /// What /proc/PID/fd/N and maps show.
  func displayPath(_ kernel: Kernel) -> [UInt8] { Array("anon_inode:[unknown]".utf8) }
  /// fstat(2). The default is that of an anonymous inode (fs/anon_inodes.c).
  func status(_ kernel: Kernel) throws(Errno) -> FileStatus { FileStatus.anonymous }
  /// The inode it was opened from, for kinds that have one.
  var inode: Inode? { nil }
  /// The place it was opened at.
  var location: Location? { nil }
  /// For kinds that pass what the guest writes on to a host stream.
  var hostStream: HostStream? { nil }
  /// open(2) of /proc/PID/fd/N. ENXIO for kinds that cannot be opened again.
  func reopen(_ access: FileAccess, flags: UInt32) throws(Errno) -> OpenFile { throw .ENXIO }
  /// fcntl(2) F_SETFL changed `flags`, or F_SETPIPE_SZ and kin: nil when the kind knows no such command.
  func control(_ call: Syscall, _ command: Int32, _ argument: UInt64) throws(Errno) -> Int64? { nil }
  /// The lines of /proc/PID/fdinfo/N beyond pos, flags, mnt_id and ino.
  func informationLines(_ kernel: Kernel) -> String { "" }

  // MARK: Copying

  public func shallowCopy() -> Self { preconditionFailure("\(type(of: self)) does not say how to copy itself") }
  /// Subclasses call this first.
  public func copyReferences(_ context: CopyContext) { epollItems = context.copy(epollItems) }
  /// For `shallowCopy` of subclasses: the fields of this class.
  final func copyBaseFields(from other: OpenFile) {
    references = other.references
    offset = other.offset
    owner = other.owner
    epollItems = other.epollItems
  }
}
