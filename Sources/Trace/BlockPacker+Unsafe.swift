// A sealed block as the frames of the file: every large piece of an embedded file is one of its own, what stands between is
// in frames too. The frame of a piece depends on nothing but its bytes, its level and zstd's version, so it can be kept
// between runs; whether it was taken from there or made here cannot be told from the trace.
//
// zstd makes the same frame of the same bytes only from the same state of its context: later versions salt their tables by
// what the context did before. So a piece gets a fresh context, and the context of the rest sees the same frames whatever was
// kept.
//
// Unsafe because libzstd writes to a buffer and kept frames are copied from a mapping. Sound because the buffer has room
// for zstd's bound of every frame of the largest block, and a copy is checked against what is left of it.
import CZstd
import KeptFiles
import Platform

/// A piece of an embedded file in the records of a block, which becomes a frame of its own.
struct FilePiece {
  /// Where it starts in the block's records, and its size; from one piece to the next they ascend and do not overlap.
  var offset: Int
  var length: Int
  /// XXH3-128 of its bytes.
  var hash: ContentHash
  var level: Int32
}

/// A block whose only record is a piece of a file, at its end, that lies elsewhere. Sound: the bytes are the owner's, and stay as they are until
/// the block is written (`TraceWriter.settle`).
struct BlockApart {
  var header: BlockHeader
  /// Header and record, as far as the piece.
  var start: [UInt8]
  var piece: FilePiece
  let bytes: UnsafeRawBufferPointer
  let owner: any FileBytes
}

/// Makes frames of blocks. The writing thread's own.
final class BlockPacker {
  /// Level of everything but the pieces of files.
  static let level: Int32 = 3

  private let compressor: FrameCompressor
  private let keeper: KeptFiles?
  private let output: UnsafeMutableRawBufferPointer
  private var filled = 0
  /// Frames of the last block that were made here and could be kept.
  private var fresh: [(key: KeptFiles.Key, frame: Range<Int>)] = []
  private var hasSaved = false
  /// Whether pieces of files had to be compressed for the last block.
  private(set) var hasFresh = false

  init(_ compressor: FrameCompressor, keeper: KeptFiles?) {
    self.compressor = compressor
    self.keeper = keeper
    let block = TraceFormat.blockHeaderLength + TraceFormat.blockPayloadLimit
    let framesMax = 2 * (TraceFormat.blockPayloadLimit / TraceFormat.filePieceMinimum) + 1
    // zstd's bound of many frames is that of one and, for each, what an empty one may take.
    let room = FrameCompressor.bound(block) + framesMax * FrameCompressor.bound(0)
    output = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 16)
  }

  deinit { output.deallocate() }

  /// The frames of a block (header and records), valid until the next call; nil when zstd has no memory.
  func frames(of block: UnsafeRawBufferPointer, _ pieces: [FilePiece]) -> UnsafeRawBufferPointer? {
    start()
    var done = 0
    for piece in pieces {
      let start = TraceFormat.blockHeaderLength + piece.offset
      let bytes = UnsafeRawBufferPointer(rebasing: block[start..<start + piece.length])
      // The block's header stands before the first piece.
      guard appendFrame(of: UnsafeRawBufferPointer(rebasing: block[done..<start]), compressor, Self.level),
        appendPiece(piece, bytes)
      else { return nil }
      done = start + piece.length
    }
    if done < block.count {
      guard appendFrame(of: UnsafeRawBufferPointer(rebasing: block[done...]), compressor, Self.level) else { return nil }
    }
    return UnsafeRawBufferPointer(rebasing: output[..<filled])
  }

  /// The same of a block whose piece lies elsewhere.
  func frames(of block: BlockApart) -> UnsafeRawBufferPointer? {
    start()
    guard block.start.withUnsafeBytes({ appendFrame(of: $0, compressor, Self.level) }), appendPiece(block.piece, block.bytes)
    else { return nil }
    return UnsafeRawBufferPointer(rebasing: output[..<filled])
  }

  private func start() {
    filled = 0
    fresh.removeAll(keepingCapacity: true)
    hasFresh = false
  }

  /// Keeps what was made for the last block. Apart from `frames`, so that nobody waits for it who waits for the block.
  func keep() {
    guard let keeper else { return }
    for (key, frame) in fresh where keeper.save(key, UnsafeRawBufferPointer(rebasing: output[frame])) { hasSaved = true }
    fresh.removeAll(keepingCapacity: true)
  }

  /// After the last block.
  func finish() { if hasSaved { keeper?.trim() } }

  private func appendFrame(of bytes: UnsafeRawBufferPointer, _ compressor: FrameCompressor, _ level: Int32) -> Bool {
    let room = UnsafeMutableRawBufferPointer(rebasing: output[filled...])
    guard let size = compressor.compress(bytes, into: room, level: level) else { return false }
    filled += size
    return true
  }

  private func appendPiece(_ piece: FilePiece, _ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let keeper else { return compress(piece, bytes) }
    let key = KeptFiles.Key([
      piece.hash.low, piece.hash.high, UInt64(piece.length), UInt64(piece.level), UInt64(ZSTD_versionNumber()),
    ])
    if keeper.read(key, { appendKept($0, of: piece.length) }) != nil { return true }
    let start = filled
    guard compress(piece, bytes) else { return false }
    fresh.append((key, start..<filled))
    return true
  }

  private func compress(_ piece: FilePiece, _ bytes: UnsafeRawBufferPointer) -> Bool {
    hasFresh = true
    guard let compressor = FrameCompressor() else { return false }
    return appendFrame(of: bytes, compressor, piece.level)
  }

  /// Takes a kept frame if it is one whole frame that says it holds `length` bytes; nil otherwise.
  private func appendKept(_ frame: UnsafeRawBufferPointer, of length: Int) -> Void? {
    guard frame.count <= FrameCompressor.bound(length), frame.count <= output.count - filled,
      ZSTD_findFrameCompressedSize(frame.baseAddress, frame.count) == frame.count,
      ZSTD_getFrameContentSize(frame.baseAddress, frame.count) == UInt64(length)
    else { return nil }
    UnsafeMutableRawBufferPointer(rebasing: output[filled...]).copyMemory(from: frame)
    filled += frame.count
    return ()
  }
}
