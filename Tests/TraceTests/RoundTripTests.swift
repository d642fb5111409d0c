// What goes in comes out, the same way every time.
import Platform
import Testing

@testable import Trace
@testable import TraceFuzz

@Suite struct RoundTripTests {
  @Test(arguments: 1...40) func recordsComeBack(seed: UInt64) throws {
    let records = sampleRecords(seed: seed, seed % 8 == 0 ? 20_000 : 300)
    var end = TraceEnd(status: 0x0b, verdict: "deadlock", filesChanged: 3, virtualNanoseconds: 99)
    let outcome = readAll(try traceBytes(records, end: end))
    #expect(outcome.error == nil)
    #expect(!outcome.isTruncated)
    end.eventCount = UInt64(records.count { if case .event = $0 { true } else { false } })
    #expect(outcome.records.dropLast() == records[...])
    #expect(outcome.records.last == .end(end))
  }

  @Test func headerComesBack() throws {
    var header = sampleHeader
    header.cpuFingerprint = "AMD"
    header.withheldNames = ["SECRET_TOKEN"]
    header.arguments = ["ü", "", String(repeating: "x", count: 300_000)]
    let directory = TemporaryDirectory()
    let writer = try TraceWriter(path: directory.file("t"), header: header)
    try writer.close(TraceEnd())
    #expect(try TraceReader(path: directory.file("t")).header == header)
  }

  /// What a search knows stands in the header; readers skip it, and any bytes there give a note or an error.
  @Test func searchNoteComesBack() throws {
    func place(_ task: Int32, _ ticks: UInt64, _ pc: UInt64) -> SearchNote.Place { .init(task: task, ticks: ticks, pc: pc) }
    let note = SearchNote(
      failure: "signal 6",
      switches: [
        .init(kind: .preemption, isInCode: true, place: place(3, 1 << 40, 0x7fff_ffff_0000), next: 4),
        .init(kind: .choice, isInCode: false, place: place(4, 0, 0x40_1000), next: .max),
        .init(kind: .fairness, isInCode: true, place: place(-1, .max, .max), next: 3),
      ],
      reorderings: [.init(switchIndex: 2, first: place(4, 5, 6), second: place(3, 7, 8))])
    var header = sampleHeader
    header.search = note
    let directory = TemporaryDirectory()
    let writer = try TraceWriter(path: directory.file("t"), header: header)
    try writer.close(TraceEnd())
    #expect(try TraceReader(path: directory.file("t")).header == header)
    header.search = SearchNote(failure: "", switches: Array(repeating: note.switches[2], count: 100_000))
    let many = try TraceWriter(path: directory.file("many"), header: header)
    try many.close(TraceEnd())
    let kept = try #require(try TraceReader(path: directory.file("many")).header.search)
    #expect(kept.switches.count > 10_000 && kept.switches.allSatisfy { $0 == note.switches[2] })
  }

  @Test func brokenSearchNotes() throws {
    let good = SearchNote(
      failure: "deadlock", switches: [.init(kind: .preemption, isInCode: true, place: .init(task: 3, ticks: 9, pc: 0x1000), next: 4)],
      reorderings: [.init(switchIndex: 0, first: .init(task: 4, ticks: 1, pc: 2), second: .init(task: 3, ticks: 1, pc: 2))]
    ).encoded()
    var random = SeededRandom(seed: 9)
    var refused = 0
    for round in 0..<5000 {
      var bytes = round < good.count ? Array(good.prefix(round)) : good
      if round >= good.count { for _ in 0...random.below(4) { bytes[Int(random.below(bytes.count))] = UInt8(random.below(256)) } }
      var source = ByteSource(bytes)
      do throws(DecodeFailure) {
        if let note = try SearchNote(from: &source) { #expect(note.switches.count < 256) }
      } catch { refused += 1 }
    }
    #expect(refused > good.count)
    // A later version's is not an error.
    var later = ByteSource([2, 1, 2, 3])
    #expect(try SearchNote(from: &later) == nil)
  }

  @Test(arguments: [1, 5, 16]) func sameRecordsSameBytes(seed: UInt64) throws {
    let records = sampleRecords(seed: seed, 30_000)
    #expect(try traceBytes(records) == traceBytes(records))
  }

  /// Events by the fast path: registers in, differences and trap words out, a hash every 64 and at the end.
  @Test func eventsKeepRegisters() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("t")
    let writer = try TraceWriter(path: path, header: sampleHeader)
    var random = SeededRandom(seed: 4)
    var last = [Registers](repeating: Registers(), count: 3)
    var expected: [(run: Registers, stopped: Registers)] = []
    var chain = RegisterChain()
    var hashes: [Record] = []
    for number in 1...1000 as ClosedRange<UInt64> {
      let task = random.below(3)
      var run = last[task]
      run.rax = UInt64(random.below(5))
      if random.chance(10) { run.r12 = random.next() }
      var stopped = run
      stopped.rip = 0x1000 + UInt64(random.below(9))
      stopped.rsp = 0x7000
      stopped.origRax = UInt64(random.below(4))
      stopped.rdx = UInt64(random.below(2))
      let got = try writer.event(
        ContextID(rawValue: UInt32(task + 1)), space: AddressSpaceID(rawValue: 1), before: last[task], run: run,
        trap: .syscall, stopped: stopped, ticks: Ticks(rawValue: 0))
      #expect(got == EventNumber(number))
      expected.append((run, stopped))
      last[task] = stopped
      chain.add(stopped)
      if number % 64 == 0 { hashes.append(.registerHash(got, chain.value)) }
    }
    try writer.close(TraceEnd())
    // The last one covers what came after the last multiple of 64.
    hashes.append(.registerHash(EventNumber(1000), chain.value))

    last = [Registers](repeating: Registers(), count: 3)
    var index = 0
    var hashIndex = 0
    for record in readAll(readFile(path)).records {
      switch record {
      case .event(let event):
        let (run, stopped) = expected[index]
        let task = Int(event.context.rawValue) - 1
        #expect(event.changes.applied(to: last[task]) == run)
        #expect(event.matches(trap: .syscall, registers: stopped, ticks: Ticks(rawValue: 0)))
        last[task] = stopped
        index += 1
      case .registerHash:
        #expect(record == hashes[hashIndex])
        hashIndex += 1
      default: break
      }
    }
    #expect(index == 1000)
    #expect(hashIndex == hashes.count)
  }

