// Translations kept between runs: one file for each piece of program text at an address, named by a hash of both, of the
// processor options and of this tool's own file. Whatever is wrong with the folder or a file, it is as if it were not there, and
// the run saves its own in its place.
import CLinux
import CXXHash
import KeptFiles
import Platform
import Translator

final class TranslationCache {
  /// All files together; the least recently written go first.
  static let bytesMax: Int64 = 512 << 20
  /// Of pieces of the mirror, mostly holes.
  static let mirrorBytesMax: Int64 = 1 << 30
  private let codes: MappableFiles
  private let mirrors: MappableFiles?
  /// What translated code depends on beside the guest's bytes.
  private let identity: UInt64

  /// nil when the folder cannot be made.
  init?(directory: String, allowsAVX512: Bool) {
    guard let codes = MappableFiles(directory: directory, suffix: ".code", bytesMax: Self.bytesMax) else { return nil }
    self.codes = codes
    mirrors = MappableFiles(directory: directory, suffix: ".mirror", bytesMax: Self.mirrorBytesMax)
    var status = rsb_host_status()
    guard rsb_host_status_follow("/proc/self/exe", &status) >= 0 else { return nil }
    let facts: [UInt64] = [
      UInt64(bitPattern: status.size), UInt64(bitPattern: status.modified_ns), UInt64(CodeImage.savedVersion),
      allowsAVX512 ? 1 : 0,
    ]
    identity = facts.withUnsafeBytes { rsb_hash64($0.baseAddress!, $0.count) }
  }

  /// nil where there is no memory to look at the content.
  func key(_ shared: SharedImage) -> KeptFiles.Key? {
    shared.contentFacts().map { KeptFiles.Key($0 + [shared.image.start, UInt64(shared.image.length), identity]) }
  }

  /// Fills an empty image, and says which of the images that were ever saved it is; nil, and still empty, when nothing sound is kept.
  func load(_ key: KeptFiles.Key, into image: CodeImage, store: (Int, UnsafeRawBufferPointer) -> Void) -> UInt64? {
    guard let found = codes.open(key) else { return nil }
    defer { _ = rsb_descriptor_close(found.descriptor) }
    let stamp: UInt64? = codes.lend(found) { bytes in
      guard let stamp = found.words.first, found.isUntouched || rsb_hash64(bytes.baseAddress, bytes.count) == stamp else { return nil }
      return image.restore(bytes, store: store) ? stamp : nil
    }
    if let stamp, !found.isUntouched { codes.vouch(key, found.descriptor, [stamp]) }
    return stamp
  }

  func save(_ image: CodeImage, _ key: KeptFiles.Key) {
    let bytes = image.saved()
    let made = codes.make(key) { file in
      bytes.withUnsafeBytes { rsb_memfd_pwrite(file, $0.baseAddress, $0.count, 0) == $0.count }
    }
    guard let made else { return }
    codes.keep(key, made, [rsb_hash64(bytes, bytes.count)])
    _ = rsb_descriptor_close(made)
  }

  // MARK: Pieces of the mirror

  /// What a space's own piece of the mirror holds once all entries of a loaded image are in it, as a file to map privately; nil when none is
  /// kept. Such a file is of the image at one place of the arena.
  func mirror(of image: CodeImage, _ key: KeptFiles.Key, stamp: UInt64) -> MemoryObject? {
    let size = image.length * 8
    guard let found = mirrors?.open(mirrorKey(image, key), size: size) else { return nil }
    let object = MemoryObject(descriptor: found.descriptor, size: UInt64(size), isFrozen: true)
    return found.isUntouched && found.words == [stamp, UInt64(image.mirrorEntryCount)] ? object : nil
  }

  /// `entries`: how many of the image's were loaded.
  func saveMirror(of image: CodeImage, entries: Int, _ key: KeptFiles.Key, stamp: UInt64) {
    let key = mirrorKey(image, key)
    let file = mirrors?.make(key) { file in
      var isWhole = rsb_memfd_resize(file, UInt64(image.length * 8)) >= 0
      image.forEachMirrorRun(ofFirst: entries) { offset, words in
        isWhole = isWhole && rsb_memfd_pwrite(file, words.baseAddress, words.count, UInt64(offset)) == words.count
      }
      return isWhole
    }
    guard let file else { return }
    mirrors?.keep(key, file, [stamp, UInt64(entries)])
    _ = rsb_descriptor_close(file)
  }

  private func mirrorKey(_ image: CodeImage, _ key: KeptFiles.Key) -> KeptFiles.Key {
    KeptFiles.Key([key.low, key.high, image.address])
  }

  func trim() {
    codes.trim()
    mirrors?.trim()
  }
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
    for shared in sharedImages.values where save(shared) || saveMirror(of: shared) { saved = true }
    if saved { cache?.trim() }
  }

  /// Keeps what the mirror of an image was filled with when it was loaded: the second run that uses it pays for the later ones. What it translated
  /// beside that is as little as `save` leaves out, and some in most runs: of other arguments, another environment.
  private func saveMirror(of shared: SharedImage) -> Bool {
    let image = shared.image
    guard let cache, let key = shared.cacheKey, let stamp = shared.stamp, shared.keptMirror == nil, shared.hasOwnMirror,
      shared.entriesLoaded >= Self.mirrorEntriesMin
    else { return false }
    cache.saveMirror(of: image, entries: shared.entriesLoaded, key, stamp: stamp)
    return true
  }
  /// Fewer are stored in less time than a file takes to be opened and mapped.
  private static let mirrorEntriesMin = 512

  /// Keeps an image if it grew by so much, and says whether it did.
  @discardableResult
  func save(_ shared: SharedImage) -> Bool {
    let grown = shared.image.blockCount - shared.savedBlocks
    guard let cache, let key = shared.cacheKey, grown > shared.savedBlocks / 64 else { return false }
    cache.save(shared.image, key)
    return true
  }
}
