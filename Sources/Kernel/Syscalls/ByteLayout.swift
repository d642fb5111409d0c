// Guest structures as bytes: little-endian integers appended to and read from byte arrays.

extension Array where Element == UInt8 {
  /// Appends the bytes of an integer, lowest first.
  mutating func appendInteger<T: FixedWidthInteger>(_ value: T) {
    var rest = value
    for _ in 0..<MemoryLayout<T>.size {
      append(UInt8(truncatingIfNeeded: rest))
      rest = T.bitWidth == 8 ? 0 : rest >> 8
    }
  }

  /// The integer at a byte offset. The caller has checked that it lies within.
  func integer<T: FixedWidthInteger>(at offset: Int, as type: T.Type = T.self) -> T {
    var value: T = 0
    for index in (0..<MemoryLayout<T>.size).reversed() {
      value = (T.bitWidth == 8 ? 0 : value << 8) | T(truncatingIfNeeded: self[offset + index])
    }
    return value
  }

  /// Replaces the bytes at an offset by an integer's.
  mutating func setInteger<T: FixedWidthInteger>(_ value: T, at offset: Int) {
    var rest = value
    for index in 0..<MemoryLayout<T>.size {
      self[offset + index] = UInt8(truncatingIfNeeded: rest)
      rest = T.bitWidth == 8 ? 0 : rest >> 8
    }
  }
}
