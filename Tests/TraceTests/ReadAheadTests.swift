// A reader whose blocks are unpacked ahead gives what one without gives: the same records, wherever it goes, and the same errors.
import Platform
import Testing

@testable import Trace
@testable import TraceFuzz

@Suite(.serialized) struct ReadAheadTests {
  /// Some fifty blocks, with content that refers back.
  private func trace(in directory: TemporaryDirectory) throws -> String {
    let path = directory.file("t.zst")
    var records = sampleRecords(seed: 31, 4000)
    var random = SeededRandom(seed: 32)
    for number in 0..<UInt64(40) {
      let content = (0..<TraceFormat.filePieceLimit).map { _ in UInt8(random.below(4)) }
      records.insert(.objectWrite(MemoryObjectID(rawValue: 1), offset: number << 20, content), at: Int(number) * 90)
    }
    try writeRecords(records, to: path, end: TraceEnd())
    return path
  }

  /// What a reader gives from where it stands, and the error that ends it.
  private func rest(_ reader: TraceReader) -> (records: [Record], error: TraceError?) {
    var records: [Record] = []
    do throws(TraceError) { while let record = try reader.next() { records.append(record) } } catch { return (records, error) }
    return (records, nil)
  }

  @Test func givesTheSame() throws {
    let directory = TemporaryDirectory()
    let path = try trace(in: directory)
    let plain = try TraceReader(path: path), ahead = try TraceReader(path: path)
    let expected = rest(plain)
    #expect(expected.error == nil && expected.records.count > 3000)
    for _ in 0..<3 {
      ahead.readAhead()
      let found = rest(ahead)
      #expect(found.records == expected.records && found.error == nil)
      ahead.restart()
    }
    // To and fro; each reader ends with blocks unread, too.
    let last = plain.lastEvent.rawValue
    var random = SeededRandom(seed: 33)
    for _ in 0..<30 {
      let number = EventNumber(1 + UInt64(random.below(Int(last))))
      try plain.seek(toEvent: number)
      try ahead.seek(toEvent: number)
      for _ in 0..<random.below(400) { #expect(try plain.next() == ahead.next()) }
      let other = try TraceReader(path: path)
      other.readAhead()
      _ = try other.next()
    }
  }

  @Test func damageIsFoundInItsPlace() throws {
    let directory = TemporaryDirectory()
    let whole = readFile(try trace(in: directory))
    var random = SeededRandom(seed: 34)
    var errors = 0
    for turn in 0..<40 {
      var bytes = whole
      if turn % 4 == 0 { bytes.removeSubrange(random.below(bytes.count)...) }
      for _ in 0..<2 where !bytes.isEmpty { bytes[random.below(bytes.count)] ^= UInt8(1 + random.below(255)) }
      let path = directory.file("d")
      writeFile(path, bytes)
      guard let plain = try? TraceReader(path: path), let ahead = try? TraceReader(path: path) else { continue }
      ahead.readAhead()
      let expected = rest(plain), found = rest(ahead)
      #expect(found.records == expected.records)
      #expect(found.error?.description == expected.error?.description)
      if expected.error != nil { errors += 1 }
    }
    #expect(errors > 10)
  }
}
