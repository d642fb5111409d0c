// futex(2), futex_waitv(2): decoding, waiting, waking, requeueing. kernel/futex/syscalls.c, waitwake.c, requeue.c.

import LinuxABI
import Platform

extension SyscallTable {
  static var futexSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.futex, .full) { call throws(Errno) in try call.kernel.futex(call) },
      SyscallEntry(SyscallNumber.futex_waitv, .full) { call throws(Errno) in try call.kernel.futexWaitVector(call) },
    ]
  }
}

/// Commands of futex(2).
enum FutexCommand {
  static let wait: UInt32 = 0, wake: UInt32 = 1, requeue: UInt32 = 3, compareRequeue: UInt32 = 4
  static let wakeOperation: UInt32 = 5
  static let lockPI: UInt32 = 6, unlockPI: UInt32 = 7, tryLockPI: UInt32 = 8, waitBitset: UInt32 = 9
  static let wakeBitset: UInt32 = 10, waitRequeuePI: UInt32 = 11, compareRequeuePI: UInt32 = 12, lockPI2: UInt32 = 13
  static let privateFlag: UInt32 = 128, realtimeFlag: UInt32 = 256
}

/// What a task that waits on futexes keeps: its waiters (one, but for futex_waitv) and its deadline.
struct FutexWait: Resumption {
  var waiters: [FutexWaiter]
  var deadline: ClockDeadline?

  mutating func copyReferences(_ context: CopyContext) { waiters = context.copy(waiters) }
}

/// One futex call, decoded.
struct FutexRequest {
  let command: UInt32
  let address: GuestAddress
  let value: UInt32
  let address2: GuestAddress
  let value2: Int32
  let value3: UInt32
  let isShared: Bool
  var deadline: ClockDeadline?

  init(_ call: borrowing Syscall) throws(Errno) {
    let operation = call.uint32(1)
    command = operation & ~(FutexCommand.privateFlag | FutexCommand.realtimeFlag)
    address = call.address(0)
    value = call.uint32(2)
    address2 = call.address(4)
    value2 = Int32(truncatingIfNeeded: call[3])
    value3 = call.uint32(5)
    isShared = operation & FutexCommand.privateFlag == 0
    let onRealtime = operation & FutexCommand.realtimeFlag != 0
    if onRealtime && command != FutexCommand.waitBitset && command != FutexCommand.waitRequeuePI
      && command != FutexCommand.lockPI2
    {
      throw .ENOSYS
    }
    switch command {
    case FutexCommand.wait, FutexCommand.waitBitset, FutexCommand.lockPI, FutexCommand.lockPI2,
      FutexCommand.waitRequeuePI:
      guard call[3] != 0, call.resume == nil else { return }
      let time = try call.memory.copyInTimespec(call.address(3))
      deadline =
        command == FutexCommand.wait
        ? call.kernel.deadline(in: time)
        : ClockDeadline(time: time, isRealtime: onRealtime || command == FutexCommand.lockPI)
    default:
      break
    }
  }
}

extension Kernel {
  func futex(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let request = try FutexRequest(call)
    switch request.command {
    case FutexCommand.wait: return try futexWait(call, request, bitset: ~0)
    case FutexCommand.waitBitset: return try futexWait(call, request, bitset: request.value3)
    case FutexCommand.wake: return try futexWake(call, request, bitset: ~0)
    case FutexCommand.wakeBitset: return try futexWake(call, request, bitset: request.value3)
    case FutexCommand.requeue: return try futexRequeue(call, request, expected: nil)
    case FutexCommand.compareRequeue: return try futexRequeue(call, request, expected: request.value3)
    case FutexCommand.wakeOperation: return try futexWakeOperation(call, request)
    case FutexCommand.lockPI, FutexCommand.lockPI2: return try futexLockPI(call, request, onlyTry: false)
    case FutexCommand.tryLockPI: return try futexLockPI(call, request, onlyTry: true)
    case FutexCommand.unlockPI: return try futexUnlockPI(call, request)
    case FutexCommand.waitRequeuePI: return try futexWaitRequeuePI(call, request)
    case FutexCommand.compareRequeuePI: return try futexRequeuePI(call, request)
    default: throw .ENOSYS
    }
  }

  // MARK: Waiting

  private func futexWait(_ call: Syscall, _ request: FutexRequest, bitset: UInt32) throws(Errno) -> SyscallOutcome {
    var deadline = request.deadline
    if let state = call.resume as? FutexWait {
      if call.wake != nil, let waiter = state.waiters.first {
        if waiter.isWoken { return .success }
        switch call.wake {
        case .event: return blockOnFutex(state)
        case .timeout:
          ipc.futexes.remove(waiter)
          throw .ETIMEDOUT
        default:
          ipc.futexes.remove(waiter)
          guard state.deadline != nil else { throw .ERESTARTSYS }
          call.task.restartBlock = RestartBlock(
            number: call.number, arguments: call.arguments, resume: FutexWait(waiters: [], deadline: state.deadline))
          throw .ERESTART_RESTARTBLOCK
        }
      }
      deadline = state.deadline
    }
    if bitset == 0 { throw .EINVAL }
    let key = try futexKey(call.memory, request.address, shared: request.isShared)
    if try call.memory.load(request.address, as: UInt32.self) != request.value { throw .EAGAIN }
    let waiter = FutexWaiter(
      task: call.task, key: key, address: request.address, bitset: bitset,
      expected: deadline == nil ? request.value : nil, isPlain: request.command == FutexCommand.wait)
    ipc.futexes.add(waiter)
    if deadline == nil { lookForLockCycle(from: waiter) }
    return blockOnFutex(FutexWait(waiters: [waiter], deadline: deadline))
  }

