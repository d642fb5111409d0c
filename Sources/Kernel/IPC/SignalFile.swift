// signalfd(2): pending signals as a file. fs/signalfd.c. It reads the queues of whoever reads it.

import LinuxABI
import Platform

final class SignalFile: OpenFile {
  fileprivate(set) var mask: SignalSet
  /// Whose arrivals its waiters wait for: the last process that looked.
  private var handlers: SignalHandlers

  static let recordSize = 128

  init(mask: SignalSet, handlers: SignalHandlers, flags: UInt32) {
    self.mask = mask
    self.handlers = handlers
    super.init(flags: flags)
  }

  /// As many records as fit; EINVAL when not one does.
  override func read(_ call: Syscall, _ count: Int) throws(Errno) -> [UInt8] {
    let records = count / Self.recordSize
    if records == 0 { throw .EINVAL }
    handlers = call.task.group.handlers
    var bytes: [UInt8] = []
    for _ in 0..<records {
      guard let info = call.kernel.dequeueSignal(call.task, outside: SignalSet(rawValue: ~mask.rawValue)) else { break }
      bytes.append(contentsOf: Self.record(info))
    }
    if bytes.isEmpty { throw .EAGAIN }
    return bytes
  }

  override func readiness(_ kernel: Kernel) -> PollEvents {
    guard let task = kernel.scheduler.current else { return [] }
    handlers = task.group.handlers
    let pending = task.signals.pending.set.union(task.group.signals.pending.set)
    return pending.isDisjoint(with: mask) ? [] : .in
  }
  override var waitQueues: [WaitQueue] { [handlers.arrivals] }
  override func blockReason(reading: Bool) -> BlockReason { .signal }
  override func displayPath(_ kernel: Kernel) -> [UInt8] { Array("anon_inode:[signalfd]".utf8) }

  /// struct signalfd_siginfo.
  private static func record(_ info: SignalInfo) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(recordSize)
    bytes.appendInteger(UInt32(info.signal))
    bytes.appendInteger(info.errno)
    bytes.appendInteger(info.code)
    let isChild = info.signal == SignalNumber.chld && info.code > 0
    let isFault = info.address.rawValue != 0
    let isTimer = info.code == SignalCode.timer
    bytes.appendInteger(isTimer || isFault ? 0 : info.sender.rawValue)
    bytes.appendInteger(isTimer || isFault ? 0 : info.senderUser)
    bytes.appendInteger(0 as Int32)
    bytes.appendInteger(isTimer ? info.timerID : 0)
    bytes.appendInteger(0 as UInt32)
    bytes.appendInteger(isTimer ? info.overrun : 0)
    bytes.appendInteger(0 as UInt32)
    bytes.appendInteger(isChild ? Int32(truncatingIfNeeded: info.value) : 0)
    bytes.appendInteger(isChild ? 0 : Int32(truncatingIfNeeded: info.value))
    bytes.appendInteger(isChild ? 0 : info.value)
    bytes.appendInteger(info.userTime)
    bytes.appendInteger(info.systemTime)
    bytes.appendInteger(info.address.rawValue)
    bytes.append(contentsOf: [UInt8](repeating: 0, count: recordSize - bytes.count))
    return bytes
  }

  override func shallowCopy() -> Self {
    let new = SignalFile(mask: mask, handlers: handlers, flags: flags)
    new.copyBaseFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }
  override func copyReferences(_ context: CopyContext) {
    super.copyReferences(context)
    handlers = context.copy(handlers)
  }
}

extension SyscallTable {
  static var signalFileSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.signalfd) { call throws(Errno) in try call.kernel.makeSignalFile(call, flags: 0) },
      SyscallEntry(SyscallNumber.signalfd4) { call throws(Errno) in
        try call.kernel.makeSignalFile(call, flags: call.uint32(3))
      },
    ]
  }
}

extension Kernel {
  /// signalfd4(2): a new file for descriptor -1, else a new mask for that one.
  func makeSignalFile(_ call: Syscall, flags: UInt32) throws(Errno) -> SyscallOutcome {
    if call[2] != 8 { throw .EINVAL }
    let mask = SignalSet(rawValue: try call.memory.load(call.address(1))).subtracting([SignalSet(9), SignalSet(19)])
    if flags & ~(OpenFlag.nonblocking | OpenFlag.closeOnExec) != 0 { throw .EINVAL }
    if call.int32(0) == -1 {
      let file = SignalFile(
        mask: mask, handlers: call.task.group.handlers, flags: OpenFlag.readWrite | flags & OpenFlag.nonblocking)
      return try installNew(call, file, closeOnExec: flags & OpenFlag.closeOnExec != 0)
    }
    guard let file = try call.task.files.file(call.int32(0)) as? SignalFile else { throw .EINVAL }
    file.mask = mask
    for queue in file.waitQueues { queue.wakeAll(self) }
    return .value(Int64(call.int32(0)))
  }
}
