// Copies a run's program while its machine is made: both take milliseconds, and neither needs the other.
import CLinux
import HostThreads
import PtracePlatform

/// A thread that copies one file. Sound: the copy is the thread's until it is joined, and then the taker's.
final class ProgramAhead: @unchecked Sendable {
  private let descriptor: Int32
  private let status: rsb_host_status
  private var thread: HostThread?
  private var copy: FileMemory?

  /// Smaller programs are copied sooner than a thread starts.
  private static let sizeMin: Int64 = 1 << 20
  private static let sizeMax: Int64 = 64 << 20

  /// nil when that does not pay. The thread has the processors and the clock of the caller, which is to call before it is tied to one.
  init?(_ program: [UInt8]) {
    var status = rsb_host_status()
    let opened = withPath(program) { rsb_host_open($0, OpenFlags.readOnly | OpenFlags.nonblocking, 0) }
    if opened < 0 { return nil }
    descriptor = Int32(opened)
    let found = rsb_host_status_get(descriptor, nil, &status)
    self.status = status
    guard found >= 0, status.mode & 0o170000 == 0o100000, Self.sizeMin...Self.sizeMax ~= status.size else { return nil }
    thread = try? HostThread(of: self) { $0.work() }
  }

  deinit {
    join()
    _ = rsb_host_close(descriptor)
  }

  /// The copy, once, if it is of the file that has this status now.
  func take(_ now: rsb_host_status) -> FileMemory? {
    guard thread != nil, now.device == status.device, now.inode == status.inode, now.size == status.size,
      now.modified_ns == status.modified_ns, now.changed_ns == status.changed_ns
    else { return nil }
    join()
    defer { copy = nil }
    return copy
  }

  private func join() {
    thread?.join()
    thread = nil
  }

  private func work() {
    rsb_thread_settle(nil, 0)
    copy = FileMemory(copyOf: descriptor, size: Int(status.size))
    copy?.show()
  }
}
