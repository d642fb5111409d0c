// Which content the trace holds already, and where. Bounded: a table of fixed size that forgets by overwriting, so that
// a guest that writes for days costs no memory. Embedded files have a table of their own, which memory writes cannot
// push out.
//
// Content is known by its 128-bit XXH3 hash, which covers the length. That is not a cryptographic hash: a program
// that forges a collision spoils its own replay, which then reports a divergence.
//
// Unsafe because hashing takes a pointer and the tables are memory of the host's, whose untouched pages cost nothing (calloc's may
// have been used before, and are cleared then). Sound because indices are masked to the tables' size.
import CLinux
import CXXHash
import Platform

extension ContentHash {
  init(_ bytes: UnsafeRawBufferPointer) {
    let hash = rsb_hash128(bytes.baseAddress, bytes.count)
    self.init(low: hash.low, high: hash.high)
  }
}

final class ContentTable {
  private struct Entry {
    var hash = ContentHash(low: 0, high: 0)
    var block: UInt32 = 0
    var offset: UInt32 = 0

    func place(of wanted: ContentHash) -> (block: UInt32, offset: UInt32)? {
      // Block 0 is the header's, so an empty entry never matches.
      block != 0 && hash == wanted ? (block, offset) : nil
    }
  }
  /// Of the contents whose hashes end alike, the last of a file and the last that was none.
  private struct Place {
    var file = Entry()
    var write = Entry()
  }

  private static let placeCount = 1 << 16
  private static let size = placeCount * MemoryLayout<Place>.stride
  private let places: UnsafeMutablePointer<Place>

  /// nil without memory.
  init?() {
    guard let memory = rsb_memory_map(Self.size) else { return nil }
    places = memory.bindMemory(to: Place.self, capacity: Self.placeCount)
  }

  deinit { rsb_memory_unmap(places, Self.size) }

  /// Where the bytes of this hash are already.
  func place(of hash: ContentHash) -> (block: UInt32, offset: UInt32)? {
    let entries = entries(hash)
    return entries.pointee.file.place(of: hash) ?? entries.pointee.write.place(of: hash)
  }

  /// They come at (block, offset).
  func remember(_ hash: ContentHash, isFile: Bool, block: UInt32, offset: Int) {
    let entries = entries(hash), entry = Entry(hash: hash, block: block, offset: UInt32(offset))
    if isFile { entries.pointee.file = entry } else { entries.pointee.write = entry }
  }

  private func entries(_ hash: ContentHash) -> UnsafeMutablePointer<Place> {
    let place = places + Int(hash.low & UInt64(Self.placeCount - 1))
    // A page that is read before it is written takes two faults, and the second interrupts the other threads' processors.
    rsb_memory_touch(place)
    return place
  }
}
