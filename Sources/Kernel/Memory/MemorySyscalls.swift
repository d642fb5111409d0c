// mmap(2), munmap(2), mprotect(2), mremap(2), brk(2) and the calls on ranges of memory.

import LinuxABI
import Platform

extension SyscallTable {
  static var memorySyscalls: [SyscallEntry] {
    [
      SyscallEntry(
        SyscallNumber.mmap, .partial("no huge pages (ENOMEM); MAP_POPULATE does nothing"), MemorySyscalls.mmap),
      SyscallEntry(SyscallNumber.munmap, .full, MemorySyscalls.munmap),
      SyscallEntry(SyscallNumber.mprotect, .full, MemorySyscalls.mprotect),
      SyscallEntry(SyscallNumber.mremap, .full, MemorySyscalls.mremap),
      SyscallEntry(SyscallNumber.brk, .full, MemorySyscalls.brk),
      SyscallEntry(SyscallNumber.madvise, .partial("advice on speed does nothing"), MemorySyscalls.madvise),
      SyscallEntry(SyscallNumber.msync, .full, MemorySyscalls.msync),
      SyscallEntry(SyscallNumber.mincore, .partial("every mapped page counts as resident"), MemorySyscalls.mincore),
      SyscallEntry(SyscallNumber.mlock, .full, MemorySyscalls.mlock),
      SyscallEntry(SyscallNumber.mlock2, .full, MemorySyscalls.mlock2),
      SyscallEntry(SyscallNumber.munlock, .full, MemorySyscalls.munlock),
      SyscallEntry(SyscallNumber.mlockall, .full, MemorySyscalls.mlockall),
      SyscallEntry(SyscallNumber.munlockall, .full, MemorySyscalls.munlockall),
      SyscallEntry(SyscallNumber.pkey_alloc, .partial("no protection keys: ENOSPC"), MemorySyscalls.pkeyAlloc),
      SyscallEntry(SyscallNumber.pkey_free, .partial("no protection keys"), MemorySyscalls.pkeyFree),
      SyscallEntry(SyscallNumber.pkey_mprotect, .partial("no protection keys"), MemorySyscalls.pkeyMprotect),
    ]
  }
}

/// Flags of mmap(2): include/uapi/asm-generic/mman-common.h and mman.h.
private enum MapFlag {
  static let typeMask: UInt32 = 0x0f
  static let shared: UInt32 = 1, `private`: UInt32 = 2, sharedValidate: UInt32 = 3
  static let fixed: UInt32 = 0x10, anonymous: UInt32 = 0x20, low32Bit: UInt32 = 0x40
  static let growsDown: UInt32 = 0x100, denyWrite: UInt32 = 0x800, locked: UInt32 = 0x2000
  static let noReserve: UInt32 = 0x4000, stack: UInt32 = 0x20000, hugeTLB: UInt32 = 0x40000
  static let fixedNoReplace: UInt32 = 0x100000
  /// LEGACY_MAP_MASK: what MAP_SHARED_VALIDATE knows (MAP_SYNC is not among it: no file here supports it).
  static let validated: UInt32 =
    0x03 | fixed | anonymous | low32Bit | growsDown | denyWrite | 0x1000 | locked | noReserve | 0x8000 | 0x10000
    | stack | hugeTLB | fixedNoReplace | (0x3f << 26)
}

enum MemorySyscalls {
  private static let pageMask = GuestAddress.pageSize - 1

  private static func protection(_ bits: UInt64) -> Protection { Protection(rawValue: UInt8(truncatingIfNeeded: bits & 7)) }

  /// Rounds a range up to pages, as mlock, mincore and madvise do. nil when it wraps.
  private static func roundedRange(_ start: GuestAddress, _ length: UInt64) -> GuestRange? {
    guard let end = GuestRange(start, length: length)?.end.pageUp else { return nil }
    return GuestRange(start, end)
  }

  // MARK: mmap

