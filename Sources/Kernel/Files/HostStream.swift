// The standard streams: the only files that the guest shares with the host. Their metadata are fixed by kind, so that
// a run does not depend on more than whether each is a pipe, a file, a terminal or nothing.

import LinuxABI
import Platform

/// The inode behind descriptor 0, 1 or 2 at the start.
final class HostStreamInode: Inode {
  let descriptor: Int32
  let kind: HostStreamKind
  /// Bytes of a regular file as standard input, read whole when first asked for; nil until then.
  var input: [UInt8]?
  /// Bytes written so far, the size of a regular file as standard output.
  var written: Int64 = 0

  /// Woken when input may be there.
  private(set) var inputQueue: WaitQueue

  /// st_ino of the terminal, whichever descriptor shows it, and of /dev/pts/0.
  static let terminalNumber: UInt64 = 9_003

  init(
    descriptor: Int32, kind: HostStreamKind, user: UInt32, group: UInt32, time: Nanoseconds, inputQueue: WaitQueue
  ) {
    self.inputQueue = inputQueue
    self.descriptor = descriptor
    self.kind = kind
    let mode: UInt32
    let fileSystem: FileSystemKind
    switch kind {
    case .pipe: (mode, fileSystem) = (FileMode.fifo | 0o600, .pipes)
    case .file: (mode, fileSystem) = (FileMode.regular | 0o644, .root)
    case .terminal: (mode, fileSystem) = (FileMode.characterDevice | 0o620, .devices)
    case .null, .closed: (mode, fileSystem) = (FileMode.characterDevice | 0o666, .devices)
    }
    let owned = kind != .null
    super.init(
      number: kind == .terminal ? Self.terminalNumber : UInt64(descriptor) + 9_000, fileSystem: fileSystem, mode: mode,
      user: owned ? user : 0,
      group: owned ? group : 0, time: time)
    switch kind {
    case .terminal: deviceNumber = encodeDevice(major: 136, minor: 0)
    case .null, .closed: deviceNumber = encodeDevice(major: 1, minor: 3)
    case .pipe, .file: break
    }
  }

  override var size: Int64 { descriptor == 0 ? Int64(input?.count ?? 0) : kind == .file ? written : 0 }

  override func open(_ access: FileAccess, _ location: Location, flags: UInt32) throws(Errno) -> OpenFile {
    HostStream(self, location, flags: flags)
  }

  override func shallowCopy() -> Self {
    let new = HostStreamInode(
      descriptor: descriptor, kind: kind, user: user, group: group, time: modified, inputQueue: inputQueue)
    new.input = input
    new.written = written
    new.copyBaseFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }

  override func copyReferences(_ context: CopyContext) {
    super.copyReferences(context)
    inputQueue = context.copy(inputQueue)
  }

  /// Reads a regular file as standard input whole: its size and any position can then be asked for.
  func loadInput(_ kernel: Kernel) throws(Errno) {
    if input != nil || kind != .file || descriptor != 0 { return }
    var all: [UInt8] = []
    reading: while true {
      switch try kernel.host.readInput(1 << 20) {
      case .bytes(let bytes): all.append(contentsOf: bytes)
      case .endOfFile: break reading
      // A signal came while the host read; a file has no other reason.
      case .notReady: continue
      }
    }
    input = all
    if !all.isEmpty { kernel.observer.note(.hostInput(stream: 0, count: all.count)) }
  }
}

/// An open standard stream.
final class HostStream: InodeFile {
  var stream: HostStreamInode { unsafeDowncast(target, to: HostStreamInode.self) }

  init(_ inode: HostStreamInode, _ location: Location, flags: UInt32) { super.init(inode, location, flags: flags) }
  private init(copyingFile other: HostStream) { super.init(copying: other) }
  override func shallowCopy() -> Self { unsafeDowncast(HostStream(copyingFile: self), to: Self.self) }

  override var hostStream: HostStream? { self }
  override var supportsPolling: Bool { stream.kind == .pipe || stream.kind == .terminal }
  override func displayPath(_ kernel: Kernel) -> [UInt8] {
    switch stream.kind {
    case .pipe: Array("pipe:[\(stream.number)]".utf8)
    case .file: Array("/dev/\(["stdin", "stdout", "stderr"][Int(stream.descriptor)])".utf8)
    case .terminal: Array("/dev/pts/0".utf8)
    case .null, .closed: Array("/dev/null".utf8)
    }
  }
  override func status(_ kernel: Kernel) throws(Errno) -> FileStatus {
    try stream.loadInput(kernel)
    return stream.status()
  }

  // MARK: Input

  /// The descriptor that input comes from; a terminal is one device, whichever descriptor it is.
  private func takesInput(_ kernel: Kernel) -> Bool {
    stream.descriptor == 0 || (stream.kind == .terminal && kernel.host.streamKind(0) == .terminal)
  }

