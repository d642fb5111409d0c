// Memory for the mirror and for hash tables: pieces of files of ours that stubs map and we write.
import CLinux
import Platform
import Translator

/// Pieces of one file, for private images and hash tables, used again when they are given back.
final class MirrorPool {
  struct Segment {
    let offset: UInt64
    let size: Int
    let words: UnsafeMutablePointer<UInt64>
  }

  let file: MemoryObject
  private let base: UnsafeMutableRawPointer
  private var used = 0
  private var free: [(size: Int, segments: [Segment])] = []
  private static let size = 32 << 30

  init() throws(MachineError) {
    let descriptor = Int32(try checked(rsb_memfd_make("replaysb-mirror"), "memfd_create"))
    file = MemoryObject(descriptor: descriptor, size: UInt64(Self.size))
    try checked(rsb_memfd_resize(descriptor, UInt64(Self.size)), "size of the mirror pool")
    guard let place = rsb_memfd_map(descriptor, 0, Self.size, 1) else { throw MachineError("mmap of the mirror pool") }
    base = place
  }

  deinit { rsb_memfd_unmap(base, Self.size) }

  /// Zeros, page-aligned.
  func allocate(_ size: Int) throws(MachineError) -> Segment {
    precondition(size > 0 && size % 4096 == 0)
    if let index = free.firstIndex(where: { $0.size == size }), let given = free[index].segments.popLast() { return given }
    if used + size > Self.size { throw MachineError("too much code made at run time") }
    defer { used += size }
    return Segment(
      offset: UInt64(used), size: size, words: (base + used).bindMemory(to: UInt64.self, capacity: size / 8))
  }

  func release(_ segment: Segment) {
    _ = rsb_memfd_punch(file.descriptor, segment.offset, UInt64(segment.size))
    if let index = free.firstIndex(where: { $0.size == segment.size }) {
      free[index].segments.append(segment)
    } else {
      free.append((segment.size, [segment]))
    }
  }
}