  /// ksys_mmap_pgoff and do_mmap of mm/mmap.c.
  static func mmap(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let flags = call.uint32(3)
    let type = flags & MapFlag.typeMask
    if call[5] & pageMask != 0 { throw .EINVAL }
    var request = MapRequest(length: call[1], protection: protection(call[2]))
    request.offset = call[5]
    let hint = call.address(0)
    if flags & MapFlag.anonymous == 0 {
      let file = try call.task.files.file(call.int32(4))
      if call[1] == 0 { throw .EINVAL }
      try setFile(&request, file, flags, call)
    } else {
      if flags & MapFlag.hugeTLB != 0 { throw .ENOMEM }
      if type != MapFlag.shared && type != MapFlag.private { throw .EINVAL }
      request.offset = 0
    }
    if type != MapFlag.private {
      if flags & MapFlag.growsDown != 0 { throw .EINVAL }
      request.flags.insert(.shared)
    }
    if flags & MapFlag.growsDown != 0 { request.flags.insert(.growsDown) }
    // Thread stacks are large and used in part: they do not count towards the run's limit.
    if flags & (MapFlag.noReserve | MapFlag.stack) != 0 { request.flags.insert(.noReserve) }
    if flags & MapFlag.locked != 0 {
      try requireLocking(call)
      request.flags.insert(.locked)
    }
    request.isProgram = flags & MapFlag.denyWrite != 0 || request.protection.contains(.execute)
    if flags & MapFlag.fixedNoReplace != 0 {
      request.placement = .fixedIfFree(hint)
    } else if flags & MapFlag.fixed != 0 {
      request.placement = .fixed(hint)
    } else if hint.pageDown.rawValue != 0 {
      request.placement = .hint(hint)
    } else if flags & MapFlag.low32Bit != 0 {
      request.placement = .low32Bit
    }
    let start = try call.memory.map(call.kernel, request, limits: call.task.group.limits)
    return .value(Int64(bitPattern: start.rawValue))
  }

  /// The part of do_mmap that looks at the file.
  private static func setFile(
    _ request: inout MapRequest, _ file: OpenFile, _ flags: UInt32, _ call: Syscall
  ) throws(Errno) {
    switch flags & MapFlag.typeMask {
    case MapFlag.sharedValidate:
      if flags & ~MapFlag.validated != 0 { throw .EOPNOTSUPP }
      try checkSharedFile(&request, file)
    case MapFlag.shared: try checkSharedFile(&request, file)
    case MapFlag.private: break
    default: throw .EINVAL
    }
    if !file.isReadable { throw .EACCES }
    if flags & MapFlag.growsDown != 0 { throw .EINVAL }
    // A mapping of /dev/zero is one without a file (mmap_zero of drivers/char/mem.c).
    if (file as? DeviceFile)?.device == .zero { return }
    request.object = try file.memoryObject(call.kernel)
  }

  private static func checkSharedFile(_ request: inout MapRequest, _ file: OpenFile) throws(Errno) {
    if request.protection.contains(.write) && !file.isWritable { throw .EACCES }
    if !file.isWritable { request.maximumProtection.remove(.write) }
  }

  static func munmap(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    try call.memory.unmap(call.kernel, call.address(0), call[1])
    return .success
  }

  /// do_mprotect_pkey of mm/mprotect.c.
  static func mprotect(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let growsDown: UInt64 = 0x0100_0000
    let growsUp: UInt64 = 0x0200_0000
    let directions = call[2] & (growsDown | growsUp)
    if directions == growsDown | growsUp { throw .EINVAL }
    var start = call.address(0)
    if !start.isPageAligned { throw .EINVAL }
    if call[1] == 0 { return .success }
    guard let range = roundedRange(start, call[1]), !range.isEmpty else { throw .ENOMEM }
    if call[2] & ~(growsDown | growsUp) > 0xf { throw .EINVAL }
    if directions == growsDown {
      guard let mapping = call.memory.list.first(in: range) else { throw .ENOMEM }
      if !mapping.flags.contains(.growsDown) { throw .EINVAL }
      start = mapping.range.start
    } else if directions == growsUp {
      throw call.memory.list.first(in: range) == nil ? .ENOMEM : .EINVAL
    }
    try call.memory.protect(
      call.kernel, GuestRange(start, range.end), protection(call[2]), limits: call.task.group.limits)
    return .success
  }

  static func mremap(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let mayMove: UInt64 = 1
    let fixed: UInt64 = 2
    let dontUnmap: UInt64 = 4
    let flags = call[3]
    if flags & ~(mayMove | fixed | dontUnmap) != 0 { throw .EINVAL }
    if flags & (fixed | dontUnmap) != 0 && flags & mayMove == 0 { throw .EINVAL }
    if flags & dontUnmap != 0 && call[1] != call[2] { throw .EINVAL }
    guard call.address(0).isPageAligned, let old = call.address(1).pageUp, let new = call.address(2).pageUp,
      new.rawValue != 0
    else { throw .EINVAL }
    let request = RemapRequest(
      address: call.address(0), oldLength: old.rawValue, newLength: new.rawValue, mayMove: flags & mayMove != 0,
      target: flags & fixed != 0 ? call.address(4) : nil, keepsOld: flags & dontUnmap != 0)
    let start = try call.memory.remap(call.kernel, request, limits: call.task.group.limits)
    return .value(Int64(bitPattern: start.rawValue))
  }

  static func brk(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let end = call.memory.setBreak(call.kernel, call.address(0), limits: call.task.group.limits)
    return .value(Int64(bitPattern: end.rawValue))
  }

  // MARK: Ranges