  override func read(_ call: Syscall, _ count: Int) throws(Errno) -> [UInt8] {
    let kernel = call.kernel
    if stream.kind == .null || stream.kind == .closed { return [] }
    if stream.kind == .file {
      let bytes = try pread(call, count, at: offset)
      offset += Int64(bytes.count)
      return bytes
    }
    if !takesInput(kernel) { throw .EBADF }
    if count == 0 { return [] }
    switch try kernel.host.readInput(count) {
    case .bytes(let bytes):
      kernel.observer.note(.hostInput(stream: 0, count: bytes.count))
      return bytes
    case .endOfFile: return []
    case .notReady: throw .EAGAIN
    }
  }

  override func pread(_ call: Syscall, _ count: Int, at offset: Int64) throws(Errno) -> [UInt8] {
    if stream.kind == .null || stream.kind == .closed { return [] }
    guard stream.kind == .file else { throw .ESPIPE }
    if stream.descriptor != 0 { throw .EBADF }
    try stream.loadInput(call.kernel)
    let input = stream.input ?? []
    if offset >= Int64(input.count) { return [] }
    return Array(input[Int(offset)..<min(input.count, Int(offset) + count)])
  }

  override func readiness(_ kernel: Kernel) -> PollEvents {
    var ready: PollEvents = []
    if isWritable { ready.formUnion([.out, .writeNormal]) }
    if isReadable && (!takesInput(kernel) || kernel.host.inputIsReady()) { ready.formUnion([.in, .readNormal]) }
    return ready
  }
  override var waitQueues: [WaitQueue] { [stream.inputQueue] }
  override func blockReason(reading: Bool) -> BlockReason { .hostInput }

  // MARK: Output

  /// Where output goes; nil when the stream takes none.
  private func outputStream(_ kernel: Kernel) -> OutputStream? {
    if stream.descriptor != 0 { return OutputStream(rawValue: UInt8(stream.descriptor)) }
    guard stream.kind == .terminal else { return nil }
    if kernel.host.streamKind(1) == .terminal { return .standardOutput }
    return kernel.host.streamKind(2) == .terminal ? .standardError : nil
  }

  override func write(_ call: Syscall, _ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
    if stream.kind == .null || stream.kind == .closed { return bytes.count }
    guard let output = outputStream(call.kernel) else { throw .EBADF }
    call.kernel.observer.output(output, bytes: bytes)
    return try send(call.kernel, output, bytes)
  }

  /// The same for bytes that lie in guest memory at `pieces`.
  func write(_ call: Syscall, pieces: [GuestRange], _ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
    if stream.kind == .null || stream.kind == .closed { return bytes.count }
    guard let output = outputStream(call.kernel) else { throw .EBADF }
    call.kernel.observer.output(output, space: call.memory.space, pieces: pieces, bytes: bytes)
    return try send(call.kernel, output, bytes)
  }

  private func send(_ kernel: Kernel, _ output: OutputStream, _ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
    try kernel.host.writeOutput(Int32(output.rawValue), bytes)
    stream.written += Int64(bytes.count)
    if stream.kind == .file {
      stream.modified = kernel.clock.realtime
      offset = stream.written
    }
    return bytes.count
  }

  // MARK: Position

  override func seek(_ call: Syscall, _ offset: Int64, whence: Int32) throws(Errno) -> Int64 {
    switch stream.kind {
    case .pipe, .terminal: throw .ESPIPE
    case .null, .closed: return 0
    case .file: break
    }
    try stream.loadInput(call.kernel)
    let base: Int64
    switch whence {
    case 0: base = 0
    case 1: base = self.offset
    case 2: base = stream.size
    default: throw .EINVAL
    }
    let new = try RegularFile.sum(base, offset)
    if new < 0 { throw .EINVAL }
    // Output goes to the end only: what was written has left for the host.
    if stream.descriptor != 0 && new != stream.written { throw .ESPIPE }
    self.offset = new
    return new
  }

  override func ioctl(_ call: Syscall, _ request: UInt32, _ argument: UInt64) throws(Errno) -> SyscallOutcome {
    try control(call, request, argument)
  }

  override func reopen(_ access: FileAccess, flags: UInt32) throws(Errno) -> OpenFile {
    HostStream(stream, place, flags: flags)
  }
}

extension Kernel {
  /// The descriptor table of the first process: 0, 1 and 2.
  func makeStandardStreams() throws(Errno) -> FDTable {
    let table = FDTable()
    for descriptor in 0..<Int32(3) {
      let kind = host.streamKind(descriptor)
      if kind == .closed { continue }
      let inode = files.makeStandardStream(self, descriptor, kind)
      let access: UInt32 =
        kind == .terminal ? OpenFlags.readWrite : descriptor == 0 ? OpenFlags.readOnly : OpenFlags.writeOnly
      let location = Location(files.root, inode.kind == .terminal ? Array("dev/pts/0".utf8) : [], inode)
      let file = HostStream(inode, location, flags: access | OpenFlags.largeFile)
      table.replace(self, descriptor, with: file, closeOnExec: false)
    }
    return table
  }
}
