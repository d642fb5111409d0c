// What of the host's files the guest must not see: secrets, and the tool's own traces and temporary files.

import CLinux

/// Host paths that do not exist for the guest. Paths are bytes, absolute and canonical.
public struct HiddenPaths: Sendable {
  /// Each hides itself and everything below.
  public private(set) var trees: [[UInt8]] = []
  /// Files of the tool itself. Their directories change by our doing, so their times and sizes are fixed.
  private var ownFiles: [[UInt8]] = []
  private var ownDirectories: [[UInt8]] = []
  /// Directories whose `trace.zst`, `trace-N.zst` and journals are the tool's.
  private var traceDirectories: [[UInt8]] = []

  public init() {}

  /// An absolute path without links or dots, by which paths compare.
  public static func canonical(_ path: String) -> [UInt8] { HostPath.canonical(path) }

  /// Hides a path of the user's choice and everything below.
  public mutating func hide(_ path: String) {
    let path = HostPath.canonical(path)
    if path != Array("/".utf8) { trees.append(path) }
  }

  /// Hides a file that the tool itself makes.
  public mutating func hideOwn(_ path: String) {
    let path = HostPath.canonical(path)
    ownFiles.append(path)
    addOwnDirectory(HostPath.parent(path))
  }

  /// Hides all traces of the default names in a directory.
  public mutating func hideTraces(in directory: String) {
    let directory = HostPath.canonical(directory)
    traceDirectories.append(directory)
    addOwnDirectory(directory)
  }

  private mutating func addOwnDirectory(_ path: [UInt8]) {
    if !ownDirectories.contains(path) { ownDirectories.append(path) }
  }

  /// Whether our files change this directory.
  func isOwnDirectory(_ path: [UInt8]) -> Bool { ownDirectories.contains(path) }

  /// Whether the directory, which is not hidden itself, may hold hidden names.
  func mayContainNames(in directory: [UInt8]) -> Bool {
    isOwnDirectory(directory) || trees.contains { HostPath.parent($0) == directory }
  }

  func contains(_ path: [UInt8]) -> Bool {
    for tree in trees where HostPath.isAt(path, orBelow: tree) { return true }
    for file in ownFiles where file == path { return true }
    if traceDirectories.isEmpty || !HostPath.mayBeTraceName(path) { return false }
    let directory = HostPath.parent(path)
    return traceDirectories.contains(directory) && HostPath.isTraceName(path)
  }
}

enum HostPath {
  private static let slash = UInt8(ascii: "/")

  /// The path with its directory's symbolic links and dots resolved; the last component need not exist.
  static func canonical(_ path: String) -> [UInt8] {
    var bytes = Array(path.utf8)
    if bytes.first != slash { bytes = currentDirectory() + [slash] + bytes }
    while bytes.count > 1, bytes.last == slash { bytes.removeLast() }
    if let whole = resolved(bytes) { return whole }
    guard let parent = resolved(parent(bytes)) else { return bytes }
    let name = bytes[(bytes.lastIndex(of: slash)! + 1)...]
    return parent == [slash] ? parent + name : parent + [slash] + name
  }

  /// Through /proc/self/fd, which names what O_PATH opened.
  private static func resolved(_ path: [UInt8]) -> [UInt8]? {
    let descriptor = withPath(path) { rsb_host_open($0, OpenFlags.path, 0) }
    if descriptor < 0 { return nil }
    defer { _ = rsb_host_close(Int32(descriptor)) }
    return try? readLinkBytes(Array("/proc/self/fd/\(descriptor)".utf8))
  }

  static func currentDirectory() -> [UInt8] {
    var bytes = [CChar](repeating: 0, count: 4096)
    let length = rsb_host_getcwd(&bytes, bytes.count)
    return length > 1 ? bytes.prefix(Int(length) - 1).map { UInt8(bitPattern: $0) } : [slash]
  }

  static func parent(_ path: [UInt8]) -> [UInt8] {
    guard let cut = path.lastIndex(of: slash), cut > 0 else { return [slash] }
    return Array(path[..<cut])
  }

  static func isAt(_ path: [UInt8], orBelow tree: [UInt8]) -> Bool {
    path.starts(with: tree) && (path.count == tree.count || path[tree.count] == slash)
  }

  static func mayBeTraceName(_ path: [UInt8]) -> Bool {
    path.last == UInt8(ascii: "t") || path.last == UInt8(ascii: "l")
  }

  /// trace.zst, trace-N.zst, and each with .journal.
  static func isTraceName(_ path: [UInt8]) -> Bool {
    var name = Substring(String(decoding: path[(path.lastIndex(of: slash).map { $0 + 1 } ?? 0)...], as: UTF8.self))
    if name.hasSuffix(".journal") { name.removeLast(8) }
    guard name.hasPrefix("trace"), name.hasSuffix(".zst") else { return false }
    let middle = name.dropFirst(5).dropLast(4)
    if middle.isEmpty { return true }
    return middle.first == "-" && middle.count > 1 && middle.dropFirst().allSatisfy { $0.isASCII && $0.isNumber }
  }

  static func readLinkBytes(_ path: [UInt8]) throws(HostRefusal) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let length = withPath(path) { rsb_host_readlink($0, &bytes, bytes.count) }
    if length < 0 { throw HostRefusal(error: Int32(-length)) }
    return Array(bytes.prefix(Int(length)))
  }
}

/// Directories of the host for the command line.
public enum HostDirectory {
  public static func current() throws(SessionError) -> [UInt8] { HostPath.currentDirectory() }

  /// The canonical path of an existing directory.
  public static func resolve(_ path: String) throws(SessionError) -> [UInt8] {
    let bytes = HostPath.canonical(path)
    let descriptor = withPath(bytes) { rsb_host_open($0, OpenFlags.directory | OpenFlags.path, 0) }
    if descriptor < 0 { throw SessionError("-C \(path): \(describeHostError(Int32(-descriptor)))") }
    _ = rsb_host_close(Int32(descriptor))
    return bytes
  }
}

/// errno of a refused host call.
struct HostRefusal: Error {
  var error: Int32
}

/// Host values of open(2) flags.
enum OpenFlags {
  static let readOnly: Int32 = 0
  static let nonblocking: Int32 = 0o4000
  static let directory: Int32 = 0o200000
  static let path: Int32 = 0o10000000
  static let writeCreateExclusive: Int32 = 1 | 0o100 | 0o200
  static let writeCreateTruncate: Int32 = 1 | 0o100 | 0o1000
}
