// Images as bytes and back: what a restored one knows of its heads, and what it refuses.
import Testing

@testable import Translator

@Suite struct SavedImageTests {
  private static let heads: [UInt64] = [0x300, 0x100, 0x140, 0x3f0, 0x180, 0xfff, 0]

  /// Each translation ends with the `ret` behind its head; heads come in no order.
  private func fixture(_ heads: [UInt64] = heads, place: UInt64 = 4096) -> ImageFixture {
    let ends: [(Int, [UInt8])] = Self.heads.filter { $0 != 0xfff }.map { (Int($0) + 1, [0xc3]) }
    // movq %r11, %rax and a system call reach out of the image.
    let made = ImageFixture(ends + [(0xfff, [0xc3]), (0x501, [0xc3]), (0x600, [0x4c, 0x89, 0xd8, 0x0f, 0x05, 0xc3])], place: place)
    for head in heads { made.translate(head, counted: head & 0x80 == 0) }
    return made
  }

  private func restored(_ bytes: [UInt8], place: UInt64 = 4096) -> (ImageFixture, Bool) {
    let made = fixture([], place: place)
    let isDone = bytes.withUnsafeBytes { saved in
      made.image.restore(saved) { offset, part in
        UnsafeMutableRawPointer(made.code + offset).copyMemory(from: part.baseAddress!, byteCount: part.count)
      }
    }
    return (made, isDone)
  }

  private func expectSameEntries(_ one: CodeImage, _ other: CodeImage) {
    for offset in 0..<UInt64(4096) {
      let guest = ImageFixture.start + offset
      #expect(one.entry(guest) == other.entry(guest) && one.countedEntry(guest) == other.countedEntry(guest), "at \(offset)")
      #expect(one.isHead(UInt32(offset)) == other.isHead(UInt32(offset)))
    }
    #expect(one.entry(ImageFixture.start + 4096) == nil && one.entry(ImageFixture.start - 1) == nil)
  }

  @Test func headsComeBack() {
    let made = fixture()
    let (again, isDone) = restored(made.saved())
    #expect(isDone)
    #expect(Self.heads.allSatisfy { again.image.entry(ImageFixture.start + $0) != nil })
    expectSameEntries(made.image, again.image)
  }

  /// In the same place and in another one code is what the translation would be there.
  @Test(arguments: [4096, 1 << 20 as UInt64]) func codeMoves(place: UInt64) {
    let (again, isDone) = restored(fixture(Self.heads + [0x600]).saved(), place: place)
    #expect(isDone)
    let there = fixture(Self.heads + [0x600], place: place)
    #expect(there.image.relocations.count >= 2 && again.image.hot == there.image.hot)
    let different = (0..<there.image.hot).filter { again.code[$0] != there.code[$0] }
    #expect(different.isEmpty)
  }

  @Test func headsThatFollowAreFoundAndSavedToo() {
    let (again, _) = restored(fixture().saved())
    again.translate(0x500)
    // One that was there gets its counted entry.
    again.translate(0x180, counted: true)
    let whole = fixture()
    whole.translate(0x500)
    whole.translate(0x180, counted: true)
    expectSameEntries(whole.image, again.image)
    let (third, isDone) = restored(again.saved())
    #expect(isDone)
    expectSameEntries(whole.image, third.image)
  }

  @Test func nothingIsLeftAfterAFlush() {
    let (again, _) = restored(fixture().saved())
    again.image.flush()
    #expect((0..<4096).allSatisfy { !again.image.isHead($0) && again.image.entry(ImageFixture.start + UInt64($0)) == nil })
    again.translate(0x140)
    #expect(again.image.sortedHeads().count == 1)
  }

  @Test func headsOutOfOrderAreRefused() throws {
    let made = fixture()
    let heads = made.image.sortedHeads()
    var bytes = made.saved()
    let list = heads.withUnsafeBytes { Array($0) }
    let place = try #require((0..<bytes.count - list.count).first { bytes[$0..<$0 + list.count].elementsEqual(list) })
    for changed in [heads.reversed(), [heads[0]] + heads.dropLast(), [UInt32(made.image.blockCount)] + heads.dropFirst()] {
      bytes.replaceSubrange(place..<place + list.count, with: changed.withUnsafeBytes { Array($0) })
      let (again, isDone) = restored(bytes)
      #expect(!isDone && again.image.isEmpty && (0..<4096).allSatisfy { !again.image.isHead($0) })
    }
  }
}
