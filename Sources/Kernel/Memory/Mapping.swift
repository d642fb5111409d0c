// One line of /proc/PID/maps: a stretch of an address space with one protection and one source. Linux's
// vm_area_struct (include/linux/mm_types.h).

import Platform

/// What Linux keeps in vm_flags beside the protection.
struct MappingFlags: OptionSet, Hashable, Sendable {
  let rawValue: UInt16
  /// Stores reach the object (MAP_SHARED).
  static let shared = MappingFlags(rawValue: 1 << 0)
  static let growsDown = MappingFlags(rawValue: 1 << 1)
  static let noReserve = MappingFlags(rawValue: 1 << 2)
  static let locked = MappingFlags(rawValue: 1 << 3)
  /// fork leaves it out (MADV_DONTFORK).
  static let notForked = MappingFlags(rawValue: 1 << 4)
  /// fork gives zeroes (MADV_WIPEONFORK).
  static let wipedOnFork = MappingFlags(rawValue: 1 << 5)
  static let notDumped = MappingFlags(rawValue: 1 << 6)
  /// Counts towards the run's memory limit (VM_ACCOUNT).
  static let accounted = MappingFlags(rawValue: 1 << 7)
}

/// What the last column of /proc/PID/maps says where no file is mapped.
enum MappingLabel: UInt8, Hashable, Sendable {
  case none, heap, stack, vdso, vvar
}

/// A mapping. The one that stands in a `MemoryManager` holds one count of its object.
struct Mapping {
  var range: GuestRange
  var protection: Protection
  /// What mprotect may at most give (VM_MAYREAD and kin).
  var maximumProtection: Protection = [.read, .write, .execute]
  var flags: MappingFlags = []
  /// nil for private anonymous memory.
  var object: MemoryObjectReference?
  /// Byte offset of the start in the object.
  var offset: UInt64 = 0
  var label = MappingLabel.none

  var isShared: Bool { flags.contains(.shared) }
  var isPrivateAnonymous: Bool { object == nil }

  var source: MappingSource {
    guard let object else { return .anonymous }
    return isShared ? .sharedObject(object.id, offset: offset) : .privateObject(object.id, offset: offset)
  }

  /// Whether its bytes count for RLIMIT_DATA: private, writable, no stack (is_data_mapping of mm/internal.h).
  var isData: Bool { protection.contains(.write) && !isShared && !flags.contains(.growsDown) }

  /// The part of it inside `part`, which must lie within; no count is taken.
  func cut(to part: GuestRange) -> Mapping {
    var piece = self
    if object != nil { piece.offset += part.start - range.start }
    piece.range = part
    return piece
  }

  /// Whether `next` goes on where this one ends, with nothing different (vma_merge of mm/mmap.c).
  func continues(into next: Mapping) -> Bool {
    range.end == next.range.start && protection == next.protection && flags == next.flags && label == next.label
      && maximumProtection == next.maximumProtection && object === next.object
      && (object == nil || offset &+ range.length == next.offset)
  }

  /// The name that /proc/PID/maps prints; empty for plain anonymous memory.
  var displayName: [UInt8] {
    switch label {
    case .none: object?.path ?? []
    case .heap: Array("[heap]".utf8)
    case .stack: Array("[stack]".utf8)
    case .vdso: Array("[vdso]".utf8)
    case .vvar: Array("[vvar]".utf8)
    }
  }
}
