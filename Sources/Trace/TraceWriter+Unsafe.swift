// Writing a trace. Records are appended on the tracing thread, in order, by one method a kind
// (TraceWriter+Effects+Unsafe.swift, TraceWriter+Events+Unsafe.swift); the file is written by a thread of the writer's
// own (FrameWriter+Unsafe.swift).
//
// Unsafe because records are encoded in the mapped journal: the sink and the commit word point into the open segment,
// which `openBlock` sets together and which stays mapped until the frame writer, a member, goes.
//
// Blocks end on counts of bytes and records and never on time, so the same records make the same file.
import CLinux
import Glibc
import HostThreads
import KeptFiles
import Platform

/// Appends records to a new trace. One thread uses it. The first failed call may come some records after the host's
/// refusal; from then on every call throws the same error, and what the file and journal hold is still readable.
public final class TraceWriter {
  public let path: String
  public let header: TraceHeader
  /// The number of the last event appended; 0 before the first.
  public private(set) var lastEvent = EventNumber(0)

  let state = CodingState()
  var sink: ByteSink
  let contents: ContentTable
  var chain = RegisterChain()
  /// The chain took in more since its last hash in the trace.
  var chainIsAhead = false
  /// The last register hash in the trace.
  var recordedChain: UInt64 = 0
  var filesEmbedded: UInt64 = 0
  var bytesEmbedded: UInt64 = 0

  let frames: FrameWriter
  private var isOpen = false
  private var isClosed = false
  private(set) var blockNumber: UInt32 = 0
  private var recordCount: UInt32 = 0
  private var firstEvent: UInt64 = 1
  private var commitWord: UnsafeMutablePointer<UInt64>
  private var blockChain: UInt64 = 0
  /// The last block that the journal does not have and the file perhaps not yet; 0 for none.
  private var lastApart: UInt32 = 0
  /// Where such a block is begun.
  private let apartStart = UnsafeMutablePointer<UInt8>.allocate(capacity: TraceWriter.apartCapacity)
  private static let apartCapacity = 128
  /// Pieces of files in this block that become frames of their own.
  private var filePieces: [FilePiece] = []
  /// Bytes of all files so far, which decide the compression level of the next piece.
  private var allFileBytes: UInt64 = 0
  /// Objects that were made larger than `wellCompressedFileBytes`.
  private var largeObjects: Set<MemoryObjectID> = []

  /// Files are most of a small trace: the first few megabytes are worth a good level, more would take too long, and a part of a
  /// large file is not worth it. Counts decide, never time.
  private static let wellCompressedFileBytes: UInt64 = 9 << 18

  /// Creates the file (mode 0600, an old one is overwritten) and its journal, and writes the header. Whatever stands in
  /// the way of writing is known when this returns, or when `finishStart` does if that is left to the caller. `affinity`: the
  /// CPU mask (as sched_setaffinity takes it) of the writing thread; empty leaves it the caller's. `rightOfWay`: of those whom
  /// that thread lets go first. `keeper`: where compressed pieces of files are kept between runs, used by the writing thread;
  /// the trace is the same without.
  public init(
    path: String, header: TraceHeader, affinity: [UInt64] = [], rightOfWay: RightOfWay? = nil, keeper: KeptFiles? = nil,
    finishesStart: Bool = true
  ) throws(TraceError) {
    self.path = path
    var header = header
    header.formatVersion = TraceFormat.version
    self.header = header
    let first = FirstBlock.encoded(header)
    if first.count > FirstBlock.limit {
      throw TraceError(.outOfRange, "the arguments are too long for a trace's header", path: path)
    }
    guard let contents = ContentTable() else {
      throw TraceError(.host, "no memory for the trace's table of contents", path: path, hostError: ENOMEM)
    }
    self.contents = contents
    frames = try FrameWriter(path: path, firstBlock: first, affinity: affinity, rightOfWay: rightOfWay, keeper: keeper)
    let none = UnsafeMutablePointer<UInt8>(bitPattern: 8)!
    sink = ByteSink(base: none, capacity: 0)
    commitWord = UnsafeMutablePointer(bitPattern: 8)!
    if finishesStart { try frames.finishStart() }
  }

  deinit { apartStart.deallocate() }

  /// Waits for what `init` left. Before the first record.
  public func finishStart() throws(TraceError) { try frames.finishStart() }

  // MARK: The frame of every record

  /// Starts a record: afterwards `TraceFormat.recordLimit` bytes may be written to `sink`.
  @inline(__always) func begin() throws(TraceError) {
    if !isOpen || frames.hasFailed { try openBlock() }
  }

  @inline(__always) func begin(_ tag: RecordTag) throws(TraceError) {
    try begin()
    sink.byte(tag.rawValue)
  }

  /// Ends the record: from here on a kill cannot lose it, but for what `settle` waits for.
  @inline(__always) func commit() {
    precondition(sink.count <= sink.capacity, "a trace record outgrew its block")
    recordCount &+= 1
    rsb_store_release(commitWord, UInt64(recordCount) &<< 32 | UInt64(sink.count))
    if sink.count >= TraceFormat.blockTarget || recordCount >= TraceFormat.blockRecordLimit { closeBlock() }
  }

