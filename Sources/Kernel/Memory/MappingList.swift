// The mappings of one address space, sorted and disjoint, and how they split and merge.

import Platform

/// Sorted mappings with their sums. Search is binary; a change moves the array's tail.
struct MappingList {
  private(set) var all: [Mapping] = []
  /// Bytes mapped: VmSize, RLIMIT_AS.
  private(set) var totalBytes: UInt64 = 0
  /// Private writable bytes: RLIMIT_DATA.
  private(set) var dataBytes: UInt64 = 0
  /// Bytes that mlock holds: VmLck.
  private(set) var lockedBytes: UInt64 = 0
  /// Bytes that count towards the run's limit.
  private(set) var accountedBytes: UInt64 = 0

  var count: Int { all.count }

  /// Index of the first mapping that ends after `address` (find_vma); `count` when there is none.
  func index(endingAfter address: GuestAddress) -> Int {
    var low = 0
    var high = all.count
    while low < high {
      let middle = (low + high) / 2
      if all[middle].range.end <= address { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The mapping that holds an address.
  func mapping(at address: GuestAddress) -> Mapping? {
    let index = index(endingAfter: address)
    return index < all.count && all[index].range.start <= address ? all[index] : nil
  }

  /// The first mapping that overlaps a range.
  func first(in range: GuestRange) -> Mapping? {
    let index = index(endingAfter: range.start)
    return index < all.count && all[index].range.start < range.end ? all[index] : nil
  }

  /// Indices of the mappings that overlap a range.
  func indices(in range: GuestRange) -> Range<Int> {
    let start = index(endingAfter: range.start)
    var end = start
    while end < all.count && all[end].range.start < range.end { end += 1 }
    return start..<end
  }

  /// The mappings that overlap a range, cut to it; no counts are taken.
  func pieces(in range: GuestRange) -> [Mapping] {
    all[indices(in: range)].map { $0.cut(to: $0.range.intersection(range)!) }
  }

  /// How far mapped memory goes without a hole from `start`, at most to `end`.
  func contiguousEnd(from start: GuestAddress, to end: GuestAddress) -> GuestAddress {
    var at = start
    var index = index(endingAfter: start)
    while at < end, index < all.count, all[index].range.start <= at {
      at = all[index].range.end
      index += 1
    }
    return min(at, end)
  }

  private mutating func count(_ mapping: Mapping, adding: Bool) {
    let length = adding ? mapping.range.length : 0 &- mapping.range.length
    totalBytes &+= length
    if mapping.isData { dataBytes &+= length }
    if mapping.flags.contains(.locked) { lockedBytes &+= length }
    if mapping.flags.contains(.accounted) { accountedBytes &+= length }
  }

  /// Takes out what lies in `range`, splitting mappings at its ends. The result holds the counts of the pieces.
  mutating func take(_ range: GuestRange) -> [Mapping] {
    let hit = indices(in: range)
    if hit.isEmpty { return [] }
    var taken: [Mapping] = []
    var rest: [Mapping] = []
    for mapping in all[hit] {
      count(mapping, adding: false)
      taken.append(mapping.cut(to: mapping.range.intersection(range)!))
      var parts = 1
      if mapping.range.start < range.start {
        rest.append(mapping.cut(to: GuestRange(mapping.range.start, range.start)))
        parts += 1
      }
      if mapping.range.end > range.end {
        rest.append(mapping.cut(to: GuestRange(range.end, mapping.range.end)))
        parts += 1
      }
      for _ in 1..<parts { mapping.object?.retain() }
    }
    for mapping in rest { count(mapping, adding: true) }
    all.replaceSubrange(hit, with: rest)
    return taken
  }

  /// Puts a mapping, whose count the list takes over, into a gap; merges it with its neighbours where they match.
  mutating func insert(_ mapping: Mapping, _ kernel: Kernel) {
    var index = index(endingAfter: mapping.range.start)
    precondition(index == all.count || all[index].range.start >= mapping.range.end, "mappings overlap at \(mapping.range)")
    count(mapping, adding: true)
    if index > 0, all[index - 1].continues(into: mapping) {
      all[index - 1].range.end = mapping.range.end
      mapping.object?.release(kernel)
      index -= 1
    } else {
      all.insert(mapping, at: index)
    }
    if index + 1 < all.count, all[index].continues(into: all[index + 1]) {
      all[index].range.end = all[index + 1].range.end
      all[index].object?.release(kernel)
      all.remove(at: index + 1)
    }
  }

  mutating func copyReferences(_ context: CopyContext) {
    for index in all.indices { all[index].object = context.copy(all[index].object) }
  }
}
