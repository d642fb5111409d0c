// Files and processes: kills, full disks, names, other readers.
import CLinux
import Glibc
import Platform
import Testing

@testable import Trace
@testable import TraceFuzz

@Suite(.serialized) struct FileTests {
  private func events(_ records: [Record]) -> Int { records.count { if case .event = $0 { true } else { false } } }

  /// A recorder killed with -9: everything that it had said it appended is there.
  @Test func killedRecorderLosesNothing() throws {
    let directory = TemporaryDirectory()
    var random = SeededRandom(seed: UInt64(getpid()))
    for turn in 0..<25 {
      let path = directory.file("t\(turn)")
      let said = directory.file("said\(turn)")
      let child = Process(fuzzerPath, ["--write", path, "--syscalls", "0"], output: said)!
      usleep(UInt32(10_000 + random.below(60_000)))
      kill(child.id, SIGKILL)
      _ = child.wait()
      let numbers = String(decoding: readFile(said), as: UTF8.self).split(separator: "\n")
      let last = numbers.last.flatMap { UInt64($0) } ?? 0
      if last == 0 && TraceFuzz.readFile(path + ".journal") == nil { continue }
      let reader = try? TraceReader(path: path)
      // Killed before its first frame was in the file: nothing was said either.
      guard let reader else {
        #expect(last == 0)
        continue
      }
      var count: UInt64 = 0
      while let record = try reader.next() { if case .event = record { count += 1 } }
      #expect(count >= last)
      #expect(reader.isTruncated && reader.end == nil)
    }
  }

