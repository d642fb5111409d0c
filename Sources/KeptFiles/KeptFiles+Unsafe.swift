// Bytes kept on disk between runs, by key: a cache that may lose anything at any time and never gives anything but what was
// saved under the key. Whatever is wrong with the folder or a file, it is as if it were not there.
//
// Writers make a file of their own and rename it, so a reader sees a whole file or none, and a writer that is killed leaves
// at most a temporary file, which a later `trim` removes. No file is ever changed or shortened in place, by us: a reader maps
// a large one, and would get SIGBUS from a file that something else shortens in the few microseconds that it is mapped.
//
// A file is the checksum of its content (XXH3-64, seeded by the key's low half), the key (16 bytes), and the content.
//
// Unsafe because files are read through a mapping or a buffer and written from the caller's memory. Sound because either has the
// size that the file had, is lent for one closure only, and every call gets the buffer's own count.
import CLinux
import CXXHash

/// One kind of bytes in a folder, with a bound of its own. Others may use the same folder at the same time: other kinds, other
/// threads, other processes.
public final class KeptFiles: Sendable {
  /// What the bytes depend on, as a 128-bit hash.
  public struct Key: Hashable, Sendable {
    public var low: UInt64
    public var high: UInt64

    /// The XXH3-128 of these words.
    public init(_ facts: [UInt64]) {
      let hash = facts.withUnsafeBytes { rsb_hash128($0.baseAddress, $0.count) }
      low = hash.low
      high = hash.high
    }

    /// 32 hexadecimal digits.
    var name: String { Self.hexadecimal(high) + Self.hexadecimal(low) }

    private static func hexadecimal(_ value: UInt64) -> String {
      let digits = String(value, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }
  }

  /// Most bytes of one file.
  public static let fileBytesMax = 1 << 30
  static let prefixSize = 24
  static let temporarySuffix = ".part"

  let directory: String
  /// How the names of this kind end, such as ".code".
  let suffix: String
  /// All files of this kind together, after `trim`.
  let bytesMax: Int64
  /// Likewise.
  let filesMax: Int

  /// Makes the folder (mode 0700) in an existing one; nil when it cannot be made or used.
  public init?(directory: String, suffix: String, bytesMax: Int64, filesMax: Int = .max) {
    self.directory = directory
    self.suffix = suffix
    self.bytesMax = bytesMax
    self.filesMax = filesMax
    _ = rsb_host_mkdir(directory, 0o700)
    if rsb_host_access(directory, 3) < 0 { return nil }  // W_OK | X_OK
  }

  func path(_ key: Key) -> String { directory + "/" + key.name + suffix }

  /// Where this process writes what it will then rename.
  func temporaryPath(_ key: Key) -> String { path(key) + ".\(rsb_host_process())" + Self.temporarySuffix }

  /// Whether there is a file under the key, sound or not.
  public func has(_ key: Key) -> Bool { rsb_host_access(path(key), 0) >= 0 }

  /// Nothing is kept under the key any more.
  public func remove(_ key: Key) { _ = rsb_host_unlink(path(key)) }

  /// Lends what was saved under the key, for as long as `body` runs; nil when there is nothing, or nothing sound.
  public func read<Result>(_ key: Key, _ body: (UnsafeRawBufferPointer) -> Result?) -> Result? {
    let file = rsb_host_open(path(key), 0o2000000, 0)  // O_RDONLY | O_CLOEXEC
    if file < 0 { return nil }
    defer { _ = rsb_host_close(Int32(file)) }
    guard let status = Self.status(of: Int32(file)), status.size > Self.prefixSize, status.size <= Self.fileBytesMax + Self.prefixSize
    else { return nil }
    return Self.lend(Int32(file), Int(status.size)) { checked(key, $0).flatMap(body) }
  }

  /// nil for what is no regular file.
  static func status(of file: Int32) -> rsb_host_status? {
    var status = rsb_host_status()
    return rsb_host_status_get(file, nil, &status) >= 0 && status.mode & 0o170000 == 0o100000 ? status : nil
  }

  /// Lends the content of an open file of this size; nil when it cannot be had.
  static func lend<Result>(_ file: Int32, _ size: Int, _ body: (UnsafeRawBufferPointer) -> Result?) -> Result? {
    if size <= Self.copiedMax {
      let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
      defer { copy.deallocate() }
      return rsb_host_pread(file, copy.baseAddress, size, 0) == size ? body(UnsafeRawBufferPointer(copy)) : nil
    }
    let address = rsb_host_map(file, size)
    guard address > 0, let base = UnsafeRawPointer(bitPattern: address) else { return nil }
    defer { _ = rsb_host_unmap(base, size) }
    return body(UnsafeRawBufferPointer(start: base, count: size))
  }

  /// Smaller files are read: a mapping takes longer, most of all where other threads run.
  private static let copiedMax = 256 << 10

  /// The content of a whole file; nil when it is not what was saved under the key.
  private func checked(_ key: Key, _ file: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    let content = UnsafeRawBufferPointer(rebasing: file[Self.prefixSize...])
    guard file.load(fromByteOffset: 8, as: UInt64.self) == key.low,
      file.load(fromByteOffset: 16, as: UInt64.self) == key.high,
      file.load(as: UInt64.self) == rsb_hash64_seeded(content.baseAddress, content.count, key.low)
    else { return nil }
    return content
  }

  /// Keeps bytes (at least one) under the key, in place of what was kept before. A failure is nobody's concern: false then.
  @discardableResult
  public func save(_ key: Key, _ bytes: UnsafeRawBufferPointer) -> Bool {
    if bytes.isEmpty || bytes.count > Self.fileBytesMax { return false }
    let temporary = temporaryPath(key)
    let file = rsb_host_open(temporary, 0o2001101, 0o600)  // O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
    if file < 0 { return false }
    let prefix = [rsb_hash64_seeded(bytes.baseAddress, bytes.count, key.low), key.low, key.high]
    let written = prefix.withUnsafeBytes { head in
      rsb_host_pwrite(Int32(file), head.baseAddress, head.count, 0) == head.count
        && rsb_host_pwrite(Int32(file), bytes.baseAddress, bytes.count, Int64(head.count)) == bytes.count
    }
    _ = rsb_host_close(Int32(file))
    if written && rsb_host_rename(temporary, path(key)) >= 0 { return true }
    _ = rsb_host_unlink(temporary)
    return false
  }
}
