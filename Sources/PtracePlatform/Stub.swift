// A stub: the host process behind one guest address space, and the lists of host calls that its blob runs for us.
import CLinux
import Platform

/// A file of ours, in memory unless it is frozen. Mappings that wait in a queue keep it open.
final class MemoryObject {
  let descriptor: Int32
  var size: UInt64
  /// Its bytes and its size stay as they are; see `TranslatedMachine.thaw`.
  let isFrozen: Bool
  /// Of its pieces (`FilePieces`), as its content was when somebody asked for them; empty before.
  var pieceHashes: [ContentHash] = []
  init(descriptor: Int32, size: UInt64, isFrozen: Bool = false) {
    self.descriptor = descriptor
    self.size = size
    self.isFrozen = isFrozen
  }
  deinit { _ = rsb_descriptor_close(descriptor) }
}

/// A host call that waits for the next list. With an object, argument 4 becomes the object's descriptor there.
struct PendingCall {
  var number: UInt64
  var arguments: InlineArray<6, UInt64>
  var object: MemoryObject?
}

/// How a list ended early.
struct ListFailure {
  /// Index of the call that failed.
  var index: Int
  var error: Int
}

final class Stub {
  let pid: Int32
  /// Our end of the socket that all stubs hold as descriptor 0.
  let tracerSocket: Int32
  /// Where the blob lies: at its birth address in the very first moments of the first stub only.
  var blob: UInt64 = StubLayout.blob
  /// What the stub's general registers hold, when `heldIsKnown`.
  var held = Registers()
  var heldIsKnown = false
  /// Not 0: it stands in the gate of translated code, and `held` is what the gate says.
  var isAtGate: Int32 = 0
  /// The page that calls are listed in; the same for all stubs, since one runs at a time.
  let list: UnsafeMutablePointer<UInt64>
  /// The task whose XSAVE state is in the stub's registers.
  var loaded: ContextState?
  /// Who owns which XSAVE area of the bank. Area 0 is for what belongs to nobody.
  var areas: [ContextState?] = [nil]
  var queue: [PendingCall] = []

  init(pid: Int32, list: UnsafeMutablePointer<UInt64>, tracerSocket: Int32) {
    self.pid = pid
    self.list = list
    self.tracerSocket = tracerSocket
  }

  /// Runs one host call in the stub and returns its result, negative for an error.
  func call(_ number: UInt64, _ a: InlineArray<6, UInt64>) throws(MachineError) -> Int {
    var registers = Registers()
    registers.rip = blob + StubLayout.single
    registers.rax = number
    registers.rdi = a[0]
    registers.rsi = a[1]
    registers.rdx = a[2]
    registers.r10 = a[3]
    registers.r8 = a[4]
    registers.r9 = a[5]
    try inject(&registers)
    return Int(bitPattern: UInt(registers.rax))
  }

  /// Runs calls whose words already lie in the list page. Returns the last result, or how it failed.
  func runList(count: Int) throws(MachineError) -> (result: Int, failure: ListFailure?) {
    var registers = Registers()
    registers.rip = blob + StubLayout.callList
    registers.r12 = StubLayout.calls
    registers.r13 = UInt64(count)
    try inject(&registers)
    let result = Int(bitPattern: UInt(registers.rax))
    if registers.r13 == 0 { return (result, nil) }
    return (result, ListFailure(index: count - Int(registers.r13), error: -result))
  }

  /// Lets the stub execute code of ours that reads and writes memory only, until its int3, behind which `stopped` is.
  func execute(from start: UInt64, to stopped: UInt64) throws(MachineError) {
    var registers = Registers()
    registers.rip = start
    try inject(&registers, stopped: stopped)
  }

  private func inject(_ registers: inout Registers, stopped: UInt64? = nil) throws(MachineError) {
    heldIsKnown = false
    isAtGate = 0
    let pid = pid, stopped = stopped ?? blob + StubLayout.stopped
    let status = withUnsafeMutablePointer(to: &registers) {
      $0.withMemoryRebound(to: UInt64.self, capacity: Registers.wordCount) { rsb_stub_inject(pid, $0, stopped) }
    }
    if status == 0 { return }
    if status < 0 { throw MachineError("stub \(pid) refused an injection: \(describe(errno: -status))") }
    throw MachineError("stub \(pid) ended in an injection: \(describe(waitStatus: status))")
  }

