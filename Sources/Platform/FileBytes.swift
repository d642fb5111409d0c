// Content of files that goes from the host through the kernel to a machine and a trace without being copied at every step.

/// The content of a file as it was read once. It stays the same until a machine's object that was made of it is changed: who asks for
/// that lets go of the bytes before.
public protocol FileBytes: AnyObject {
  var count: Int { get }
  /// Where all bytes lie for as long as this object lives and its content is not changed; nil where they are lent only.
  var place: UnsafeRawBufferPointer? { get }
  /// The hash of a part, where it is known.
  func knownHash(_ range: Range<Int>) -> ContentHash?
  /// A part of what lies at `place` is not looked at again soon. From any thread.
  func putAway(_ part: UnsafeRawBufferPointer)
  /// A copy of a part.
  func bytes(_ range: Range<Int>) -> [UInt8]
  /// Lends a part for as long as `body` runs.
  func withBytes<Result, Failure: Error>(
    _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result
}

extension FileBytes {
  public var place: UnsafeRawBufferPointer? { nil }
  public func knownHash(_ range: Range<Int>) -> ContentHash? { nil }
  public func putAway(_ part: UnsafeRawBufferPointer) {}
}

/// Files are looked at in pieces of this many bytes, counted from their start.
public enum FilePieces {
  public static let bytesMax = 180 << 10
}

/// What content is known by: its XXH3-128, which covers the length.
public struct ContentHash: Hashable, Sendable {
  public var low: UInt64
  public var high: UInt64
  public init(low: UInt64, high: UInt64) {
    self.low = low
    self.high = high
  }
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
