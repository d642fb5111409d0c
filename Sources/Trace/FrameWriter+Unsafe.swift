// The journal and the thread that turns full blocks into frames of the file.
//
// Policy: the tracing thread encodes records straight into a mapped file beside the trace, `<path>.journal`, and stores the count of
// whole bytes after them. A kill at any instant therefore loses nothing that was appended: the pages belong to the kernel's page cache. The one
// exception are pieces of files that lie in memory anyway: they would be most of what a start writes. Each is a block of its own that the worker
// gets from where it lies, and whoever is about to show the host something, or to change a piece, waits until the file has it
// (`waitUntilWritten`); a reader takes no block behind one that it does not find. The journal has segments, one block each; a full one is left to
// the worker thread, which seals, compresses and appends it to the trace, and only then marks the segment free: a block of
// which the file has some frames only is whole in the journal. The journal's bytes are allocated before they are used: those of
// its first segments at the start, so that a full disk is an error before the guest runs, never a SIGBUS. More are added by the
// worker when the tracing thread waits for it to compress what no earlier run did (the program and its libraries, at the very
// start); where there is no room for more, that thread waits.
//
// Layout of the journal: a page with magic, version, segment count, segment size and the checksum of the trace's
// header; then the segments: word of committed counts (records << 32 | bytes) at 0, block number + 1 (0: free) at 8,
// the block's header at 24, its records at 64. Which segment a block gets is nobody's concern. The count grows, after the file.
//
// Unsafe because the journal is a mapping. Sound because offsets are below the segment size by construction; a segment
// belongs to the tracing thread until its number is submitted and to the worker until it counts as written, and both
// counters change under the lock.
import CLinux
import Glibc
import HostThreads
import KeptFiles

enum JournalLayout {
  static let magic: UInt32 = 0x4A42_5352  // "RSBJ"
  static let headerLength = 4096
  /// Segments at the start, those of them that get their pages then, and segments at most.
  static let segmentCount = 16
  static let populatedCount = 1
  static let segmentCountMax = 48
  static let blockHeaderOffset = 24
  static let payloadOffset = 64
  static let segmentSize = (payloadOffset + TraceFormat.blockPayloadLimit + 4095) & ~4095
  static func fileSize(_ segments: Int) -> Int { headerLength + segments * segmentSize }
  static let fileSizeMax = fileSize(segmentCountMax)
}

final class FrameWriter: @unchecked Sendable {
  let path: String
  let journalPath: String
  private let fileDescriptor: Int32
  private var journalDescriptor: Int32
  private let isRegular: Bool
  private var journal: UnsafeMutableRawPointer?
  private let firstFrame: [UInt8]
  private let headerChecksum: UInt64
  private let affinity: [UInt64]
  private let rightOfWay: RightOfWay?
  /// For the worker.
  private let keeper: KeptFiles?

