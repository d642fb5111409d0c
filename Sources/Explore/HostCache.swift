// The host's files as all executions of a hunt see them: each is asked for once, so that no execution depends on what the
// host changes meanwhile, nor on what the executions before it looked at.

import Kernel
import LinuxABI

/// What a host said, kept. Used on one thread.
public final class HostCache {
  private enum Answer<Value> {
    case value(Value)
    case error(Errno)

    init(_ body: () throws(Errno) -> Value) {
      do throws(Errno) { self = .value(try body()) } catch { self = .error(error) }
    }
    func get() throws(Errno) -> Value {
      switch self {
      case .value(let value): return value
      case .error(let error): throw error
      }
    }
  }
  private struct Piece: Hashable {
    var path: [UInt8]
    var index: Int64
  }
  private struct Access: Hashable {
    var path: [UInt8]
    var mode: Int32
  }

  let host: any HostView
  private var statuses: [[UInt8]: Answer<HostFileStatus>] = [:]
  private var links: [[UInt8]: Answer<[UInt8]>] = [:]
  private var lists: [[UInt8]: Answer<[HostEntry]>] = [:]
  private var contents: [[UInt8]: Answer<[UInt8]>] = [:]
  private var pieces: [Piece: Answer<[UInt8]>] = [:]
  private var accesses: [Access: Bool] = [:]
  private var kinds: [Int32: HostStreamKind] = [:]
  private var sizes: [Int32: (rows: UInt16, columns: UInt16)?] = [:]
  private var attributes: [Int32: [UInt8]?] = [:]

  /// Large files are read in pieces of this many bytes.
  private static let pieceSize: Int64 = 1 << 20

  public init(_ host: any HostView) { self.host = host }

  private func known<Key: Hashable, Value>(
    _ key: Key, in table: inout [Key: Value], _ ask: () -> Value
  ) -> Value {
    if let value = table[key] { return value }
    let value = ask()
    table[key] = value
    return value
  }

  func status(_ path: [UInt8]) throws(Errno) -> HostFileStatus {
    try known(path, in: &statuses) { Answer { () throws(Errno) in try host.status(path) } }.get()
  }
  func readLink(_ path: [UInt8]) throws(Errno) -> [UInt8] {
    try known(path, in: &links) { Answer { () throws(Errno) in try host.readLink(path) } }.get()
  }
  func list(_ path: [UInt8]) throws(Errno) -> [HostEntry] {
    try known(path, in: &lists) { Answer { () throws(Errno) in try host.list(path) } }.get()
  }
  func content(_ path: [UInt8]) throws(Errno) -> [UInt8] {
    try known(path, in: &contents) { Answer { () throws(Errno) in try host.content(path) } }.get()
  }
  func isAccessible(_ path: [UInt8], mode: Int32) -> Bool {
    known(Access(path: path, mode: mode), in: &accesses) { host.isAccessible(path, mode: mode) }
  }

  func content(_ path: [UInt8], offset: Int64, count: Int) throws(Errno) -> [UInt8] {
    if let whole = contents[path] {
      let bytes = try whole.get()
      let start = Int(min(Int64(bytes.count), offset))
      return Array(bytes[start..<min(bytes.count, start + count)])
    }
    var result: [UInt8] = []
    while result.count < count {
      let at = offset + Int64(result.count)
      let index = at / Self.pieceSize
      let piece = try known(Piece(path: path, index: index), in: &pieces) {
        Answer { () throws(Errno) in
          try host.content(path, offset: index * Self.pieceSize, count: Int(Self.pieceSize))
        }
      }.get()
      let start = Int(at - index * Self.pieceSize)
      if start >= piece.count { break }
      result += piece[start..<min(piece.count, start + count - result.count)]
    }
    return result
  }

  func streamKind(_ descriptor: Int32) -> HostStreamKind {
    known(descriptor, in: &kinds) { host.streamKind(descriptor) }
  }
  func terminalSize(_ descriptor: Int32) -> (rows: UInt16, columns: UInt16)? {
    known(descriptor, in: &sizes) { host.terminalSize(descriptor) }
  }
  func terminalAttributes(_ descriptor: Int32) -> [UInt8]? {
    known(descriptor, in: &attributes) { host.terminalAttributes(descriptor) }
  }
}
