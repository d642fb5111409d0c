// The bytes of a trace, from a file or from memory, a window at a time.
// Unsafe because pread fills a buffer by pointer, of the length that the call is told.
import CLinux
import Glibc

final class TraceInput {
  private let fileDescriptor: Int32
  let path: String
  /// Size when opened; a file that grows meanwhile is read up to here.
  let size: UInt64
  private static let windowSize = 256 << 10

  /// The bytes of the file from `start` on.
  private(set) var window: [UInt8]
  private(set) var start: UInt64 = 0

  init(path: String) throws(TraceError) {
    let fd = rsb_tracefile_open(path, Int32(RSB_TRACEFILE_READ), 0)
    if fd < 0 { throw FrameWriter.error("cannot open the trace", path, fd) }
    var size: UInt64 = 0
    let status = rsb_tracefile_status(Int32(fd), &size)
    if status != 1 {
      _ = rsb_tracefile_close(Int32(fd))
      if status < 0 { throw FrameWriter.error("cannot look at the trace", path, status) }
      throw TraceError(.notATrace, "not a trace: it is not a regular file", path: path)
    }
    fileDescriptor = Int32(fd)
    self.path = path
    self.size = size
    window = []
  }

  init(bytes: [UInt8]) {
    fileDescriptor = -1
    path = ""
    size = UInt64(bytes.count)
    window = bytes
  }

  deinit { if fileDescriptor >= 0 { _ = rsb_tracefile_close(fileDescriptor) } }

  /// Brings at least `count` bytes from `offset`, or all up to the end, into the window: the index of `offset` in it
  /// and how many bytes follow there.
  func load(_ offset: UInt64, _ count: Int) throws(TraceError) -> (index: Int, count: Int) {
    if offset >= size { return (0, 0) }
    let wanted = Int(min(UInt64(count), size - offset))
    if offset >= start, offset - start <= UInt64(window.count), window.count - Int(offset - start) >= wanted {
      let index = Int(offset - start)
      return (index, window.count - index)
    }
    let room = Int(min(UInt64(max(wanted, Self.windowSize)), size - offset))
    var buffer = window
    window = []
    if buffer.count < room { buffer = [UInt8](repeating: 0, count: room) }
    var filled = 0
    while filled < room {
      let n = buffer.withUnsafeMutableBytes {
        rsb_tracefile_read(fileDescriptor, $0.baseAddress! + filled, room - filled, offset + UInt64(filled))
      }
      if n < 0 { throw FrameWriter.error("cannot read the trace", path, n) }
      if n == 0 { break }
      filled += n
    }
    buffer.removeLast(buffer.count - filled)
    window = buffer
    start = offset
    return (0, filled)
  }

  /// The whole of a small file, or nil when there is none or it is larger than `limit`.
  static func contents(of path: String, limit: Int) -> [UInt8]? {
    guard let input = try? TraceInput(path: path), input.size <= UInt64(limit),
      let loaded = try? input.load(0, limit), loaded.index == 0
    else { return nil }
    return input.window
  }
}
