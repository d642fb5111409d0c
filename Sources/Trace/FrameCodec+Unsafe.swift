// A block as bytes: header, seal, compression. Layout of the header, little end first:
//
//   0 block magic (4)   4 block number (4)   8 checksum of everything after it (8)
//   16 number of the block's first event (8)   24 register chain at its start (8)
//   32 number of records (4)   36 bytes of records (4)
//
// Unsafe because libzstd and XXH3 take pointers. Sound because every call gets the buffer's own count, and zstd is told
// the capacity of its output.
import CXXHash
import CZstd

/// What a block says about itself.
struct BlockHeader {
  var number: UInt32
  var firstEvent: UInt64
  var chain: UInt64
  var recordCount: UInt32
  var payloadLength: UInt32

  /// Stores the header at `at`, whose following bytes are the payload, and seals both. `rest`: the end of the payload, when it lies elsewhere.
  func seal(at base: UnsafeMutablePointer<UInt8>, followedBy rest: UnsafeRawBufferPointer? = nil) {
    store(at: base)
    let body = Int(payloadLength) + TraceFormat.blockHeaderLength - 16
    let checksum =
      if let rest {
        rsb_hash64_of_two(base + 16, body - rest.count, rest.baseAddress, rest.count)
      } else {
        rsb_hash64(base + 16, body)
      }
    UnsafeMutableRawPointer(base + 8).storeBytes(of: checksum.littleEndian, as: UInt64.self)
  }

  /// Stores the header without a checksum.
  func store(at base: UnsafeMutablePointer<UInt8>) {
    let raw = UnsafeMutableRawPointer(base)
    raw.storeBytes(of: TraceFormat.blockMagic.littleEndian, as: UInt32.self)
    raw.storeBytes(of: number.littleEndian, toByteOffset: 4, as: UInt32.self)
    raw.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
    raw.storeBytes(of: firstEvent.littleEndian, toByteOffset: 16, as: UInt64.self)
    raw.storeBytes(of: chain.littleEndian, toByteOffset: 24, as: UInt64.self)
    raw.storeBytes(of: recordCount.littleEndian, toByteOffset: 32, as: UInt32.self)
    raw.storeBytes(of: payloadLength.littleEndian, toByteOffset: 36, as: UInt32.self)
  }

  /// Reads and checks a header that `block` starts with at `offset`. `sealed`: the checksum must hold.
  init(from block: [UInt8], at offset: Int, sealed: Bool) throws(DecodeFailure) {
    if block.count - offset < TraceFormat.blockHeaderLength {
      throw DecodeFailure("a block is shorter than its header")
    }
    var source = ByteSource(block, from: offset)
    if try source.word32() != TraceFormat.blockMagic { throw DecodeFailure("a block does not start with its magic") }
    number = try source.word32()
    let checksum = try source.word()
    firstEvent = try source.word()
    chain = try source.word()
    recordCount = try source.word32()
    payloadLength = try source.word32()
    if !sealed { return }
    if Int(payloadLength) != source.remaining { throw DecodeFailure("a block's length is not the one it states") }
    let actual = block.withUnsafeBytes { rsb_hash64($0.baseAddress! + offset + 16, $0.count - offset - 16) }
    if actual != checksum { throw DecodeFailure("a block's checksum does not hold") }
  }

  init(number: UInt32, firstEvent: UInt64, chain: UInt64, recordCount: UInt32 = 0, payloadLength: UInt32 = 0) {
    self.number = number
    self.firstEvent = firstEvent
    self.chain = chain
    self.recordCount = recordCount
    self.payloadLength = payloadLength
  }
}

/// XXH3-64 of bytes, for the seek table.
func checksum(_ bytes: [UInt8], _ range: Range<Int>) -> UInt64 {
  bytes.withUnsafeBytes { rsb_hash64($0.baseAddress.map { $0 + range.lowerBound }, range.count) }
}

