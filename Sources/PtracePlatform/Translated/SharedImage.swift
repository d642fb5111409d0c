// An image of file content, which all spaces share that map this content at the same place, and what is known of it.
import CLinux
import KeptFiles
import Platform
import Translator

/// The image, and our view of the content.
final class SharedImage {
  let image: CodeImage
  /// The piece of mirror that spaces share; nil before there are several.
  var mirror: MirrorPool.Segment?
  /// Some space has, or had, an attachment to it.
  var hasBeenUsed = false
  /// Sound: a read-only view of the object's pages that lasts as long as this.
  private let view: UnsafeMutableRawPointer
  /// Where it begins in the object, and its size.
  private let offset: UInt64
  private let viewSize: Int
  /// The object is kept alive by its mappings; this keeps its memory.
  private let object: MemoryObject
  /// When this was made: the loader's thread asks.
  private let objectSize: UInt64
  /// Of the object's pieces (`FilePieces`), when they are known and stay so.
  private let pieceHashes: [ContentHash]
  /// Blocks that the cache on disk knew.
  var savedBlocks = 0
  var cacheKey: KeptFiles.Key?
  /// Which saved image it was loaded from, how many entries of the mirror that had, and the file with them, if there is one.
  var stamp: UInt64?
  var entriesLoaded = 0
  var keptMirror: MemoryObject?
  /// A space has, or had, a piece of mirror of its own for it.
  var hasOwnMirror = false

  init(_ image: CodeImage, view: UnsafeMutableRawPointer, offset: UInt64, _ size: Int, _ object: MemoryObject) {
    self.image = image
    self.view = view
    self.offset = offset
    viewSize = size
    self.object = object
    objectSize = object.size
    pieceHashes = object.isFrozen ? object.pieceHashes : []
  }
  deinit { rsb_memfd_unmap(view, viewSize) }

  /// What tells the content and its place: the hashes of the pieces that it lies in, which of a kept file are known. Of any thread, as long as
  /// the object is as it was; nil where there is no room for a view.
  func contentFacts() -> [UInt64]? {
    let size = FilePieces.bytesMax, end = min(objectSize, offset + UInt64(viewSize))
    let pieces = Int(offset) / size...(Int(end) - 1) / size
    let hashes = pieces.upperBound < pieceHashes.count ? Array(pieceHashes[pieces]) : hash(pieces)
    return hashes.map { hashes in hashes.flatMap { [$0.low, $0.high] } + [offset, UInt64(viewSize)] }
  }

  private func hash(_ pieces: ClosedRange<Int>) -> [ContentHash]? {
    let start = pieces.lowerBound * FilePieces.bytesMax
    let size = min(Int(objectSize), (pieces.upperBound + 1) * FilePieces.bytesMax) - start
    guard let whole = rsb_memfd_map(object.descriptor, UInt64(start), size, 0) else { return nil }
    defer { rsb_memfd_unmap(whole, size) }
    return FileMemory.pieceHashes(of: UnsafeRawBufferPointer(start: whole, count: size))
  }
}
