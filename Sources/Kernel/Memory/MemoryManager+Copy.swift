// copy_from_user and copy_to_user: guest memory as a syscall sees it. Every access can fault: EFAULT.

import LinuxABI
import Platform

extension MemoryManager {
  /// Exactly `count` bytes. EFAULT when one of them is not readable.
  func copyIn(_ address: GuestAddress, _ count: Int) throws(Errno) -> [UInt8] {
    let bytes = try copyInPartial(address, count)
    if bytes.count < count { throw .EFAULT }
    return bytes
  }

  /// As many of `count` bytes as can be read.
  func copyInPartial(_ address: GuestAddress, _ count: Int) throws(Errno) -> [UInt8] {
    if count == 0 { return [] }
    do { return try machine.read(space, address, count) } catch { throw .EFAULT }
  }

  /// Stores all bytes. EFAULT when one of the pages is not writable (earlier bytes stay written).
  func copyOut(_ address: GuestAddress, _ bytes: [UInt8]) throws(Errno) { try copyOut(address, bytes[...]) }

  func copyOut(_ address: GuestAddress, _ bytes: ArraySlice<UInt8>) throws(Errno) {
    if try copyOutPartial(address, bytes) < bytes.count { throw .EFAULT }
  }

  /// Stores as many bytes as can be, and says how many.
  func copyOutPartial(_ address: GuestAddress, _ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
    if bytes.isEmpty { return 0 }
    do { return try machine.write(space, address, bytes) } catch { throw .EFAULT }
  }

  /// A little-endian integer.
  func load<T: FixedWidthInteger>(_ address: GuestAddress, as type: T.Type = T.self) throws(Errno) -> T {
    let size = MemoryLayout<T>.size
    guard size <= 8 else { return try copyIn(address, size).integer(at: 0) }
    let value: UInt64?
    do { value = try machine.readInteger(space, address, size: size) } catch { throw .EFAULT }
    guard let value else { throw .EFAULT }
    return T(truncatingIfNeeded: value)
  }

  func store<T: FixedWidthInteger>(_ address: GuestAddress, _ value: T) throws(Errno) {
    var bytes: [UInt8] = []
    bytes.appendInteger(value)
    try copyOut(address, bytes)
  }

  /// A C string without its terminator. EFAULT when it leaves readable memory; `tooLong` when there is no NUL within
  /// `limit` bytes (ENAMETOOLONG for paths, E2BIG for exec).
  func copyInString(_ address: GuestAddress, limit: Int = 4096, tooLong: Errno = .ENAMETOOLONG) throws(Errno)
    -> [UInt8]
  {
    var result: [UInt8] = []
    var at = address
    while result.count < limit {
      // To the end of the page, so that a string just before an unmapped page is read whole.
      let untilPageEnd = Int(GuestAddress.pageSize - (at.rawValue & (GuestAddress.pageSize - 1)))
      let want = min(limit - result.count, untilPageEnd, result.isEmpty ? 256 : 4096)
      let piece = try copyIn(at, want)
      if let end = piece.firstIndex(of: 0) {
        result.append(contentsOf: piece[..<end])
        return result
      }
      result.append(contentsOf: piece)
      at = at + UInt64(want)
    }
    throw tooLong
  }

  /// An array of struct iovec: (base, length). EINVAL for more than IOV_MAX or a negative length, as import_iovec.
  func copyInIovecs(_ address: GuestAddress, _ count: Int) throws(Errno) -> [GuestRange] {
    if count < 0 || count > 1024 { throw .EINVAL }
    let raw = try copyIn(address, count * 16)
    var ranges: [GuestRange] = []
    ranges.reserveCapacity(count)
    var total: UInt64 = 0
    for i in 0..<count {
      let base: UInt64 = raw.integer(at: i * 16)
      var length: UInt64 = raw.integer(at: i * 16 + 8)
      if length > UInt64(Int64.max) { throw .EINVAL }
      // MAX_RW_COUNT: the sum is cut, not refused.
      length = min(length, 0x7fff_f000 - total)
      total += length
      guard let range = GuestRange(GuestAddress(base), length: length) else { throw .EFAULT }
      ranges.append(range)
    }
    return ranges
  }
}
