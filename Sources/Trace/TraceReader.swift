// Reading a trace. Trusts nothing: any bytes give records or a `TraceError`, in memory bounded by a few blocks.
import Platform

/// Gives a trace's records in order.
public final class TraceReader {
  public let path: String
  public let header: TraceHeader
  /// True once `next` has returned nil without an end record: the recorder was killed, or the file was cut.
  /// Everything up to the last whole record that reached the file or journal was given.
  public private(set) var isTruncated = false
  /// The end record, once `next` has given it.
  public private(set) var end: TraceEnd?
  /// The last event that `next` gave (or that a seek passed).
  public private(set) var lastEvent = EventNumber(0)
  /// Where the next record stands.
  public var position: TracePosition {
    TracePosition(block: UInt32(truncatingIfNeeded: blockNumber), record: recordIndex, byte: UInt32(source.offset))
  }

  private let blocks: BlockReader
  private let state = CodingState()
  private var block: Block?
  private var blockNumber = 0
  private var recordIndex: UInt32 = 0
  private var source = ByteSource([])
  private var isDone = false

  /// Opens a trace, and the journal beside it when its recorder was killed.
  public convenience init(path: String) throws(TraceError) {
    // The journal first: what it loses meanwhile is then in the file.
    let journal = TraceInput.contents(of: path + ".journal", limit: JournalLayout.fileSizeMax)
    try self.init(path: path, TraceInput(path: path), journal: journal)
  }

  /// Reads a trace that lies in memory.
  public convenience init(bytes: [UInt8], journal: [UInt8]? = nil) throws(TraceError) {
    try self.init(path: "", TraceInput(bytes: bytes), journal: journal)
  }

  /// The same with a decompressor that outlives the reader, for the fuzzer's many short readers.
  package convenience init(bytes: [UInt8], decompressor: FrameDecompressor) throws(TraceError) {
    try self.init(path: "", TraceInput(bytes: bytes), journal: nil, decompressor: decompressor)
  }

  private init(
    path: String, _ input: TraceInput, journal: [UInt8]?, decompressor: FrameDecompressor? = nil
  ) throws(TraceError) {
    self.path = path
    blocks = try BlockReader(input, journal: journal, decompressor: decompressor)
    header = blocks.header
  }

  /// The next record; nil at the end of the trace.
  public func next() throws(TraceError) -> Record? {
    if isDone { return nil }
    while block == nil || recordIndex == block!.header.recordCount {
      if block != nil, source.remaining > 0 { throw corrupt("bytes follow the last record of a block") }
      guard try openBlock(blockNumber + 1) else { return nil }
    }
    let record: Record
    do throws(DecodeFailure) { record = try decode() } catch {
      if block!.isSealed { throw corrupt(error.message) }
      // A journal that was read while its recorder went on: what came before is good.
      isDone = true
      isTruncated = true
      return nil
    }
    recordIndex += 1
    if case .end(let end) = record {
      if recordIndex != block!.header.recordCount { throw corrupt("records follow the end record") }
      if end.eventCount != lastEvent.rawValue { throw corrupt("the end record counts other events than the trace has") }
      self.end = end
      isDone = true
    }
    return record
  }

  /// Goes to the place just before event `number`'s effects: the next record is the first after event `number - 1`.
  public func seek(toEvent number: EventNumber) throws(TraceError) {
    if number.rawValue == 0 { throw TraceError(.outOfRange, "events count from 1", path: path) }
    // The last block that starts at or before the event before the one wanted.
    let passed = number.rawValue - 1
    var first = 1
    let table = blocks.firstEvents
    if table.count > 2 {
      var low = 1
      var high = table.count
      while high - low > 1 {
        let middle = (low + high) / 2
        if table[middle] <= passed { low = middle } else { high = middle }
      }
      first = low
    }
    restart()
    if first > 1 {
      guard try openBlock(first) else { throw corrupt("the seek table names a block that is not there") }
      if block!.header.firstEvent != table[first] { throw corrupt("the seek table and a block disagree") }
      lastEvent.rawValue = table[first] - 1
    }
    while lastEvent.rawValue < passed {
      if try next() == nil {
        throw TraceError(.outOfRange, "the trace ends at event \(lastEvent), before event \(number)", path: path)
      }
    }
  }