  /// Stores words in the list page, from the calls on.
  func writeList(_ words: [UInt64], after: Int = 0) {
    precondition(after + words.count <= StubLayout.callsMost * StubLayout.wordsPerCall)
    // Sound: within the page by the line above. The stub is stopped, so nobody reads meanwhile.
    for index in words.indices { list[StubLayout.switchWords + after + index] = words[index] }
  }

  /// Stores the message for recvmsg, which the host changes each time.
  private func writeMessage(_ words: [UInt64]) throws(MachineError) {
    let size = words.count * 8
    let written = words.withUnsafeBytes { rsb_process_write(pid, $0.baseAddress, StubLayout.message, size) }
    if written != size { throw MachineError("stub \(pid): message not written: \(describe(errno: -written))") }
  }

  /// Its process is to be reaped.
  func kill() {
    loaded = nil
    areas = []
    rsb_kill(pid)
  }
}

func describe(waitStatus status: Int) -> String {
  if status & 0x7f == 0 { return "exit code \(status >> 8 & 0xff)" }
  if status & 0xff == 0x7f { return "stopped by signal \(status >> 8 & 0xff)" }
  return "killed by signal \(status & 0x7f)"
}

// MARK: - Queue and lists

extension Stub {
  /// Adds a call to the queue, or stretches the last one when this one only continues it.
  func enqueue(_ call: PendingCall) {
    if let last = queue.last, call.continues(last) {
      queue[queue.count - 1].arguments[1] += call.arguments[1]
      return
    }
    queue.append(call)
  }

  /// Carries out everything in the queue.
  func flush() throws(MachineError) {
    while !queue.isEmpty {
      if queue.count == 1, queue[0].object == nil {
        let call = queue[0]
        let result = try self.call(call.number, call.arguments)
        queue.removeAll(keepingCapacity: true)
        if result < 0 && result >= -4095 { try recover(call, error: -result) }
        return
      }
      try flushBatch()
    }
  }

  private func flushBatch() throws(MachineError) {
    var words: [UInt64] = []
    var descriptors: [Int32] = []
    var count = 0
    for call in queue {
      var descriptor: UInt64 = 0
      if let object = call.object {
        let known = descriptors.firstIndex(of: object.descriptor)
        // One recvmsg before the calls, a close for each descriptor after them.
        let closing = descriptors.count + (known == nil ? 1 : 0)
        if 1 + count + 1 + closing > StubLayout.callsMost || closing > StubLayout.descriptorsMost { break }
        descriptor = StubLayout.firstReceivedDescriptor + UInt64(known ?? descriptors.count)
        if known == nil { descriptors.append(object.descriptor) }
      } else if 1 + count + 1 + descriptors.count > StubLayout.callsMost {
        break
      }
      let a = call.arguments
      words += [call.number, a[0], a[1], a[2], a[3], call.object == nil ? a[4] : descriptor, a[5]]
      count += 1
    }

    let receives = descriptors.isEmpty ? 0 : 1
    if receives == 1 {
      let sent = descriptors.withUnsafeBufferPointer {
        rsb_send_descriptors(tracerSocket, $0.baseAddress, $0.count)
      }
      try checked(sent, "descriptors to stub \(pid)")
      try writeMessage(message(descriptors: descriptors.count))
      let receive = [HostCall.recvmsg, StubLayout.socketDescriptor, StubLayout.message, 0, 0, 0, 0]
      writeList(receive + words + closes(descriptors.count))
    } else {
      writeList(words)
    }
    let (_, failure) = try runList(count: receives + count + descriptors.count)
    guard let failure else {
      queue.removeFirst(count)
      return
    }
    let index = failure.index - receives
    guard index >= 0, index < count else {
      throw MachineError("stub \(pid): descriptor passing failed: \(describe(errno: failure.error))")
    }
    let failed = queue[index]
    queue.removeFirst(index + 1)
    for descriptor in 0..<descriptors.count {
      _ = try call(HostCall.close, [StubLayout.firstReceivedDescriptor + UInt64(descriptor), 0, 0, 0, 0, 0])
    }
    try recover(failed, error: failure.error)
  }

