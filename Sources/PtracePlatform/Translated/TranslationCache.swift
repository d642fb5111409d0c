// Translations kept between runs: one file for each piece of program text at an address, named by a hash of both, of the
// processor options and of this tool's own file. Whatever is wrong with the folder or a file, it is as if it were not there.
// Writers make a file of their own and rename it, so a reader sees a whole file or none, and a writer that is killed leaves
// at most a temporary file, which the next clean-up removes.
import CLinux
import CXXHash
import Platform
import Translator

final class TranslationCache {
  struct Key: Hashable {
    var low: UInt64
    var high: UInt64
    var name: String { Self.hex(high) + Self.hex(low) + ".code" }
    private static func hex(_ value: UInt64) -> String {
      let digits = String(value, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }
  }

  /// All files together; the least recently written go first.
  static let bytesMax: Int64 = 512 << 20
  private let directory: String
  /// What translated code depends on beside the guest's bytes.
  private let identity: UInt64

  /// nil when the folder cannot be made.
  init?(directory: String, allowsAVX512: Bool) {
    self.directory = directory
    _ = rsb_host_mkdir(directory, 0o700)
    if rsb_host_access(directory, 3) < 0 { return nil }
    var status = rsb_host_status()
    guard rsb_host_status_follow("/proc/self/exe", &status) >= 0 else { return nil }
    let facts: [UInt64] = [
      UInt64(bitPattern: status.size), UInt64(bitPattern: status.modified_ns), UInt64(CodeImage.savedVersion),
      allowsAVX512 ? 1 : 0,
    ]
    identity = facts.withUnsafeBytes { rsb_hash64($0.baseAddress!, $0.count) }
  }

  func key(_ image: CodeImage) -> Key {
    let content = rsb_hash128(image.source, image.available)
    let facts = [content.low, content.high, image.start, UInt64(image.length), identity]
    let hash = facts.withUnsafeBytes { rsb_hash128($0.baseAddress!, $0.count) }
    return Key(low: hash.low, high: hash.high)
  }

  private func path(_ key: Key) -> String { directory + "/" + key.name }

  /// A file is its checksum, its key, and the image.
  private static let prefixSize = 24

  func load(
    _ key: Key, into image: CodeImage, store: (CodeImage.Part, Int, UnsafeRawBufferPointer) -> Void
  ) -> Bool {
    let file = rsb_host_open(path(key), 0o2000000, 0)  // O_RDONLY | O_CLOEXEC
    if file < 0 { return false }
    defer { _ = rsb_host_close(Int32(file)) }
    var status = rsb_host_status()
    guard rsb_host_status_get(Int32(file), nil, &status) >= 0, status.size > Self.prefixSize, status.size < 1 << 30 else {
      return false
    }
    let size = Int(status.size)
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      count = max(0, rsb_host_pread(Int32(file), buffer.baseAddress!, size, 0))
    }
    guard bytes.count == size else { return false }
    return bytes.withUnsafeBytes { all in
      let words = (0..<3).map { all.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self) }
      guard words[1] == key.low, words[2] == key.high else { return false }
      let rest = UnsafeRawBufferPointer(rebasing: all[8...])
      guard rsb_hash64(rest.baseAddress!, rest.count) == words[0] else { return false }
      return image.restore(UnsafeRawBufferPointer(rebasing: all[Self.prefixSize...]), store: store)
    }
  }

  func save(_ image: CodeImage, _ key: Key) {
    var bytes = [UInt8](repeating: 0, count: Self.prefixSize) + image.saved()
    bytes.withUnsafeMutableBytes { all in
      all.storeBytes(of: key.low, toByteOffset: 8, as: UInt64.self)
      all.storeBytes(of: key.high, toByteOffset: 16, as: UInt64.self)
      let sum = rsb_hash64(all.baseAddress! + 8, all.count - 8)
      all.storeBytes(of: sum, toByteOffset: 0, as: UInt64.self)
    }
    let temporary = path(key) + ".\(rsb_host_process()).part"
    let file = rsb_host_open(temporary, 0o2001101, 0o600)  // O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
    if file < 0 { return }
    let written = rsb_host_pwrite(Int32(file), bytes, bytes.count, 0)
    _ = rsb_host_close(Int32(file))
    if written != bytes.count || rsb_host_rename(temporary, path(key)) < 0 { _ = rsb_host_unlink(temporary) }
  }

  /// Keeps the folder below its bound: the files written longest ago go, and what killed writers left.
  func trim() {
    var files: [(name: String, size: Int64, written: Int64)] = []
    for name in names() where name.hasSuffix(".code") || name.hasSuffix(".part") {
      var status = rsb_host_status()
      guard rsb_host_status_follow(directory + "/" + name, &status) >= 0 else { continue }
      files.append((name, status.size, status.modified_ns))
    }
    let newest = files.map(\.written).max() ?? 0
    let hour: Int64 = 3_600_000_000_000
    var total = files.reduce(0) { $0 + $1.size }
    for file in files.sorted(by: { ($0.written, $0.name) < ($1.written, $1.name) }) {
      let isLeft = file.name.hasSuffix(".part") && newest - file.written > hour
      if total <= Self.bytesMax && !isLeft { continue }
      if rsb_host_unlink(directory + "/" + file.name) >= 0 { total -= file.size }
    }
  }

  private func names() -> [String] {
    let folder = rsb_host_open(directory, 0o2200000, 0)  // O_DIRECTORY | O_CLOEXEC
    if folder < 0 { return [] }
    defer { _ = rsb_host_close(Int32(folder)) }
    var names: [String] = []
    var buffer = [UInt8](repeating: 0, count: 32 << 10)
    while true {
      let count = rsb_host_entries(Int32(folder), &buffer, buffer.count)
      if count <= 0 { return names }
      // struct linux_dirent64: inode 8, offset 8, record length 2, type 1, name.
      var offset = 0
      while offset < count {
        let length = Int(buffer[offset + 16]) | Int(buffer[offset + 17]) << 8
        let name = buffer[offset + 19..<offset + length].prefix { $0 != 0 }
        names.append(String(decoding: name, as: UTF8.self))
        offset += length
      }
    }
  }
}

extension TranslatedMachine {
  /// Fills a new image with what an earlier run translated.
  func load(_ shared: SharedImage) {
    guard let cache else { return }
    let key = cache.key(shared.image)
    shared.cacheKey = key
    let image = shared.image
    let isLoaded = cache.load(key, into: image) { part, offset, bytes in
      switch part {
      case .code: arena.store(image, offset, bytes)
      case .mirror: pool.store(shared.mirror!, offset, bytes)
      }
    }
    if isLoaded { counters.imagesLoaded += 1 }
    shared.savedBlocks = shared.image.blockCount
  }

  /// Keeps images that grew by what makes a new file worth while.
  func saveTranslations() {
    guard let cache else { return }
    var saved = false
    for shared in sharedImages.values {
      let grown = shared.image.blockCount - shared.savedBlocks
      guard let key = shared.cacheKey, grown > shared.savedBlocks / 64 else { continue }
      cache.save(shared.image, key)
      saved = true
    }
    if saved { cache.trim() }
  }
}