/// Makes frames. One thread uses one.
package final class FrameCompressor {
  private let context: OpaquePointer
  private var level: Int32 = 0

  package init?() {
    guard let context = ZSTD_createCCtx() else { return nil }
    self.context = context
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 1)
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 0)
  }

  deinit { ZSTD_freeCCtx(context) }

  /// Room for one frame of that many unpacked bytes.
  static func bound(_ count: Int) -> Int { ZSTD_compressBound(count) }

  /// Compresses into `output`; the frame's size, or nil when zstd fails (no memory).
  func compress(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, level: Int32) -> Int? {
    if level != self.level {
      ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
      self.level = level
    }
    let size = ZSTD_compress2(context, output.baseAddress, output.count, input.baseAddress, input.count)
    return ZSTD_isError(size) != 0 ? nil : size
  }

  /// Compresses to an array; for small things and tests.
  func compress(_ input: [UInt8], level: Int32 = 3) -> [UInt8]? {
    var output = [UInt8](repeating: 0, count: Self.bound(input.count))
    let size = input.withUnsafeBytes { source in
      output.withUnsafeMutableBytes { compress(source, into: $0, level: level) }
    }
    guard let size else { return nil }
    output.removeLast(output.count - size)
    return output
  }
}

/// Takes frames apart.
package final class FrameDecompressor {
  private let context: OpaquePointer

  package init?() {
    guard let context = ZSTD_createDCtx() else { return nil }
    self.context = context
  }

  deinit { ZSTD_freeDCtx(context) }

  /// What the bytes from `offset` start with.
  enum Next {
    case frame(size: Int)
    case skippable(size: Int)
    /// The bytes end inside a frame.
    case incomplete
    case garbage
  }

  static func next(_ bytes: borrowing [UInt8], from offset: Int, count: Int) -> Next {
    bytes.withUnsafeBytes { all in
      let base = all.baseAddress! + offset
      // A whole magic number tells truncation from garbage.
      if count < 4 { return .incomplete }
      let magic = UInt32(littleEndian: base.loadUnaligned(as: UInt32.self))
      if magic & 0xFFFF_FFF0 == 0x184D_2A50 {
        if count < 8 { return .incomplete }
        let size = Int(UInt32(littleEndian: base.loadUnaligned(fromByteOffset: 4, as: UInt32.self))) + 8
        return size > count ? .incomplete : .skippable(size: size)
      }
      if magic != 0xFD2F_B528 { return .garbage }
      let size = ZSTD_findFrameCompressedSize(base, count)
      if ZSTD_isError(size) == 0 { return .frame(size: size) }
      return ZSTD_getErrorCode(size) == ZSTD_error_srcSize_wrong ? .incomplete : .garbage
    }
  }

  /// Unpacks the frame at `range`, which `next` measured, when it states a size of at most `limit`, and appends to `output`.
  func unpack(
    _ bytes: borrowing [UInt8], _ range: Range<Int>, limit: Int, onto output: inout [UInt8]
  ) throws(DecodeFailure) {
    let stated = bytes.withUnsafeBytes { ZSTD_getFrameContentSize($0.baseAddress! + range.lowerBound, range.count) }
    // Both special values (unknown, error) are near the top of 64 bits.
    if stated > UInt64(limit) { throw DecodeFailure("a frame states no size or one above \(limit) bytes") }
    let start = output.count
    output.append(contentsOf: repeatElement(0, count: Int(stated)))
    let size = bytes.withUnsafeBytes { source in
      output.withUnsafeMutableBytes {
        ZSTD_decompressDCtx(
          context, $0.baseAddress.map { $0 + start }, $0.count - start, source.baseAddress! + range.lowerBound, range.count)
      }
    }
    if ZSTD_isError(size) != 0 || size != Int(stated) { throw DecodeFailure("a frame cannot be unpacked") }
  }
}

/// A whole sealed block with this payload, whose length the header takes.
func sealed(_ header: BlockHeader, payload: [UInt8]) -> [UInt8] {
  var header = header
  header.payloadLength = UInt32(payload.count)
  var block = [UInt8](repeating: 0, count: TraceFormat.blockHeaderLength) + payload
  block.withUnsafeMutableBufferPointer { header.seal(at: $0.baseAddress!) }
  return block
}
