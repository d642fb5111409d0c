// What tasks share outside of memory: files by their path, pipes and sockets by where they were made. System calls touch it as
// instructions touch memory, so that conflicts are found in the same way.

import LinuxABI
import Platform
import RecordReplay
import Trace

/// Names for descriptors, kept from the calls of a replay.
struct Resources {
  private struct Key: Hashable {
    var process: Int32
    var descriptor: UInt64
  }
  private struct Resource {
    var name: String
    /// Reading takes away: a pipe or a socket.
    var isStream: Bool
  }
  private var resources: [Resource] = []
  private var indices: [String: Int] = [:]
  private var open: [Key: Int] = [:]
  private var streams = 0
  /// Calls that have not returned: by context.
  private var pending: [ContextID: (call: SyscallWords, resource: Int?)] = [:]
  private let workingDirectory: String

  init(workingDirectory: String) { self.workingDirectory = workingDirectory }

  func name(of touch: Touch) -> String { resources[Int(touch.homeAddress)].name }

  private static let home: UInt64 = 2 << 32
  static func isResource(_ touch: Touch) -> Bool { touch.home == home }

  // MARK: Calls

  private enum Kind { case path(argument: Int), descriptor }
  /// What a call touches, and whether it changes it; nil for calls that touch nothing of interest.
  private static func touched(_ call: SyscallWords) -> (kind: Kind, isWrite: Bool)? {
    let createsOrTruncates: UInt64 = 0o100 | 0o1000
    return switch SyscallNumber.name(call.number) {
    case "open": (.path(argument: 0), call.a1 & createsOrTruncates != 0)
    case "openat": (.path(argument: 1), call.a2 & createsOrTruncates != 0)
    case "access", "stat", "lstat", "readlink", "execve": (.path(argument: 0), false)
    case "faccessat", "faccessat2", "newfstatat", "statx", "readlinkat": (.path(argument: 1), false)
    case "creat", "unlink", "mkdir", "rmdir", "truncate", "chmod", "mknod", "rename": (.path(argument: 0), true)
    case "link", "symlink": (.path(argument: 1), true)
    case "unlinkat", "mkdirat", "fchmodat", "mknodat", "renameat", "renameat2": (.path(argument: 1), true)
    case "symlinkat": (.path(argument: 2), true)
    case "linkat": (.path(argument: 3), true)
    case "read", "pread64", "readv", "preadv", "recvfrom", "recvmsg", "fstat", "getdents64": (.descriptor, false)
    case "write", "pwrite64", "writev", "pwritev", "sendto", "sendmsg", "ftruncate", "fallocate": (.descriptor, true)
    default: nil
    }
  }

  private static func argument(_ call: SyscallWords, _ index: Int) -> UInt64 { [call.a0, call.a1, call.a2, call.a3][index] }

  /// The descriptor that a call uses, and whether it ends that one's use for its file.
  private static func descriptor(_ call: SyscallWords) -> (number: UInt64, isWrite: Bool)? {
    switch SyscallNumber.name(call.number) {
    case "close": (call.a0, true)
    case "dup2", "dup3": (call.a1, true)
    case "lseek", "fsync", "fdatasync", "ioctl", "flock": (call.a0, false)
    default: if case (.descriptor, _)? = touched(call) { (call.a0, false) } else { nil }
    }
  }

  /// The touches of an event that is a call: of a file or stream, and of the descriptor, whose number may be another file's by then.
  mutating func touches(_ event: Event, _ depth: Int, _ index: Int, _ replay: InspectedReplay) -> [Touch] {
    guard event.trap == .syscall, let task = replay.task(of: event.context) else { return [] }
    pending[event.context] = (event.syscall, nil)
    var touched: [(resource: Int, isWrite: Bool)] = []
    if let found = file(event, task, replay) { touched.append(found) }
    if let (number, isWrite) = Self.descriptor(event.syscall), Int32(truncatingIfNeeded: number) >= 0 {
      let name = "descriptor \(Int32(truncatingIfNeeded: number)) of process \(task.process)"
      touched.append((resource(name, isStream: false), isWrite))
    }
    return touched.enumerated().map { (place, found) in
      let access = MemoryAccess(
        pc: GuestAddress(event.pc.rawValue &- 2), address: GuestAddress(UInt64(found.resource)), size: 1, isWrite: found.isWrite)
      return Touch(
        context: event.context, handlerDepth: depth, event: event.number.rawValue, index: index + place, occurrence: -1,
        space: event.space, access: access, home: Self.home, homeAddress: UInt64(found.resource))
    }
  }

