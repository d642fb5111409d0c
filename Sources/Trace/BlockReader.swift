// Blocks by number: from the file's frames, then, when the recorder was killed, from its journal.

/// One block's records, still encoded. `bytes` holds the payload from `start` on.
struct Block {
  var header: BlockHeader
  var bytes: [UInt8]
  var start: Int
  /// Where, in the unpacked block, the frames before the last ended: none where the block is one frame.
  var frameEnds: [Int]
  /// False for a block of the journal, whose seal was never set.
  var isSealed: Bool
}

final class BlockReader {
  private let input: TraceInput
  private let decompressor: FrameDecompressor
  let header: TraceHeader
  /// Journal blocks by number, from the first that the file may lack.
  private let journal: [Block]
  /// Offsets of the blocks' first frames known so far, by number; offsets past the last are known once it was read.
  private var offsets: [UInt64] = [0]
  /// First events by block number from the seek table; empty without one.
  private(set) var firstEvents: [UInt64] = []
  /// The blocks used last, newest last, for references to content.
  private var recent: [Block] = []
  private static let recentLimit = 16
  /// Most unpacked bytes of a block, and most compressed ones of a frame.
  private static let blockLimit = TraceFormat.blockHeaderLength + TraceFormat.blockPayloadLimit
  private static let frameLimit = FrameCompressor.bound(blockLimit)
  private static let firstFrameLimit = FrameCompressor.bound(FirstBlock.limit)

  /// True once the file was found to end inside a frame.
  private(set) var endsInsideFrame = false

  init(
    _ input: TraceInput, journal journalBytes: [UInt8]?, decompressor given: FrameDecompressor? = nil
  ) throws(TraceError) {
    self.input = input
    guard let decompressor = given ?? FrameDecompressor() else {
      throw TraceError(.host, "no memory to unpack the trace", path: input.path)
    }
    self.decompressor = decompressor
    let first = try Self.firstFrame(input, decompressor)
    header = first.header
    offsets.append(UInt64(first.size))
    let version = header.formatVersion
    journal = journalBytes.map { JournalReader.blocks($0, firstBlock: first.bytes, version: version) } ?? []
    try findSeekTable()
  }

  private static func firstFrame(
    _ input: TraceInput, _ decompressor: FrameDecompressor
  ) throws(TraceError) -> (header: TraceHeader, size: Int, bytes: [UInt8]) {
    func notATrace(_ why: String) -> TraceError {
      TraceError(.notATrace, "not a trace: " + why, path: input.path)
    }
    // Most are far below the limit.
    var loaded = (index: 0, count: 0), next = FrameDecompressor.Next.incomplete
    for count in [64 << 10, firstFrameLimit] {
      guard case .incomplete = next else { break }
      loaded = try input.load(0, count)
      if loaded.count > 0 { next = FrameDecompressor.next(input.window, from: loaded.index, count: loaded.count) }
    }
    switch next {
    case .incomplete: throw notATrace("it ends before the end of its first frame")
    case .skippable, .garbage: throw notATrace("it does not start with a zstd frame")
    case .frame(let size):
      var bytes: [UInt8] = []
      let first: (version: UInt32, header: TraceHeader?)
      do throws(DecodeFailure) {
        let range = loaded.index..<loaded.index + size
        try decompressor.unpack(input.window, range, limit: FirstBlock.limit, onto: &bytes)
        first = try FirstBlock.decoded(bytes)
      } catch { throw notATrace(error.message) }
      guard let header = first.header else {
        throw TraceError(
          .version,
          "the trace has format version \(first.version), and this tool reads versions 1 to \(TraceFormat.version)",
          path: input.path)
      }
      return (header, size, bytes)
    }
  }

  private func findSeekTable() throws(TraceError) {
    let footer = UInt64(SeekTable.footerLength)
    if input.size < footer + 8 { return }
    let tail = try input.load(input.size - footer, SeekTable.footerLength)
    if tail.count != SeekTable.footerLength { return }
    var source = ByteSource(input.window, from: tail.index)
    guard (try? source.word()) != nil, let length = try? source.word32(), let magic = try? source.word32(),
      magic == TraceFormat.seekFooterMagic, UInt64(length) <= input.size, length <= SeekTable.lengthLimit
    else { return }
    let offset = input.size - UInt64(length)
    let loaded = try input.load(offset, Int(length))
    if loaded.count != Int(length) { return }
    guard let entries = SeekTable.decoded(Array(input.window[loaded.index..<loaded.index + loaded.count])),
      entries.count >= 2, entries[0].offset == 0, entries[1].offset == offsets[1], entries.last!.offset < offset
    else { return }
    offsets = entries.map { $0.offset }
    firstEvents = entries.map { $0.firstEvent }
    tableOffset = offset
  }
  private var tableOffset: UInt64?

  /// Number of blocks when the seek table says it.
  var knownBlockCount: Int? { tableOffset == nil ? nil : offsets.count }

  /// Another reader of a file whose seek table `other` knows, without its journal.
  private init(_ input: TraceInput, like other: borrowing BlockReader, _ decompressor: FrameDecompressor) {
    self.input = input
    self.decompressor = decompressor
    header = other.header
    journal = []
    offsets = other.offsets
    firstEvents = other.firstEvents
    tableOffset = other.tableOffset
  }