  static func msync(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let asynchronous: UInt32 = 1
    let invalidate: UInt32 = 2
    let synchronous: UInt32 = 4
    let flags = call.uint32(2)
    if flags & ~(asynchronous | invalidate | synchronous) != 0 { throw .EINVAL }
    if !call.address(0).isPageAligned || flags & (asynchronous | synchronous) == asynchronous | synchronous {
      throw .EINVAL
    }
    guard let range = roundedRange(call.address(0), call[1]) else { throw .ENOMEM }
    if range.isEmpty { return .success }
    if flags & invalidate != 0, call.memory.list.pieces(in: range).contains(where: { $0.flags.contains(.locked) }) {
      throw .EBUSY
    }
    // A shared mapping and the file are the same memory: there is nothing to write back.
    if call.memory.list.contiguousEnd(from: range.start, to: range.end) < range.end { throw .ENOMEM }
    return .success
  }

  static func mincore(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if !call.address(0).isPageAligned { throw .EINVAL }
    guard let range = roundedRange(call.address(0), call[1]), range.end <= AddressLayout.end else { throw .ENOMEM }
    let mapped = call.memory.list.contiguousEnd(from: range.start, to: range.end)
    // Pages before a hole are reported.
    var at = call.address(2)
    var left = (mapped - range.start) / GuestAddress.pageSize
    while left > 0 {
      let count = min(left, GuestAddress.pageSize)
      try call.memory.copyOut(at, [UInt8](repeating: 1, count: Int(count)))
      at = at + count
      left -= count
    }
    if mapped < range.end { throw .ENOMEM }
    return .success
  }

  // MARK: Locking: mm/mlock.c

  /// can_do_mlock: EPERM with a limit of zero and no CAP_IPC_LOCK.
  private static func requireLocking(_ call: Syscall) throws(Errno) {
    if call.task.group.limits[ResourceLimits.lockedMemory].current == 0 && !call.task.credentials.hasCapability(14) {
      throw .EPERM
    }
  }

  private static func lock(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    try requireLocking(call)
    guard let end = GuestRange(call.address(0), length: call[1])?.end.pageUp else { throw .EINVAL }
    let range = GuestRange(call.address(0).pageDown, end)
    if range.isEmpty { return .success }
    let pieces = call.memory.list.pieces(in: range)
    let added = pieces.reduce(0 as UInt64) { $0 + ($1.flags.contains(.locked) ? 0 : $1.range.length) }
    let limit = call.task.group.limits[ResourceLimits.lockedMemory].current
    if call.memory.list.lockedBytes + added > limit, !call.task.credentials.hasCapability(14) { throw .ENOMEM }
    let mapped = call.memory.list.contiguousEnd(from: range.start, to: range.end)
    if mapped > range.start { call.memory.setFlags(call.kernel, GuestRange(range.start, mapped), add: .locked) }
    if mapped < range.end { throw .ENOMEM }
    return .success
  }

  static func mlock(_ call: Syscall) throws(Errno) -> SyscallOutcome { try lock(call) }

  static func mlock2(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call.uint32(2) & ~1 != 0 { throw .EINVAL }
    return try lock(call)
  }

  static func munlock(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    guard let end = GuestRange(call.address(0), length: call[1])?.end.pageUp else { throw .EINVAL }
    let range = GuestRange(call.address(0).pageDown, end)
    if range.isEmpty { return .success }
    let mapped = call.memory.list.contiguousEnd(from: range.start, to: range.end)
    if mapped > range.start { call.memory.setFlags(call.kernel, GuestRange(range.start, mapped), remove: .locked) }
    if mapped < range.end { throw .ENOMEM }
    return .success
  }

  static func mlockall(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let current: UInt32 = 1
    let future: UInt32 = 2
    let onFault: UInt32 = 4
    let flags = call.uint32(0)
    if flags == 0 || flags & ~(current | future | onFault) != 0 || flags == onFault { throw .EINVAL }
    try requireLocking(call)
    let limit = call.task.group.limits[ResourceLimits.lockedMemory].current
    if flags & current != 0, call.memory.list.totalBytes > limit, !call.task.credentials.hasCapability(14) {
      throw .ENOMEM
    }
    call.memory.locksFutureMappings = flags & future != 0
    if flags & current != 0 {
      call.memory.setFlags(call.kernel, GuestRange(GuestAddress(0), AddressLayout.end), add: .locked)
    }
    return .success
  }

  static func munlockall(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    call.memory.locksFutureMappings = false
    call.memory.setFlags(call.kernel, GuestRange(GuestAddress(0), AddressLayout.end), remove: .locked)
    return .success
  }

  // MARK: Protection keys: pkeys(7) on a processor that has none

  static func pkeyAlloc(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call[0] != 0 || call[1] & ~3 != 0 { throw .EINVAL }
    throw .ENOSPC
  }

  static func pkeyFree(_ call: Syscall) throws(Errno) -> SyscallOutcome { throw .EINVAL }

  static func pkeyMprotect(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call.int32(3) != -1 { throw .EINVAL }
    return try mprotect(call)
  }
}
