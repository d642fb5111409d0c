// Blocks of several frames: pieces of files apart from the rest, kept between runs or not.
import CLinux
import Platform
import Testing

@testable import KeptFiles
@testable import Trace
@testable import TraceFuzz

/// Records with pieces of files of this size, which compress to little, among others.
private func write(_ path: String, sizes: [Int], keeper: KeptFiles? = nil, closing: Bool = true) throws -> TraceWriter {
  let writer = try TraceWriter(path: path, header: sampleHeader, keeper: keeper)
  var generator = RecordGenerator(seed: 77)
  for (index, size) in sizes.enumerated() {
    let id = MemoryObjectID(rawValue: UInt32(index + 1))
    try writer.createObject(id, content: (0..<size).map { UInt8(truncatingIfNeeded: $0 / 300 + index * 7) | 1 })
    for _ in 0..<3 { try writer.append(.event(generator.event())) }
  }
  if closing { try writer.close(TraceEnd()) }
  return writer
}

private func trace(sizes: [Int], keeper: KeptFiles? = nil) throws -> [UInt8] {
  let directory = TemporaryDirectory()
  _ = try write(directory.file("t"), sizes: sizes, keeper: keeper)
  return readFile(directory.file("t"))
}

private func isPrefix(_ outcome: Outcome, of whole: [Record]) -> Bool {
  outcome.records.count <= whole.count && whole.prefix(outcome.records.count).elementsEqual(outcome.records)
}

@Suite struct SeveralFramesTests {
  static let small = [16_384, 300, 16_400]