  // Shared between the threads, under `lock`.
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var prepared = false
  /// The tracing thread waits for nothing else of the start, and begins with what it writes.
  private var isStarting = true
  private var submittedThrough: UInt32 = 0
  private var writtenThrough: UInt32 = 0
  /// Segments that there are; whether the tracing thread waited for a free one since the worker last looked; which blocks have them:
  /// block numbers by segment, 0 for free.
  private var segmentCount = JournalLayout.segmentCount
  private var hasWaited = false
  /// How often the tracing thread waits at the moment.
  private var waiters = 0
  private var owners = [UInt32](repeating: 0, count: JournalLayout.segmentCountMax)
  private var filePieces = [[FilePiece]](repeating: [], count: JournalLayout.segmentCountMax)
  /// Blocks that have no segment, by rising number.
  private var apart: [BlockApart] = []
  private var closing = false
  private var completing = false
  /// The file has everything, and the journal has no name any more.
  private var isWhole = false
  private var failure: TraceError?
  /// Nonzero once `failure` is set: read without the lock by every append.
  private let failed = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)

  /// The tracing thread's own: the open block's segment.
  private var openIndex = 0

  // The worker's own.
  private var fileOffset: UInt64 = 0
  private var seekEntries: [(firstEvent: UInt64, offset: UInt64)] = []
  private var thread: HostThread?
  /// The file that stood at the path before; -1 without one.
  private var replaced: Int32 = -1

  /// Opens the trace and its journal and begins to write the first frame. `firstBlock` is preamble and header block.
  init(path: String, firstBlock: [UInt8], affinity: [UInt64], rightOfWay: RightOfWay?, keeper: KeptFiles?) throws(TraceError) {
    self.path = path
    self.affinity = affinity
    self.rightOfWay = rightOfWay
    self.keeper = keeper
    let stem = path + ".journal"
    firstFrame = firstBlock
    headerChecksum = checksum(firstBlock, 0..<firstBlock.count)
    let fd = rsb_tracefile_create(path, 0o600, &replaced)
    if fd < 0 { throw Self.error("cannot open the trace for writing", path, fd) }
    fileDescriptor = Int32(fd)
    var size: UInt64 = 0
    isRegular = rsb_tracefile_status(fileDescriptor, &size) == 1
    if isRegular { _ = rsb_tracefile_change_mode(fileDescriptor, 0o600) }
    // A device or pipe has no place beside it: its journal is memory.
    journalPath = isRegular ? stem : ""
    let journalResult: Int
    if isRegular {
      _ = rsb_tracefile_unlink(stem)
      journalResult = rsb_tracefile_open(stem, Int32(RSB_TRACEFILE_READ_WRITE | RSB_TRACEFILE_FRESH), 0o600)
    } else {
      journalResult = rsb_tracefile_anonymous("journal")
    }
    journalDescriptor = Int32(truncatingIfNeeded: journalResult)
    pthread_mutex_init(lock, nil)
    pthread_cond_init(changed, nil)
    failed.initialize(to: 0)
    if journalResult < 0 { throw Self.error("cannot open the trace's journal", stem, journalResult) }
    try start()
  }

  deinit {
    stop()
    releaseJournal()
    releaseReplaced()
    _ = rsb_tracefile_close(fileDescriptor)
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(lock)
    changed.deallocate()
    lock.deallocate()
    failed.deallocate()
  }

  static func error(_ message: String, _ path: String, _ result: Int) -> TraceError {
    let number = Int32(truncatingIfNeeded: -result)
    return TraceError(.host, message + ": " + String(cString: strerror(number)), path: path, hostError: number)
  }

  // MARK: The tracing thread

  /// What went wrong so far, if anything.
  @inline(__always) var hasFailed: Bool { rsb_load_acquire(failed) != 0 }

  func checkFailure() throws(TraceError) {
    pthread_mutex_lock(lock)
    let failure = self.failure
    pthread_mutex_unlock(lock)
    if let failure { throw failure }
  }

  /// A segment for block `number` (from 1, one by one), once there is a free one.
  func openSegment(_ header: BlockHeader) throws(TraceError) -> UnsafeMutablePointer<UInt8> {
    let number = header.number
    pthread_mutex_lock(lock)
    var free = owners[..<segmentCount].firstIndex(of: 0)
    while failure == nil && free == nil {
      hasWaited = true
      waitForWorker()
      free = owners[..<segmentCount].firstIndex(of: 0)
    }
    if let free { owners[free] = number }
    openIndex = free ?? 0
    let failure = self.failure
    pthread_mutex_unlock(lock)
    if let failure { throw failure }
    let base = segment(openIndex)
    rsb_store_release(base.assumingMemoryBound(to: UInt64.self), 0)
    header.store(at: (base + JournalLayout.blockHeaderOffset).assumingMemoryBound(to: UInt8.self))
    rsb_store_release((base + 8).assumingMemoryBound(to: UInt64.self), UInt64(number) + 1)
    return base.assumingMemoryBound(to: UInt8.self)
  }

  /// Leaves the open block, which is full, to the worker, with the pieces of files in it that become frames of their own.
  func submit(_ header: BlockHeader, _ pieces: [FilePiece]) {
    let base = segment(openIndex) + JournalLayout.blockHeaderOffset
    header.store(at: base.assumingMemoryBound(to: UInt8.self))
    pthread_mutex_lock(lock)
    filePieces[openIndex] = pieces
    submittedThrough = header.number
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(lock)
  }

  /// Leaves a block to the worker that the journal never has.
  func submit(_ block: BlockApart) {
    pthread_mutex_lock(lock)
    apart.append(block)
    submittedThrough = block.header.number
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(lock)
  }

  /// Waits until the file has this block.
  func waitUntilWritten(_ number: UInt32) throws(TraceError) {
    pthread_mutex_lock(lock)
    while writtenThrough < number && failure == nil { waitForWorker() }
    let failure = self.failure
    pthread_mutex_unlock(lock)
    if let failure { throw failure }
  }

  /// No more blocks come: the worker writes what is left, and the seek table, on any of these processors.
  func complete(on processors: [UInt64]) {
    thread?.move(to: processors)
    end(complete: true)
  }

  /// Waits until the worker has written everything, and removed the journal. `complete` came before.
  func finish() throws(TraceError) {
    pthread_mutex_lock(lock)
    while !isWhole && failure == nil { pthread_cond_wait(changed, lock) }
    pthread_mutex_unlock(lock)
    try checkFailure()
  }

  private func start() throws(TraceError) {
    do throws(HostThread.Refusal) { thread = try HostThread(of: self, processors: affinity) { $0.work() } } catch {
      throw Self.error("cannot start the trace's thread", path, -Int(error.number))
    }
  }

  /// Waits until everything is there that writing takes; to be called before the first segment is opened. Throws, with the files removed, when
  /// something is not.
  func finishStart() throws(TraceError) {
    pthread_mutex_lock(lock)
    while !prepared { pthread_cond_wait(changed, lock) }
    isStarting = false
    pthread_cond_broadcast(changed)
    let failure = self.failure
    pthread_mutex_unlock(lock)
    if let failure {
      stop()
      if isRegular {
        _ = rsb_tracefile_unlink(journalPath)
        _ = rsb_tracefile_unlink(path)
      }
      throw failure
    }
  }

  private func stop() {
    end(complete: false)
    join()
  }

  private func end(complete: Bool) {
    pthread_mutex_lock(lock)
    closing = true
    completing = complete
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(lock)
  }

  private func join() {
    thread?.join()
    thread = nil
  }

  // MARK: The worker

  /// The worker's life: prepare, blocks in order, the seek table. Whatever makes a file longer happens here, where SIGXFSZ is blocked.
  private func work() {
    rsb_thread_settle()
    var failure: TraceError?
    let compressor = FrameCompressor()
    do throws(TraceError) { try prepare(compressor) } catch { failure = error }
    pthread_mutex_lock(lock)
    prepared = true
    if let failure { fail(failure) }
    pthread_cond_broadcast(changed)
    defer { pthread_mutex_unlock(lock) }
    guard failure == nil, let compressor else { return }

    // Whoever starts processes meanwhile would wait for the pages of each step.
    while isStarting && !closing { pthread_cond_wait(changed, lock) }
    pthread_mutex_unlock(lock)
    for index in 0..<JournalLayout.populatedCount { rsb_memory_populate(segment(index), JournalLayout.segmentSize) }
    _ = TraceWriter.hashOfZeroPiece
    pthread_mutex_lock(lock)
    let packer = BlockPacker(compressor, keeper: keeper)
    while true {
      while writtenThrough == submittedThrough && !closing {
        if writtenThrough > 0 && replaced >= 0 {
          // Now that nobody waits for the start.
          pthread_mutex_unlock(lock)
          releaseReplaced()
          pthread_mutex_lock(lock)
        } else {
          pthread_cond_wait(changed, lock)
        }
      }
      if writtenThrough == submittedThrough { break }
      giveWay()
      let number = writtenThrough + 1
      let segment = owners.firstIndex(of: number)
      let pieces = segment.map { filePieces[$0] } ?? []
      let lone = segment == nil ? apart.removeFirst() : nil
      let isWaitedFor = hasWaited
      hasWaited = false
      pthread_mutex_unlock(lock)
      if isWaitedFor && packer.hasFresh { addSegments() }
      var failure: TraceError?
      do throws(TraceError) {
        if let lone { try writeBlock(lone, packer) } else { try writeBlock(number, segment!, packer, pieces) }
      } catch { failure = error }
      pthread_mutex_lock(lock)
      if let failure {
        fail(failure)
        return
      }
      if let segment {
        rsb_store_release((self.segment(segment) + 8).assumingMemoryBound(to: UInt64.self), 0)
        owners[segment] = 0
      }
      writtenThrough = number
      pthread_cond_broadcast(changed)
      pthread_mutex_unlock(lock)
      packer.keep()
      pthread_mutex_lock(lock)
    }
    if !completing { return }
    pthread_mutex_unlock(lock)
    do throws(TraceError) { try finishFile() } catch { failure = error }
    packer.finish()
    pthread_mutex_lock(lock)
    if let failure {
      fail(failure)
      return
    }
    isWhole = true
    pthread_cond_broadcast(changed)
    // The journal's megabytes go while the tracing thread ends the run.
    pthread_mutex_unlock(lock)
    releaseJournal()
    pthread_mutex_lock(lock)
  }

  private func finishFile() throws(TraceError) {
    if seekEntries.count < SeekTable.lengthLimit / SeekTable.entryLength - 2 { try write(SeekTable.encoded(seekEntries)) }
    if !isRegular { return }
    let result = rsb_tracefile_unlink(journalPath)
    if result < 0 && result != -Int(ENOENT) { throw Self.error("cannot remove the journal", journalPath, result) }
  }

  private func releaseJournal() {
    if let journal { rsb_tracefile_unmap(journal, JournalLayout.fileSizeMax) }
    journal = nil
    if journalDescriptor >= 0 { _ = rsb_tracefile_close(journalDescriptor) }
    journalDescriptor = -1
  }

  private func releaseReplaced() {
    if replaced >= 0 { _ = rsb_tracefile_close(replaced) }
    replaced = -1
  }

  /// With the lock held. Of the tracing thread, until something changed.
  private func waitForWorker() {
    waiters += 1
    pthread_cond_wait(changed, lock)
    waiters -= 1
  }

  /// With the lock held, which is given up meanwhile. A block can wait a little as long as nobody waits for it, which is seen within a step.
  private func giveWay() {
    var patience = Self.patience
    while patience > 0, waiters == 0, !closing, let rightOfWay, rightOfWay.isTaken {
      pthread_mutex_unlock(lock)
      usleep(Self.patienceStep)
      pthread_mutex_lock(lock)
      patience -= 1
    }
  }
  /// Steps of so many microseconds.
  private static let patienceStep: UInt32 = 200
  private static let patience = 50

  /// With the lock held.
  private func fail(_ error: TraceError) {
    failure = error
    rsb_store_release(failed, 1)
    pthread_cond_broadcast(changed)
  }

  private func prepare(_ compressor: FrameCompressor?) throws(TraceError) {
    guard let frame = compressor?.compress(firstFrame) else {
      throw TraceError(.host, "no memory for the trace's compressor", path: path, hostError: ENOMEM)
    }
    var allocated = rsb_tracefile_allocate(journalDescriptor, UInt64(JournalLayout.fileSize(segmentCount)))
    if allocated < 0 && replaced >= 0 {
      releaseReplaced()
      allocated = rsb_tracefile_allocate(journalDescriptor, UInt64(JournalLayout.fileSize(segmentCount)))
    }
    if allocated < 0 { throw Self.error("no room for the trace's journal", path + ".journal", allocated) }
    var error = 0
    guard let mapping = rsb_tracefile_map(journalDescriptor, JournalLayout.fileSizeMax, &error) else {
      throw Self.error("cannot map the trace's journal", path + ".journal", error)
    }
    journal = mapping
    mapping.storeBytes(of: TraceFormat.version, toByteOffset: 4, as: UInt32.self)
    mapping.storeBytes(of: UInt32(JournalLayout.segmentCount), toByteOffset: 8, as: UInt32.self)
    mapping.storeBytes(of: UInt32(JournalLayout.segmentSize), toByteOffset: 12, as: UInt32.self)
    mapping.storeBytes(of: headerChecksum, toByteOffset: 16, as: UInt64.self)
    mapping.storeBytes(of: JournalLayout.magic, as: UInt32.self)
    seekEntries.append((1, 0))
    try write(frame)
  }

  private func segment(_ index: Int) -> UnsafeMutableRawPointer {
    journal! + JournalLayout.headerLength + index * JournalLayout.segmentSize
  }

  /// Makes the journal longer, if the host has room for it.
  private func addSegments() {
    let wanted = min(segmentCount * 4, JournalLayout.segmentCountMax)
    let more = UInt64((wanted - segmentCount) * JournalLayout.segmentSize)
    if more == 0 || rsb_tracefile_extend(journalDescriptor, UInt64(JournalLayout.fileSize(segmentCount)), more) < 0 { return }
    journal!.storeBytes(of: UInt32(wanted), toByteOffset: 8, as: UInt32.self)
    pthread_mutex_lock(lock)
    segmentCount = wanted
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(lock)
  }

  private func writeBlock(_ number: UInt32, _ index: Int, _ packer: BlockPacker, _ pieces: [FilePiece]) throws(TraceError) {
    let base = segment(index) + JournalLayout.blockHeaderOffset
    let length = Int((base + 36).load(as: UInt32.self))
    let header = BlockHeader(
      number: number, firstEvent: (base + 16).load(as: UInt64.self), chain: (base + 24).load(as: UInt64.self),
      recordCount: (base + 32).load(as: UInt32.self), payloadLength: UInt32(length))
    header.seal(at: base.assumingMemoryBound(to: UInt8.self))
    let input = UnsafeRawBufferPointer(start: base, count: TraceFormat.blockHeaderLength + length)
    try write(header, packer.frames(of: input, pieces))
  }

  private func writeBlock(_ block: BlockApart, _ packer: BlockPacker) throws(TraceError) {
    var block = block
    block.start.withUnsafeMutableBufferPointer { block.header.seal(at: $0.baseAddress!, followedBy: block.bytes) }
    try write(block.header, packer.frames(of: block))
    block.owner.putAway(block.bytes)
  }

  private func write(_ header: BlockHeader, _ frames: UnsafeRawBufferPointer?) throws(TraceError) {
    guard let frames else { throw TraceError(.host, "no memory to compress the trace", path: path, hostError: ENOMEM) }
    seekEntries.append((header.firstEvent, fileOffset))
    try write(frames)
  }

  private func write(_ bytes: [UInt8]) throws(TraceError) {
    var failure: TraceError?
    bytes.withUnsafeBytes {
      do throws(TraceError) { try write($0) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  private func write(_ bytes: UnsafeRawBufferPointer) throws(TraceError) {
    let result = rsb_tracefile_write_all(fileDescriptor, bytes.baseAddress, bytes.count, fileOffset)
    if result < 0 { throw Self.error("cannot write the trace", path, result) }
    fileOffset += UInt64(bytes.count)
  }
}
