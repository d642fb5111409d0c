// Blocks out of the journal of a recorder that was killed (or still runs). See FrameWriter+Unsafe.swift for the layout.
// All fields are read with checks.

enum JournalReader {
  /// The journal's blocks in order of their numbers: none when it is damaged or belongs to another trace. A segment
  /// holds whole records up to its committed count; the records themselves are checked by whoever decodes them.
  static func blocks(_ bytes: [UInt8], firstBlock: [UInt8], version: UInt32) -> [Block] {
    var source = ByteSource(bytes)
    guard let magic = try? source.word32(), magic == JournalLayout.magic,
      let stated = try? source.word32(), stated == version,
      let count = try? source.word32(), (1...UInt32(JournalLayout.segmentCountMax)).contains(count),
      let size = try? source.word32(), size == UInt32(JournalLayout.segmentSize),
      let owner = try? source.word(), owner == checksum(firstBlock, 0..<firstBlock.count),
      bytes.count >= JournalLayout.fileSize(Int(count)), bytes.count <= JournalLayout.fileSizeMax
    else { return [] }
    var blocks: [Block] = []
    for index in 0..<Int(count) {
      let base = JournalLayout.headerLength + index * JournalLayout.segmentSize
      if let block = block(bytes, base) { blocks.append(block) }
    }
    return blocks.sorted { $0.header.number < $1.header.number }
  }

  private static func block(_ bytes: [UInt8], _ base: Int) -> Block? {
    var source = ByteSource(bytes, from: base)
    guard let committed = try? source.word(), let state = try? source.word(), state > 1,
      var header = try? BlockHeader(from: bytes, at: base + JournalLayout.blockHeaderOffset, sealed: false)
    else { return nil }
    let length = Int(committed & 0xFFFF_FFFF)
    guard UInt64(header.number) + 1 == state, length > 0, length <= TraceFormat.blockPayloadLimit,
      committed >> 32 <= UInt64(TraceFormat.blockRecordLimit)
    else { return nil }
    header.recordCount = UInt32(committed >> 32)
    header.payloadLength = UInt32(length)
    let start = base + JournalLayout.payloadOffset
    return Block(header: header, bytes: Array(bytes[start..<start + length]), start: 0, frameEnds: [], isSealed: false)
  }
}
