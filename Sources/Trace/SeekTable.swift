// The seek table at the end of a whole trace: a skippable zstd frame, which `zstd -dc` passes over.
//
//   skippable frame magic (4)  length (4)
//   for each block: number of its first event (8), offset of its frame (8)
//   XXH3-64 of the entries (8)  length of this whole frame (4)  "RSBS" (4)

enum SeekTable {
  static let entryLength = 16
  static let footerLength = 16
  /// Bytes of the largest table, good for a terabyte of records. A larger one is neither written nor read: seeking then
  /// walks the frames.
  static let lengthLimit = 64 << 20

  static func encoded(_ entries: [(firstEvent: UInt64, offset: UInt64)]) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(8 + entries.count * entryLength + footerLength)
    func word(_ value: UInt64, _ bytes: Int) {
      for i in 0..<bytes { out.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * i))) }
    }
    let body = entries.count * entryLength + footerLength
    word(UInt64(TraceFormat.seekFrameMagic), 4)
    word(UInt64(body), 4)
    for entry in entries {
      word(entry.firstEvent, 8)
      word(entry.offset, 8)
    }
    word(checksum(out, 8..<out.count), 8)
    word(UInt64(body + 8), 4)
    word(UInt64(TraceFormat.seekFooterMagic), 4)
    return out
  }

  /// The entries in a frame, or nil when it is none of ours, damaged, or out of order.
  static func decoded(_ frame: [UInt8]) -> [(firstEvent: UInt64, offset: UInt64)]? {
    let body = frame.count - 8 - footerLength
    guard body >= 0, body % entryLength == 0 else { return nil }
    var source = ByteSource(frame)
    do throws(DecodeFailure) {
      if try source.word32() != TraceFormat.seekFrameMagic { return nil }
      if try source.word32() != UInt32(truncatingIfNeeded: frame.count - 8) { return nil }
      var entries: [(firstEvent: UInt64, offset: UInt64)] = []
      entries.reserveCapacity(body / entryLength)
      for _ in 0..<body / entryLength {
        let entry = (firstEvent: try source.word(), offset: try source.word())
        if let last = entries.last, entry.offset <= last.offset || entry.firstEvent < last.firstEvent { return nil }
        entries.append(entry)
      }
      if try source.word() != checksum(frame, 8..<8 + body) { return nil }
      if try source.word32() != UInt32(truncatingIfNeeded: frame.count) { return nil }
      return try source.word32() == TraceFormat.seekFooterMagic ? entries : nil
    } catch { return nil }
  }
}
