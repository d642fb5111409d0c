// madvise(2), after mm/madvise.c.

import LinuxABI
import Platform

/// MADV_*: include/uapi/asm-generic/mman-common.h.
private enum Advice {
  static let normal: Int32 = 0, random: Int32 = 1, sequential: Int32 = 2, willNeed: Int32 = 3, dontNeed: Int32 = 4
  static let free: Int32 = 8, remove: Int32 = 9, dontFork: Int32 = 10, doFork: Int32 = 11, mergeable: Int32 = 12
  static let unmergeable: Int32 = 13, hugePage: Int32 = 14, noHugePage: Int32 = 15, dontDump: Int32 = 16
  static let doDump: Int32 = 17, wipeOnFork: Int32 = 18, keepOnFork: Int32 = 19, cold: Int32 = 20, pageOut: Int32 = 21
  static let populateRead: Int32 = 22, populateWrite: Int32 = 23, dontNeedLocked: Int32 = 24
  static let poison: Int32 = 100, softOffline: Int32 = 101
}

extension MemorySyscalls {
  static func madvise(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let advice = call.int32(2)
    switch advice {
    case Advice.normal...Advice.dontNeed, Advice.free...Advice.dontNeedLocked: break
    case Advice.poison, Advice.softOffline: throw .EPERM
    default: throw .EINVAL
    }
    let start = call.address(0)
    guard start.isPageAligned, let rounded = call.address(1).pageUp, let range = GuestRange(start, length: rounded.rawValue)
    else { throw .EINVAL }
    if call[1] != 0 && rounded.rawValue == 0 { throw .EINVAL }
    if range.isEmpty { return .success }
    if advice == Advice.populateRead || advice == Advice.populateWrite { return try populate(call, range, advice) }
    // Holes are skipped, and told at the end.
    var covered: UInt64 = 0
    for piece in call.memory.list.pieces(in: range) {
      try advise(call, piece, advice)
      covered += piece.range.length
    }
    if covered < range.length { throw .ENOMEM }
    return .success
  }

  private static func advise(_ call: Syscall, _ piece: Mapping, _ advice: Int32) throws(Errno) {
    let memory = call.memory
    func set(add: MappingFlags = [], remove: MappingFlags = []) {
      memory.setFlags(call.kernel, piece.range, add: add, remove: remove)
    }
    switch advice {
    case Advice.dontNeed where piece.flags.contains(.locked): throw .EINVAL
    case Advice.dontNeed, Advice.dontNeedLocked:
      try call.kernel.effect { machine throws(MachineError) in try machine.discard(memory.space, piece.range) }
    case Advice.free:
      // The kernel may free such pages at any time; here it does so at once.
      if !piece.isPrivateAnonymous { throw .EINVAL }
      if piece.flags.contains(.locked) { return }
      try call.kernel.effect { machine throws(MachineError) in try machine.discard(memory.space, piece.range) }
    case Advice.remove:
      guard piece.isShared, let object = piece.object, !piece.flags.contains(.locked) else { throw .EINVAL }
      if !piece.maximumProtection.contains(.write) { throw .EACCES }
      try punchHole(call, object, offset: piece.offset, length: piece.range.length)
    case Advice.dontFork: set(add: .notForked)
    case Advice.doFork: set(remove: .notForked)
    case Advice.wipeOnFork:
      if !piece.isPrivateAnonymous { throw .EINVAL }
      set(add: .wipedOnFork)
    case Advice.keepOnFork: set(remove: .wipedOnFork)
    case Advice.dontDump: set(add: .notDumped)
    case Advice.doDump: set(remove: .notDumped)
    case Advice.cold, Advice.pageOut:
      if piece.flags.contains(.locked) { throw .EINVAL }
    default:
      break
    }
  }

  /// MADV_REMOVE: the bytes of the object read as zero again; its size stays.
  private static func punchHole(
    _ call: Syscall, _ object: MemoryObjectReference, offset: UInt64, length: UInt64
  ) throws(Errno) {
    let step: UInt64 = 1 << 20
    var at = offset
    let end = offset + length
    while at < end {
      let count = min(step, end - at)
      // Only what is there: the object may be shorter than the mapping.
      let present = try call.kernel.effect { machine throws(MachineError) in
        try machine.readObject(object.id, offset: at, Int(count)).count
      }
      if present == 0 { return }
      try call.kernel.effect { machine throws(MachineError) in
        try machine.writeObject(object.id, offset: at, [UInt8](repeating: 0, count: present)[...])
      }
      at += count
    }
  }

  /// MADV_POPULATE_*: nothing to do where the access would succeed.
  private static func populate(_ call: Syscall, _ range: GuestRange, _ advice: Int32) throws(Errno) -> SyscallOutcome {
    if call.memory.list.contiguousEnd(from: range.start, to: range.end) < range.end { throw .ENOMEM }
    let needed: Protection = advice == Advice.populateRead ? .read : .write
    for piece in call.memory.list.pieces(in: range) where !piece.protection.contains(needed) { throw .EINVAL }
    return .success
  }
}
