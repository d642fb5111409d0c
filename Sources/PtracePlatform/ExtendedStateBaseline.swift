// The XSAVE area that a guest sees under a processor baseline, and the way between it and the host's.
import Platform

/// Some of the host's components, at the offsets that Intel's processors give them (Intel SDM volume 1, 13.4.2 and 13.5),
/// wherever the host has them: AMD's have no room for MPX, so AVX-512 lies lower there.
///
/// What else differs between processors is made equal: MXCSR_MASK (AMD has bit 17), and the last x87 instruction's opcode
/// and addresses, which AMD stores only after an exception and which name translated code elsewhere.
struct ExtendedStateBaseline {
  struct Component: Equatable {
    var bit: UInt64
    /// In the guest's area.
    var offset: Int
    /// In the host's area.
    var hostOffset: Int
    var size: Int
  }

  /// As bits of XCR0.
  let mask: UInt64
  let components: [Component]
  let size: Int

  private static let standard: [(bit: UInt64, offset: Int, size: Int)] = [
    (1 << 2, 576, 256), (1 << 5, 1088, 64), (1 << 6, 1152, 512), (1 << 7, 1664, 1024),
  ]
  private static let mxcsrMask: UInt64 = 0xffff
  /// x87 control, status and tags; MXCSR; x87 and SSE registers.
  private static let legacyRanges = [0..<6, 24..<28, 32..<416]
  private static let headerOffset = ExtendedStateLayout.headerOffset

  /// Nil when the host does not have all of `mask`, or in another size.
  init?(_ mask: UInt64, host: [(bit: UInt64, offset: Int, size: Int)]) {
    var found: [Component] = []
    for component in Self.standard where mask & component.bit != 0 {
      guard let there = host.first(where: { $0.bit == component.bit && $0.size == component.size }) else { return nil }
      found.append(
        Component(bit: component.bit, offset: component.offset, hostOffset: there.offset, size: component.size))
    }
    guard found.reduce(3, { $0 | $1.bit }) == mask else { return nil }
    self.mask = mask
    components = found
    size = found.map { $0.offset + $0.size }.max() ?? Self.headerOffset + ExtendedStateLayout.headerSize
  }

  /// The guest's view of a canonical host area, with the software bytes of a signal frame.
  func guestArea(of host: [UInt8]) -> [UInt8] {
    var area = [UInt8](repeating: 0, count: size)
    for range in Self.legacyRanges { area.replaceSubrange(range, with: host[range]) }
    let control = host.word(at: ExtendedStateLayout.mxcsrOffset) & Self.mxcsrMask
    area.setWord(Self.mxcsrMask << 32 | control, at: ExtendedStateLayout.mxcsrOffset)
    var inUse: UInt64 = 3
    let present = host.word(at: Self.headerOffset)
    for component in components where present & component.bit != 0 {
      inUse |= component.bit
      let from = component.hostOffset..<component.hostOffset + component.size
      area.replaceSubrange(component.offset..<component.offset + component.size, with: host[from])
    }
    area.setWord(inUse, at: Self.headerOffset)
    area.setWord(UInt64(size + 4) << 32 | ExtendedStateLayout.magic1, at: ExtendedStateLayout.softwareOffset)
    area.setWord(mask, at: ExtendedStateLayout.softwareOffset + 8)
    area.setWord(UInt64(size), at: ExtendedStateLayout.softwareOffset + 16)
    return area
  }

  /// A guest's area, which may be cut or hostile, in the host's layout and as long as `initial`, the host's state after
  /// execve. To be sanitized like any other.
  func hostArea(of guest: [UInt8], initial: [UInt8]) -> [UInt8] {
    if guest.isEmpty { return [] }
    var area = initial
    for range in Self.legacyRanges where range.lowerBound < guest.count {
      let known = range.clamped(to: 0..<guest.count)
      area.replaceSubrange(known, with: guest[known])
    }
    if guest.count >= ExtendedStateLayout.mxcsrOffset + 8 {
      let control = guest.word(at: ExtendedStateLayout.mxcsrOffset) & Self.mxcsrMask
      let hostMask = area.word(at: ExtendedStateLayout.mxcsrOffset) & ~0xffff_ffff
      area.setWord(hostMask | control, at: ExtendedStateLayout.mxcsrOffset)
    }
    var inUse: UInt64 = 3
    if guest.count >= Self.headerOffset + ExtendedStateLayout.headerSize {
      let claimed = guest.word(at: Self.headerOffset)
      inUse = claimed & 3
      for component in components where claimed & component.bit != 0 {
        let range = component.offset..<component.offset + component.size
        guard range.upperBound <= guest.count else { continue }
        inUse |= component.bit
        area.replaceSubrange(
          component.hostOffset..<component.hostOffset + component.size, with: guest[range])
      }
    }
    area.setWord(inUse, at: Self.headerOffset)
    return area
  }
}
