// The real host behind the kernel's `HostView`: files as they are, minus what is hidden, in an order of our own.

import CLinux
import Kernel
import LinuxABI
import Platform
import PtracePlatform

/// Host files and standard streams by raw calls. Used from the tracing thread.
public final class PosixHostView: HostView {
  private let hidden: HiddenPaths
  let input: InputStream
  let outputs: OutputPolicy
  /// Status of directories that our own files change, by path, from the first look.
  private var ownDirectories: [(path: [UInt8], status: HostFileStatus)] = []

  private var programsRead = 0
  private let copies: FileCopies
  private let ahead: FilesAhead?

  public convenience init(hidden: HiddenPaths, input: InputStream = .descriptor, outputs: OutputPolicy = .passThrough) {
    self.init(hidden: hidden, input: input, outputs: outputs, copies: FileCopies(nil), ahead: nil)
  }

  init(hidden: HiddenPaths, input: InputStream, outputs: OutputPolicy, copies: FileCopies, ahead: FilesAhead?) {
    self.hidden = hidden
    self.input = input
    self.outputs = outputs
    self.copies = copies
    self.ahead = ahead
  }

  // MARK: Files

  /// AT_FDCWD.
  private static let currentDirectory: Int32 = -100

  public func status(_ path: [UInt8]) throws(Errno) -> HostFileStatus {
    if hidden.contains(path) { throw .ENOENT }
    if hidden.isOwnDirectory(path) { return try ownDirectoryStatus(path) }
    return try hostStatus(path)
  }

  private func hostStatus(_ path: [UInt8]) throws(Errno) -> HostFileStatus {
    var host = rsb_host_status()
    try check(withPath(path) { rsb_host_status_get(Self.currentDirectory, $0, &host) })
    return HostFileStatus(
      mode: host.mode, user: host.user, group: host.group, links: UInt32(truncatingIfNeeded: host.links),
      size: host.size, modified: Nanoseconds(host.modified_ns), changed: Nanoseconds(host.changed_ns),
      deviceNumber: host.special, identity: HostFileIdentity(device: host.device, inode: host.inode))
  }

  /// A directory that holds a trace changes with every recording: its times become those of its newest visible entry,
  /// and its size a fixed one.
  private func ownDirectoryStatus(_ path: [UInt8]) throws(Errno) -> HostFileStatus {
    if let known = ownDirectories.first(where: { $0.path == path }) { return known.status }
    var status = try hostStatus(path)
    var newest = Nanoseconds.zero
    for file in try list(path) {
      guard let entry = try? hostStatus(Self.join(path, file.name)) else { continue }
      newest = max(newest, entry.modified)
    }
    status.modified = newest
    status.changed = newest
    status.size = 4096
    ownDirectories.append((path, status))
    return status
  }

  public func readLink(_ path: [UInt8]) throws(Errno) -> [UInt8] {
    if hidden.contains(path) { throw .ENOENT }
    do throws(HostRefusal) { return try HostPath.readLinkBytes(path) } catch { throw Errno(rawValue: error.error) }
  }

  public func list(_ path: [UInt8]) throws(Errno) -> [HostEntry] {
    if hidden.contains(path) { throw .ENOENT }
    let directory = Int32(try check(withPath(path) { rsb_host_open($0, OpenFlags.directory, 0) }))
    defer { _ = rsb_host_close(directory) }
    var host = rsb_host_status()
    try check(rsb_host_status_get(directory, nil, &host))
    var entries = try entries(directory, device: host.device)
    entries.sort { $0.name.lexicographicallyPrecedes($1.name) }
    if hidden.mayContainNames(in: path) { entries.removeAll { hidden.contains(Self.join(path, $0.name)) } }
    return entries
  }

  private func entries(_ directory: Int32, device: UInt64) throws(Errno) -> [HostEntry] {
    var entries: [HostEntry] = []
    var buffer = [UInt8](repeating: 0, count: 32 << 10)
    while true {
      let count = try check(rsb_host_entries(directory, &buffer, buffer.count))
      if count == 0 { return entries }
      var offset = 0
      // struct linux_dirent64: inode 8, offset 8, record length 2, type 1, name with a zero.
      while offset + 19 < count {
        let record = buffer[offset..<(offset + Int(buffer[offset + 16]) + Int(buffer[offset + 17]) << 8)]
        let name = record[(offset + 19)...].prefix { $0 != 0 }
        let inode = (0..<8).reduce(0) { $0 | UInt64(record[offset + $1]) << UInt64(8 * $1) }
        let type = record[offset + 18]
        offset = record.endIndex
        if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { continue }
        entries.append(HostEntry(name: Array(name), type: type, identity: HostFileIdentity(device: device, inode: inode)))
      }
    }
  }

  private static func join(_ directory: [UInt8], _ name: [UInt8]) -> [UInt8] {
    directory == [slash] ? directory + name : directory + [slash] + name
  }

  public func content(_ path: [UInt8]) throws(Errno) -> [UInt8] {
    let descriptor = try openFile(path)
    defer { _ = rsb_host_close(descriptor) }
    var host = rsb_host_status()
    try check(rsb_host_status_get(descriptor, nil, &host))
    return try read(descriptor, offset: 0, count: Int(max(0, host.size)))
  }

  /// Descriptors that files may take which nobody maps perhaps.
  private static let programsMax = 256

  public func mappableContent(_ path: [UInt8], ifProgram: Bool) throws(Errno) -> (any FileBytes)? {
    if ifProgram && programsRead >= Self.programsMax { return nil }
    let descriptor = try openFile(path)
    defer { _ = rsb_host_close(descriptor) }
    var host = rsb_host_status()
    try check(rsb_host_status_get(descriptor, nil, &host))
    guard host.mode & 0o170000 == 0o100000 else { return nil }
    if ifProgram {
      guard try read(descriptor, offset: 0, count: 4) == [0x7f, 0x45, 0x4c, 0x46] else { return nil }
      programsRead += 1
    }
    return ahead?.take(path, host) ?? copies.copy(of: descriptor, host)
  }

  public func content(_ path: [UInt8], offset: Int64, count: Int) throws(Errno) -> [UInt8] {
    let descriptor = try openFile(path)
    defer { _ = rsb_host_close(descriptor) }
    return try read(descriptor, offset: offset, count: count)
  }

  private func openFile(_ path: [UInt8]) throws(Errno) -> Int32 {
    if hidden.contains(path) { throw .ENOENT }
    // O_NONBLOCK: a named pipe must not hold us.
    return Int32(try check(withPath(path) { rsb_host_open($0, OpenFlags.readOnly | OpenFlags.nonblocking, 0) }))
  }

  private func read(_ descriptor: Int32, offset: Int64, count: Int) throws(Errno) -> [UInt8] {
    let (bytes, error) = readAll(descriptor, offset: offset, count: count)
    try check(error)
    return bytes
  }

  public func isAccessible(_ path: [UInt8], mode: Int32) -> Bool {
    if hidden.contains(path) { return false }
    return withPath(path) { rsb_host_access($0, mode) } == 0
  }

  // MARK: Signals

  public func takeSignal() -> Int? {
    let signal = rsb_host_signal_take()
    return signal == 0 ? nil : Int(signal)
  }

  public var endIsRequested: Bool { rsb_interrupt_requested() != 0 }
}

private let slash = UInt8(ascii: "/")

/// The value of a host call, or its errno as the guest may see it.
@discardableResult
func check(_ result: Int) throws(Errno) -> Int {
  if result < 0 { throw Errno(rawValue: Int32(truncatingIfNeeded: -result)) }
  return result
}
