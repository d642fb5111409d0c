// The shape of the XSAVE area on this processor, and what makes an area canonical or safe to load.
import CLinux
import Platform

/// What this processor's XSAVE area looks like: the standard format, with the software bytes that Linux puts into a
/// signal frame (arch/x86/include/uapi/asm/sigcontext.h).
final class ExtendedStateLayout {
  /// Size in bytes, without FP_XSTATE_MAGIC2.
  let size: Int
  /// Components that the host lets user space have.
  let supported: UInt64
  /// Offset and size of the components after x87 and SSE.
  private let components: [(bit: UInt64, offset: Int, size: Int)]
  let mxcsrMask: UInt32
  /// The host's kernel saves the state in the compacted format.
  private let isCompacted: Bool
  /// The state after execve, in canonical form.
  let initial: [UInt8]
  /// What the guest sees of it; nil: all, as the host has it.
  let baseline: ExtendedStateBaseline?

  /// Areas are page-aligned, so that a fork copies only those in use.
  private var areaStride: UInt64 { (UInt64(size) + StubLayout.pageSize - 1) & ~(StubLayout.pageSize - 1) }
  var areasMost: Int { Int((StubLayout.blob - StubLayout.areas) / areaStride) }
  func address(ofArea index: Int) -> UInt64 { StubLayout.areas + UInt64(index) * areaStride }

  static let headerOffset = 512
  static let headerSize = 64
  static let mxcsrOffset = 24
  private static let mxcsrMaskOffset = 28
  /// Bytes that XSAVE leaves to software. PTRACE_GETREGSET puts XCR0 there; a signal frame has struct _fpx_sw_bytes.
  static let softwareOffset = 464
  /// FP_XSTATE_MAGIC1.
  static let magic1: UInt64 = 0x4650_5853

  /// From the pristine area of a stub that never ran guest code. `visible`: the components that the guest shall see, as
  /// bits of XCR0; nil for all that the host has.
  init(pristine: [UInt8], visible: UInt64? = nil) throws(MachineError) {
    guard pristine.count >= Self.headerOffset + Self.headerSize else {
      throw MachineError("this processor has no XSAVE; replaysb needs it")
    }
    size = pristine.count
    let features = pristine.word(at: Self.softwareOffset) & Self.permitted()
    var found: [(bit: UInt64, offset: Int, size: Int)] = []
    for index in 2..<63 where features >> UInt64(index) & 1 == 1 {
      var out: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
      withUnsafeMutablePointer(to: &out) {
        $0.withMemoryRebound(to: UInt32.self, capacity: 4) { rsb_cpuid(0xd, UInt32(index), $0) }
      }
      let offset = Int(out.1), count = Int(out.0)
      if count > 0, offset + count <= pristine.count { found.append((1 << UInt64(index), offset, count)) }
    }
    components = found
    var extensions: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
    withUnsafeMutablePointer(to: &extensions) {
      $0.withMemoryRebound(to: UInt32.self, capacity: 4) { rsb_cpuid(0xd, 1, $0) }
    }
    isCompacted = extensions.0 & 0b1010 != 0  // XSAVEC, XSAVES
    // Without those that the area has no room for.
    supported = found.reduce(3) { $0 | $1.bit }
    let mask = UInt32(truncatingIfNeeded: pristine.word(at: Self.mxcsrOffset) >> 32)
    mxcsrMask = mask == 0 ? 0xffbf : mask
    var area = pristine
    Self.makeCanonical(&area, components: found)
    area.replaceSubrange(Self.softwareOffset..<Self.headerOffset, with: repeatElement(0, count: 48))
    area.setWord(UInt64(size + 4) << 32 | Self.magic1, at: Self.softwareOffset)
    area.setWord(supported, at: Self.softwareOffset + 8)
    area.setWord(UInt64(size), at: Self.softwareOffset + 16)
    initial = area
    baseline = visible.flatMap { ExtendedStateBaseline($0, host: found) }
    if let visible, baseline == nil {
      throw MachineError("this processor lacks a part of the extended state 0x\(String(visible, radix: 16))")
    }
  }

  /// Components that a process may load without asking first. Tile data need a permission (arch_prctl(2),
  /// Documentation/arch/x86/xstate.rst), which a stub does not have: loading them is an undefined instruction. Their
  /// configuration is of no use without them.
  private static func permitted() -> UInt64 {
    let arch_prctl = 158, getPermitted = 0x1022, tiles: UInt64 = 3 << 17
    var permitted: UInt64 = 0
    let result = withUnsafeMutablePointer(to: &permitted) {
      rsb_syscall(arch_prctl, getPermitted, Int(bitPattern: $0), 0, 0, 0, 0)
    }
    return result == 0 && permitted & tiles == tiles ? .max : ~tiles
  }