  /// Unpacks what comes next in a thread of its own from now on: for a replay, which has other things to do. Before the calling
  /// thread is tied to a processor or loses its clocks, which the new one would be, too.
  public func readAhead(processors: [UInt64] = []) { blocks.readAhead(processors: processors) }

  /// Back to the first record.
  public func restart() {
    block = nil
    blockNumber = 0
    recordIndex = 0
    source = ByteSource([])
    isDone = false
    isTruncated = false
    end = nil
    lastEvent = EventNumber(0)
  }

  /// The end record of a whole trace, wherever the reader stands; nil when the trace has none or is too damaged to say.
  /// Cheap with a seek table; without one, it reads the trace.
  public func findEnd() -> TraceEnd? {
    do throws(TraceError) {
      let other = try TraceReader(path: path)
      if let count = other.blocks.knownBlockCount, count > 1, try other.openBlock(count - 1) {
        other.lastEvent.rawValue = other.block!.header.firstEvent &- 1
      }
      while try other.next() != nil {}
      return other.end
    } catch { return nil }
  }

  // MARK: Blocks

  private func openBlock(_ number: Int) throws(TraceError) -> Bool {
    guard let next = try blocks.block(number) else {
      isDone = true
      isTruncated = true
      block = nil
      return false
    }
    if block != nil || number == 1, next.header.firstEvent != lastEvent.rawValue &+ 1 {
      throw TraceError(
        .corrupt, "block \(number) starts at event \(next.header.firstEvent) after event \(lastEvent)", path: path)
    }
    block = next
    blockNumber = number
    recordIndex = 0
    source = ByteSource(next.bytes, from: next.start, to: next.start + Int(next.header.payloadLength))
    state.reset()
    return true
  }

  private func corrupt(_ message: String) -> TraceError {
    TraceError(.corrupt, message, path: path, position: position)
  }

  private func decode() throws(DecodeFailure) -> Record {
    let tag = try source.byte()
    if tag & EventFlag.tag != 0 {
      let number = EventNumber(lastEvent.rawValue &+ 1)
      let event = try state.decodeEvent(flags: tag, from: &source, number: number)
      lastEvent = number
      return .event(event)
    }
    guard let known = RecordTag(rawValue: tag) else { throw DecodeFailure("an unknown record: tag \(tag)") }
    var decoder = RecordDecoder(source: source, state: state, lastEvent: lastEvent) {
      [blocks, block] (length: Int, back: UInt64, offset: UInt64) throws(DecodeFailure) -> [UInt8] in
      try Self.content(length, back, offset, block!, blocks)
    }
    let record = try decoder.record(known)
    source = decoder.source
    return record
  }

  /// Content that stands elsewhere: `length` bytes at `offset` of the records of the block `back` before `block`.
  private static func content(
    _ length: Int, _ back: UInt64, _ offset: UInt64, _ block: Block, _ blocks: BlockReader
  ) throws(DecodeFailure) -> [UInt8] {
    if back >= UInt64(block.header.number) { throw DecodeFailure("content is said to stand before the first block") }
    var place = block
    if back > 0 {
      let number = Int(block.header.number) - Int(back)
      let found: Block?
      do throws(TraceError) { found = try blocks.block(number) } catch {
        throw DecodeFailure("content in block \(number) is lost: \(error.message)")
      }
      guard let found else { throw DecodeFailure("content stands in block \(number), which is missing") }
      place = found
    }
    let payload = UInt64(place.header.payloadLength)
    if offset > payload || UInt64(length) > payload - offset {
      throw DecodeFailure("content is said to stand outside its block")
    }
    let start = place.start + Int(offset)
    return Array(place.bytes[start..<start + length])
  }
}
