// What is mapped where in a replayed address space, kept from the effects: for cores and for names of addresses.

import Platform

struct Mapping {
  var range: GuestRange
  var protection: Protection
  var source: MappingSource
}

/// The mappings of one space, in order of addresses.
struct MappingTable {
  private(set) var mappings: [Mapping] = []

  func at(_ address: GuestAddress) -> Mapping? {
    let index = firstIndex(endingAfter: address)
    return index < mappings.count && mappings[index].range.contains(address) ? mappings[index] : nil
  }

  /// The first mapping that ends after an address, by halving: a guest can have 65,000 of them.
  private func firstIndex(endingAfter address: GuestAddress) -> Int {
    var low = 0
    var high = mappings.count
    while low < high {
      let middle = (low + high) / 2
      if mappings[middle].range.end > address { high = middle } else { low = middle + 1 }
    }
    return low
  }

  mutating func map(_ range: GuestRange, _ protection: Protection, _ source: MappingSource) {
    unmap(range)
    insert(Mapping(range: range, protection: protection, source: source))
  }

  mutating func unmap(_ range: GuestRange) { _ = cut(range) }

  mutating func protect(_ range: GuestRange, _ protection: Protection) {
    for var piece in cut(range) {
      piece.protection = protection
      insert(piece)
    }
  }

  mutating func remap(_ range: GuestRange, to target: GuestRange) {
    var moved = cut(range)
    if moved.isEmpty { return }
    // What grows continues the last piece.
    moved[moved.count - 1].range = GuestRange(
      moved[moved.count - 1].range.start, range.start + target.length)
    unmap(target)
    for var piece in moved {
      let start = target.start + (piece.range.start - range.start)
      piece.range = GuestRange(start, start + piece.range.length)
      insert(piece)
    }
  }

  private mutating func insert(_ mapping: Mapping) {
    mappings.insert(mapping, at: firstIndex(endingAfter: mapping.range.start))
  }

  /// Takes out everything in the range; returns the pieces.
  private mutating func cut(_ range: GuestRange) -> [Mapping] {
    let first = firstIndex(endingAfter: range.start)
    var last = first
    var kept: [Mapping] = []
    var pieces: [Mapping] = []
    while last < mappings.count, mappings[last].range.overlaps(range) {
      let old = mappings[last]
      if old.range.start < range.start { kept.append(old.part(GuestRange(old.range.start, range.start))) }
      pieces.append(old.part(old.range.intersection(range)!))
      if old.range.end > range.end { kept.append(old.part(GuestRange(range.end, old.range.end))) }
      last += 1
    }
    if last > first { mappings.replaceSubrange(first..<last, with: kept) }
    return pieces
  }
}

extension Mapping {
  /// A part of this mapping, with its offset into the object.
  fileprivate func part(_ part: GuestRange) -> Mapping {
    let skipped = part.start - range.start
    let newSource: MappingSource =
      switch source {
      case .anonymous: .anonymous
      case .privateObject(let id, let offset): .privateObject(id, offset: offset + skipped)
      case .sharedObject(let id, let offset): .sharedObject(id, offset: offset + skipped)
      }
    return Mapping(range: part, protection: protection, source: newSource)
  }
}