  /// MXCSR of an area from PTRACE_GETREGSET. XSAVEC and XSAVES do not store it where all of SSE is in its initial state,
  /// yet the kernel (copy_xstate_to_uabi_buf) hands out what an older save left when AVX is in use.
  func repairControl(_ area: UnsafeMutableRawBufferPointer) {
    let inUse = area.loadUnaligned(fromByteOffset: Self.headerOffset, as: UInt64.self)
    if isCompacted && inUse & 2 == 0 {
      area.storeBytes(of: 0x1f80, toByteOffset: Self.mxcsrOffset, as: UInt32.self)
    }
  }

  /// The in-use bits depend on what the processor happened to track, so they are made a function of the content: x87
  /// and SSE always in use, as in a signal frame, and another component when it is not all zero.
  static func makeCanonical(_ area: inout [UInt8], components: [(bit: UInt64, offset: Int, size: Int)]) {
    var inUse: UInt64 = 3
    for component in components {
      let bytes = area[component.offset..<component.offset + component.size]
      if bytes.contains(where: { $0 != 0 }) { inUse |= component.bit }
    }
    area.setWord(inUse, at: headerOffset)
  }

  /// What the guest sees of an area, in the form of a signal frame.
  func shown(_ area: [UInt8]) -> [UInt8] {
    let area = canonical(area)
    return baseline?.guestArea(of: area) ?? area
  }

  /// A guest's area made fit to load, in the host's layout.
  func taken(_ bytes: [UInt8]) -> [UInt8] {
    sanitized(baseline?.hostArea(of: bytes, initial: initial) ?? bytes)
  }

  /// An area as a signal frame holds it, up to FP_XSTATE_MAGIC2.
  func canonical(_ area: [UInt8]) -> [UInt8] {
    var area = area
    let software = Self.softwareOffset..<Self.headerOffset
    area.replaceSubrange(software, with: initial[software])
    Self.makeCanonical(&area, components: components)
    return area
  }

  /// A guest's area made fit to load: what fpu__restore_sig and rt_sigreturn do with reserved bits.
  func sanitized(_ bytes: [UInt8]) -> [UInt8] {
    if bytes.isEmpty { return initial }
    var area = initial
    let legacy = min(bytes.count, Self.headerOffset)
    area.replaceSubrange(0..<legacy, with: bytes.prefix(legacy))
    let software = Self.softwareOffset..<Self.headerOffset
    area.replaceSubrange(software, with: initial[software])
    var inUse: UInt64 = 3
    if bytes.count >= Self.headerOffset + Self.headerSize {
      inUse = bytes.word(at: Self.headerOffset) & supported
      for component in components where inUse & component.bit != 0 {
        let end = component.offset + component.size
        if end <= bytes.count {
          area.replaceSubrange(component.offset..<end, with: bytes[component.offset..<end])
        } else {
          inUse &= ~component.bit
        }
      }
    }
    for offset in stride(from: Self.headerOffset, to: Self.headerOffset + Self.headerSize, by: 8) {
      area.setWord(0, at: offset)
    }
    for component in components where inUse & component.bit == 0 {
      area.replaceSubrange(
        component.offset..<component.offset + component.size, with: repeatElement(0, count: component.size))
    }
    if inUse & 1 == 0 {
      area.replaceSubrange(0..<24, with: initial[0..<24])
      area.replaceSubrange(32..<160, with: initial[32..<160])
    }
    if inUse & 2 == 0 { area.replaceSubrange(160..<416, with: initial[160..<416]) }
    area.setWord(inUse | 3, at: Self.headerOffset)
    let control = area.word(at: Self.mxcsrOffset)
    area.setWord(UInt64(mxcsrMask) << 32 | control & UInt64(mxcsrMask), at: Self.mxcsrOffset)
    return area
  }
}

extension [UInt8] {
  /// The little-endian word at a byte offset.
  func word(at offset: Int) -> UInt64 {
    withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
  }
  mutating func setWord(_ value: UInt64, at offset: Int) {
    withUnsafeMutableBytes { $0.storeBytes(of: value, toByteOffset: offset, as: UInt64.self) }
  }
}
