// The other direction: bytes that nobody trusts. Every read is checked against what remains.

/// Why bytes could not be decoded; the reader adds the position and makes it a `TraceError`.
struct DecodeFailure: Error {
  var message: String
  init(_ message: String) { self.message = message }
}

struct ByteSource {
  let bytes: [UInt8]
  private(set) var offset: Int
  let end: Int

  init(_ bytes: [UInt8], from start: Int = 0, to end: Int? = nil) {
    self.bytes = bytes
    offset = start
    self.end = end ?? bytes.count
    precondition(0 <= start && start <= self.end && self.end <= bytes.count)
  }

  var remaining: Int { end - offset }

  mutating func byte() throws(DecodeFailure) -> UInt8 {
    if offset >= end { throw DecodeFailure("a record runs over the end of its block") }
    let value = bytes[offset]
    offset += 1
    return value
  }

  mutating func varint() throws(DecodeFailure) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let next = try byte()
      if shift == 63 && next > 1 { throw DecodeFailure("a number does not fit 64 bits") }
      value |= UInt64(next & 0x7f) << shift
      if next < 0x80 { return value }
      shift += 7
      if shift > 63 { throw DecodeFailure("a number does not fit 64 bits") }
    }
  }

  /// A number of at most `limit`.
  mutating func varint(limit: UInt64, _ what: StaticString) throws(DecodeFailure) -> UInt64 {
    let value = try varint()
    if value > limit { throw DecodeFailure("\(what) is \(value), more than \(limit)") }
    return value
  }

  /// A number of items, each of which takes at least a byte of what remains.
  mutating func itemCount(_ what: StaticString) throws(DecodeFailure) -> Int {
    Int(try varint(limit: UInt64(remaining), what))
  }

  mutating func delta(from base: UInt64) throws(DecodeFailure) -> UInt64 {
    let zigzag = try varint()
    return base &+ ((zigzag >> 1) ^ (0 &- (zigzag & 1)))
  }

  mutating func word32() throws(DecodeFailure) -> UInt32 { UInt32(truncatingIfNeeded: try word(bytes: 4)) }
  mutating func word() throws(DecodeFailure) -> UInt64 { try word(bytes: 8) }

  private mutating func word(bytes count: Int) throws(DecodeFailure) -> UInt64 {
    var value: UInt64 = 0
    for i in 0..<count { value |= UInt64(try byte()) << UInt64(8 * i) }
    return value
  }

  mutating func raw(_ count: Int) throws(DecodeFailure) -> [UInt8] {
    if count > remaining { throw DecodeFailure("\(count) bytes are announced and \(remaining) remain in the block") }
    let slice = Array(bytes[offset..<offset + count])
    offset += count
    return slice
  }

  mutating func string() throws(DecodeFailure) -> String {
    String(decoding: try raw(try itemCount("a string's length")), as: UTF8.self)
  }
}
