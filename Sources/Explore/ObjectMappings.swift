// Where a space shows memory objects: what has to be mapped again when an object becomes another one.

import Platform

struct ObjectMapping {
  var range: GuestRange
  var protection: Protection
  /// As the kernel names it.
  var object: MemoryObjectID
  /// Of the start, in the object, in bytes.
  var offset: UInt64
  var isShared: Bool
  /// A private mapping that the guest could write: it may show bytes of its own.
  var isDirty: Bool

  fileprivate func clipped(to part: GuestRange) -> ObjectMapping {
    var piece = self
    piece.range = range.intersection(part)!
    piece.offset += piece.range.start - range.start
    return piece
  }
}

/// The mappings of objects in one space, apart from each other, in no order. There are few.
struct ObjectMappings {
  private(set) var all: [ObjectMapping] = []

  mutating func map(_ range: GuestRange, _ protection: Protection, _ source: MappingSource) {
    _ = take(range)
    switch source {
    case .anonymous: break
    case .privateObject(let object, let offset):
      all.append(
        ObjectMapping(
          range: range, protection: protection, object: object, offset: offset, isShared: false,
          isDirty: protection.contains(.write)))
    case .sharedObject(let object, let offset):
      all.append(
        ObjectMapping(
          range: range, protection: protection, object: object, offset: offset, isShared: true, isDirty: false))
    }
  }

  /// Takes out what lies in `range`, and returns it.
  @discardableResult mutating func take(_ range: GuestRange) -> [ObjectMapping] {
    var taken: [ObjectMapping] = [], rest: [ObjectMapping] = []
    for index in all.indices.reversed() where all[index].range.overlaps(range) {
      let mapping = all[index]
      all.swapAt(index, all.count - 1)
      all.removeLast()
      taken.append(mapping.clipped(to: range))
      if mapping.range.start < range.start { rest.append(mapping.clipped(to: GuestRange(mapping.range.start, range.start))) }
      if mapping.range.end > range.end { rest.append(mapping.clipped(to: GuestRange(range.end, mapping.range.end))) }
    }
    all += rest
    return taken
  }

  mutating func protect(_ range: GuestRange, _ protection: Protection) {
    for var mapping in take(range) {
      mapping.protection = protection
      if !mapping.isShared && protection.contains(.write) { mapping.isDirty = true }
      all.append(mapping)
    }
  }

  /// `range` is one mapping of the guest, or a part of one; a longer target shows more of the object.
  mutating func move(_ range: GuestRange, to target: GuestRange) {
    let moved = take(range)
    take(target)
    for var mapping in moved {
      let isLast = mapping.range.end == range.end
      let start = target.start + (mapping.range.start - range.start)
      mapping.range = GuestRange(start, isLast ? target.end : start + mapping.range.length)
      all.append(mapping)
    }
  }

  /// Objects that the guest can store into here.
  var writableObjects: [MemoryObjectID] {
    all.filter { $0.isShared && $0.protection.contains(.write) }.map(\.object)
  }
}