  @Test func piecesAreFramesOfTheirOwn() throws {
    let limit = TraceFormat.filePieceLimit
    let sizes = [10, 16_383, 16_384, 100_000, limit, limit + 1, limit + 16_384, 3 * limit, 16_384]
    let bytes = try trace(sizes: sizes)
    let parts = try TraceParts(bytes)
    #expect(parts.version == 3 && parts.parts.count > 4)
    var objects: [UInt32: [UInt8]] = [:]
    for record in readAll(bytes).records {
      if case .createObject(let id, let size) = record { objects[id.rawValue] = [UInt8](repeating: 0, count: Int(size)) }
      if case .objectWrite(let id, let offset, let content) = record {
        objects[id.rawValue]!.replaceSubrange(Int(offset)..<Int(offset) + content.count, with: content)
      }
    }
    for (index, size) in sizes.enumerated() {
      let expected = (0..<size).map { UInt8(truncatingIfNeeded: $0 / 300 + index * 7) | 1 }
      #expect(objects[UInt32(index + 1)] == expected)
    }
    // Every frame in order: the lengths of the pieces stand among them, each as often as it was written.
    var lengths: [Int] = []
    for part in parts.parts {
      #expect(part.payload.count <= TraceFormat.blockPayloadLimit)
      let ends = part.frameEnds + [part.payload.count + TraceFormat.blockHeaderLength]
      lengths += zip(ends, [0] + ends).map { $0 - $1 }
    }
    for (length, count) in [(limit, 6), (16_384, 3), (100_000, 1)] { #expect(lengths.count { $0 == length } == count) }
    #expect(!lengths.contains(16_383))
    #expect(readAll(parts.assembled()).records == readAll(bytes).records)
    #expect(readAll(parts.assembled(FrameCompressor())).records == readAll(bytes).records)
  }

  @Test func cutAtEveryByte() throws {
    let bytes = try trace(sizes: Self.small)
    let whole = readAll(bytes)
    #expect(whole.error == nil && !whole.isTruncated)
    #expect(try TraceParts(bytes).parts.contains { $0.frameEnds.count >= 4 })
    for length in 0..<bytes.count {
      let outcome = readAll(Array(bytes[..<length]))
      #expect(isPrefix(outcome, of: whole.records))
      if outcome.records.count < whole.records.count { #expect(outcome.isTruncated || outcome.error?.kind == .notATrace) }
    }
  }

  /// A recorder that was killed while it wrote a block's frames: the block comes from the journal, once.
  @Test func cutBlocksComeFromTheJournal() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("t")
    let writer = try write(path, sizes: Self.small, closing: false)
    let journal = readFile(path + ".journal")
    let start = readFile(path).count
    try writer.close(TraceEnd())
    let bytes = readFile(path)
    let whole = readAll(bytes).records
    let kept = readAll(Array(bytes[..<start]), journal: journal)
    #expect(kept.isTruncated && kept.records.count == whole.count - 1)
    for length in start...bytes.count {
      let outcome = readAll(Array(bytes[..<length]), journal: journal)
      #expect(outcome.error == nil)
      #expect(outcome.records == kept.records || outcome.records == whole, "cut at \(length)")
    }
    // The next block is looked for where this one ends, not where a cut one began.
    let sealed = try TraceReader(bytes: bytes, journal: journal)
    while try sealed.next() != nil {}
    #expect(!sealed.isTruncated)
  }

  @Test func everyBitFlipped() throws {
    let bytes = try trace(sizes: [16_384, 20])
    let whole = readAll(bytes).records
    var refused = 0
    for bit in 0..<bytes.count * 8 {
      var flipped = bytes
      flipped[bit / 8] ^= 1 << UInt8(bit % 8)
      let outcome = readAll(flipped)
      #expect(isPrefix(outcome, of: whole), "bit \(bit)")
      if outcome.error != nil { refused += 1 }
    }
    #expect(refused > bytes.count)
  }

  @Test func framesThatDoNotFit() throws {
    let good = try TraceParts(try trace(sizes: Self.small))
    #expect(good.parts.count == 1)
    func outcome(_ change: (inout TraceParts) -> Void) -> Outcome {
      var parts = good
      parts.hasSeekTable = false
      change(&parts)
      return readAll(parts.assembled())
    }
    let whole = readAll(good.assembled()).records
    #expect(outcome { $0.parts[0].frameEnds = [] }.records == whole)
    #expect(outcome { $0.parts[0].frameEnds = Array(40...60) + [100, 5000, 5001] }.records == whole)
    let damage: [(inout TraceParts.Part) -> Void] = [
      { $0.frameEnds = [39, 100] },
      { $0.frameEnds = [0, 100] },
      { $0.frameEnds = [100, 100] },
      { $0.droppedFrame = 0 },
      { $0.droppedFrame = 1 },
      { $0.strayBytes = TraceParts.storedFrame([]) },
      { $0.strayBytes = TraceParts.storedFrame([1]) },
      { $0.strayBytes = TraceParts.storedFrame([UInt8](repeating: 0, count: 300_000)) },
      { $0.strayBytes = [0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0] },
      { $0.strayBytes = [1, 2, 3, 4] },
    ]
    for (index, change) in damage.enumerated() {
      let outcome = outcome { change(&$0.parts[0]) }
      // Without its last bytes a block is one that was cut.
      #expect(outcome.error?.kind == .corrupt || outcome.isTruncated && index == 4, "\(index)")
      #expect(outcome.records.isEmpty)
    }
    // Version 1 has one frame a block.
    #expect(outcome { $0.version = 1 }.error?.kind == .corrupt)
  }

  @Test func versionOneIsRead() throws {
    var parts = try TraceParts(try trace(sizes: Self.small))
    let records = readAll(parts.assembled()).records
    parts.version = 1
    for index in parts.parts.indices { parts.parts[index].frameEnds = [] }
    #expect(readAll(parts.assembled()).records == records)
    #expect(try TraceReader(bytes: parts.assembled()).header.formatVersion == 1)
    let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
    for name in ["hello", "fork_pipe", "pthreads"] {
      let reader = try TraceReader(path: root + "/Recordings/\(name).zst")
      #expect(reader.header.formatVersion == 1)
      while try reader.next() != nil {}
      #expect(reader.end != nil && !reader.isTruncated)
    }
  }
}

@Suite struct KeptPieceTests {
  static let sizes = [30_000, 16_384, 500_000, 200, 1_000_000, 1_500_000, 16_384, 30_000]

  private func keeper(_ directory: TemporaryDirectory) -> KeptFiles {
    KeptFiles(directory: directory.path, suffix: ".zst-piece", bytesMax: 1 << 28)!
  }
  private func files(_ directory: TemporaryDirectory) -> [(name: String, bytes: [UInt8])] {
    let list = TemporaryDirectory()
    run("/bin/ls", [directory.path], output: list.file("names"))
    let names = String(decoding: readFile(list.file("names")), as: UTF8.self).split(separator: "\n")
    return names.map { (String($0), readFile(directory.file(String($0)))) }
  }
  private func key(_ file: [UInt8]) -> KeptFiles.Key {
    var key = KeptFiles.Key([])
    key.low = (0..<8).reduce(0) { $0 | UInt64(file[8 + $1]) << UInt64(8 * $1) }
    key.high = (0..<8).reduce(0) { $0 | UInt64(file[16 + $1]) << UInt64(8 * $1) }
    return key
  }

