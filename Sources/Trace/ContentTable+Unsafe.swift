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

/// What content is known by: its XXH3-128.
struct ContentHash: Equatable {
  var low: UInt64
  var high: UInt64

  init(_ known: FileHash) {
    low = known.low
    high = known.high
  }

  init(_ bytes: UnsafeRawBufferPointer) {
    let hash = rsb_hash128(bytes.baseAddress, bytes.count)
    low = hash.low
    high = hash.high
  }
}

final class ContentTable {
  private struct Entry {
    var hash: ContentHash
    var block: UInt32
    var offset: UInt32
  }

  private static let entryCount = 1 << 16
  private static let tableSize = entryCount * MemoryLayout<Entry>.stride
  private let files: UnsafeMutablePointer<Entry>
  private let writes: UnsafeMutablePointer<Entry>

  init() {
    func table() -> UnsafeMutablePointer<Entry> {
      guard let memory = rsb_memory_map(Self.tableSize) else { fatalError("out of memory") }
      return memory.bindMemory(to: Entry.self, capacity: Self.entryCount)
    }
    files = table()
    writes = table()
  }

  deinit {
    rsb_memory_unmap(files, Self.tableSize)
    rsb_memory_unmap(writes, Self.tableSize)
  }

  /// Where the bytes of this hash are already; otherwise remembers that they come at (block, offset).
  func find(
    _ hash: ContentHash, isFile: Bool, block: UInt32, offset: Int
  ) -> (block: UInt32, offset: UInt32)? {
    let index = Int(hash.low & UInt64(Self.entryCount - 1))
    // Block 0 is the header's, so an empty entry never matches.
    if files[index].block != 0, files[index].hash == hash {
      return (files[index].block, files[index].offset)
    }
    if writes[index].block != 0, writes[index].hash == hash {
      return (writes[index].block, writes[index].offset)
    }
    let entry = Entry(hash: hash, block: block, offset: UInt32(offset))
    if isFile { files[index] = entry } else { writes[index] = entry }
    return nil
  }
}