  /// From now on, blocks that follow each other are unpacked before they are asked for. Only of a whole file: without a seek table
  /// nobody knows where blocks begin. `processors`: those of the thread that does it.
  func readAhead(processors: [UInt64]) {
    guard tableOffset != nil, ahead == nil, !input.path.isEmpty, let other = try? TraceInput(path: input.path),
      other.size == input.size, let decompressor = FrameDecompressor()
    else { return }
    ahead = BlocksAhead(BlockReader(other, like: self, decompressor), count: offsets.count, processors: processors)
  }
  private var ahead: BlocksAhead?

  /// The block of that number, or nil past the last.
  func block(_ number: Int) throws(TraceError) -> Block? {
    if let index = recent.lastIndex(where: { $0.header.number == UInt32(truncatingIfNeeded: number) }) {
      let block = recent.remove(at: index)
      recent.append(block)
      return block
    }
    // Without a seek table the blocks must be walked once up to here.
    while offsets.count <= number {
      let last = offsets.count - 1
      if tableOffset != nil { return nil }
      guard try fileBlock(last) != nil else { return journalBlock(number) }
    }
    if let block = ahead?.take(number) {
      remember(block)
      return block
    }
    guard let block = try fileBlock(number) else { return journalBlock(number) }
    remember(block)
    return block
  }

  /// The block of that number, whose first frame's offset is known, from its frames in the file; nil when they are not all
  /// there. Afterwards the offset of the next block is known.
  func fileBlock(_ number: Int) throws(TraceError) -> Block? {
    let position = TracePosition(block: UInt32(truncatingIfNeeded: number), record: 0, byte: 0)
    var offset = offsets[number]
    var bytes: [UInt8] = []
    var frameEnds: [Int] = []
    repeat {
      guard let found = try frame(at: offset, number: number, isFirst: bytes.isEmpty) else { return nil }
      offset += UInt64(found.size)
      if !bytes.isEmpty { frameEnds.append(bytes.count) }
      do throws(DecodeFailure) { try append(found, to: &bytes) } catch {
        throw TraceError(.corrupt, error.message, path: input.path, position: position)
      }
    } while header.formatVersion > 1 && bytes.count < Self.statedLength(bytes)
    if tableOffset == nil && offsets.count == number + 1 { offsets.append(offset) }
    do throws(DecodeFailure) {
      let header = try BlockHeader(from: bytes, at: 0, sealed: true)
      if header.number != UInt32(truncatingIfNeeded: number) {
        throw DecodeFailure("block \(header.number) stands where block \(number) belongs")
      }
      if header.recordCount > TraceFormat.blockRecordLimit { throw DecodeFailure("a block has too many records") }
      let start = TraceFormat.blockHeaderLength
      return Block(header: header, bytes: bytes, start: start, frameEnds: frameEnds, isSealed: true)
    } catch { throw TraceError(.corrupt, error.message, path: input.path, position: position) }
  }

  /// Unpacks the next frame of a block, of which the first holds at least the header. No frame goes over the end that the
  /// header states; whether the frames reach it exactly is for the checksum's check to say.
  private func append(_ frame: (index: Int, size: Int), to bytes: inout [UInt8]) throws(DecodeFailure) {
    let isFirst = bytes.isEmpty
    let before = bytes.count
    let limit = isFirst ? Self.blockLimit : Self.statedLength(bytes) - before
    try decompressor.unpack(input.window, frame.index..<frame.index + frame.size, limit: limit, onto: &bytes)
    if isFirst {
      let block = try BlockHeader(from: bytes, at: 0, sealed: false)
      let length = Int(block.payloadLength)
      if length > TraceFormat.blockPayloadLimit { throw DecodeFailure("a block states \(length) bytes of records") }
      bytes.reserveCapacity(TraceFormat.blockHeaderLength + length)
    } else if bytes.count == before {
      throw DecodeFailure("a frame in the middle of a block is empty")
    }
  }

  /// The length of the whole block, by the header that it starts with.
  private static func statedLength(_ bytes: [UInt8]) -> Int {
    let header = try? BlockHeader(from: bytes, at: 0, sealed: false)
    return TraceFormat.blockHeaderLength + Int(header?.payloadLength ?? 0)
  }

  private func remember(_ block: Block) {
    if recent.count == Self.recentLimit { recent.removeFirst() }
    recent.append(block)
  }

  /// Where the frame at an offset, of block `number`, lies in the input's window; nil at the end of the frames. `isFirst`: a
  /// block may end before it.
  private func frame(
    at offset: UInt64, number: Int, isFirst: Bool
  ) throws(TraceError) -> (index: Int, size: Int)? {
    func corrupt(_ message: String) -> TraceError {
      let position = TracePosition(block: UInt32(truncatingIfNeeded: number), record: 0, byte: 0)
      return TraceError(.corrupt, message, path: input.path, position: position)
    }
    // Most frames are far below the limit; a second look brings the rest of a large one.
    for count in [64 << 10, Self.frameLimit] {
      let loaded = try input.load(offset, count)
      if loaded.count == 0 && isFirst { return nil }
      if loaded.count == 0 { break }
      switch FrameDecompressor.next(input.window, from: loaded.index, count: loaded.count) {
      case .frame(let size): return (loaded.index, size)
      case .skippable where isFirst: return nil
      case .skippable: throw corrupt("a block ends before the length that it states")
      case .incomplete: continue
      case .garbage: throw corrupt("byte \(offset) of the file does not start a frame")
      }
    }
    endsInsideFrame = true
    return nil
  }

  private func journalBlock(_ number: Int) -> Block? {
    journal.first { $0.header.number == UInt32(truncatingIfNeeded: number) }
  }
}