  @Test func keptOrNotIsTheSame() throws {
    let none = try trace(sizes: Self.sizes)
    let directory = TemporaryDirectory()
    #expect(try trace(sizes: Self.sizes, keeper: keeper(directory)) == none)
    let kept = files(directory)
    #expect(kept.count > 10 && kept.allSatisfy { $0.name.hasSuffix(".zst-piece") })
    #expect(try trace(sizes: Self.sizes, keeper: keeper(directory)) == none)
    // Only some of them, in either direction.
    for (index, file) in kept.enumerated() where index % 3 != 0 { run("/bin/rm", [directory.file(file.name)]) }
    #expect(try trace(sizes: Self.sizes, keeper: keeper(directory)) == none)
    #expect(files(directory).map(\.bytes) == kept.map(\.bytes))
    #expect(try trace(sizes: Self.sizes.reversed(), keeper: keeper(directory)) == trace(sizes: Self.sizes.reversed()))
  }

  /// A kept frame is taken as it is: another frame of the same bytes comes into the trace, and reads the same.
  @Test func keptFramesAreUsed() throws {
    let directory = TemporaryDirectory()
    let cold = try trace(sizes: [50_000], keeper: keeper(directory))
    let file = files(directory)[0].bytes
    let content = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 / 300) | 1 }
    let other = FrameCompressor()!.compress(content, level: 19)!
    #expect(other != Array(file.dropFirst(24)))
    _ = other.withUnsafeBytes { keeper(directory).save(key(file), $0) }
    let warm = try trace(sizes: [50_000], keeper: keeper(directory))
    #expect(warm != cold && readAll(warm).records == readAll(cold).records)
  }

  @Test func wrongKeptFilesAreIgnored() throws {
    let none = try trace(sizes: Self.sizes)
    let directory = TemporaryDirectory()
    _ = try trace(sizes: Self.sizes, keeper: keeper(directory))
    let kept = files(directory)
    func check(_ why: String, _ change: (Int, [UInt8]) -> [UInt8]) throws {
      for (index, file) in kept.enumerated() { writeFile(directory.file(file.name), change(index, file.bytes)) }
      #expect(try trace(sizes: Self.sizes, keeper: keeper(directory)) == none, "\(why)")
    }
    try check("cut") { _, bytes in Array(bytes.prefix(bytes.count / 2)) }
    try check("empty") { _, _ in [] }
    try check("altered") { _, bytes in Array(bytes.dropLast()) + [bytes.last! ^ 1] }
    try check("longer") { _, bytes in bytes + [0] }
    try check("exchanged") { index, _ in kept[(index + 1) % kept.count].bytes }
    // Under the right key and checksum, but not one whole frame of the right size.
    let frame = FrameCompressor()!.compress([UInt8](repeating: 1, count: 5000))!
    for (why, wrong) in [
      ("another size", { (_: [UInt8]) in frame }), ("two frames", { $0 + frame }), ("cut frame", { Array($0.dropLast(3)) }),
      ("no frame", { _ in [1, 2, 3, 4, 5, 6, 7, 8] }), ("a skippable frame", { _ in [0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0] }),
    ] as [(String, ([UInt8]) -> [UInt8])] {
      for file in kept {
        _ = wrong(Array(file.bytes.dropFirst(24))).withUnsafeBytes { keeper(directory).save(key(file.bytes), $0) }
      }
      #expect(try trace(sizes: Self.sizes, keeper: keeper(directory)) == none, "\(why)")
    }
    #expect(files(directory).map(\.bytes) == kept.map(\.bytes))
  }

  /// The level depends on the bytes of files that came before: 2.25 MiB are 12.8 of these pieces.
  @Test func levelsFollowCounts() throws {
    let directory = TemporaryDirectory()
    let sizes = [Int](repeating: TraceFormat.filePieceLimit, count: 20)
    _ = try trace(sizes: sizes, keeper: keeper(directory))
    #expect(files(directory).count == 20)
    // The same objects but the first: one that nobody saw, and number 13, which is now among the first.
    _ = try trace(sizes: [300] + sizes, keeper: keeper(directory))
    #expect(files(directory).count == 22)
  }
}
