// Where things lie in a guest address space. There is no randomisation: the same program gets the same addresses in
// every run, and the same library the same address in every process where it can.
//
//   0x0000_0000_0001_0000  lowest address that can be mapped (vm.mmap_min_addr)
//   0x0000_0000_0040_0000  programs that are not position-independent, with their heap behind them
//   0x0000_0000_1000_0000  ┐ programs, libraries and code that is made at run time; at a place that their content
//   0x0000_0000_7000_0000  ┘ prefers, so that translations of them can be reused
//   0x0000_0000_7000_0000  vdso, behind the page of its data
//   0x0000_0000_7fff_7000  ┐ nothing of ours: AddressSanitizer's shadow. The shadows of the other sanitizers lie
//   0x0000_1000_7fff_8000  ┘ between 0x0080_0000_0000 and 0x7b00_0000_0000 and stay as free
//   0x0000_5555_5600_0000  the heap (brk) of position-independent programs
//   0x0000_7fef_f7ff_f000  mappings that leave the choice, from here downwards
//   0x0000_7fef_ff00_0000  the end of the stack, which is mapped whole at execve
//   0x0000_7ff0_0000_0000  the platform's own pages

import Platform

enum AddressLayout {
  static let lowest = GuestAddress(0x1_0000)
  /// One past what a guest can map: the platform keeps what lies above.
  static let end = GuestAddress.mappableEnd
  static let mappingsEnd = GuestAddress(0x7fef_f7ff_f000)
  static let mappingsStart = GuestAddress(0x1000_8000_0000)
  static let stackEnd = GuestAddress(0x7fef_ff00_0000)
  static let programs = GuestRange(GuestAddress(0x1000_0000), GuestAddress(0x7000_0000))
  static let vdso = GuestAddress(0x7000_0000)
  static let heapOfPositionIndependent = GuestAddress(0x5555_5600_0000)
  /// MAP_32BIT (arch/x86/kernel/sys_x86_64.c), less what sanitizers want.
  static let low32Bit = GuestRange(GuestAddress(0x4000_0000), GuestAddress(0x7000_0000))
  /// Preferred places are multiples of this.
  static let placeStep: UInt64 = 0x1_0000
  /// stack_guard_gap: kept free below a mapping that grows down.
  static let stackGuard: UInt64 = 256 * GuestAddress.pageSize
  /// The stack is mapped whole, so it has an end also where RLIMIT_STACK has none.
  static let stackBytesMax: UInt64 = 64 << 20
  static let stackBytesMin: UInt64 = 128 << 10
  /// Code that is made at run time goes to the low 2 GiB up to this size.
  static let lowCodeBytesMax: UInt64 = 256 << 20

  /// Bytes of stack for a program that starts under this RLIMIT_STACK.
  static func stackBytes(_ limit: UInt64) -> UInt64 {
    min(max(limit, stackBytesMin), stackBytesMax) & ~(GuestAddress.pageSize - 1)
  }
}

extension MappingList {
  /// Whether nothing is mapped in `range`, nor a stack so close above it that the guard gap would be filled.
  func isFree(_ range: GuestRange) -> Bool {
    let index = index(endingAfter: range.start)
    guard index < all.count else { return true }
    return lowerEdge(of: index) >= range.end
  }

  private func lowerEdge(of index: Int) -> GuestAddress {
    let mapping = all[index]
    if !mapping.flags.contains(.growsDown) { return mapping.range.start }
    return GuestAddress(mapping.range.start.rawValue - min(mapping.range.start.rawValue, AddressLayout.stackGuard))
  }

  /// The highest free place in `area` (vm_unmapped_area, top-down).
  func highestPlace(_ length: UInt64, in area: GuestRange) -> GuestAddress? {
    if length > area.length { return nil }
    var ceiling = area.end
    var index = index(endingAfter: area.end)
    if index < all.count, lowerEdge(of: index) < ceiling { ceiling = lowerEdge(of: index) }
    while true {
      index -= 1
      let floor = index >= 0 ? max(all[index].range.end, area.start) : area.start
      if ceiling > floor, ceiling - floor >= length { return ceiling - length }
      if index < 0 || floor == area.start { return nil }
      ceiling = min(ceiling, lowerEdge(of: index))
      if ceiling <= area.start { return nil }
    }
  }

  /// A free place among programs and libraries, preferred by `key`: the same key gets the same place unless something
  /// lies there; then the next free one, once around.
  func preferredPlace(_ length: UInt64, key: UInt64, alignment: UInt64 = AddressLayout.placeStep) -> GuestAddress? {
    let area = AddressLayout.programs
    let step = max(alignment, AddressLayout.placeStep)
    if length == 0 || length > area.length || step > area.length { return nil }
    let mixed = (key ^ (key >> 32)) &* 0x9e37_79b9_7f4a_7c15
    let wanted = area.start + (mixed >> 16) % (area.length / step) * step
    return firstPlace(length, from: wanted, in: area, step: step)
      ?? firstPlace(length, from: area.start, in: area, step: step)
  }

  private func firstPlace(_ length: UInt64, from start: GuestAddress, in area: GuestRange, step: UInt64) -> GuestAddress? {
    var at = start
    while let range = GuestRange(at, length: length), range.end <= area.end {
      let index = index(endingAfter: at)
      if index == all.count || lowerEdge(of: index) >= range.end { return at }
      at = GuestAddress((all[index].range.end.rawValue + step - 1) / step * step)
    }
    return nil
  }
}
