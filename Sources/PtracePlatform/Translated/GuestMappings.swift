// What a guest has mapped, as far as code is concerned: where it may be fetched from, and whether it can change.
import Platform

struct GuestMapping {
  var range: GuestRange
  var protection: Protection
  var source: MappingSource
  /// The guest could write it at some time: it shows its own bytes, not the object's.
  var isDirty: Bool

  /// The part in `part`.
  func clipped(to part: GuestRange) -> GuestMapping {
    var piece = self
    piece.range = range.intersection(part)!
    let skipped = piece.range.start - range.start
    switch source {
    case .anonymous: break
    case .privateObject(let id, let offset): piece.source = .privateObject(id, offset: offset + skipped)
    case .sharedObject(let id, let offset): piece.source = .sharedObject(id, offset: offset + skipped)
    }
    return piece
  }
}

/// The mappings of one space, ascending and apart.
struct GuestMappings {
  private(set) var all: [GuestMapping] = []

  /// Index of the first mapping that ends after `address`.
  func index(endingAfter address: GuestAddress) -> Int {
    var low = 0, high = all.count
    while low < high {
      let middle = (low + high) / 2
      if all[middle].range.end > address { high = middle } else { low = middle + 1 }
    }
    return low
  }

  func mapping(at address: GuestAddress) -> GuestMapping? {
    let index = index(endingAfter: address)
    guard index < all.count, all[index].range.contains(address) else { return nil }
    return all[index]
  }

  /// Takes what lies in `range` out and returns it.
  @discardableResult mutating func remove(_ range: GuestRange) -> [GuestMapping] {
    let first = index(endingAfter: range.start)
    var last = first
    var kept: [GuestMapping] = [], removed: [GuestMapping] = []
    while last < all.count, all[last].range.start < range.end {
      let mapping = all[last]
      removed.append(mapping.clipped(to: range))
      if mapping.range.start < range.start {
        kept.append(mapping.clipped(to: GuestRange(mapping.range.start, range.start)))
      }
      if mapping.range.end > range.end { kept.append(mapping.clipped(to: GuestRange(range.end, mapping.range.end))) }
      last += 1
    }
    if first < last { all.replaceSubrange(first..<last, with: kept) }
    return removed
  }

  mutating func insert(_ mapping: GuestMapping) {
    remove(mapping.range)
    all.insert(mapping, at: index(endingAfter: mapping.range.start))
  }

  mutating func change(_ range: GuestRange, _ body: (inout GuestMapping) -> Void) {
    for var mapping in remove(range) {
      body(&mapping)
      all.insert(mapping, at: index(endingAfter: mapping.range.start))
    }
  }
}
