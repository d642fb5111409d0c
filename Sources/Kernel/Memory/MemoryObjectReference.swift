// A memory object with a count of who uses it: mappings, and the file or segment whose bytes it holds.

import Platform

/// A counted reference to a memory object. The creator holds the first count and gives it back with `release` (a file
/// when it is gone, mmap at once for shared anonymous memory); every mapping holds another. The last one destroys the
/// object.
public final class MemoryObjectReference: DeepCopyable {
  let id: MemoryObjectID
  /// Text for /proc/PID/maps; empty for anonymous.
  var path: [UInt8]
  /// Content hash or other stable number that picks a preferred address; 0 for none.
  var placementKey: UInt64
  /// For /proc/PID/maps: the device and inode as the guest sees them; 0 for none.
  var device: UInt64 = 0
  var inode: UInt64 = 0
  /// Bytes that count towards the run's memory limit for as long as the object lives.
  var committedBytes: UInt64 = 0
  private(set) var references = 1
  /// Whether the content is an ELF file; nil until somebody asked.
  private var isProgramKnown: Bool?

  init(id: MemoryObjectID, path: [UInt8], placementKey: UInt64) {
    self.id = id
    self.path = path
    self.placementKey = placementKey
  }

  func retain() { references += 1 }

  func release(_ kernel: Kernel) {
    references -= 1
    precondition(references >= 0, "a memory object lost more references than it had")
    if references > 0 { return }
    kernel.committedBytes -= committedBytes
    kernel.machine.destroyObject(id)
  }

  /// Whether the content begins with the ELF magic number.
  func isProgram(_ kernel: Kernel) -> Bool {
    if let isProgramKnown { return isProgramKnown }
    let magic = try? kernel.machine.readObject(id, offset: 0, 4)
    let answer = magic == [0x7f, 0x45, 0x4c, 0x46]
    isProgramKnown = answer
    return answer
  }

  public func shallowCopy() -> MemoryObjectReference {
    let new = MemoryObjectReference(id: id, path: path, placementKey: placementKey)
    new.device = device
    new.inode = inode
    new.committedBytes = committedBytes
    new.references = references
    new.isProgramKnown = isProgramKnown
    return new
  }
  public func copyReferences(_ context: CopyContext) {}
}
