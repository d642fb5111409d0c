// Copies of whole files that runs map in place of the files themselves: who changes a file of the host does not change its copy.
//
// A copy has no checksum of its own in front of its content, which is mapped from its start. What its content should be is kept apart from it,
// in words that its owner chooses, with what tells whether anybody touched the copy since: its inode, the time of its last change, and the
// boot in which that was looked at (what was written shortly before a crash may be lost). A touched copy is for its owner to check.
//
// Unsafe because words are read out of lent bytes. Sound because their count is checked.
import CLinux
import CXXHash

/// Copies by key. Others may use the same folder at the same time; copies are never changed or shortened in place, by us.
public final class KeptCopies: Sendable {
  private let copies: KeptFiles
  private let notes: KeptFiles
  /// 0 when the host does not say.
  private let boot: UInt64

  /// A copy to read. The descriptor is the caller's.
  public struct Copy {
    public let descriptor: Int32
    /// What its owner said of its content.
    public let words: [UInt64]
    public let isUntouched: Bool
  }

  /// `bytesMax`: of all copies together, after `trim`. nil when the folder cannot be made or used.
  public init?(directory: String, bytesMax: Int64) {
    guard let copies = KeptFiles(directory: directory, suffix: ".copy", bytesMax: bytesMax),
      let notes = KeptFiles(directory: directory, suffix: ".copied", bytesMax: 4 << 20)
    else { return nil }
    self.copies = copies
    self.notes = notes
    boot = Self.bootIdentity()
  }

  private static func bootIdentity() -> UInt64 {
    let file = Int32(rsb_host_open("/proc/sys/kernel/random/boot_id", 0, 0))
    if file < 0 { return 0 }
    defer { _ = rsb_host_close(file) }
    var text = [UInt8](repeating: 0, count: 64)
    let count = rsb_host_pread(file, &text, text.count, 0)
    return count <= 0 ? 0 : rsb_hash64(text, count)
  }

  /// The copy under the key; nil when there is none of that size.
  public func open(_ key: KeptFiles.Key, size: Int) -> Copy? {
    let words = notes.read(key) { bytes -> [UInt64]? in
      bytes.count < 24 || bytes.count % 8 != 0
        ? nil : stride(from: 0, to: bytes.count, by: 8).map { bytes.loadUnaligned(fromByteOffset: $0, as: UInt64.self) }
    }
    guard let words else { return nil }
    let descriptor = Int32(rsb_host_open(copies.path(key), 0, 0))
    if descriptor < 0 { return nil }
    var status = rsb_host_status()
    if rsb_host_status_get(descriptor, nil, &status) >= 0, status.mode & 0o170000 == 0o100000, status.size == Int64(size) {
      let isUntouched = boot != 0 && Array(words[..<3]) == state(status)
      return Copy(descriptor: descriptor, words: Array(words[3...]), isUntouched: isUntouched)
    }
    _ = rsb_host_close(descriptor)
    return nil
  }

  private func state(_ status: rsb_host_status) -> [UInt64] {
    [status.inode, UInt64(bitPattern: status.changed_ns), boot]
  }

  /// A new copy of the first `size` bytes of a file, which is kept once `keep` names it; nil when the host refuses. The descriptor is the caller's.
  public func make(_ key: KeptFiles.Key, copyOf source: Int32, size: Int) -> Int32? {
    let path = copies.temporaryPath(key)
    let file = Int32(rsb_host_open(path, 0o302, 0o600))  // O_RDWR | O_CREAT | O_EXCL
    if file < 0 { return nil }
    if rsb_memfd_fill(file, source, UInt64(size)) == size { return file }
    _ = rsb_host_close(file)
    _ = rsb_host_unlink(path)
    return nil
  }

  /// Keeps what this process made last under the key, with these words; nil: it is not to be kept.
  public func keep(_ key: KeptFiles.Key, _ words: [UInt64]?) {
    let path = copies.temporaryPath(key)
    if let words, rsb_host_rename(path, copies.path(key)) >= 0 { return vouch(key, words) }
    _ = rsb_host_unlink(path)
  }

  /// The content of the copy under the key is what the words say.
  public func vouch(_ key: KeptFiles.Key, _ words: [UInt64]) {
    var status = rsb_host_status()
    if rsb_host_status_get(-100, copies.path(key), &status) < 0 { return }
    (state(status) + words).withUnsafeBytes { _ = notes.save(key, $0) }
  }

  /// Its content is not what it should be.
  public func remove(_ key: KeptFiles.Key) {
    notes.remove(key)
    copies.remove(key)
  }

  /// As `KeptFiles.trim`.
  public func trim() {
    copies.trim()
    notes.trim()
  }
}
