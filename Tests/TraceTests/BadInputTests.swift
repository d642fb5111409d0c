// Damaged, cut, forged: a clear error or a valid prefix.
import Platform
import Testing

@testable import Trace
@testable import TraceFuzz

@Suite struct BadInputTests {
  static let records = smallRecords(seed: 11, 60)

  private func isPrefix(_ outcome: Outcome, of whole: [Record]) -> Bool {
    outcome.records.count <= whole.count && Array(whole.prefix(outcome.records.count)) == outcome.records
  }

  @Test func cutAtEveryByte() throws {
    // Several blocks, so that whole ones stand before the cut.
    var parts = try TraceParts(try traceBytes(Self.records))
    let extra = try TraceParts(try traceBytes([]))
    var last = extra.parts[0]
    last.number = 2
    let events = Self.records.count { if case .event = $0 { true } else { false } }
    last.firstEvent = UInt64(events + 1)
    parts.parts[0].recordCount -= 1
    parts.parts[0].payload.removeLast(parts.parts[0].payload.count - (try payloadLengthWithoutEnd(parts)))
    last.payload = try endPayload(UInt64(events))
    parts.parts.append(last)
    let trace = parts.assembled(FrameCompressor())
    let whole = readAll(trace)
    #expect(whole.error == nil && !whole.isTruncated && whole.records.count == Self.records.count + 1)
    var sawRecordsOfFirstBlock = false
    for length in 0..<trace.count {
      let outcome = readAll(Array(trace[..<length]))
      #expect(isPrefix(outcome, of: whole.records))
      if outcome.error != nil {
        #expect(outcome.error!.kind == .notATrace)
        #expect(outcome.records.isEmpty)
      } else if outcome.records.count < whole.records.count {
        #expect(outcome.isTruncated)
        if !outcome.records.isEmpty { sawRecordsOfFirstBlock = true }
      }
    }
    #expect(sawRecordsOfFirstBlock)
  }

  private func payloadLengthWithoutEnd(_ parts: TraceParts) throws -> Int {
    let reader = try TraceReader(bytes: parts.assembled())
    for _ in Self.records { _ = try reader.next() }
    return Int(reader.position.byte) - TraceFormat.blockHeaderLength
  }

  private func endPayload(_ events: UInt64) throws -> [UInt8] {
    #expect(events < 128)
    return [RecordTag.end.rawValue, 0, 0, UInt8(events), 0, 0, 0, 0]
  }

  @Test func everyBitFlipped() throws {
    let trace = try traceBytes(Self.records)
    let whole = readAll(trace).records
    var refused = 0
    for bit in 0..<trace.count * 8 {
      var bytes = trace
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      let outcome = readAll(bytes)
      #expect(isPrefix(outcome, of: whole), "bit \(bit)")
      if outcome.error != nil { refused += 1 }
    }
    #expect(refused > trace.count)
  }

  @Test func otherVersionsAreNamed() throws {
    var parts = try TraceParts(try traceBytes([]))
    parts.version = 99
    let error = readAll(parts.assembled()).error
    #expect(error?.kind == .version)
    #expect(error?.description.contains("99") == true && error?.description.contains("versions 1 to 3") == true)
  }

  @Test func notTraces() throws {
    for bytes in [[], [1, 2, 3], Array("#!/bin/sh\n".utf8), [UInt8](repeating: 0x28, count: 5000)] {
      #expect(readAll(bytes).error?.kind == .notATrace)
    }
    let compressed = FrameCompressor()!.compress(Array("hello, this is another file".utf8))!
    #expect(readAll(compressed).error?.kind == .notATrace)
    #expect(throws: TraceError.self) { try TraceReader(path: "/nonexistent/trace.zst") }
    #expect(throws: TraceError.self) { try TraceReader(path: "/tmp") }
  }

  /// Every length and count at its most absurd, under good checksums.
  @Test func absurdLengths() throws {
    let huge: [UInt8] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]
    let tags: [UInt8] = Array(1...60)
    for tag in tags {
      for prefix in 0...4 {
        let payload = [tag] + [UInt8](repeating: 1, count: prefix) + huge + huge + huge
        try expectRefusal(payload)
      }
    }
    for flags in 0x80...0xff as ClosedRange<UInt8> { try expectRefusal([flags] + huge + huge + huge) }
    // References before the start, outside the block, of absurd length.
    let write: [UInt8] = [RecordTag.memoryWrite.rawValue, 0, 0]
    for reference: [UInt8] in [
      [0x81, 0x08, 0, 0x7f], [0x03, 0, 0x06], [0x03, 0x01, 0], [0x03, 0x05, 0], [0x03] + huge + [0],
    ] {
      try expectRefusal(write + reference)
    }
  }

  private func expectRefusal(_ payload: [UInt8]) throws {
    var parts = try TraceParts(try Self.empty.get())
    parts.parts[0].payload = payload
    parts.parts[0].recordCount = 1
    let outcome = readAll(parts.assembled())
    // A tag may take few of the bytes; then those that follow are the error.
    #expect(outcome.error != nil, "\(payload)")
  }
  static let empty = Result { try traceBytes([]) }

  @Test func absurdFrames() throws {
    let trace = try Self.empty.get()
    let parts = try TraceParts(trace)
    let first = TraceParts.storedFrame(
      FirstBlock.preamble(version: TraceFormat.version)
        + sealed(BlockHeader(number: 0, firstEvent: 1, chain: 0, recordCount: 1), payload: parts.headerPayload))
    // A frame that states four gigabytes, and one that unpacks to more than a block may have.
    var stated = TraceParts.storedFrame([1])
    stated.replaceSubrange(5..<9, with: [0xff, 0xff, 0xff, 0xff])
    #expect(readAll(first + stated).error?.kind == .corrupt)
    let bomb = FrameCompressor()!.compress([UInt8](repeating: 0, count: 50_000_000))!
    #expect(readAll(first + bomb).error?.kind == .corrupt)
    #expect(readAll(first + [9, 9, 9, 9, 9, 9, 9, 9, 9]).error?.kind == .corrupt)
    // A seek table's footer that lies about its length.
    var lying = trace
    lying.replaceSubrange(lying.count - 8..<lying.count - 4, with: [0xff, 0xff, 0xff, 0x7f])
    #expect(readAll(lying).error == nil)
  }

  @Test func blocksOutOfOrder() throws {
    var parts = try TraceParts(try traceBytes(sampleRecords(seed: 2, 40_000)))
    #expect(parts.parts.count > 3)
    parts.hasSeekTable = false
    parts.parts.swapAt(1, 2)
    #expect(readAll(parts.assembled()).error?.kind == .corrupt)
    parts.parts[1].number = 2
    parts.parts[2].number = 3
    #expect(readAll(parts.assembled()).error?.kind == .corrupt)
  }

  @Test func corpusIsRead() throws {
    let here = #filePath
    let tests = here.split(separator: "/").dropLast(2).reduce("") { $0 + "/" + $1 } + "/"
    let files = TraceFuzz.corpus(tests + "Corpus/Trace")
    #expect(files.count >= 4)
    for (index, bytes) in files.enumerated() { execute(bytes, number: UInt64(index), FrameDecompressor()!) }
  }

  @Test func mutatedTraces() throws {
    let mutator = Mutator(corpus: [try traceBytes(Self.records), try traceBytes(smallRecords(seed: 5, 30))])
    let decompressor = FrameDecompressor()!
    for number in 0..<3000 as Range<UInt64> {
      execute(mutator.trace(seed: 1, number: number), number: number, decompressor)
    }
  }
}
