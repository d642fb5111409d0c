// Changes content inside a whole trace and seals it again, so that checksums hold: replay must notice by itself.
import Trace

/// The trace with the first run of `from` in any block replaced by `to`, of the same length; nil when there is none.
func altered(_ trace: [UInt8], _ from: [UInt8], _ to: [UInt8]) throws(TraceError) -> [UInt8]? {
  precondition(!from.isEmpty && from.count == to.count)
  var parts = try TraceParts(trace)
  for index in parts.parts.indices {
    let payload = parts.parts[index].payload
    if payload.count < from.count { continue }
    for at in 0...(payload.count - from.count) where payload[at] == from[0] {
      if payload[at..<at + from.count].elementsEqual(from) {
        parts.parts[index].payload.replaceSubrange(at..<at + to.count, with: to)
        return parts.assembled()
      }
    }
  }
  return nil
}

/// The bytes that an even number of hexadecimal digits stands for.
func bytes(hexadecimal text: String) -> [UInt8]? {
  let digits = text.utf8.map { Character(UnicodeScalar($0)).hexDigitValue }
  if digits.isEmpty || digits.count % 2 != 0 || digits.contains(nil) { return nil }
  return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0]! * 16 + digits[$0 + 1]!) }
}