  /// File and journal copied while a writer writes: always a prefix, never an error.
  @Test func journalIsFoldedInAtAnyInstant() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("t")
    let records = sampleRecords(seed: 21, 6000)
    let writer = try TraceWriter(path: path, header: sampleHeader)
    for (index, record) in records.enumerated() {
      if index % 97 == 0 {
        let journal = readFile(path + ".journal")
        let outcome = readAll(readFile(path), journal: journal)
        #expect(outcome.error == nil)
        #expect(outcome.isTruncated)
        #expect(outcome.records == Array(records.prefix(index)), "after \(index) records")
      }
      try writer.append(record)
    }
    // Another trace's journal is not believed.
    let other = directory.file("o")
    var header = sampleHeader
    header.seed = 8
    let second = try TraceWriter(path: other, header: header)
    try second.append(records[0])
    #expect(readAll(readFile(other), journal: readFile(path + ".journal")).records.isEmpty)
    try second.close(TraceEnd())
    try writer.close(TraceEnd())
    #expect(rsb_tracefile_exists(path + ".journal") == 0)
    #expect(readAll(readFile(path)).records.count == records.count + 1)
  }

  @Test func damagedJournals() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("t")
    let records = smallRecords(seed: 22, 300)
    let writer = try TraceWriter(path: path, header: sampleHeader)
    for record in records { try writer.append(record) }
    let file = readFile(path)
    let journal = readFile(path + ".journal")
    var random = SeededRandom(seed: 5)
    for turn in 0..<300 {
      var bytes = journal
      if turn % 10 == 0 { bytes.removeLast(random.below(bytes.count)) }
      // Block 1 lies in the first segment.
      let start = turn % 2 == 0 ? 0 : JournalLayout.headerLength
      for _ in 0..<3 where start < bytes.count {
        bytes[min(start + random.below(turn % 3 == 0 ? 64 : 4000), bytes.count - 1)] = UInt8(random.below(256))
      }
      _ = readAll(file, journal: bytes)
    }
    try writer.close(TraceEnd())
  }

  /// Files that take long to compress: the journal gets longer, and holds what is not in the trace yet.
  @Test func journalGrows() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("t")
    let writer = try TraceWriter(path: path, header: sampleHeader)
    var random = SeededRandom(seed: 23)
    var records: [Record] = []
    var segmentsMax = 0
    // Text of a kind: neither random nor all the same.
    var content = (0..<TraceFormat.filePieceLimit).map { _ in UInt8(97 + random.below(20) * random.below(2)) }
    for number in 0..<UInt64(70) {
      content[0] = UInt8(number)
      let object = MemoryObjectID(rawValue: 1)
      try writer.embed(object, offset: number << 20, content[...])
      records.append(.objectWrite(object, offset: number << 20, content))
      if number % 23 != 22 { continue }
      // First the journal: what goes from there is in the file by then.
      let journal = readFile(path + ".journal")
      segmentsMax = max(segmentsMax, (journal.count - JournalLayout.headerLength) / JournalLayout.segmentSize)
      let outcome = readAll(readFile(path), journal: journal)
      #expect(outcome.error == nil && outcome.isTruncated)
      #expect(outcome.records == records, "after \(number + 1) pieces")
    }
    #expect(segmentsMax > JournalLayout.segmentCount && segmentsMax <= JournalLayout.segmentCountMax)
    try writer.close(TraceEnd())
    #expect(readAll(readFile(path)).records.prefix(records.count) == records[...])
    #expect(rsb_tracefile_exists(path + ".journal") == 0)
  }

  /// Bytes that stay where they are, with hashes of their pieces or without.
  private final class PlacedBytes: FileBytes {
    let place: UnsafeRawBufferPointer?
    private let knowsHashes: Bool
    init(_ bytes: [UInt8], knowsHashes: Bool) {
      let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
      copy.copyBytes(from: bytes)
      place = UnsafeRawBufferPointer(copy)
      self.knowsHashes = knowsHashes
    }
    deinit { place?.deallocate() }
    var count: Int { place!.count }
    func knownHash(_ range: Range<Int>) -> ContentHash? {
      knowsHashes ? ContentHash(UnsafeRawBufferPointer(rebasing: place![range])) : nil
    }
    func bytes(_ range: Range<Int>) -> [UInt8] { Array(place![range]) }
    func withBytes<Result, Failure: Error>(
      _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result { try body(UnsafeRawBufferPointer(rebasing: place![range])) }
  }

  /// Pieces that the journal never has: at every instant file and journal are a prefix, and all of it once the writer has settled. The trace says
  /// the same as one whose journal has them.
  @Test(arguments: [false, true]) func piecesThatLieElsewhere(knowsHashes: Bool) throws {
    let directory = TemporaryDirectory()
    let path = directory.file("t"), plainPath = directory.file("plain")
    let writer = try TraceWriter(path: path, header: sampleHeader)
    let plain = try TraceWriter(path: plainPath, header: sampleHeader)
    var random = SeededRandom(seed: 29)
    let records = sampleRecords(seed: 31, 1200)
    var content = (0..<TraceFormat.filePieceLimit * 3 + 20_000).map { _ in UInt8(97 + random.below(20) * random.below(2)) }
    for index in TraceFormat.filePieceLimit..<2 * TraceFormat.filePieceLimit { content[index] = 0 }
    var appended: [Record] = []
    for (index, record) in records.enumerated() {
      if index % 60 == 30 {
        // New content, content that the trace has, a short piece at the end, and one of zeros, which is no record.
        if index % 120 == 30 { content[random.below(content.count)] = UInt8(index % 256) }
        let object = MemoryObjectID(rawValue: UInt32(index))
        let bytes = PlacedBytes(content, knowsHashes: knowsHashes)
        for start in stride(from: 0, to: content.count, by: TraceFormat.filePieceLimit) {
          let end = min(content.count, start + TraceFormat.filePieceLimit)
          try writer.embed(object, bytes, start..<end)
          try plain.embed(object, offset: UInt64(start), content[start..<end])
          if content[start..<end].contains(where: { $0 != 0 }) {
            appended.append(.objectWrite(object, offset: UInt64(start), Array(content[start..<end])))
          }
        }
        let isSettled = index % 3 == 0
        if isSettled { try writer.settle() }
        let journal = readFile(path + ".journal")
        let outcome = readAll(readFile(path), journal: journal)
        #expect(outcome.error == nil && outcome.isTruncated)
        #expect(outcome.records == Array(appended.prefix(outcome.records.count)), "a prefix at \(index)")
        if isSettled { #expect(outcome.records.count == appended.count, "all of it at \(index)") }
      }
      try writer.append(record)
      try plain.append(record)
      appended.append(record)
    }
    try writer.close(TraceEnd())
    try plain.close(TraceEnd())
    let all = readAll(readFile(path)).records
    #expect(all.dropLast() == appended[...])
    #expect(all == readAll(readFile(plainPath)).records)
  }

  /// Where the host has no room for a longer journal, the short one does.
  @Test func extensionThatFailsLeavesTheFile() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("j")
    let file = Int32(rsb_tracefile_open(path, Int32(RSB_TRACEFILE_READ_WRITE | RSB_TRACEFILE_FRESH), 0o600))
    defer { _ = rsb_tracefile_close(file) }
    #expect(rsb_tracefile_allocate(file, 8192) == 0)
    #expect(rsb_tracefile_write_all(file, [1, 2, 3] as [UInt8], 3, 8189) == 0)
    #expect(rsb_tracefile_extend(file, 8192, 1 << 60) < 0)
    #expect(readFile(path).count == 8192 && readFile(path).suffix(3) == [1, 2, 3])
    #expect(rsb_tracefile_extend(file, 8192, 4096) == 0)
    #expect(readFile(path).count == 12288 && readFile(path)[8189..<8192] == [1, 2, 3])
  }

  @Test func modeIsPrivate() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("t")
    writeFile(path, [1])
    chmod(path, 0o666)
    let writer = try TraceWriter(path: path, header: sampleHeader)
    for name in [path, path + ".journal"] {
      var status = stat()
      #expect(stat(name, &status) == 0)
      #expect(status.st_mode & 0o777 == 0o600)
    }
    try writer.close(TraceEnd())
  }

  @Test func unwritablePlacesAreKnownAtOnce() throws {
    for path in ["/nonexistent/t.zst", "/proc/t.zst", "/tmp", "/dev/full"] {
      let error = #expect(throws: TraceError.self) { try TraceWriter(path: path, header: sampleHeader) }
      #expect(error?.kind == .host && error?.hostError != 0 && error?.description.contains(path) == true)
    }
    #expect(rsb_tracefile_exists("/dev/full") == 1)
  }

  /// A limit on the file's size, as a shell sets it, is an error and not a signal, wherever it strikes.
  @Test(arguments: [1, 500, 1200, 1500, 3000]) func fileSizeLimit(blocks: Int) throws {
    let directory = TemporaryDirectory()
    let path = directory.file("t")
    // Random records, hard to compress, much more than the limit.
    let command = "ulimit -f \(blocks); exec \(fuzzerPath) --write-random \(path) --records 60000 2>\(path).error"
    let status = run("/bin/bash", ["-c", command])
    #expect(status == 1 << 8)
    let message = String(decoding: readFile(path + ".error"), as: UTF8.self)
    #expect(message.contains("File too large"), "\(message)")
    if let reader = try? TraceReader(path: path) { while try reader.next() != nil {} }
  }

  @Test func deviceThatFillsLater() throws {
    let directory = TemporaryDirectory()
    let fifo = directory.file("fifo")
    mkfifo(fifo, 0o600)
    // A pipe whose reader goes: EPIPE, reported by a later call.
    let child = Process("/bin/sh", ["-c", "exec head -c 100 <\(fifo) >/dev/null"])!
    let writer = try TraceWriter(path: fifo, header: sampleHeader)
    var failure: TraceError?
    do throws(TraceError) {
      var generator = RecordGenerator(seed: 3)
      for _ in 0..<200_000 { try writer.append(generator.record()) }
      try writer.close(TraceEnd())
    } catch { failure = error }
    _ = child.wait()
    #expect(failure?.hostError == EPIPE)
    #expect(throws: TraceError.self) { try writer.destroyContext(ContextID(rawValue: 1)) }
  }

  @Test func zstdReadsIt() throws {
    guard access("/usr/bin/zstd", X_OK) == 0 else { return }
    let directory = TemporaryDirectory()
    let path = directory.file("t.zst")
    try writeRecords(sampleRecords(seed: 9, 20_000), to: path)
    #expect(run("/usr/bin/zstd", ["-q", "-dc", path], output: directory.file("out")) == 0)
    let out = readFile(directory.file("out"))
    #expect(String(decoding: out.prefix(21), as: UTF8.self) == "replaysb trace 00003\n")
    let parts = try TraceParts(readFile(path))
    let expected = parts.parts.reduce(21 + 40 + parts.headerPayload.count) { $0 + 40 + $1.payload.count }
    #expect(out.count == expected)
  }

  @Test(arguments: [true, false]) func seekGoesToEveryEvent(table: Bool) throws {
    let records = sampleRecords(seed: 31, 40_000)
    var parts = try TraceParts(try traceBytes(records))
    parts.hasSeekTable = table
    let reader = try TraceReader(bytes: parts.assembled())
    var after: [Int] = [0]
    for (index, record) in records.enumerated() { if case .event = record { after.append(index + 1) } }
    #expect(parts.parts.count > 3)
    var random = SeededRandom(seed: 1)
    let wanted = [1, 2, after.count] + (0..<30).map { _ in 1 + random.below(after.count) }
    for number in wanted {
      try reader.seek(toEvent: EventNumber(UInt64(number)))
      for index in after[number - 1]..<min(after[number - 1] + 5, records.count) {
        #expect(try reader.next() == records[index])
      }
    }
    #expect(throws: TraceError.self) { try reader.seek(toEvent: EventNumber(UInt64(after.count + 1))) }
    #expect(throws: TraceError.self) { try reader.seek(toEvent: EventNumber(0)) }
  }

  @Test func endIsFound() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("t")
    let records = sampleRecords(seed: 33, 30_000)
    try writeRecords(records, to: path, end: TraceEnd(status: 256, verdict: "x"))
    let reader = try TraceReader(path: path)
    #expect(reader.findEnd()?.eventCount == UInt64(events(records)))
    #expect(try reader.next() == records[0])
    let file = readFile(path)
    writeFile(path, Array(file.prefix(file.count / 2)))
    #expect(try TraceReader(path: path).findEnd() == nil)
  }

  @Test func olderTracesKeepTheirNumbers() throws {
    let directory = TemporaryDirectory()
    for turn in 1...20 as ClosedRange<UInt8> {
      let path = try TraceNaming.makeRoom(in: directory.path)
      #expect(path == directory.file("trace.zst"))
      writeFile(path, [turn])
      if turn == 3 { writeFile(path + ".journal", [turn]) }
    }
    for turn in 1...19 as ClosedRange<UInt8> { #expect(readFile(directory.file("trace-\(turn).zst")) == [turn]) }
    #expect(readFile(directory.file("trace.zst")) == [20])
    #expect(readFile(directory.file("trace-3.zst.journal")) == [3])
  }
}
