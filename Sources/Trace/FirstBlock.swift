// The first frame: a line of text that says what the file is and its version, then block 0 with the header.

enum FirstBlock {
  /// Most bytes of preamble, block header and trace header.
  static let limit = TraceFormat.preambleLength + TraceFormat.blockHeaderLength + 1 + TraceHeader.encodedLimit

  /// "replaysb trace 00002\n"
  static func preamble(version: UInt32) -> [UInt8] {
    let digits = String(version % 100_000)
    let text = TraceFormat.magic + String(repeating: "0", count: 5 - digits.utf8.count) + digits + "\n"
    return Array(text.utf8)
  }

  static func encoded(_ header: TraceHeader) -> [UInt8] {
    let payload = [RecordTag.header.rawValue] + header.encoded()
    return preamble(version: header.formatVersion)
      + sealed(BlockHeader(number: 0, firstEvent: 1, chain: 0, recordCount: 1), payload: payload)
  }

  /// The header, with the version that the preamble states; nil for a version that is not read here.
  static func decoded(_ bytes: [UInt8]) throws(DecodeFailure) -> (version: UInt32, header: TraceHeader?) {
    let magic = Array(TraceFormat.magic.utf8)
    let length = TraceFormat.preambleLength
    guard bytes.count >= length, Array(bytes[..<magic.count]) == magic, bytes[length - 1] == 0x0A,
      let version = UInt32(String(decoding: bytes[magic.count..<length - 1], as: UTF8.self))
    else { throw DecodeFailure("it does not start as a trace does") }
    if !TraceFormat.versionsRead.contains(version) { return (version, nil) }
    let block = try BlockHeader(from: bytes, at: length, sealed: true)
    if block.number != 0 || block.recordCount != 1 { throw DecodeFailure("its first block is not a header") }
    var source = ByteSource(bytes, from: length + TraceFormat.blockHeaderLength)
    if try source.byte() != RecordTag.header.rawValue { throw DecodeFailure("its first record is not a header") }
    var header = try TraceHeader(from: &source)
    header.formatVersion = version
    return (version, header)
  }
}
