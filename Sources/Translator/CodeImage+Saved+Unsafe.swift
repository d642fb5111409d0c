// An image as bytes, to be kept between runs, and back. The place in the arena may be another one next time: what reaches out
// of the image is adjusted. Sound: a saved image is used only after every number in it was checked against the image's sizes.

/// An entry of the mirror: offsets of a guest address in the image, and of the counted entry in its code.
public struct MirrorEntry: BitwiseCopyable, Sendable {
  public let guest: UInt32
  public let counted: UInt32
}

extension CodeImage {
  /// Changes with anything that translated code or this layout depends on.
  public static let savedVersion: UInt32 = 11
  private static let headerWords = 9

  /// Most bytes that `restore` stores at a time where code has moved.
  private static let storeMax = 64 << 10

  public func saved() -> [UInt8] {
    let heads = sortedHeads()
    let tables = blocks.count * MemoryLayout<Block>.stride + exits.count * MemoryLayout<ColdExit>.stride + relocations.count * 4
    let size = Self.headerWords * 8 + tables + heads.count * 4 + map.count * 2 + hot
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      var place = buffer.baseAddress!
      func put(_ bytes: UnsafeRawPointer, _ size: Int) {
        UnsafeMutableRawPointer(place).copyMemory(from: bytes, byteCount: size)
        place += size
      }
      let header: [UInt64] = [
        UInt64(Self.savedVersion), address, UInt64(hot), UInt64(blocks.count), UInt64(exits.count),
        UInt64(relocations.count), UInt64(map.count), UInt64(reserve), UInt64(heads.count),
      ]
      header.withUnsafeBytes { put($0.baseAddress!, $0.count) }
      put(blocks.storage, blocks.count * MemoryLayout<Block>.stride)
      put(exits.storage, exits.count * MemoryLayout<ColdExit>.stride)
      put(relocations.storage, relocations.count * 4)
      heads.withUnsafeBytes { put($0.baseAddress!, $0.count) }
      put(map.storage, map.count * 2)
      let code = place
      put(self.code, hot)
      // Which branches leave the window depends on the program.
      for index in 0..<dispatched.count {
        let jump = UnsafeMutableRawPointer(code + Int(dispatched[index]))
        jump.storeBytes(of: Self.mirrorJump, as: UInt64.self)
        jump.storeBytes(of: 0, toByteOffset: 8, as: UInt8.self)
      }
      count = size
    }
  }

  /// Fills an empty image, with what its mirror should hold, but not its mirror. False, and still empty, when
  /// the bytes are not those of an image of this size. `store` puts bytes at an offset of the code: a first write to a page through
  /// a mapping costs twice what it does through its file.
  public func restore(_ bytes: UnsafeRawBufferPointer, store: (Int, UnsafeRawBufferPointer) -> Void) -> Bool {
    precondition(isEmpty)
    guard bytes.count >= Self.headerWords * 8 else { return false }
    let header = (0..<Self.headerWords).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self) }
    guard header[0] == UInt64(Self.savedVersion), header[7] == UInt64(reserve) else { return false }
    let counts = header[2...6].map { Int(clamping: $0) }
    let headCount = Int(clamping: header[8])
    guard counts.allSatisfy({ $0 <= reserve }), counts[0] + counts[2] * Self.exitSize < reserve, headCount <= counts[1] else { return false }
    let sizes = [
      counts[1] * MemoryLayout<Block>.stride, counts[2] * MemoryLayout<ColdExit>.stride, counts[3] * 4, headCount * 4,
      counts[4] * 2, counts[0],
    ]
    guard Self.headerWords * 8 + sizes.reduce(0, +) == bytes.count else { return false }
    var place = bytes.baseAddress! + Self.headerWords * 8
    makeRoom(counts[1], in: &blocks)
    makeRoom(counts[2], in: &exits)
    makeRoom(counts[3], in: &relocations)
    makeRoom(counts[4], in: &map)
    blocks.append(bytes: place, elements: counts[1])
    place += sizes[0]
    exits.append(bytes: place, elements: counts[2])
    place += sizes[1]
    relocations.append(bytes: place, elements: counts[3])
    place += sizes[2]
    let heads = place
    place += sizes[3]
    map.append(bytes: place, elements: counts[4])
    place += sizes[4]
    hot = counts[0]
    guard isConsistent, takeHeads(heads, count: headCount) else {
      forget()
      return false
    }
    let saved = UnsafeRawBufferPointer(start: place, count: hot)
    // The distance to everything outside grew by as much as the code moved down.
    let moved = Int32(truncatingIfNeeded: Int64(bitPattern: header[1] &- address))
    if moved == 0 { store(0, saved) } else { storeCode(saved, movedBy: moved, store) }
    // One byte of each: few of them are met again.
    for index in 1..<exits.count + 1 { code[reserve - index * Self.exitSize] = 0xcc }
    makeRoom(blocks.count, in: &entries)
    for index in 0..<blocks.count {
      let block = blocks[index]
      if block.counted != 0 { entries.append(MirrorEntry(guest: block.guest, counted: block.counted)) }
    }
    return true
  }

  private func makeRoom<Element: BitwiseCopyable>(_ elements: Int, in table: inout GrowingBuffer<Element>) {
    table.reserve(elements)
    let bytes = elements * MemoryLayout<Element>.stride
    if bytes >= Self.populatedMin { populate?(table.storage, bytes) }
  }
  /// Smaller tables mostly get memory that was used before.
  private static let populatedMin = 64 << 10

  private func storeCode(_ saved: UnsafeRawBufferPointer, movedBy distance: Int32, _ store: (Int, UnsafeRawBufferPointer) -> Void) {
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.storeMax, alignment: 8)
    defer { scratch.deallocate() }
    var start = 0, next = 0
    while start < saved.count {
      var end = min(start + Self.storeMax, saved.count)
      let first = next
      while next < relocations.count, Int(relocations[next]) + 4 <= end { next += 1 }
      // One that lies across the end comes with the next piece.
      if next < relocations.count { end = min(end, Int(relocations[next])) }
      scratch.copyMemory(from: UnsafeRawBufferPointer(rebasing: saved[start..<end]))
      for index in first..<next {
        let offset = Int(relocations[index]) - start
        let old = scratch.loadUnaligned(fromByteOffset: offset, as: Int32.self)
        scratch.storeBytes(of: old &+ distance, toByteOffset: offset, as: Int32.self)
      }
      store(start, UnsafeRawBufferPointer(rebasing: scratch[..<(end - start)]))
      start = end
    }
  }

  private var isConsistent: Bool {
    var body: UInt32 = 0
    for index in 0..<blocks.count {
      let block = blocks[index]
      guard Int(block.guest) < length, Int(block.body) <= hot, Int(block.counted) < max(hot, 1), block.body >= body,
        Int(block.map) + Int(block.mapCount) <= map.count
      else { return false }
      body = block.body
    }
    for index in 0..<exits.count {
      guard ColdKind(rawValue: exits[index].kind) != nil, Int(exits[index].patch) + 4 <= max(hot, 4) else { return false }
    }
    var behind = 0
    for index in 0..<relocations.count {
      guard Int(relocations[index]) >= behind else { return false }
      behind = Int(relocations[index]) + 4
    }
    return behind <= max(hot, 0)
  }
}
