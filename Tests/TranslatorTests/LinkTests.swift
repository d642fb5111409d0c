// Branches to code that is translated later: they lead to an exit first, and to the code once there is some.
import Testing

@testable import Translator

@Suite struct LinkTests {
  /// An image of guest code at an address, with memory of its own.
  private final class Fixture {
    static let start: UInt64 = 0x40_0000
    let source: UnsafeMutablePointer<UInt8>
    let code: UnsafeMutablePointer<UInt8>
    let mirror: UnsafeMutablePointer<UInt64>
    let image: CodeImage
    let translator = Translator()

    /// `pieces`: bytes by offset; all else is nops.
    init(_ pieces: [(Int, [UInt8])]) {
      let length = 4096, reserve = CodeImage.reserve(for: length)
      source = .allocate(capacity: length)
      source.initialize(repeating: 0x90, count: length)
      code = .allocate(capacity: reserve)
      code.initialize(repeating: 0, count: reserve)
      mirror = .allocate(capacity: length)
      mirror.initialize(repeating: 0, count: length)
      for (offset, bytes) in pieces { (source + offset).update(from: bytes, count: bytes.count) }
      image = CodeImage(
        start: Self.start, length: length, source: UnsafePointer(source), available: length, address: RuntimeLayout.arena + 4096,
        code: code, reserve: reserve, mirror: mirror)
    }

    deinit {
      source.deallocate()
      code.deallocate()
      mirror.deallocate()
    }

    func translate(_ offset: UInt64, counted: Bool = false) {
      guard case .entry = translator.entry(image, Self.start + offset, counted: counted) else {
        Issue.record("nothing translated at \(offset)")
        return
      }
    }

    /// Where the jump that a block's code ends with leads, `instructions` bytes of nops before it: an address in the code.
    func target(ofJumpAfter nops: UInt64, at offset: UInt64) -> UInt64 {
      let jump = Int(image.entry(Self.start + offset)! + nops - image.address)
      #expect(code[jump] == 0xe9)
      let displacement = UnsafeRawPointer(code + jump + 1).loadUnaligned(as: Int32.self)
      return image.address + UInt64(jump + 5) &+ UInt64(bitPattern: Int64(displacement))
    }
  }

  /// Two jumps forward to 0x200 (no ticks), one back from 0x400 (a tick); `ret` at each end.
  private func fixture() -> Fixture {
    func jump(_ from: Int, _ to: Int) -> [UInt8] { [0xe9] + withUnsafeBytes(of: Int32(to - from - 5)) { Array($0) } }
    let made = Fixture([
      (0x102, jump(0x102, 0x200)), (0x142, jump(0x142, 0x200)), (0x201, [0xc3]), (0x402, jump(0x402, 0x200)),
    ])
    made.translator.regionInstructionsMax = 3
    return made
  }

  @Test func branchesWaitForTheirTarget() {
    let made = fixture(), image = made.image, target = Fixture.start + 0x200
    for (index, offset) in [UInt64(0x100), 0x140, 0x400].enumerated() {
      made.translate(offset)
      let kind: ColdKind = offset == 0x400 ? .countedLink : .link
      #expect(image.place(of: made.target(ofJumpAfter: 2, at: offset)) == .cold(kind, target: target, exit: index))
    }
    #expect(image.entry(target) == nil)
    made.translate(0x200)
    let body = image.entry(target)!, counted = image.countedEntry(target)!
    #expect(body != counted)
    #expect(made.target(ofJumpAfter: 2, at: 0x100) == body)
    #expect(made.target(ofJumpAfter: 2, at: 0x140) == body)
    #expect(made.target(ofJumpAfter: 2, at: 0x400) == counted)
    // Its counted entry was made for the branch, and serves indirect ones too.
    #expect(made.mirror[0x200] == counted)
    // Who stopped at an exit just before still finds what it was.
    #expect(image.place(of: image.address + UInt64(image.reserve - CodeImage.exitSize)) == .cold(.link, target: target, exit: 0))
    // Branches that are translated later need no exit.
    let exits = image.exits.count
    made.translator.regionInstructionsMax = 384
    made.translate(0x101)
    #expect(image.exits.count == exits)
  }

  @Test func nobodyWaitsAfterAFlush() {
    let made = fixture(), image = made.image
    for offset in [UInt64(0x100), 0x140, 0x400] { made.translate(offset) }
    image.flush()
    made.translate(0x200)
    let body = Int(image.entry(Fixture.start + 0x200)! - image.address)
    #expect(body == 0 && Array(UnsafeBufferPointer(start: made.code, count: 1)) == [0x90])
    #expect(image.countedEntry(Fixture.start + 0x200) == nil)
    made.translate(0x100)
    #expect(made.target(ofJumpAfter: 2, at: 0x100) == image.entry(Fixture.start + 0x200))
  }

  /// Random keys, among them neighbours, which share lines of the table.
  @Test func offsetTableKeepsWhatItWasGiven() {
    var table = OffsetTable()
    var known: [UInt32: UInt32] = [:]
    var state: UInt64 = 88
    for turn in 0..<40_000 as Range<UInt32> {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let key = UInt32(truncatingIfNeeded: state >> 40) & (turn % 3 == 0 ? 0xff_ffff : 0xfff)
      table.set(key, turn)
      known[key] = turn
    }
    #expect(table.count == known.count)
    #expect(known.allSatisfy { table.value($0.key) == $0.value })
    #expect(table.value(0x7fff_ffff) == nil)
  }

  /// Marks add up, and are gone all at once, in chunks that are there and in new ones.
  @Test func offsetMarksKeepWhatTheyWereGiven() {
    var marks = OffsetMarks()
    var state: UInt64 = 17
    for _ in 0..<3 {
      var known: [UInt32: OffsetMark] = [:]
      for _ in 0..<5_000 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let offset = UInt32(truncatingIfNeeded: state >> 40) & 0x3f_ffff
        let mark: OffsetMark = [.decoded, .head, .countedHead][Int(state >> 32 % 3)]
        marks.add(offset, mark)
        known[offset, default: []].formUnion(mark)
      }
      #expect(known.allSatisfy { marks[$0.key] == $0.value })
      #expect((0..<1000 as Range<UInt32>).allSatisfy { marks[$0] == known[$0] ?? [] })
      #expect(marks[.max] == [])
      marks.removeAll()
      #expect(known.allSatisfy { marks[$0.key] == [] })
    }
  }
}
