// /dev: the devices that a program may count on, and the directory that holds them.
// Documentation/admin-guide/devices.txt.

import LinuxABI
import Platform

/// Devices that need no state: which one follows from the number.
enum SimpleDevice: UInt8 {
  case null = 3
  case zero = 5
  case full = 7
  case random = 8
  case urandom = 9
  case kmsg = 11
}

/// An open memory device: mem(4), null(4), full(4), random(4).
final class DeviceFile: InodeFile {
  let device: SimpleDevice

  init(_ device: SimpleDevice, _ inode: Inode, _ location: Location, flags: UInt32) {
    self.device = device
    super.init(inode, location, flags: flags)
  }
  private init(copyingFile other: DeviceFile) {
    device = other.device
    super.init(copying: other)
  }
  override func shallowCopy() -> Self { unsafeDowncast(DeviceFile(copyingFile: self), to: Self.self) }

  override var supportsPolling: Bool { device == .random || device == .urandom }

  override func read(_ call: Syscall, _ count: Int) throws(Errno) -> [UInt8] {
    switch device {
    case .null, .kmsg: return []
    case .zero, .full: return [UInt8](repeating: 0, count: count)
    case .random, .urandom:
      let bytes = call.kernel.decisions.randomBytes(count)
      call.kernel.observer.note(.randomBytes(bytes))
      return bytes
    }
  }
  override func pread(_ call: Syscall, _ count: Int, at offset: Int64) throws(Errno) -> [UInt8] {
    try read(call, count)
  }

  override func write(_ call: Syscall, _ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
    if device == .full && !bytes.isEmpty { throw .ENOSPC }
    return bytes.count
  }
  override func pwrite(_ call: Syscall, _ bytes: ArraySlice<UInt8>, at offset: Int64) throws(Errno) -> Int {
    try write(call, bytes)
  }

  override func seek(_ call: Syscall, _ offset: Int64, whence: Int32) throws(Errno) -> Int64 {
    if !(0...2).contains(whence) { throw .EINVAL }
    return 0
  }

  override func ioctl(_ call: Syscall, _ request: UInt32, _ argument: UInt64) throws(Errno) -> SyscallOutcome {
    // RNDGETENTCNT
    guard device == .random || device == .urandom, request == 0x8004_5200 else { throw .ENOTTY }
    try call.memory.store(GuestAddress(argument), 256 as Int32)
    return .success
  }

  /// A mapping of /dev/zero is fresh zeros for each mapping.
  override func memoryObject(_ kernel: Kernel) throws(Errno) -> MemoryObjectReference { throw .ENODEV }
}

extension Kernel {
  /// open(2) of a device node. ENXIO for numbers that nothing answers to.
  func openDevice(_ inode: DeviceInode, _ access: FileAccess, _ location: Location, flags: UInt32) throws(Errno)
    -> OpenFile
  {
    let (major, minor) = (deviceMajor(inode.deviceNumber), deviceMinor(inode.deviceNumber))
    switch (major, minor) {
    case (1, 0...255):
      guard let device = SimpleDevice(rawValue: UInt8(minor)) else { throw .ENXIO }
      return DeviceFile(device, inode, location, flags: flags)
    // /dev/tty, and the terminal itself.
    case (5, 0), (136, 0):
      for stream in files.standardStreams {
        if let stream, stream.kind == .terminal { return HostStream(stream, location, flags: flags) }
      }
      throw .ENXIO
    default: throw .ENXIO
    }
  }
}

extension VirtualFileSystem {
  func makeDirectory(
    _ system: FileSystemKind, in parent: DirectoryInode, _ name: String, permissions: UInt32, time: Nanoseconds
  ) -> DirectoryInode {
    let bytes = Array(name.utf8)
    let directory = DirectoryInode(
      number: nextNumber(), fileSystem: system, permissions: permissions, user: 0, group: 0, time: time,
      parent: parent, name: bytes)
    parent.set(bytes, directory)
    if parent.hostPath == nil { parent.links += 1 }
    return directory
  }

  /// /dev, with /dev/shm and /dev/pts.
  func makeDevices(_ kernel: Kernel) {
    let time = kernel.decisions.epoch
    let directory = makeDirectory(.devices, in: root, "dev", permissions: 0o755, time: time)
    let nodes: [(String, UInt32, UInt32, UInt32)] = [
      ("null", 0o666, 1, 3), ("zero", 0o666, 1, 5), ("full", 0o666, 1, 7), ("random", 0o666, 1, 8),
      ("urandom", 0o666, 1, 9), ("tty", 0o666, 5, 0),
    ]
    for (name, permissions, major, minor) in nodes {
      addDevice(directory, name, permissions, major: major, minor: minor, time: time)
    }
    let links = [
      ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
      ("stderr", "/proc/self/fd/2"),
    ]
    for (name, target) in links {
      let link = SymlinkInode(
        number: nextNumber(), fileSystem: .devices, target: Array(target.utf8), user: 0, group: 0, time: time)
      directory.set(Array(name.utf8), link)
    }
    _ = makeDirectory(.sharedMemory, in: directory, "shm", permissions: 0o1777, time: time)
    let terminals = makeDirectory(.devices, in: directory, "pts", permissions: 0o755, time: time)
    if (0..<Int32(3)).contains(where: { kernel.host.streamKind($0) == .terminal }) {
      let inode = DeviceInode(
        number: HostStreamInode.terminalNumber, fileSystem: .devices, mode: FileMode.characterDevice | 0o620,
        user: kernel.configuration.user, group: kernel.configuration.group, time: time)
      inode.deviceNumber = encodeDevice(major: 136, minor: 0)
      terminals.set(Array("0".utf8), inode)
    }
  }

  private func addDevice(
    _ directory: DirectoryInode, _ name: String, _ permissions: UInt32, major: UInt32, minor: UInt32, time: Nanoseconds
  ) {
    let inode = DeviceInode(
      number: nextNumber(), fileSystem: .devices, mode: FileMode.characterDevice | permissions, user: 0, group: 0,
      time: time)
    inode.deviceNumber = encodeDevice(major: major, minor: minor)
    directory.set(Array(name.utf8), inode)
  }
}
