// A file's content that becomes a guest's object as it is: copied once, by the host, or kept on disk by an earlier run.
import CLinux
import CXXHash
import Platform

/// The content that a file had, in a file of ours: one that lives in memory, or a copy on disk. Sound: nobody but a machine changes that
/// file's bytes or size, and then nobody looks here any more (`FileBytes`), so the view, made at the first look, has them all. One thread looks
/// at a time; once the view is made, what lies there may be read by others.
public final class FileMemory: FileBytes {
  let object: MemoryObject
  public let count: Int
  private var view: UnsafeMutableRawPointer?

  /// Copies into memory what `descriptor` holds from its start, at most `size` bytes of it; nil when the host refuses or there are none.
  public init?(copyOf descriptor: Int32, size: Int) {
    let file = rsb_memfd_make("replaysb")
    if file < 0 || size <= 0 { return nil }
    // Closes it, too, where we give up.
    let object = MemoryObject(descriptor: Int32(file), size: 0)
    self.object = object
    let copied = rsb_memfd_fill(object.descriptor, descriptor, UInt64(size))
    count = max(0, copied)
    if copied <= 0 { return nil }
    object.size = UInt64(count)
  }

  /// Takes a file of `size` bytes, and its descriptor, that nobody changes: a machine that has to puts another in its place. `hashes`: of its
  /// pieces, when they are known. Code can be mapped from it (`rsb_file_can_execute`).
  public init?(unchanging descriptor: Int32, size: Int, hashes: [ContentHash] = []) {
    object = MemoryObject(descriptor: descriptor, size: UInt64(size), isFrozen: true)
    count = size
    if hashes.count == (size + FilePieces.bytesMax - 1) / FilePieces.bytesMax { object.pieceHashes = hashes }
    if size <= 0 { return nil }
  }

  deinit { if let view { rsb_memfd_unmap(view, count) } }

  /// Makes the view if there is none.
  private func show() {
    if view != nil { return }
    view = rsb_memfd_map(object.descriptor, 0, count, 0)
    // The pages of a file in memory are asked for at once. Those of others come in groups as they are read.
    if let view, !object.isFrozen { rsb_memory_show(view, count) }
  }

  public var place: UnsafeRawBufferPointer? {
    show()
    return view.map { UnsafeRawBufferPointer(start: $0, count: count) }
  }

  /// Its pages leave the address space here: at the end that would take as long, when there is nothing else to do.
  public func putAway(_ part: UnsafeRawBufferPointer) {
    if let start = part.baseAddress { rsb_memory_hide(start, part.count) }
  }

  /// The hashes of all pieces, taken when they are asked for first; none where there is no room for a view.
  public func pieceHashes() -> [ContentHash] {
    if object.pieceHashes.isEmpty, let place { object.pieceHashes = Self.pieceHashes(of: place) }
    return object.pieceHashes
  }

  static func pieceHashes(of bytes: UnsafeRawBufferPointer) -> [ContentHash] {
    stride(from: 0, to: bytes.count, by: FilePieces.bytesMax).map {
      let hash = rsb_hash128(bytes.baseAddress! + $0, min(bytes.count - $0, FilePieces.bytesMax))
      return ContentHash(low: hash.low, high: hash.high)
    }
  }

  public func knownHash(_ range: Range<Int>) -> ContentHash? {
    let (index, within) = range.lowerBound.quotientAndRemainder(dividingBy: FilePieces.bytesMax)
    guard within == 0, index < object.pieceHashes.count, range.upperBound == min(count, range.lowerBound + FilePieces.bytesMax) else { return nil }
    return object.pieceHashes[index]
  }

  public func bytes(_ range: Range<Int>) -> [UInt8] { withBytes(range) { Array($0) } }

  public func withBytes<Result, Failure: Error>(
    _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    if let place { return try body(UnsafeRawBufferPointer(rebasing: place[range])) }
    // No room for a view.
    var copy = [UInt8](repeating: 0, count: range.count)
    _ = rsb_memfd_pread(object.descriptor, &copy, copy.count, UInt64(range.lowerBound))
    return try copy.withUnsafeBufferPointer { (all) throws(Failure) in try body(UnsafeRawBufferPointer(all)) }
  }
}

extension PtraceMachine {
  /// Content that is in memory for us already becomes the object.
  public func createObject(_ id: MemoryObjectID, content: any FileBytes) throws(MachineError) {
    guard let memory = content as? FileMemory else { return try createObject(id, content: content.bytes(0..<content.count)) }
    if memory.object.isFrozen && !takesFrozenObjects { return try createObject(id, copyOf: memory.object) }
    objects.place(memory.object, at: id.rawValue)
  }
}
