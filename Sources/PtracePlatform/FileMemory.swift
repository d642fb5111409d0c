// A file's content in memory that becomes a guest's object as it is: copied once, by the host.
import CLinux
import Platform

/// The content that a file had, in a file of ours that lives in memory. Sound: nobody but a machine changes that file's bytes or size,
/// and then nobody looks here any more (`FileBytes`), so the view, made at the first look, has them all. One thread looks at a time.
public final class FileMemory: FileBytes {
  let object: MemoryObject
  public let count: Int
  private var view: UnsafeMutableRawPointer?

  /// Copies what `descriptor` holds from its start, at most `size` bytes of it; nil when the host refuses or there are none.
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

  deinit { if let view { rsb_memfd_unmap(view, count) } }

  /// Makes the view, with all its pages, if there is none.
  public func show() {
    if view != nil { return }
    view = rsb_memfd_map(object.descriptor, 0, count, 0)
    if let view { rsb_memory_show(view, count) }
  }

  public func bytes(_ range: Range<Int>) -> [UInt8] { withBytes(range) { Array($0) } }

  public func withBytes<Result, Failure: Error>(
    _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    show()
    if let view { return try body(UnsafeRawBufferPointer(start: view + range.lowerBound, count: range.count)) }
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
    objects.place(memory.object, at: id.rawValue)
  }
}