  private mutating func file(_ event: Event, _ task: InspectedTask, _ replay: InspectedReplay) -> (resource: Int, isWrite: Bool)? {
    guard let (kind, isWrite) = Self.touched(event.syscall) else { return nil }
    let resource: Int
    var changes = isWrite
    switch kind {
    case .path(let number):
      guard let path = path(Self.argument(event.syscall, number), event.space, replay) else { return nil }
      resource = self.resource(path, isStream: false)
      pending[event.context]!.resource = resource
    case .descriptor:
      guard let known = open[Key(process: task.process, descriptor: event.syscall.a0)] else { return nil }
      resource = known
      if resources[known].isStream && SyscallNumber.name(event.syscall.number) != "fstat" { changes = true }
    }
    return (resource, changes)
  }

  private mutating func resource(_ name: String, isStream: Bool) -> Int {
    if let known = indices[name] { return known }
    indices[name] = resources.count
    resources.append(Resource(name: name, isStream: isStream))
    return resources.count - 1
  }

  private func path(_ address: UInt64, _ space: AddressSpaceID, _ replay: InspectedReplay) -> String? {
    let bytes = replay.read(space, GuestAddress(address), 4096).prefix { $0 != 0 }
    if bytes.isEmpty { return nil }
    let text = String(decoding: bytes, as: UTF8.self)
    return text.hasPrefix("/") ? text : workingDirectory + "/" + text
  }

  // MARK: Descriptors

  /// A task goes on: what its last call returned is known.
  mutating func goesOn(_ turn: ReplayTurn, _ replay: InspectedReplay) {
    guard let (call, resource) = pending.removeValue(forKey: turn.event.context) else { return }
    let result = turn.registers.rax
    if Int64(bitPattern: result) < 0 { return }
    guard let process = replay.task(of: turn.event.context)?.process else { return }
    switch SyscallNumber.name(call.number) {
    case "open", "openat", "creat": open[Key(process: process, descriptor: result)] = resource
    case "dup", "dup2", "dup3": open[Key(process: process, descriptor: result)] = open[Key(process: process, descriptor: call.a0)]
    case "fcntl":
      // F_DUPFD, F_DUPFD_CLOEXEC.
      if call.a1 == 0 || call.a1 == 1030 {
        open[Key(process: process, descriptor: result)] = open[Key(process: process, descriptor: call.a0)]
      }
    case "close": open[Key(process: process, descriptor: call.a0)] = nil
    case "pipe", "pipe2": openPair(call.a0, "pipe", process, turn.event.space, replay)
    case "socketpair": openPair(call.a3, "socket pair", process, turn.event.space, replay)
    default: break
    }
  }

  private mutating func openPair(
    _ address: UInt64, _ kind: String, _ process: Int32, _ space: AddressSpaceID, _ replay: InspectedReplay
  ) {
    let bytes = replay.read(space, GuestAddress(address), 8)
    guard bytes.count == 8 else { return }
    streams += 1
    let stream = resource("\(kind) \(streams)", isStream: true)
    for half in [bytes[0..<4], bytes[4..<8]] { open[Key(process: process, descriptor: littleEndian(Array(half)))] = stream }
  }

  /// A process starts with its parent's descriptors.
  mutating func starts(_ process: Int32, from parent: Int32) {
    for (key, resource) in open where key.process == parent {
      open[Key(process: process, descriptor: key.descriptor)] = resource
    }
  }
}
