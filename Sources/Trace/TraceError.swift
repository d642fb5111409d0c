// What can go wrong with a trace, said with the place where it went wrong.

/// Why a trace could not be written or read.
public struct TraceError: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Kind: Hashable, Sendable {
    /// The host refused a file operation; `hostError` is the errno.
    case host
    /// The file is not a trace.
    case notATrace
    /// The trace was written by a version of the format that this reader does not know.
    case version
    /// Bytes that no writer produces: a damaged or forged trace.
    case corrupt
    /// The caller asked for something that the trace does not hold (an event past its end).
    case outOfRange
  }

  public var kind: Kind
  /// One sentence without the path and position.
  public var message: String
  /// The file concerned.
  public var path: String
  /// Where in the trace, when reading.
  public var position: TracePosition?
  /// errno of a refused host operation, else 0.
  public var hostError: Int32

  public init(
    _ kind: Kind, _ message: String, path: String = "", position: TracePosition? = nil, hostError: Int32 = 0
  ) {
    self.kind = kind
    self.message = message
    self.path = path
    self.position = position
    self.hostError = hostError
  }

  public var description: String {
    var text = path.isEmpty ? "" : path + ": "
    text += message
    if let position { text += " (at \(position))" }
    return text
  }
}

/// A place in a trace: block, record within the block, and the byte offset in the unpacked block.
public struct TracePosition: Hashable, Sendable, CustomStringConvertible {
  public var block: UInt32
  public var record: UInt32
  public var byte: UInt32
  public init(block: UInt32, record: UInt32, byte: UInt32) {
    self.block = block
    self.record = record
    self.byte = byte
  }
  public var description: String { "block \(block), record \(record), byte \(byte)" }
}
