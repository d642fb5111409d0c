// Takes a trace apart into blocks and seals blocks into a trace again: for tests and the fuzzer, which must get past
// checksums and compression to reach what lies behind them.

package struct TraceParts {
  package struct Part {
    package var number: UInt32
    package var firstEvent: UInt64
    package var chain: UInt64
    package var recordCount: UInt32
    package var payload: [UInt8]
    /// Where, in the block with its header, its frames end; the last one's end is the block's.
    package var frameEnds: [Int] = []
    /// A frame that is left out, and bytes that stand after the first one: damage that no writer does.
    package var droppedFrame: Int?
    package var strayBytes: [UInt8] = []
  }
  /// The format version that the preamble states.
  package var version = TraceFormat.version
  /// The first block's records: tag and header fields.
  package var headerPayload: [UInt8]
  package var parts: [Part] = []
  package var hasSeekTable = true

  /// From a trace that is whole.
  package init(_ trace: [UInt8]) throws(TraceError) {
    let input = TraceInput(bytes: trace)
    let reader = try BlockReader(input, journal: nil)
    version = reader.header.formatVersion
    headerPayload = [RecordTag.header.rawValue] + reader.header.encoded()
    var number = 1
    while let block = try reader.block(number) {
      let payload = Array(block.bytes[block.start..<block.start + Int(block.header.payloadLength)])
      parts.append(
        Part(
          number: block.header.number, firstEvent: block.header.firstEvent, chain: block.header.chain,
          recordCount: block.header.recordCount, payload: payload, frameEnds: block.frameEnds))
      number += 1
    }
  }

  /// Seals everything as it stands. `compressor`: nil stores the blocks uncompressed in frames, which is much faster.
  package func assembled(_ compressor: FrameCompressor? = nil) -> [UInt8] {
    func frame(_ bytes: [UInt8]) -> [UInt8] { compressor?.compress(bytes, level: 1) ?? Self.storedFrame(bytes) }
    let header = BlockHeader(number: 0, firstEvent: 1, chain: 0, recordCount: 1)
    var out = frame(FirstBlock.preamble(version: version) + sealed(header, payload: headerPayload))
    var entries: [(firstEvent: UInt64, offset: UInt64)] = [(1, 0)]
    for part in parts {
      let header = BlockHeader(
        number: part.number, firstEvent: part.firstEvent, chain: part.chain, recordCount: part.recordCount)
      entries.append((part.firstEvent, UInt64(out.count)))
      for (index, bytes) in Self.pieces(sealed(header, payload: part.payload), part.frameEnds).enumerated() {
        if index != part.droppedFrame { out += frame(bytes) }
        if index == 0 { out += part.strayBytes }
      }
    }
    if hasSeekTable { out += SeekTable.encoded(entries) }
    return out
  }

  /// A block cut at these places; those that are out of order or outside, after other changes, are passed over.
  private static func pieces(_ block: [UInt8], _ ends: [Int]) -> [[UInt8]] {
    var pieces: [[UInt8]] = []
    var start = 0
    for end in ends where end >= start && end < block.count {
      pieces.append(Array(block[start..<end]))
      start = end
    }
    return pieces + [Array(block[start...])]
  }

  /// A zstd frame of raw blocks (RFC 8878, 3.1.1): single segment, four-byte content size.
  package static func storedFrame(_ bytes: [UInt8]) -> [UInt8] {
    var out: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0xA0]
    for i in 0..<4 { out.append(UInt8(truncatingIfNeeded: bytes.count >> (8 * i))) }
    var at = 0
    repeat {
      let count = min(bytes.count - at, 128 << 10)
      let head = count << 3 | (at + count == bytes.count ? 1 : 0)
      for i in 0..<3 { out.append(UInt8(truncatingIfNeeded: head >> (8 * i))) }
      out += bytes[at..<at + count]
      at += count
    } while at < bytes.count
    return out
  }
}
