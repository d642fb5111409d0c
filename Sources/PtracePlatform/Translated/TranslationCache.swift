// Translations kept between runs: one file for each piece of program text at an address, named by a hash of both, of the
// processor options and of this tool's own file. What is wrong with the folder or a file is KeptFiles' matter: it is as if it
// were not there.
import CLinux
import CXXHash
import KeptFiles
import Platform
import Translator

final class TranslationCache {
  /// All files together; the least recently written go first.
  static let bytesMax: Int64 = 512 << 20
  private let files: KeptFiles
  /// What translated code depends on beside the guest's bytes.
  private let identity: UInt64

  /// nil when the folder cannot be made.
  init?(directory: String, allowsAVX512: Bool) {
    guard let files = KeptFiles(directory: directory, suffix: ".code", bytesMax: Self.bytesMax) else { return nil }
    self.files = files
    var status = rsb_host_status()
    guard rsb_host_status_follow("/proc/self/exe", &status) >= 0 else { return nil }
    let facts: [UInt64] = [
      UInt64(bitPattern: status.size), UInt64(bitPattern: status.modified_ns), UInt64(CodeImage.savedVersion),
      allowsAVX512 ? 1 : 0,
    ]
    identity = facts.withUnsafeBytes { rsb_hash64($0.baseAddress!, $0.count) }
  }

  func key(_ image: CodeImage) -> KeptFiles.Key {
    let content = rsb_hash128(image.source, image.available)
    return KeptFiles.Key([content.low, content.high, image.start, UInt64(image.length), identity])
  }

  /// Fills an empty image; false, and still empty, when nothing sound is kept.
  func load(_ key: KeptFiles.Key, into image: CodeImage, store: (Int, UnsafeRawBufferPointer) -> Void) -> Bool {
    files.read(key) { image.restore($0, store: store) ? () : nil } != nil
  }

  func save(_ image: CodeImage, _ key: KeptFiles.Key) { image.saved().withUnsafeBytes { _ = files.save(key, $0) } }

  func trim() { files.trim() }
}

extension TranslatedMachine {
  /// Fills a new image with what an earlier run translated.
  func load(_ shared: SharedImage) {
    if !translator.isObserving { loader?.load(shared) }
  }

  /// Keeps images that grew by what makes a new file worth while.
  func saveTranslations() {
    loader?.finishLoads()
    var saved = false
    for shared in sharedImages.values where save(shared) { saved = true }
    if saved { cache?.trim() }
  }

  /// Keeps an image if it grew by so much, and says whether it did.
  @discardableResult
  func save(_ shared: SharedImage) -> Bool {
    let grown = shared.image.blockCount - shared.savedBlocks
    guard let cache, let key = shared.cacheKey, grown > shared.savedBlocks / 64 else { return false }
    cache.save(shared.image, key)
    return true
  }
}
