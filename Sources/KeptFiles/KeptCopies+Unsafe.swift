// Copies of whole files that runs map in place of the files themselves: who changes a file of the host does not change its copy.
//
// A copy has no checksum of its own in front of its content, which is mapped from its start: what its content should be is
// kept apart from it, as a digest that whoever opens the copy has to compare with what it finds there. The digest is saved first,
// so that a copy without one is a copy that nobody finished.
//
// Unsafe because a digest is read out of lent bytes. Sound because their count is checked.
import CLinux

/// Copies by key. Others may use the same folder at the same time; copies are never changed or shortened in place, by us.
public final class KeptCopies: Sendable {
  private let copies: KeptFiles
  private let digests: KeptFiles
  /// What tells one content from another, as the caller takes it.
  public struct Digest: Hashable, Sendable {
    public var low: UInt64
    public var high: UInt64
    public init(low: UInt64, high: UInt64) {
      self.low = low
      self.high = high
    }
  }

  /// `bytesMax`: of all copies together, after `trim`. nil when the folder cannot be made or used.
  public init?(directory: String, bytesMax: Int64) {
    guard let copies = KeptFiles(directory: directory, suffix: ".copy", bytesMax: bytesMax),
      let digests = KeptFiles(directory: directory, suffix: ".digest", bytesMax: 4 << 20)
    else { return nil }
    self.copies = copies
    self.digests = digests
  }

  /// A copy to read, and what its content should be; nil when there is none of that size. The descriptor is the caller's.
  public func open(_ key: KeptFiles.Key, size: Int) -> (descriptor: Int32, digest: Digest)? {
    let digest = digests.read(key) { bytes -> Digest? in
      bytes.count == 16
        ? Digest(low: bytes.loadUnaligned(as: UInt64.self), high: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)) : nil
    }
    guard let digest else { return nil }
    let descriptor = Int32(rsb_host_open(copies.path(key), 0, 0))
    if descriptor < 0 { return nil }
    var status = rsb_host_status()
    if rsb_host_status_get(descriptor, nil, &status) >= 0, status.mode & 0o170000 == 0o100000, status.size == Int64(size) {
      return (descriptor, digest)
    }
    _ = rsb_host_close(descriptor)
    return nil
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

  /// Keeps what this process made last under the key; nil for no digest: it is not to be kept.
  public func keep(_ key: KeptFiles.Key, _ digest: Digest?) {
    let path = copies.temporaryPath(key)
    if let digest, [digest.low, digest.high].withUnsafeBytes({ digests.save(key, $0) }),
      rsb_host_rename(path, copies.path(key)) >= 0
    {
      return
    }
    _ = rsb_host_unlink(path)
  }

  /// Its content is not what it should be.
  public func remove(_ key: KeptFiles.Key) {
    copies.remove(key)
    digests.remove(key)
  }

  /// As `KeptFiles.trim`.
  public func trim() {
    copies.trim()
    digests.trim()
  }
}
