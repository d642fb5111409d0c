// Branches to code that is translated later: they lead to an exit first, and to the code once there is some.
import Testing

@testable import Translator

@Suite struct LinkTests {
  /// Two jumps forward to 0x200 (no ticks), one back from 0x400 (a tick); `ret` at each end.
  private func fixture() -> ImageFixture {
    func jump(_ from: Int, _ to: Int) -> [UInt8] { [0xe9] + withUnsafeBytes(of: Int32(to - from - 5)) { Array($0) } }
    let made = ImageFixture([
      (0x102, jump(0x102, 0x200)), (0x142, jump(0x142, 0x200)), (0x201, [0xc3]), (0x402, jump(0x402, 0x200)),
    ])
    made.translator.regionInstructionsMax = 3
    return made
  }

  @Test func branchesWaitForTheirTarget() {
    let made = fixture(), image = made.image, target = ImageFixture.start + 0x200
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
    let body = Int(image.entry(ImageFixture.start + 0x200)! - image.address)
    #expect(body == 0 && Array(UnsafeBufferPointer(start: made.code, count: 1)) == [0x90])
    #expect(image.countedEntry(ImageFixture.start + 0x200) == nil)
    made.translate(0x100)
    #expect(made.target(ofJumpAfter: 2, at: 0x100) == image.entry(ImageFixture.start + 0x200))
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
