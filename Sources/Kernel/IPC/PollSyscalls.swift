// poll(2), ppoll(2), select(2), pselect6(2): fs/select.c. Each look asks every file; a wait stands in the queues of all.

import LinuxABI
import Platform

extension SyscallTable {
  static var pollSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.poll) { call throws(Errno) in try call.kernel.poll(call) },
      SyscallEntry(SyscallNumber.ppoll) { call throws(Errno) in try call.kernel.ppoll(call) },
      SyscallEntry(SyscallNumber.select) { call throws(Errno) in try call.kernel.select(call) },
      SyscallEntry(SyscallNumber.pselect6) { call throws(Errno) in try call.kernel.pselect(call) },
    ]
  }
}

/// What a waiting poll or select keeps: its deadline, nil for none.
struct PollWait: Resumption {
  var deadline: Nanoseconds?
}

/// One look at a set of descriptors.
private struct PollLook {
  var ready = 0
  var queues: [WaitQueue] = []

  mutating func wait(on file: OpenFile) {
    for queue in file.waitQueues where !queues.contains(where: { $0 === queue }) { queues.append(queue) }
  }
}

extension Kernel {
  // MARK: poll

  func poll(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let milliseconds = call.int32(2)
    let timeout: Nanoseconds? = milliseconds < 0 ? nil : Nanoseconds(Int64(milliseconds) * 1_000_000)
    let deadline = pollDeadline(call, timeout)
    let (look, bytes) = try lookAtPollArray(call)
    if look.ready > 0 || call.wake == .timeout || timeout == .zero {
      if look.ready == 0 && timeout == .zero { nothingWasReady() }
      return try finishPoll(call, look, bytes)
    }
    if call.wake == .signal {
      call.task.restartBlock = RestartBlock(
        number: call.number, arguments: call.arguments, resume: PollWait(deadline: deadline))
      throw .ERESTART_RESTARTBLOCK
    }
    return pollBlock(look, deadline)
  }

  /// ppoll(2): a temporary signal mask, and the time left is stored.
  func ppoll(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let timeout = call[2] == 0 || call.resume != nil ? nil : try call.memory.copyInTimespec(call.address(2))
    let deadline = pollDeadline(call, timeout)
    try setTemporaryMask(call, call.address(3), size: call[4])
    let look: PollLook
    let bytes: [UInt8]
    do throws(Errno) { (look, bytes) = try lookAtPollArray(call) } catch {
      restoreMask(call.task)
      throw error
    }
    let isImmediate = deadline.map { $0 <= clock.monotonic } ?? false
    if look.ready == 0 && call.wake != .timeout && !isImmediate && call.wake != .signal {
      return pollBlock(look, deadline)
    }
    storeTimeLeft(call, at: call[2], deadline) { $0.timespecBytes }
    if look.ready == 0 && call.wake == .signal { throw .ERESTARTNOHAND }
    if look.ready == 0 && call.wake == nil { nothingWasReady() }
    restoreMask(call.task)
    return try finishPoll(call, look, bytes)
  }

  /// Reads the pollfd array and fills in what is ready now.
  private func lookAtPollArray(_ call: Syscall) throws(Errno) -> (PollLook, [UInt8]) {
    let count = UInt64(call.uint32(1))
    if count > call.task.group.limits[ResourceLimits.files].current { throw .EINVAL }
    var bytes = try call.memory.copyIn(call.address(0), Int(count) * 8)
    var look = PollLook()
    for index in 0..<Int(count) {
      let descriptor: Int32 = bytes.integer(at: index * 8)
      let wanted: UInt16 = bytes.integer(at: index * 8 + 4)
      var result: PollEvents = []
      if descriptor >= 0 {
        if let file = try? call.task.files.file(descriptor) {
          let mask = PollEvents(rawValue: UInt32(wanted)).union([.error, .hangup])
          result = file.readiness(self).intersection(mask)
          look.wait(on: file)
        } else {
          result = .invalid
        }
      }
      if !result.isEmpty { look.ready += 1 }
      bytes.setInteger(UInt16(truncatingIfNeeded: result.rawValue), at: index * 8 + 6)
    }
    return (look, bytes)
  }

  /// Stores the revents fields, as the kernel does: only those.
  private func finishPoll(_ call: Syscall, _ look: PollLook, _ bytes: [UInt8]) throws(Errno) -> SyscallOutcome {
    if !bytes.isEmpty { try call.memory.copyOut(call.address(0), bytes) }
    return .value(look.ready)
  }

  private func pollBlock(_ look: PollLook, _ deadline: Nanoseconds?) -> SyscallOutcome {
    .block(Block(on: look.queues, until: deadline, resume: PollWait(deadline: deadline), reason: .poll))
  }

  private func pollDeadline(_ call: Syscall, _ timeout: Nanoseconds?) -> Nanoseconds? {
    if let state = call.resume as? PollWait { return state.deadline }
    return timeout.map { clock.monotonic + $0 }
  }

  /// A look that may not wait found nothing. When nobody else can run this is a wait by polling: let time run.
  func nothingWasReady() {
    if !scheduler.hasOthers { clock.clockWasRead() }
  }

  /// poll_select_finish: what is left of the timeout; a fault is ignored, as there.
  private func storeTimeLeft(
    _ call: Syscall, at address: UInt64, _ deadline: Nanoseconds?, _ bytes: (Nanoseconds) -> [UInt8]
  ) {
    guard address != 0, let deadline else { return }
    let left = max(.zero, deadline - clock.monotonic)
    try? call.memory.copyOut(GuestAddress(address), bytes(left))
  }

