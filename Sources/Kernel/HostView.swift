// What of the host the kernel may reach: its files as the read-only lower layer, and the standard streams. A protocol,
// so that tests do without a host.

import LinuxABI
import Platform

/// What the host says of a file; only what may reach the guest. Times in nanoseconds since 1970.
public struct HostFileStatus: Hashable, Sendable {
  /// st_mode: type and permissions.
  public var mode: UInt32
  public var user: UInt32
  public var group: UInt32
  public var links: UInt32
  public var size: Int64
  public var modified: Nanoseconds
  public var changed: Nanoseconds
  public var deviceNumber: UInt64
  /// Host device and inode: to know hard links and unchanged files; never shown to the guest.
  public var identity: HostFileIdentity
  public init(
    mode: UInt32, user: UInt32, group: UInt32, links: UInt32, size: Int64, modified: Nanoseconds, changed: Nanoseconds,
    deviceNumber: UInt64, identity: HostFileIdentity
  ) {
    self.mode = mode
    self.user = user
    self.group = group
    self.links = links
    self.size = size
    self.modified = modified
    self.changed = changed
    self.deviceNumber = deviceNumber
    self.identity = identity
  }
}

public struct HostFileIdentity: Hashable, Sendable {
  public var device: UInt64
  public var inode: UInt64
  public init(device: UInt64, inode: UInt64) {
    self.device = device
    self.inode = inode
  }
}

/// A name in a directory of the host, as getdents(2) tells it.
public struct HostEntry: Hashable, Sendable {
  public var name: [UInt8]
  /// d_type; 0 when the file system does not tell.
  public var type: UInt8
  /// The directory's device and d_ino: not what stat(2) says where something is mounted on the name, nor on every file system.
  public var identity: HostFileIdentity
  public init(name: [UInt8], type: UInt8, identity: HostFileIdentity) {
    self.name = name
    self.type = type
    self.identity = identity
  }
}

/// What kind of thing a standard stream is; its metadata are fixed by kind, so that traces do not depend on more.
public enum HostStreamKind: UInt8, Hashable, Sendable {
  case pipe = 1, file, terminal, null, closed
}

/// What reading a host stream gave.
public enum HostInput: Hashable, Sendable {
  case bytes([UInt8])
  case endOfFile
  /// Nothing there now.
  case notReady
}

public protocol HostView: AnyObject {
  // MARK: Files (absolute paths; symbolic links are not followed in the last component)
  func status(_ path: [UInt8]) throws(Errno) -> HostFileStatus
  func readLink(_ path: [UInt8]) throws(Errno) -> [UInt8]
  /// What a directory holds but "." and "..", sorted by the bytes of the names.
  func list(_ path: [UInt8]) throws(Errno) -> [HostEntry]
  /// The whole content of a regular file.
  func content(_ path: [UInt8]) throws(Errno) -> [UInt8]
  /// The same in a form that a machine may take as it is, for files that are mapped; nil for `content`. `ifProgram`: only of a program
  /// or library, by the content's first bytes.
  func mappableContent(_ path: [UInt8], ifProgram: Bool) throws(Errno) -> (any FileBytes)?
  /// Up to `count` bytes at `offset`, for large files that are read in part.
  func content(_ path: [UInt8], offset: Int64, count: Int) throws(Errno) -> [UInt8]
  /// access(2) by the caller's rights: whether the host lets this user read it.
  func isAccessible(_ path: [UInt8], mode: Int32) -> Bool

  // MARK: Standard streams
  func streamKind(_ descriptor: Int32) -> HostStreamKind
  /// Reads what is there, at most `count` bytes; does not wait.
  func readInput(_ count: Int) throws(Errno) -> HostInput
  /// Whether reading would give something (or end of file) at once.
  func inputIsReady() -> Bool
  /// Waits until input is ready or a host signal comes.
  func waitForInput()
  /// Writes all bytes. EPIPE when nobody reads; ENOSPC and kin as the host says.
  func writeOutput(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>) throws(Errno)
  /// The terminal's size (rows, columns), and its termios bytes (struct termios of the kernel ABI, 36 bytes).
  func terminalSize(_ descriptor: Int32) -> (rows: UInt16, columns: UInt16)?
  func terminalAttributes(_ descriptor: Int32) -> [UInt8]?
  func setTerminalAttributes(_ descriptor: Int32, _ bytes: [UInt8], when: Int32) throws(Errno)
  /// A signal that the tool received for the guest (SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH); removes it.
  func takeSignal() -> Int?
  /// Whether the user asked for the end of the run (second Ctrl-C).
  var endIsRequested: Bool { get }
}

extension HostView {
  public func mappableContent(_ path: [UInt8], ifProgram: Bool) throws(Errno) -> (any FileBytes)? { nil }
  public var endIsRequested: Bool { false }
}
