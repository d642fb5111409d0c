// Programs and libraries as guests map them: copies, so that a run does not see what the host changes meanwhile. A copy is kept on disk for
// later runs: it costs them neither the time nor the memory.
//
// A kept copy is of the file with this device, inode, size and times of change: a host that changes a file changes the last of these, unless
// it does so twice within one step of its clock. Files that changed a moment ago are therefore not kept. What a kept copy holds is compared
// with what it held when it was made, at the first use in each boot of the host and whenever something touched it.
import CLinux
import HostThreads
import KeptFiles
import Platform
import PtracePlatform

final class FileCopies: Sendable {
  private let kept: MappableFiles?
  private let hasNew = Monitor(false)
  /// Whether code can be mapped from files of the folder; nil: not known yet. It is the file system's matter.
  private let mapsCode = Monitor<Bool?>(nil)

  /// Of the last change, in nanoseconds.
  private let ageMin: Int64

  /// `kept`: nil to keep nothing. `ageMin`: for tests.
  init(_ kept: MappableFiles?, ageMin: Int64 = 2_000_000_000) {
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
      if !canMapCode(known.descriptor) {
        _ = rsb_host_close(known.descriptor)
        return FileMemory(copyOf: descriptor, size: size)
      }
      if let memory = Self.checked(known, size) {
        if !known.isUntouched { kept.vouch(key, known.descriptor, known.words) }
        return memory
      }
      kept.remove(key)
    }
    if let memory = newCopy(kept, key, descriptor, status) { return memory }
    return FileMemory(copyOf: descriptor, size: size)
  }

  /// The content of a kept copy; nil when it is not what it was. Words of a copy are the hashes of its pieces.
  private static func checked(_ copy: MappableFiles.Found, _ size: Int) -> FileMemory? {
    let hashes = stride(from: 0, to: copy.words.count - 1, by: 2).map { ContentHash(low: copy.words[$0], high: copy.words[$0 + 1]) }
    let memory = FileMemory(unchanging: copy.descriptor, size: size, hashes: copy.isUntouched ? hashes : [])
    return memory?.pieceHashes() == hashes ? memory : nil
  }

  private func newCopy(
    _ kept: MappableFiles, _ key: KeptFiles.Key, _ descriptor: Int32, _ status: rsb_host_status
  ) -> FileMemory? {
    let size = Int(status.size)
    // Nothing is written where code could not be mapped from it.
    let made = kept.make(key) { canMapCode($0) && rsb_memfd_fill($0, descriptor, UInt64(size)) == size }
    guard let file = made else { return nil }
    let memory = FileMemory(unchanging: file, size: size)
    var now = rsb_host_status()
    let isSame = rsb_host_status_get(descriptor, nil, &now) >= 0 && status.isOfSameContent(as: now)
    kept.keep(key, file, isSame ? memory?.pieceHashes().flatMap { [$0.low, $0.high] } : nil)
    hasNew.change { $0 = true }
    return memory
  }

  private func canMapCode(_ descriptor: Int32) -> Bool {
    mapsCode.change {
      let known = $0 ?? (rsb_file_can_execute(descriptor) != 0)
      $0 = known
      return known
    }
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