  func blockOnFutex(_ state: FutexWait) -> SyscallOutcome {
    .block(
      Block(
        on: state.deadline?.queues(self) ?? [], until: state.deadline?.monotonic(self), resume: state,
        reason: .futex(state.waiters.first?.address ?? GuestAddress(0))))
  }

  /// futex_waitv(2): waits on up to 128 futexes; returns the index of one that was woken.
  func futexWaitVector(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    if call.wake != nil, let state = call.resume as? FutexWait {
      if let woken = state.waiters.first(where: { $0.isWoken }) {
        for waiter in state.waiters { ipc.futexes.remove(waiter) }
        return .value(Int64(woken.index))
      }
      if call.wake == .event { return blockOnFutex(state) }
      for waiter in state.waiters { ipc.futexes.remove(waiter) }
      throw call.wake == .timeout ? .ETIMEDOUT : .ERESTARTSYS
    }
    let count = call.uint32(1)
    if call.uint32(2) != 0 || count == 0 || count > 128 || call[0] == 0 { throw .EINVAL }
    var deadline: ClockDeadline?
    if call[3] != 0 {
      let clock = call.int32(4)
      if clock != 0 && clock != 1 { throw .EINVAL }
      deadline = ClockDeadline(time: try call.memory.copyInTimespec(call.address(3)), isRealtime: clock == 0)
    }
    let bytes = try call.memory.copyIn(call.address(0), Int(count) * 24)
    var waiters: [FutexWaiter] = []
    for index in 0..<Int(count) {
      let value: UInt64 = bytes.integer(at: index * 24)
      let address: UInt64 = bytes.integer(at: index * 24 + 8)
      let flags: UInt32 = bytes.integer(at: index * 24 + 16)
      let reserved: UInt32 = bytes.integer(at: index * 24 + 20)
      // FUTEX2_SIZE_U32 is the only size; FUTEX2_PRIVATE is the only other flag.
      if flags & ~FutexCommand.privateFlag != 2 || reserved != 0 || value > UInt64(UInt32.max) { throw .EINVAL }
      let key = try futexKey(
        call.memory, GuestAddress(address), shared: flags & FutexCommand.privateFlag == 0)
      if try call.memory.load(GuestAddress(address), as: UInt32.self) != UInt32(value) { throw .EAGAIN }
      waiters.append(FutexWaiter(task: call.task, key: key, address: GuestAddress(address), index: index))
    }
    for waiter in waiters { ipc.futexes.add(waiter) }
    return blockOnFutex(FutexWait(waiters: waiters, deadline: deadline))
  }

  // MARK: Waking and requeueing

  private func futexWake(_ call: Syscall, _ request: FutexRequest, bitset: UInt32) throws(Errno) -> SyscallOutcome {
    if bitset == 0 { throw .EINVAL }
    let key = try futexKey(call.memory, request.address, shared: request.isShared)
    return .value(try futexWake(key, count: Int(Int32(bitPattern: request.value)), bitset: bitset))
  }

  /// futex_requeue: the first `value` waiters are woken, the next `value2` move; the count of both is returned.
  private func futexRequeue(
    _ call: Syscall, _ request: FutexRequest, expected: UInt32?
  ) throws(Errno) -> SyscallOutcome {
    let wakeCount = Int32(bitPattern: request.value)
    if wakeCount < 0 || request.value2 < 0 { throw .EINVAL }
    let key = try futexKey(call.memory, request.address, shared: request.isShared)
    let target = try futexKey(call.memory, request.address2, shared: request.isShared)
    if let expected, try call.memory.load(request.address, as: UInt32.self) != expected { throw .EAGAIN }
    var done = 0
    for waiter in ipc.futexes.waiters(key) {
      if done - Int(wakeCount) >= Int(request.value2) { break }
      if waiter.isPriorityInheriting || waiter.requeueTarget != nil { throw .EINVAL }
      done += 1
      if done <= Int(wakeCount) {
        release(waiter)
      } else if target != key {
        ipc.futexes.move(waiter, to: target, request.address2)
      }
    }
    return .value(done)
  }

  /// FUTEX_WAKE_OP: changes the second word, wakes waiters of the first, and of the second if its old value compares.
  private func futexWakeOperation(_ call: Syscall, _ request: FutexRequest) throws(Errno) -> SyscallOutcome {
    let key = try futexKey(call.memory, request.address, shared: request.isShared)
    let key2 = try futexKey(call.memory, request.address2, shared: request.isShared)
    let encoded = request.value3
    // Both arguments are 12 bits with sign; with FUTEX_OP_OPARG_SHIFT the first is a shift count.
    var argument = Int32(bitPattern: encoded << 8) >> 20
    let comparand = Int32(bitPattern: encoded << 20) >> 20
    if encoded & 0x8000_0000 != 0 { argument = Int32(bitPattern: 1 << UInt32(argument & 31)) }
    let old: Int32 = try call.memory.load(request.address2)
    let new: Int32
    switch (encoded >> 28) & 7 {
    case 0: new = argument
    case 1: new = old &+ argument
    case 2: new = old | argument
    case 3: new = old & ~argument
    case 4: new = old ^ argument
    default: throw .ENOSYS
    }
    try call.memory.store(request.address2, new)
    let compares: Bool
    switch (encoded >> 24) & 15 {
    case 0: compares = old == comparand
    case 1: compares = old != comparand
    case 2: compares = old < comparand
    case 3: compares = old <= comparand
    case 4: compares = old > comparand
    case 5: compares = old >= comparand
    default: throw .ENOSYS
    }
    var woken = try futexWake(key, count: Int(Int32(bitPattern: request.value)))
    if compares { woken += try futexWake(key2, count: Int(request.value2)) }
    return .value(woken)
  }
}
