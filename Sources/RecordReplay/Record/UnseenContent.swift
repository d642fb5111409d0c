// Content of memory objects that no mapping has shown yet. A program file is often mapped in part only (its debug
// information never is), so a recording embeds a piece when a mapping first makes it visible, and the rest never.

import Platform
import Trace

/// What objects hold and the trace does not.
struct UnseenContent {
  private struct Entry {
    let id: MemoryObjectID
    let bytes: any FileBytes
    /// For each piece of `TraceFormat.filePieceLimit` bytes: whether the trace has it.
    var isNoted: [Bool]
  }
  /// In order of creation.
  private var entries: [Entry] = []

  mutating func add(_ id: MemoryObjectID, _ bytes: any FileBytes) {
    let pieces = (bytes.count + TraceFormat.filePieceLimit - 1) / TraceFormat.filePieceLimit
    if pieces > 0 { entries.append(Entry(id: id, bytes: bytes, isNoted: Array(repeating: false, count: pieces))) }
  }

  mutating func remove(_ id: MemoryObjectID) { entries.removeAll { $0.id == id } }

  /// A mapping shows `length` bytes from `offset` of an object.
  mutating func show(
    _ id: MemoryObjectID, _ offset: UInt64, _ length: UInt64, to writer: TraceWriter
  ) throws(TraceError) {
    guard let index = entries.firstIndex(where: { $0.id == id }) else { return }
    let size = UInt64(entries[index].bytes.count)
    if offset >= size || length == 0 { return }
    let last = min(size, offset.addingReportingOverflow(length).partialValue) - 1
    try note(index, Int(offset) / TraceFormat.filePieceLimit...Int(last) / TraceFormat.filePieceLimit, to: writer)
  }

  /// Larger files are embedded as far as they are mapped, whatever is asked.
  static let wholeFileMax = 256 << 20

  /// The object's file is to be in the trace whole.
  mutating func showWhole(_ id: MemoryObjectID, to writer: TraceWriter) throws(TraceError) {
    guard let index = entries.firstIndex(where: { $0.id == id }), entries[index].bytes.count <= Self.wholeFileMax else { return }
    try note(index, 0...entries[index].isNoted.count - 1, to: writer)
  }

  /// The object changes: what it held before goes first.
  mutating func showAll(of id: MemoryObjectID, to writer: TraceWriter) throws(TraceError) {
    guard let index = entries.firstIndex(where: { $0.id == id }) else { return }
    try note(index, 0...entries[index].isNoted.count - 1, to: writer)
    entries.remove(at: index)
  }

  /// Some mapping grew, and it is not known here of what.
  mutating func showAll(to writer: TraceWriter) throws(TraceError) {
    for index in entries.indices { try note(index, 0...entries[index].isNoted.count - 1, to: writer) }
    entries.removeAll()
  }

  private mutating func note(_ index: Int, _ pieces: ClosedRange<Int>, to writer: TraceWriter) throws(TraceError) {
    for piece in pieces where !entries[index].isNoted[piece] {
      entries[index].isNoted[piece] = true
      let start = piece * TraceFormat.filePieceLimit
      let end = min(start + TraceFormat.filePieceLimit, entries[index].bytes.count)
      try writer.embed(entries[index].id, entries[index].bytes, start..<end)
    }
  }
}
