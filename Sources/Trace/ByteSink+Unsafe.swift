// Where records are encoded: straight into the open segment of the journal.
// Unsafe for speed (a store and an addition a byte, no array header, no retain). Sound because the writer reserves
// `TraceFormat.recordLimit` bytes before each record (for a piece of a file, its size and `recordOverhead`), every
// record's size is bounded below that (strings and content are cut or split by the writer), and `end` is checked once more
// before a record is committed.

struct ByteSink {
  private(set) var base: UnsafeMutablePointer<UInt8>
  private(set) var count = 0
  let capacity: Int

  init(base: UnsafeMutablePointer<UInt8>, capacity: Int) {
    self.base = base
    self.capacity = capacity
  }

  @inline(__always) mutating func byte(_ value: UInt8) {
    base[count] = value
    count &+= 1
  }

  /// Replaces a byte that was written before.
  @inline(__always) mutating func patch(_ value: UInt8, at position: Int) { base[position] = value }

  /// LEB128, at most ten bytes.
  @inline(__always) mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      base[count] = UInt8(truncatingIfNeeded: rest) | 0x80
      count &+= 1
      rest &>>= 7
    }
    base[count] = UInt8(truncatingIfNeeded: rest)
    count &+= 1
  }

  /// The difference `value - base` in zigzag form, so that small steps either way are short.
  @inline(__always) mutating func delta(_ value: UInt64, from base: UInt64) {
    let difference = Int64(bitPattern: value &- base)
    varint(UInt64(bitPattern: (difference &<< 1) ^ (difference &>> 63)))
  }

  /// Eight bytes, little end first.
  mutating func word(_ value: UInt64) {
    for i in 0..<8 { byte(UInt8(truncatingIfNeeded: value &>> UInt64(8 * i))) }
  }

  /// At most what was reserved: callers split content at `TraceFormat.contentLimit` or `filePieceLimit`.
  mutating func raw(_ bytes: UnsafeRawBufferPointer) {
    precondition(bytes.count <= capacity - count, "a trace record outgrew its block")
    guard let source = bytes.baseAddress, !bytes.isEmpty else { return }
    UnsafeMutableRawPointer(base + count).copyMemory(from: source, byteCount: bytes.count)
    count &+= bytes.count
  }

  /// Length and UTF-8, cut at `limit` bytes on a character boundary.
  mutating func string(_ text: String, limit: Int) {
    var text = text
    if text.utf8.count > limit {
      text = String(text.unicodeScalars.prefix(limit / 4))
    }
    text.withUTF8 {
      varint(UInt64($0.count))
      raw(UnsafeRawBufferPointer($0))
    }
  }

  /// The bytes from `start` on, for hashing.
  func bytes(from start: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: base + start, count: count - start)
  }
}