  // MARK: Temporary signal masks

  /// set_user_sigmask: at the first call of a handler; a null address changes nothing. EINVAL for a wrong size.
  func setTemporaryMask(_ call: Syscall, _ address: GuestAddress, size: UInt64) throws(Errno) {
    if address.rawValue == 0 || call.wake != nil { return }
    if size != 8 { throw .EINVAL }
    var mask = SignalSet(rawValue: try call.memory.load(address))
    mask.subtract([SignalSet(9), SignalSet(19)])
    call.task.signals.savedMask = call.task.signals.mask
    call.task.signals.mask = mask
  }

  /// restore_saved_sigmask. Not after an interruption: signal delivery does it then.
  func restoreMask(_ task: Task) {
    guard let saved = task.signals.savedMask else { return }
    task.signals.mask = saved
    task.signals.savedMask = nil
  }

  // MARK: select

  func select(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    var timeout: Nanoseconds?
    if call[4] != 0 && call.resume == nil {
      // kern_select: unlike elsewhere, microseconds above a second are carried.
      let bytes = try call.memory.copyIn(call.address(4), 16)
      let seconds: Int64 = bytes.integer(at: 0)
      let microseconds: Int64 = bytes.integer(at: 8)
      let (carried, overflow) = seconds.addingReportingOverflow(microseconds / 1_000_000)
      timeout = try Nanoseconds(
        validSeconds: overflow ? Int64.max : carried, nanoseconds: (microseconds % 1_000_000) * 1000)
    }
    return try selectOn(call) { $0.timevalBytes }
      .run(self, deadline: pollDeadline(call, timeout))
  }

  /// pselect6(2): a timespec, and a pointer to {mask, size}.
  func pselect(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let timeout = call[4] == 0 || call.resume != nil ? nil : try call.memory.copyInTimespec(call.address(4))
    let deadline = pollDeadline(call, timeout)
    if call[5] != 0 && call.wake == nil {
      let pair = try call.memory.copyIn(call.address(5), 16)
      try setTemporaryMask(call, GuestAddress(pair.integer(at: 0)), size: pair.integer(at: 8))
    }
    return try selectOn(call) { $0.timespecBytes }.run(self, deadline: deadline)
  }

  private func selectOn(_ call: Syscall, _ timeBytes: @escaping (Nanoseconds) -> [UInt8]) -> SelectCall {
    SelectCall(call: call, timeBytes: timeBytes)
  }

  /// Both selects from here on.
  private struct SelectCall {
    let call: Syscall
    let timeBytes: (Nanoseconds) -> [UInt8]

    static let inSet: PollEvents = [.readNormal, .readBand, .in, .hangup, .error]
    static let outSet: PollEvents = [.writeNormal, .writeBand, .out, .error]
    static let exceptionSet: PollEvents = [.priority]

    func run(_ kernel: Kernel, deadline: Nanoseconds?) throws(Errno) -> SyscallOutcome {
      let look: PollLook
      let results: [[UInt8]?]
      do throws(Errno) { (look, results) = try lookAtSets(kernel) } catch {
        kernel.restoreMask(call.task)
        throw error
      }
      let isImmediate = deadline.map { $0 <= kernel.clock.monotonic } ?? false
      if look.ready == 0 && call.wake != .timeout && call.wake != .signal && !isImmediate {
        return kernel.pollBlock(look, deadline)
      }
      kernel.storeTimeLeft(call, at: call[4], deadline, timeBytes)
      // Nothing is copied out when the wait was interrupted.
      if look.ready == 0 && call.wake == .signal { throw .ERESTARTNOHAND }
      if look.ready == 0 && call.wake == nil { kernel.nothingWasReady() }
      kernel.restoreMask(call.task)
      for (index, bytes) in results.enumerated() {
        if let bytes, !bytes.isEmpty { try call.memory.copyOut(call.address(1 + index), bytes) }
      }
      return .value(look.ready)
    }

    /// core_sys_select: sets of `n` bits rounded up to longs. EBADF for a set bit that is no open file.
    private func lookAtSets(_ kernel: Kernel) throws(Errno) -> (PollLook, [[UInt8]?]) {
      var count = Int(call.int32(0))
      if count < 0 { throw .EINVAL }
      count = min(count, max(64, (call.task.files.slots.count + 63) / 64 * 64))
      let size = (count + 63) / 64 * 8
      var wanted: [[UInt8]?] = []
      for index in 1...3 {
        wanted.append(call[index] == 0 ? nil : try call.memory.copyIn(call.address(index), size))
      }
      var results: [[UInt8]?] = wanted.map { $0.map { _ in [UInt8](repeating: 0, count: size) } }
      var look = PollLook()
      for descriptor in 0..<count {
        let byte = descriptor / 8
        let bit = UInt8(1) << UInt8(descriptor % 8)
        let asked = wanted.map { $0.map { $0[byte] & bit != 0 } ?? false }
        if !asked.contains(true) { continue }
        let file = try call.task.files.file(Int32(descriptor))
        let events = file.readiness(kernel)
        look.wait(on: file)
        for (index, set) in [Self.inSet, Self.outSet, Self.exceptionSet].enumerated() {
          if asked[index] && !events.isDisjoint(with: set) {
            results[index]![byte] |= bit
            look.ready += 1
          }
        }
      }
      return (look, results)
    }
  }
}
