// An image for tests of the translator, without a machine.
import Testing

@testable import Translator

/// An image of guest code at an address, with memory of its own.
final class ImageFixture {
  static let start: UInt64 = 0x40_0000
  let source: UnsafeMutablePointer<UInt8>
  let code: UnsafeMutablePointer<UInt8>
  let mirror: UnsafeMutablePointer<UInt64>
  let image: CodeImage
  let translator = Translator()

  /// `pieces`: bytes by offset; all else is nops. `place`: of the code in the arena.
  init(_ pieces: [(Int, [UInt8])], place: UInt64 = 4096) {
    let length = 4096, reserve = CodeImage.reserve(for: length)
    source = .allocate(capacity: length)
    source.initialize(repeating: 0x90, count: length)
    code = .allocate(capacity: reserve)
    code.initialize(repeating: 0, count: reserve)
    mirror = .allocate(capacity: length)
    mirror.initialize(repeating: 0, count: length)
    for (offset, bytes) in pieces { (source + offset).update(from: bytes, count: bytes.count) }
    image = CodeImage(
      start: Self.start, length: length, source: UnsafePointer(source), available: length, address: RuntimeLayout.arena + place,
      code: code, reserve: reserve, mirror: mirror)
  }

  deinit {
    source.deallocate()
    code.deallocate()
    mirror.deallocate()
  }

  /// The image as bytes; as long as that takes, its memory is there.
  func saved() -> [UInt8] { withExtendedLifetime(self) { image.saved() } }

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