  /// Before the record of a file's piece, which may be longer than others: ends the block that has no room for it.
  func makeRoom(forFilePiece length: Int) {
    precondition(length <= TraceFormat.filePieceLimit)
    if isOpen, sink.count + length + TraceFormat.recordOverhead > sink.capacity { closeBlock() }
  }

  func noteSize(of object: MemoryObjectID, _ size: UInt64) {
    if size > Self.wellCompressedFileBytes { largeObjects.insert(object) } else { largeObjects.remove(object) }
  }

  /// The level for content of a file.
  func pieceLevel(_ file: MemoryObjectID, _ length: Int) -> Int32 {
    defer { allFileBytes += UInt64(length) }
    return allFileBytes < Self.wellCompressedFileBytes && !largeObjects.contains(file) ? 7 : 1
  }

  /// Content of a file comes at this place of the open block's records.
  func notePiece(_ piece: FilePiece) { filePieces.append(piece) }

  /// Ends what is open: a block of its own comes next, whose records begin at `sink`.
  func beginBlockApart() {
    if isOpen { closeBlock() }
    blockNumber += 1
    state.reset()
    sink = ByteSink(base: apartStart + TraceFormat.blockHeaderLength, capacity: Self.apartCapacity - TraceFormat.blockHeaderLength)
  }

  /// Leaves that block, whose only record ends with the piece.
  func endBlockApart(_ piece: FilePiece, _ bytes: UnsafeRawBufferPointer, keptBy owner: any FileBytes) {
    let start = Array(UnsafeBufferPointer(start: apartStart, count: TraceFormat.blockHeaderLength + sink.count))
    let header = BlockHeader(
      number: blockNumber, firstEvent: lastEvent.rawValue + 1, chain: recordedChain, recordCount: 1,
      payloadLength: UInt32(sink.count + bytes.count))
    frames.submit(BlockApart(header: header, start: start, piece: piece, bytes: bytes, owner: owner))
    lastApart = blockNumber
  }

  /// Waits until file and journal hold all that was appended: a kill could lose a piece of an embedded file until then, and what follows it.
  /// Before the host sees anything of the guest, and before what such a piece lies in is changed.
  public func settle() throws(TraceError) {
    if lastApart == 0 { return }
    try frames.waitUntilWritten(lastApart)
    lastApart = 0
  }

  /// Ends the open block if it is worth one: the writing thread makes it while the caller goes on. Before the caller does something that takes long.
  public func endBlock() {
    if isOpen && sink.count >= TraceFormat.earlyBlockMin { closeBlock() }
  }

  func nextEventNumber() -> EventNumber {
    lastEvent.rawValue += 1
    return lastEvent
  }

  private func openBlock() throws(TraceError) {
    precondition(!isClosed, "a record after the trace's end")
    try frames.checkFailure()
    if isOpen { return }
    blockNumber += 1
    firstEvent = lastEvent.rawValue + 1
    recordCount = 0
    let header = BlockHeader(number: blockNumber, firstEvent: firstEvent, chain: recordedChain)
    blockChain = recordedChain
    let segment = try frames.openSegment(header)
    commitWord = UnsafeMutableRawPointer(segment).assumingMemoryBound(to: UInt64.self)
    sink = ByteSink(base: segment + JournalLayout.payloadOffset, capacity: TraceFormat.blockPayloadLimit)
    state.reset()
    isOpen = true
  }

  private func closeBlock() {
    let header = BlockHeader(
      number: blockNumber, firstEvent: firstEvent, chain: blockChain, recordCount: recordCount,
      payloadLength: UInt32(sink.count))
    isOpen = false
    frames.submit(header, filePieces)
    filePieces.removeAll()
  }

  // MARK: The end

  /// Throws when anything that was appended so far could not be written. Blocks that are not full stay in the journal.
  public func check() throws(TraceError) {
    if frames.hasFailed { try frames.checkFailure() }
  }

  /// Appends the end record, waits for the file to be whole and removes the journal. Counts in `end` are filled in.
  public func close(_ end: TraceEnd) throws(TraceError) {
    try finish(end)
    try close()
  }

  /// Appends the end record: the file gets whole from here on, while the caller goes on with something else. Then `close`. `processors`: those
  /// of the thread that does it, from now on; empty for the ones it has.
  public func finish(_ end: TraceEnd, on processors: [UInt64] = []) throws(TraceError) {
    var end = end
    end.eventCount = lastEvent.rawValue
    end.filesEmbedded = filesEmbedded
    end.bytesEmbedded = bytesEmbedded
    if chainIsAhead { try registerHash(chain.value) }
    try appendEnd(end)
    if isOpen { closeBlock() }
    isClosed = true
    frames.complete(on: processors)
  }

  /// Waits for the file to be whole and removes the journal.
  public func close() throws(TraceError) {
    precondition(isClosed)
    try frames.finish()
  }
}