  /// Where a limit stopped a task, and what it loaded, with ticks that count up in each context.
  @Test func stopsAtLimitsComeBack() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("t")
    let writer = try TraceWriter(path: path, header: sampleHeader)
    var random = SeededRandom(seed: 6)
    var ticks: [UInt64] = [0, 0]
    var expected: [(trap: Trap, ticks: UInt64)] = []
    for _ in 0..<500 {
      let task = random.below(2)
      ticks[task] += random.next() >> UInt64(30 + random.below(34))
      let trap: Trap =
        switch random.below(4) {
        case 0: .syscall
        case 1: .budget(StopPoint())
        case 2: .budget(StopPoint(instructions: UInt32(random.below(16))))
        default: .budget(StopPoint(updates: UInt32(1 + random.below(5000)), loadedValue: random.next()))
        }
      var stopped = Registers()
      stopped.rip = 0x1000 + UInt64(random.below(50))
      try writer.event(
        ContextID(rawValue: UInt32(task + 1)), space: AddressSpaceID(rawValue: 1), before: Registers(),
        run: Registers(), trap: trap, stopped: stopped, ticks: Ticks(rawValue: ticks[task]))
      expected.append((trap, ticks[task]))
    }
    try writer.close(TraceEnd())
    var index = 0
    for case .event(let event) in readAll(readFile(path)).records {
      #expect(event.trap == expected[index].trap && event.ticks.rawValue == expected[index].ticks)
      index += 1
    }
    #expect(index == expected.count)
  }

  /// Content is written once: in an object, in another, at other addresses, blocks later.
  @Test func contentIsSharedAndLargeWritesAreSplit() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("t")
    var random = SeededRandom(seed: 1)
    var content = (0..<1_000_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    for i in 200_000..<400_000 { content[i] = 0 }
    let writer = try TraceWriter(path: path, header: sampleHeader)
    for id in 1...20 as ClosedRange<UInt32> {
      try writer.createObject(MemoryObjectID(rawValue: id), content: content)
    }
    // In other pieces than the files', so once more, and once only.
    for _ in 0..<20 { try writer.memoryWrite(AddressSpaceID(rawValue: 1), GuestAddress(4096), content[...]) }
    try writer.close(TraceEnd())
    #expect(readFile(path).count < 1_650_000)

    var objects: [UInt32: [UInt8]] = [:]
    var memory = [UInt8](repeating: 0, count: 1_000_000)
    for record in readAll(readFile(path)).records {
      switch record {
      case .createObject(let id, let size): objects[id.rawValue] = [UInt8](repeating: 0, count: Int(size))
      case .objectWrite(let id, let offset, let bytes):
        #expect(bytes.count <= TraceFormat.filePieceLimit)
        objects[id.rawValue]!.replaceSubrange(Int(offset)..<Int(offset) + bytes.count, with: bytes)
      case .memoryWrite(_, let address, let bytes):
        let start = Int(address.rawValue - 4096)
        memory.replaceSubrange(start..<start + bytes.count, with: bytes)
      default: break
      }
    }
    for id in 1...20 as ClosedRange<UInt32> { #expect(objects[id] == content) }
    #expect(memory == content)
  }

  @Test func longTextsAreCut() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("t")
    let writer = try TraceWriter(path: path, header: sampleHeader)
    let long = String(repeating: "é", count: 100_000)
    try writer.annotation(.executed(task: 2, path: long, arguments: Array(repeating: long, count: 10)))
    try writer.annotation(.randomBytes([UInt8](repeating: 1, count: 1_000_000)))
    try writer.fileEmbedded(path: long, object: nil, size: 1)
    try writer.annotation(.runEnded(status: 0, verdict: long))
    let pieces = (0..<5000 as Range<UInt64>).map { GuestRange(GuestAddress($0 << 40), GuestAddress(~0)) }
    try writer.output(.standardOutput, space: AddressSpaceID(rawValue: 1), pieces: pieces, bytes: [])
    try writer.close(TraceEnd())
    let outcome = readAll(readFile(path))
    #expect(outcome.error == nil)
    var got: [GuestRange] = []
    for case .output(_, _, let pieces) in outcome.records { got += pieces }
    #expect(got == pieces)
    guard case .annotation(.executed(_, let cut, _)) = outcome.records[0] else { throw outcome.error! }
    #expect(cut.utf8.count > 1000 && long.hasPrefix(cut))
  }

  /// Loops must stay small: the limit of the issue is 4 bytes a syscall.
  @Test func loopsAreSmall() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("t")
    let writer = try TraceWriter(path: path, header: sampleHeader)
    var loop = SyscallLoop()
    while loop.syscalls < 100_000 { try loop.turn(writer) }
    try writer.close(TraceEnd())
    #expect(readFile(path).count < 100_000)
  }

  @Test func everyRecordHasALine() throws {
    for record in sampleRecords(seed: 3, 2000) {
      #expect(!record.description.isEmpty && !record.description.contains("\n"))
    }
  }
}