  private func closes(_ count: Int) -> [UInt64] {
    var words: [UInt64] = []
    for index in 0..<count {
      words += [HostCall.close, StubLayout.firstReceivedDescriptor + UInt64(index), 0, 0, 0, 0, 0]
    }
    return words
  }

  /// struct msghdr with one byte of data and room for `count` descriptors, as recvmsg(2) wants it, filling its area.
  private func message(descriptors count: Int) -> [UInt64] {
    let base = StubLayout.message
    let controlSize = UInt64(16 + (count * 4 + 7) / 8 * 8)
    var words: [UInt64] = [0, 0, base + 56, 1, base + 80, controlSize, 0]  // msghdr
    words += [base + 72, 1]  // iovec
    words += [UInt64](repeating: 0, count: Int(StubLayout.messageSize) / 8 - words.count)
    return words
  }

  /// A call that the host refused. mremap over several host mappings is taken apart; the rest ends the run.
  private func recover(_ call: PendingCall, error: Int) throws(MachineError) {
    if call.number == HostCall.mremap, error == 14 { return try remapPiecewise(call) }
    // A kernel without large pages.
    if call.number == HostCall.madvise, call.arguments[2] == HostFlag.adviseLargePages { return }
    let a = call.arguments
    let name =
      switch call.number {
      case HostCall.mmap: "mmap"
      case HostCall.munmap: "munmap"
      case HostCall.mprotect: "mprotect"
      case HostCall.mremap: "mremap"
      case HostCall.madvise: "madvise"
      default: "call \(call.number)"
      }
    let arguments = (0..<6).map { String(a[$0], radix: 16) }.joined(separator: " ")
    throw MachineError("stub \(pid): host refused \(name)(\(arguments)): \(describe(errno: error))")
  }

  /// One mapping of the guest can be several of the host (after forks and protections). mremap(2) takes one at a time.
  private func remapPiecewise(_ call: PendingCall) throws(MachineError) {
    let a = call.arguments
    let source = a[0], sourceEnd = a[0] + a[1], target = a[4]
    // Where the range only grows, its last piece does.
    let growsInPlace = a[3] & HostFlag.remapFixed == 0
    for mapping in try HostMapping.all(of: pid) where mapping.start < sourceEnd && mapping.end > source {
      let start = max(mapping.start, source), end = min(mapping.end, sourceEnd)
      if growsInPlace && end < sourceEnd { continue }
      let newSize = end == sourceEnd ? a[2] - (start - source) : end - start
      let place = growsInPlace ? 0 : target + (start - source)
      let moved = try self.call(HostCall.mremap, [start, end - start, newSize, a[3], place, 0])
      if moved < 0 && moved >= -4095 {
        throw MachineError("stub \(pid): host refused to move \(String(start, radix: 16)): \(describe(errno: -moved))")
      }
    }
  }
}

extension PendingCall {
  /// Asks for pages of 2 MiB, which the host may refuse.
  static func largePages(_ address: UInt64, _ size: UInt64) -> PendingCall {
    PendingCall(number: HostCall.madvise, arguments: [address, size, HostFlag.adviseLargePages, 0, 0, 0], object: nil)
  }

  /// Whether this call continues `last` at the next address, so that one call does for both.
  fileprivate func continues(_ last: PendingCall) -> Bool {
    guard number == last.number, arguments[0] == last.arguments[0] + last.arguments[1] else { return false }
    switch number {
    case HostCall.munmap: return true
    case HostCall.mprotect, HostCall.madvise: return arguments[2] == last.arguments[2]
    case HostCall.mmap:
      return object == nil && last.object == nil && arguments[2] == last.arguments[2]
        && arguments[3] == last.arguments[3]
    default: return false
    }
  }
}
