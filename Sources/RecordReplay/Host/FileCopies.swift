// Programs and libraries as guests map them: copies, so that a run does not see what the host changes meanwhile. A copy is kept on disk for
// later runs: it costs them neither the time nor the memory.
//
// A kept copy is of the file with this device, inode, size and times of change: a host that changes a file changes the last of these, unless
// it does so twice within one step of its clock. Files that changed a moment ago are therefore not kept. What a kept copy holds is compared,
// each time, with what it held when it was made.
import CLinux
import HostThreads
import KeptFiles
import Platform
import PtracePlatform

final class FileCopies: Sendable {
  private let kept: KeptCopies?
  private let hasNew = Monitor(false)

  /// Of the last change, in nanoseconds.
  private let ageMin: Int64

  /// `kept`: nil to keep nothing. `ageMin`: for tests.
  init(_ kept: KeptCopies?, ageMin: Int64 = 2_000_000_000) {
    self.kept = kept
    self.ageMin = ageMin
  }

  /// Files of which copies are kept. Smaller ones are copied into memory in less time than a kept copy takes to be opened.
  static let sizes: ClosedRange<Int64> = 64 << 10...64 << 20

  /// What an open file with this status holds; nil when the host refuses or there is nothing.
  func copy(of descriptor: Int32, _ status: rsb_host_status) -> FileMemory? {
    let size = Int(status.size)
    let age = rsb_clock_ns(0) - max(status.changed_ns, status.modified_ns)
    guard let kept, Self.sizes ~= status.size, age > ageMin else {
      return FileMemory(copyOf: descriptor, size: size)
    }
    let key = KeptFiles.Key([
      status.device, status.inode, UInt64(size), UInt64(bitPattern: status.modified_ns), UInt64(bitPattern: status.changed_ns),
    ])
    if let known = kept.open(key, size: size) {
      if let memory = FileMemory(unchanging: known.descriptor, size: size), Self.digest(memory) == known.digest { return memory }
      kept.remove(key)
    }
    if let memory = newCopy(kept, key, descriptor, status) { return memory }
    return FileMemory(copyOf: descriptor, size: size)
  }

  private func newCopy(
    _ kept: KeptCopies, _ key: KeptFiles.Key, _ descriptor: Int32, _ status: rsb_host_status
  ) -> FileMemory? {
    guard let file = kept.make(key, copyOf: descriptor, size: Int(status.size)) else { return nil }
    let memory = FileMemory(unchanging: file, size: Int(status.size))
    var now = rsb_host_status()
    let isSame = rsb_host_status_get(descriptor, nil, &now) >= 0 && status.isOfSameContent(as: now)
    kept.keep(key, isSame ? memory.flatMap { Self.digest($0) } : nil)
    hasNew.change { $0 = true }
    return memory
  }

  private static func digest(_ memory: FileMemory) -> KeptCopies.Digest? {
    memory.examine().map { KeptCopies.Digest(low: $0.low, high: $0.high) }
  }

  /// Keeps the copies on disk within their bound, once there are new ones.
  func trim() { if hasNew.change({ $0 }) { kept?.trim() } }
}

extension rsb_host_status {
  /// Whether both are of one file that did not change in between, as far as the host says.
  func isOfSameContent(as other: rsb_host_status) -> Bool {
    device == other.device && inode == other.inode && size == other.size && modified_ns == other.modified_ns
      && changed_ns == other.changed_ns
  }
}
