// A host that exists in memory only: a tree of files, a standard input that a test feeds, and captured output.

import Kernel
import LinuxABI

final class FakeHostView: HostView {
  struct File {
    var mode: UInt32
    var user: UInt32 = 1000
    var group: UInt32 = 1000
    var links: UInt32 = 1
    var content: [UInt8] = []
    var modified = Nanoseconds(1_600_000_000_000_000_000)
    var identity: UInt64
    /// What a listing says, where that is another.
    var listedIdentity: UInt64?
    var readable = true
  }

  /// Whether listings tell types.
  var tellsTypes = true

  private(set) var files: [[UInt8]: File] = [:]
  private var nextIdentity: UInt64 = 100
  var streamKinds: [HostStreamKind] = [.pipe, .pipe, .pipe]
  /// What readInput gives next; end of input when empty and `inputEnded`.
  var input: [UInt8] = []
  var inputEnded = true
  private(set) var output: [Int32: [UInt8]] = [:]
  var outputError: Errno?
  var signals: [Int] = []
  /// How often the host was asked for anything about files.
  private(set) var questions = 0

  init() {
    for path in ["/", "/tmp", "/etc", "/usr", "/usr/bin", "/home"] { addDirectory(path) }
    files[Array("/tmp".utf8)]!.mode = 0o41777
  }

  // MARK: Set-up

  func addDirectory(_ path: String, mode: UInt32 = 0o755) {
    add(path, File(mode: 0o40000 | mode, identity: newIdentity()))
  }
  func addFile(_ path: String, _ content: String, mode: UInt32 = 0o644) {
    addFile(path, Array(content.utf8), mode: mode)
  }
  func addFile(_ path: String, _ content: [UInt8], mode: UInt32 = 0o644) {
    add(path, File(mode: 0o100000 | mode, content: content, identity: newIdentity()))
  }
  func addLink(_ path: String, to target: String) {
    add(path, File(mode: 0o120777, content: Array(target.utf8), identity: newIdentity()))
  }
  func add(_ path: String, _ file: File) { files[Array(path.utf8)] = file }
  func remove(_ path: String) { files[Array(path.utf8)] = nil }
  func change(_ path: String, _ body: (inout File) -> Void) { body(&files[Array(path.utf8)]!) }
  private func newIdentity() -> UInt64 {
    nextIdentity += 1
    return nextIdentity
  }

  // MARK: Files

  private func file(_ path: [UInt8]) throws(Errno) -> File {
    questions += 1
    guard let file = files[path] else { throw .ENOENT }
    return file
  }
  func status(_ path: [UInt8]) throws(Errno) -> HostFileStatus {
    let file = try file(path)
    return HostFileStatus(
      mode: file.mode, user: file.user, group: file.group, links: file.links, size: Int64(file.content.count),
      modified: file.modified, changed: file.modified, deviceNumber: 0,
      identity: HostFileIdentity(device: 7, inode: file.identity))
  }
  func readLink(_ path: [UInt8]) throws(Errno) -> [UInt8] { try file(path).content }
  func list(_ path: [UInt8]) throws(Errno) -> [HostEntry] {
    _ = try file(path)
    let prefix = path == [47] ? path : path + [47]
    return files.filter { name, _ in
      name.starts(with: prefix) && name.count > prefix.count && !name.dropFirst(prefix.count).contains(47)
    }
    .map { name, file in
      HostEntry(
        name: Array(name.dropFirst(prefix.count)), type: tellsTypes ? UInt8(file.mode >> 12) : 0,
        identity: HostFileIdentity(device: 7, inode: file.listedIdentity ?? file.identity))
    }
    .sorted { $0.name.lexicographicallyPrecedes($1.name) }
  }
  func content(_ path: [UInt8]) throws(Errno) -> [UInt8] { try file(path).content }
  func content(_ path: [UInt8], offset: Int64, count: Int) throws(Errno) -> [UInt8] {
    let bytes = try file(path).content
    if offset >= Int64(bytes.count) { return [] }
    return Array(bytes[Int(offset)..<min(bytes.count, Int(offset) + count)])
  }
  func isAccessible(_ path: [UInt8], mode: Int32) -> Bool { (try? file(path))?.readable ?? false }

  // MARK: Standard streams

  func streamKind(_ descriptor: Int32) -> HostStreamKind { streamKinds[Int(descriptor)] }
  func readInput(_ count: Int) throws(Errno) -> HostInput {
    if input.isEmpty { return inputEnded ? .endOfFile : .notReady }
    let piece = Array(input.prefix(count))
    input.removeFirst(piece.count)
    return .bytes(piece)
  }
  func inputIsReady() -> Bool { !input.isEmpty || inputEnded }
  func waitForInput() {}
  func writeOutput(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>) throws(Errno) {
    if let outputError { throw outputError }
    output[descriptor, default: []].append(contentsOf: bytes)
  }
  func terminalSize(_ descriptor: Int32) -> (rows: UInt16, columns: UInt16)? {
    streamKinds[Int(descriptor)] == .terminal ? (24, 80) : nil
  }
  func terminalAttributes(_ descriptor: Int32) -> [UInt8]? {
    streamKinds[Int(descriptor)] == .terminal ? Array(repeating: 7, count: 36) : nil
  }
  func setTerminalAttributes(_ descriptor: Int32, _ bytes: [UInt8], when: Int32) throws(Errno) {}
  func takeSignal() -> Int? { signals.isEmpty ? nil : signals.removeFirst() }
}
