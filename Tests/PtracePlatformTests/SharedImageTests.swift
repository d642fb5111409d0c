// By what an image of file content is found again on disk: the hashes of the pieces of the file that it lies in, be they known already or not.
import CLinux
import Platform
import Testing
import Translator

@testable import PtracePlatform

@Suite struct SharedImageTests {
  private static let pieceSize = FilePieces.bytesMax
  /// Two whole pieces and a part of a third.
  private static let content = (0..<2 * pieceSize + 5000).map { UInt8(truncatingIfNeeded: $0 &* 167 >> 5) }

  private func object(_ bytes: [UInt8], isFrozen: Bool = false, hashes: [ContentHash] = []) -> MemoryObject {
    let file = Int32(rsb_memfd_make("replaysb-test"))
    #expect(rsb_memfd_pwrite(file, bytes, bytes.count, 0) == bytes.count)
    let object = MemoryObject(descriptor: file, size: UInt64(bytes.count), isFrozen: isFrozen)
    object.pieceHashes = hashes
    return object
  }

  /// Of an image of the whole pages that begin at `offset`, `pages` of them.
  private func facts(_ object: MemoryObject, offset: Int, pages: Int) -> [UInt64]? {
    let length = pages * 4096, reserve = CodeImage.reserve(for: length)
    let code = UnsafeMutablePointer<UInt8>.allocate(capacity: reserve)
    defer { code.deallocate() }
    guard let view = rsb_memfd_map(object.descriptor, UInt64(offset), length, 0) else { return nil }
    let image = CodeImage(
      start: 0x40_0000, length: length, source: view.assumingMemoryBound(to: UInt8.self), available: length,
      address: RuntimeLayout.arena + 4096, code: code, reserve: reserve, mirror: nil)
    return SharedImage(image, view: view, offset: UInt64(offset), length, object).contentFacts()
  }

  /// In one piece, across two, up to a boundary, and to the end of the file, which is within a page.
  private static let places = [(0, 1), (pieceSize - 4096, 2), (4096, pieceSize / 4096 - 1), (0, 92), (2 * pieceSize, 2)]

  @Test func knownHashesAreThoseOfTheContent() throws {
    let hashes = Self.content.withUnsafeBytes { FileMemory.pieceHashes(of: $0) }
    #expect(hashes.count == 3)
    let kept = object(Self.content, isFrozen: true, hashes: hashes), young = object(Self.content)
    for (offset, pages) in Self.places {
      let known = try #require(facts(kept, offset: offset, pages: pages))
      #expect(known == facts(young, offset: offset, pages: pages), "\(pages) pages at \(offset)")
    }
    #expect(Set(Self.places.map { facts(kept, offset: $0.0, pages: $0.1) }).count == Self.places.count)
  }

  /// What an object held when somebody asked is of no account while it may change.
  @Test func contentThatMayChangeIsLookedAt() {
    let stale = object(Self.content, hashes: [ContentHash](repeating: ContentHash(low: 1, high: 2), count: 3))
    for (offset, pages) in Self.places {
      #expect(facts(stale, offset: offset, pages: pages) == facts(object(Self.content), offset: offset, pages: pages))
    }
  }

  @Test func everyByteOfItsPiecesCounts() {
    for byte in [0, 5000, Self.pieceSize - 1, Self.pieceSize, 2 * Self.pieceSize, Self.content.count - 1] {
      var bytes = Self.content
      bytes[byte] ^= 1
      let changed = object(bytes), plain = object(Self.content)
      for (offset, pages) in Self.places {
        let pieces = offset / Self.pieceSize...(min(offset + pages * 4096, bytes.count) - 1) / Self.pieceSize
        let isSame = facts(changed, offset: offset, pages: pages) == facts(plain, offset: offset, pages: pages)
        #expect(isSame == !pieces.contains(byte / Self.pieceSize), "byte \(byte), \(pages) pages at \(offset)")
      }
    }
  }
}
