// epoll_create(2), epoll_ctl(2), epoll_wait(2) and kin.

import LinuxABI
import Platform

extension SyscallTable {
  static var epollSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.epoll_create) { call throws(Errno) in
        if call.int32(0) <= 0 { throw .EINVAL }
        return try call.kernel.makeEpoll(call, flags: 0)
      },
      SyscallEntry(SyscallNumber.epoll_create1) { call throws(Errno) in
        try call.kernel.makeEpoll(call, flags: call.uint32(0))
      },
      SyscallEntry(SyscallNumber.epoll_ctl) { call throws(Errno) in try call.kernel.controlEpoll(call) },
      SyscallEntry(SyscallNumber.epoll_wait) { call throws(Errno) in
        try call.kernel.waitEpoll(call, timeout: call.millisecondTimeout(3))
      },
      SyscallEntry(SyscallNumber.epoll_pwait) { call throws(Errno) in
        try call.kernel.setTemporaryMask(call, call.address(4), size: call[5])
        return try call.kernel.waitEpoll(call, timeout: call.millisecondTimeout(3))
      },
      SyscallEntry(SyscallNumber.epoll_pwait2) { call throws(Errno) in
        let timeout = call[3] == 0 || call.resume != nil ? nil : try call.memory.copyInTimespec(call.address(3))
        try call.kernel.setTemporaryMask(call, call.address(4), size: call[5])
        return try call.kernel.waitEpoll(call, timeout: timeout)
      },
    ]
  }
}

extension Syscall {
  /// An int argument of milliseconds; nil for a negative one, which means no limit.
  func millisecondTimeout(_ index: Int) -> Nanoseconds? {
    int32(index) < 0 ? nil : Nanoseconds(Int64(int32(index)) * 1_000_000)
  }
}

extension Kernel {
  func makeEpoll(_ call: Syscall, flags: UInt32) throws(Errno) -> SyscallOutcome {
    if flags & ~OpenFlag.closeOnExec != 0 { throw .EINVAL }
    return try installNew(call, EpollFile(flags: OpenFlag.readWrite), closeOnExec: flags != 0)
  }

  /// epoll_ctl(2): 1 adds, 2 deletes, 3 modifies.
  func controlEpoll(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let operation = call.int32(1)
    var events: UInt32 = 0
    var data: UInt64 = 0
    if operation != 2 {
      let bytes = try call.memory.copyIn(call.address(3), 12)
      events = bytes.integer(at: 0)
      data = bytes.integer(at: 4)
    }
    let file = try call.task.files.file(call.int32(0))
    let target = try call.task.files.file(call.int32(2))
    if !target.supportsPolling { throw .EPERM }
    guard let epoll = file as? EpollFile, target !== file else { throw .EINVAL }
    // ep_take_care_of_epollwakeup: without CAP_BLOCK_SUSPEND the flag is dropped.
    if !call.task.credentials.hasCapability(36) { events &= ~EpollFlag.wakeUp }
    if events & EpollFlag.exclusive != 0 {
      let allowed: UInt32 = 0x1 | 0x4 | 0x8 | 0x10 | EpollFlag.exclusive | EpollFlag.wakeUp | EpollFlag.edgeTriggered
      if operation == 3 { throw .EINVAL }
      if operation == 1 && (target is EpollFile || events & ~allowed != 0) { throw .EINVAL }
    }
    let item = epoll.item(call.int32(2), target)
    let wanted = events | PollEvents([.error, .hangup]).rawValue
    switch operation {
    case 1:
      if item != nil { throw .EEXIST }
      if let nested = target as? EpollFile {
        if nested.reaches(epoll) || epoll.watcherDepth() + nested.nestingDepth() > EpollFile.nestingMax + 1 {
          throw .ELOOP
        }
      }
      epoll.add(target, call.int32(2), events: wanted, data: data, self)
    case 2:
      guard let item else { throw .ENOENT }
      epoll.remove(item)
    case 3:
      guard let item else { throw .ENOENT }
      if item.events & EpollFlag.exclusive != 0 { throw .EINVAL }
      epoll.modify(item, events: wanted, data: data, self)
    default:
      throw .EINVAL
    }
    return .success
  }

  /// epoll_wait(2). Always EINTR after a signal, never restarted.
  func waitEpoll(_ call: Syscall, timeout: Nanoseconds?) throws(Errno) -> SyscallOutcome {
    do throws(Errno) {
      let outcome = try lookAtEpoll(call, timeout: timeout)
      if case .value = outcome { restoreMask(call.task) }
      return outcome
    } catch {
      if error != .EINTR { restoreMask(call.task) }
      throw error
    }
  }

  private func lookAtEpoll(_ call: Syscall, timeout: Nanoseconds?) throws(Errno) -> SyscallOutcome {
    let count = call.int32(2)
    if count <= 0 || count > Int32.max / 12 { throw .EINVAL }
    guard let range = GuestRange(call.address(1), length: UInt64(count) * 12), range.end <= GuestAddress.userEnd else {
      throw .EFAULT
    }
    guard let epoll = try call.task.files.file(call.int32(0)) as? EpollFile else { throw .EINVAL }
    let ready = epoll.collect(Int(count), self)
    if !ready.isEmpty {
      var bytes: [UInt8] = []
      bytes.reserveCapacity(ready.count * 12)
      for event in ready {
        bytes.appendInteger(event.events)
        bytes.appendInteger(event.data)
      }
      try call.memory.copyOut(call.address(1), bytes)
      return .value(ready.count)
    }
    let deadline: Nanoseconds? =
      (call.resume as? PollWait).map { $0.deadline } ?? timeout.map { clock.monotonic + $0 }
    if call.wake == .timeout { return .value(0 as Int64) }
    if call.wake == nil, timeout == .zero {
      nothingWasReady()
      return .value(0 as Int64)
    }
    if call.wake == .signal { throw .EINTR }
    return .block(
      Block(on: epoll.queuesToWait(self), until: deadline, resume: PollWait(deadline: deadline), reason: .poll))
  }
}
