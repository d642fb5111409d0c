// Values of memory as text: by their type, where one is known.

import DebugInfo

/// A value of a type that fits its bytes; nil where the type says nothing of how to show it. `enumerator` names values.
func typed(_ bytes: [UInt8], _ kind: MemberPlace.Kind, _ enumerator: (Int64) -> String?) -> String? {
  guard [1, 2, 4, 8].contains(bytes.count) else { return nil }
  let value = littleEndian(bytes)
  let unused = 64 - 8 * bytes.count
  let signed = Int64(bitPattern: value << UInt64(unused)) >> Int64(unused)
  switch kind {
  case .signed: return String(signed)
  case .unsigned: return String(value)
  // Memory that was written over may hold anything.
  case .bool: return value == 0 ? "false" : value == 1 ? "true" : String(value)
  case .character: return (0x20..<0x7f).contains(value) ? "\(value) ('\(Character(Unicode.Scalar(UInt8(value))))')" : String(signed)
  case .float:
    if bytes.count == 4 { return Float(bitPattern: UInt32(value)).description }
    return bytes.count == 8 ? Double(bitPattern: value).description : nil
  case .pointer: return value == 0 ? "NULL" : hexadecimal(value)
  case .enumeration: return enumerator(signed).map { "\(signed) (\($0))" } ?? String(signed)
  case .unknown, .opaque: return nil
  }
}

/// Up to eight bytes as a number, more as bytes.
func untyped(_ bytes: [UInt8]) -> String {
  if bytes.count <= 8 {
    let value = littleEndian(bytes)
    return value < 1 << 20 ? String(value) : hexadecimal(value)
  }
  return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
}
