// Files that runs map as they are, or read without a look at every byte, made by one for the next: copies of programs, translations, pieces of
// the mirror.
//
// Such a file has no checksum in front of its content, which is mapped from its start. What its content should be is kept apart from it,
// in words that its owner chooses, with what tells whether anybody touched the file since: its inode, the time of its last change, and the
// boot in which that was looked at (what was written shortly before a crash may be lost). A touched file is for its owner to check.
//
// Unsafe because words are read out of lent bytes. Sound because their count is checked.
import CLinux
import CXXHash

/// One kind of such files in a folder, by key. Others may use the folder at the same time; the files are never changed or shortened in place, by us.
public final class MappableFiles: Sendable {
  private let files: KeptFiles
  private let notes: KeptFiles
  /// 0 when the host does not say.
  private let boot: UInt64

  /// A file to read. The descriptor is the caller's.
  public struct Found {
    public let descriptor: Int32
    public let size: Int
    /// What its owner said of its content.
    public let words: [UInt64]
    public let isUntouched: Bool
  }

  /// `suffix`: how the names of this kind end, such as ".copy". `bytesMax`: of all files together, holes included, after `trim`. nil when the folder
  /// cannot be made or used.
  public init?(directory: String, suffix: String, bytesMax: Int64) {
    guard let files = KeptFiles(directory: directory, suffix: suffix, bytesMax: bytesMax),
      let notes = KeptFiles(directory: directory, suffix: suffix + "-words", bytesMax: 4 << 20)
    else { return nil }
    self.files = files
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

  /// The file under the key; nil when there is none, or it has not the size that is asked for.
  public func open(_ key: KeptFiles.Key, size: Int? = nil) -> Found? {
    let words = notes.read(key) { bytes -> [UInt64]? in
      bytes.count < 24 || bytes.count % 8 != 0
        ? nil : stride(from: 0, to: bytes.count, by: 8).map { bytes.loadUnaligned(fromByteOffset: $0, as: UInt64.self) }
    }
    guard let words else { return nil }
    let descriptor = Int32(rsb_host_open(files.path(key), 0, 0))
    if descriptor < 0 { return nil }
    if let status = KeptFiles.status(of: descriptor), size == nil || size == Int(status.size) {
      let isUntouched = boot != 0 && Array(words[..<3]) == state(status)
      return Found(descriptor: descriptor, size: Int(status.size), words: Array(words[3...]), isUntouched: isUntouched)
    }
    _ = rsb_host_close(descriptor)
    return nil
  }

  /// Lends a file's content; nil when it cannot be had.
  public func lend<Result>(_ file: Found, _ body: (UnsafeRawBufferPointer) -> Result?) -> Result? {
    KeptFiles.lend(file.descriptor, file.size, body)
  }

  private func state(_ status: rsb_host_status) -> [UInt64] {
    [status.inode, UInt64(bitPattern: status.changed_ns), boot]
  }

  /// A new file that `fill` fills, which is kept once `keep` names it; nil when the host refuses or `fill` fails. The descriptor is the caller's.
  public func make(_ key: KeptFiles.Key, _ fill: (Int32) -> Bool) -> Int32? {
    let path = files.temporaryPath(key)
    let file = Int32(rsb_host_open(path, 0o302, 0o600))  // O_RDWR | O_CREAT | O_EXCL
    if file < 0 { return nil }
    if fill(file) { return file }
    _ = rsb_host_close(file)
    _ = rsb_host_unlink(path)
    return nil
  }

  /// Keeps what this process made last under the key, and still has open, with these words; nil: it is not to be kept.
  public func keep(_ key: KeptFiles.Key, _ file: Int32, _ words: [UInt64]?) {
    let path = files.temporaryPath(key)
    if let words, rsb_host_rename(path, files.path(key)) >= 0 { return vouch(key, file, words) }
    _ = rsb_host_unlink(path)
  }

  /// The content of this file, which is or was under the key, is what the words say: not that of another that has taken its place since.
  public func vouch(_ key: KeptFiles.Key, _ file: Int32, _ words: [UInt64]) {
    var status = rsb_host_status()
    if rsb_host_status_get(file, nil, &status) < 0 { return }
    (state(status) + words).withUnsafeBytes { _ = notes.save(key, $0) }
  }

  /// Its content is not what it should be.
  public func remove(_ key: KeptFiles.Key) {
    notes.remove(key)
    files.remove(key)
  }

  /// As `KeptFiles.trim`.
  public func trim() {
    files.trim()
    notes.trim()
  }
}
