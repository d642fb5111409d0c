// Content of files that goes from the host through the kernel to a machine and a trace without being copied at every step.

/// The content of a file as it was read once. It stays the same until a machine's object that was made of it is changed: who asks for
/// that lets go of the bytes before.
public protocol FileBytes: AnyObject {
  var count: Int { get }
  /// A copy of a part.
  func bytes(_ range: Range<Int>) -> [UInt8]
  /// Lends a part for as long as `body` runs.
  func withBytes<Result, Failure: Error>(
    _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result
}

/// Bytes of our own.
public final class PlainBytes: FileBytes {
  private let content: [UInt8]
  public init(_ content: [UInt8]) { self.content = content }
  public var count: Int { content.count }
  public func bytes(_ range: Range<Int>) -> [UInt8] { Array(content[range]) }
  public func withBytes<Result, Failure: Error>(
    _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try content.withUnsafeBufferPointer { (all) throws(Failure) in
      try body(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: all[range])))
    }
  }
}
