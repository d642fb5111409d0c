// Random bytes that look a little like code: prefixes, escapes and opcodes are more frequent than by chance. A seed decides everything.

struct RandomCode {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

  /// xorshift64*.
  private mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_f491_4f6c_dd1d
  }

  private mutating func below(_ limit: Int) -> Int { Int(next() >> 33) % limit }
  private mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: next() >> 40) }

  /// 16 bytes behind which more may be read.
  mutating func fill(_ bytes: inout [40 of UInt8]) {
    for index in 0..<40 { bytes[index] = byte() }
    let legacy: [11 of UInt8] = [0x66, 0xf2, 0xf3, 0x67, 0xf0, 0x64, 0x65, 0x2e, 0x3e, 0x26, 0x36]
    var at = 0
    while at < 4 && below(5) < 2 {
      // 66, F2 and F3 more often.
      bytes[at] = legacy[below(2) == 0 ? below(3) : below(11)]
      at += 1
    }
    let form = below(16)
    switch form {
    case 0...6:
      if below(2) == 0 {
        bytes[at] = 0x40 | UInt8(below(16))
        at += 1
      }
      if form >= 2 {
        bytes[at] = 0x0f
        at += 1
      }
      if form >= 5 {
        bytes[at] = form == 5 ? 0x38 : 0x3a
        at += 1
      }
    case 7: bytes[0] = 0xc5
    case 8, 9, 10:
      bytes[0] = 0xc4
      bytes[1] = bytes[1] & 0xe0 | UInt8(1 + below(3))
    case 11, 12, 13:
      bytes[0] = 0x62
      bytes[1] = bytes[1] & 0xf0 | [1, 2, 3, 5, 6][below(5)]
      bytes[2] |= 4
      if below(2) == 0 { bytes[2] |= 0x78 }
      bytes[3] |= 8
    case 14:
      bytes[0] = 0x8f
      bytes[1] = bytes[1] & 0xe0 | UInt8(8 + below(3))
      bytes[2] &= 0xfc
    default: break
    }
    // Registers 3 and 11 are those that matter.
    if below(4) == 0 { bytes[at + 1] = bytes[at + 1] & 0xc0 | [0x18, 0x1b, 0x03, 0x04, 0x05, 0x1c][below(6)] }
  }
}
