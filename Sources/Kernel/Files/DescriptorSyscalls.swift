// Calls on descriptors: close, dup, fcntl, flock, lseek, ioctl.

import LinuxABI
import Platform

extension SyscallTable {
  static var descriptorSyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.close) { call throws(Errno) in
        try call.task.files.close(call.kernel, call.int32(0))
        return .success
      },
      SyscallEntry(SyscallNumber.close_range) { call throws(Errno) in try call.kernel.closeRange(call) },
      SyscallEntry(SyscallNumber.dup) { call throws(Errno) in
        let file = try call.file(allowPath: true)
        return try call.kernel.installNew(call, file, closeOnExec: false)
      },
      SyscallEntry(SyscallNumber.dup2) { call throws(Errno) in
        if call.int32(0) == call.int32(1) {
          _ = try call.file(allowPath: true)
          return .value(Int64(call.int32(1)))
        }
        return try call.kernel.duplicate(call, closeOnExec: false)
      },
      SyscallEntry(SyscallNumber.dup3) { call throws(Errno) in
        if call.uint32(2) & ~OpenFlags.closeOnExec != 0 || call.int32(0) == call.int32(1) { throw .EINVAL }
        return try call.kernel.duplicate(call, closeOnExec: call.uint32(2) != 0)
      },
      SyscallEntry(SyscallNumber.fcntl, .partial("no leases, no notifications, no signals for F_SETOWN")) {
        call throws(Errno) in
        try call.kernel.fileControl(call)
      },
      SyscallEntry(SyscallNumber.flock) { call throws(Errno) in try call.kernel.flock(call) },
      SyscallEntry(SyscallNumber.lseek) { call throws(Errno) in
        .value(try call.file().seek(call, call.int64(1), whence: call.int32(2)))
      },
      SyscallEntry(SyscallNumber.ioctl, .partial("the common ones of terminals and sockets; ENOTTY otherwise")) {
        call throws(Errno) in
        try call.kernel.ioctl(call)
      },
    ]
  }
}

extension Kernel {
  /// dup2 and dup3 proper. EBADF beyond the limit of descriptors.
  fileprivate func duplicate(_ call: Syscall, closeOnExec: Bool) throws(Errno) -> SyscallOutcome {
    let file = try call.file(allowPath: true)
    let target = call.int32(1)
    if target < 0 || UInt64(target) >= call.task.group.limits[ResourceLimits.files].current { throw .EBADF }
    call.task.files.replace(self, target, with: file, closeOnExec: closeOnExec)
    return .value(Int64(target))
  }

  /// close_range(2).
  fileprivate func closeRange(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let (first, last, flags) = (call.uint32(0), call.uint32(1), call.uint32(2))
    if first > last || flags & ~6 != 0 { throw .EINVAL }
    let task = call.task
    // CLOSE_RANGE_UNSHARE
    if flags & 2 != 0 && task.files.users > 1 {
      let own = task.files.fork()
      task.files.users -= 1
      task.files = own
    }
    let end = min(Int(last), task.files.slots.count - 1)
    if Int(first) > end { return .success }
    for index in Int(first)...end where task.files.slots[index] != nil {
      if flags & 4 != 0 {
        task.files.setCloseOnExec(Int32(index), true)
      } else {
        try task.files.close(self, Int32(index))
      }
    }
    return .success
  }

  // MARK: fcntl

  fileprivate func fileControl(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let command = call.int32(1)
    let files = call.task.files
    switch command {
    // F_DUPFD, F_DUPFD_CLOEXEC
    case 0, 1030:
      let file = try call.file(allowPath: true)
      let limit = call.task.group.limits[ResourceLimits.files].current
      let minimum = call.int64(2)
      if minimum < 0 || UInt64(minimum) >= limit { throw .EINVAL }
      let new = try files.install(
        file, from: Int32(truncatingIfNeeded: minimum), closeOnExec: command == 1030, limit: limit)
      return .value(Int64(new))
    // F_GETFD, F_SETFD
    case 1:
      guard let slot = files.slot(call.int32(0)) else { throw .EBADF }
      return .value(slot.closeOnExec ? 1 : 0 as Int64)
    case 2:
      guard files.slot(call.int32(0)) != nil else { throw .EBADF }
      files.setCloseOnExec(call.int32(0), call.uint32(2) & 1 != 0)
      return .success
    // F_GETFL
    case 3: return .value(Int64(try call.file(allowPath: true).flags))
    default: return try fileControlOfFile(call, try call.file(), command)
    }
  }

  /// Commands that O_PATH descriptors do not take.
  private func fileControlOfFile(_ call: Syscall, _ file: OpenFile, _ command: Int32) throws(Errno) -> SyscallOutcome {
    switch command {
    // F_SETFL
    case 4:
      let changeable =
        OpenFlags.append | OpenFlags.nonblocking | OpenFlags.async | OpenFlags.direct | OpenFlags.noAccessTime
      file.flags = file.flags & ~changeable | call.uint32(2) & changeable
      _ = try file.control(call, command, call[2])
      return .success
    // F_GETLK, F_SETLK, F_SETLKW and the same for open file descriptions
    case 5, 36: return try getLock(call, file, ofDescription: command == 36)
    case 6, 37: return try setLock(call, file, ofDescription: command == 37, wait: false)
    case 7, 38: return try setLock(call, file, ofDescription: command == 38, wait: true)
    // F_SETOWN, F_GETOWN
    case 8:
      file.owner = call.int32(2)
      return .success
    case 9: return .value(Int64(file.owner))
    // F_SETPIPE_SZ, F_GETPIPE_SZ
    case 1031: return try pipeSize(call, of: file, set: call.uint32(2))
    case 1032: return try pipeSize(call, of: file, set: nil)
    // F_ADD_SEALS, F_GET_SEALS
    case 1033: return try addSeals(call, file, call.uint32(2))
    case 1034:
      guard let seals = (file.inode as? RegularInode)?.seals else { throw .EINVAL }
      return .value(Int64(seals))
    default:
      if let value = try file.control(call, command, call[2]) { return .value(value) }
      throw .EINVAL
    }
  }

  /// mm/memfd.c memfd_add_seals.
  private func addSeals(_ call: Syscall, _ file: OpenFile, _ seals: UInt32) throws(Errno) -> SyscallOutcome {
    if !file.isWritable { throw .EPERM }
    if seals & ~0x1f != 0 { throw .EINVAL }
    guard let inode = file.inode as? RegularInode, let old = inode.seals else { throw .EINVAL }
    // F_SEAL_SEAL
    if old & 1 != 0 { throw .EPERM }
    inode.seals = old | seals
    return .success
  }

  // MARK: Locks

  /// struct flock: type, whence, start, length; as bytes `start ... last`.
  private func lockRequest(_ call: Syscall, _ file: OpenFile) throws(Errno) -> (
    type: Int16, start: Int64, last: Int64, pid: Int32
  ) {
    let bytes = try call.memory.copyIn(call.address(2), 32)
    let type: Int16 = bytes.integer(at: 0)
    let whence: Int16 = bytes.integer(at: 2)
    var start: Int64 = bytes.integer(at: 8)
    let length: Int64 = bytes.integer(at: 16)
    switch whence {
    case 0: break
    case 1: start = try RegularFile.sum(start, file.offset)
    case 2: start = try RegularFile.sum(start, file.inode?.size ?? 0)
    default: throw .EINVAL
    }
    var last = Int64.max
    if length > 0 {
      last = try RegularFile.sum(start, length - 1)
    } else if length < 0 {
      last = start - 1
      start += length
    }
    if start < 0 || !(0...2).contains(type) { throw .EINVAL }
    return (type, start, last, bytes.integer(at: 24))
  }

  private func locks(of file: OpenFile) throws(Errno) -> FileLocks {
    guard let inode = file.inode else { throw .EINVAL }
    if let locks = inode.locks { return locks }
    let locks = FileLocks()
    inode.locks = locks
    return locks
  }

  private func getLock(_ call: Syscall, _ file: OpenFile, ofDescription: Bool) throws(Errno) -> SyscallOutcome {
    let request = try lockRequest(call, file)
    if request.type == 2 || (ofDescription && request.pid != 0) { throw .EINVAL }
    let owner: FileLockOwner = ofDescription ? .description(file) : .table(call.task.files)
    let conflict = try locks(of: file).conflict(owner, request.start, request.last, isExclusive: request.type == 1)
    guard let conflict else {
      // F_UNLCK; the rest stays as it was.
      try call.memory.store(call.address(2), 2 as Int16)
      return .success
    }
    var bytes: [UInt8] = []
    bytes.appendInteger((conflict.isExclusive ? 1 : 0) as Int16)
    bytes.appendInteger(0 as Int16)
    bytes.appendInteger(0 as Int32)
    bytes.appendInteger(conflict.start)
    bytes.appendInteger(conflict.last == .max ? 0 : conflict.last - conflict.start + 1)
    bytes.appendInteger(conflict.process)
    try call.memory.copyOut(call.address(2), bytes)
    return .success
  }

  private func setLock(_ call: Syscall, _ file: OpenFile, ofDescription: Bool, wait: Bool) throws(Errno)
    -> SyscallOutcome
  {
    let request = try lockRequest(call, file)
    if ofDescription && request.pid != 0 { throw .EINVAL }
    let owner: FileLockOwner = ofDescription ? .description(file) : .table(call.task.files)
    let process = ofDescription ? -1 : call.task.group.id.rawValue
    let locks = try locks(of: file)
    if request.type == 2 {
      locks.set(self, owner, process: process, request.start, request.last, isExclusive: nil)
      return .success
    }
    let isExclusive = request.type == 1
    if isExclusive ? !file.isWritable : !file.isReadable { throw .EBADF }
    if let conflict = locks.conflict(owner, request.start, request.last, isExclusive: isExclusive) {
      if !wait { throw .EAGAIN }
      if !ofDescription && locksWouldDeadlock(call.task, waitingFor: conflict) { throw .EDEADLK }
      let resume = LockWait(locks: locks, start: request.start, last: request.last, isExclusive: isExclusive)
      return try call.wait(Block(on: [locks.waiters], resume: resume, reason: .fileLock))
    }
    locks.set(self, owner, process: process, request.start, request.last, isExclusive: isExclusive)
    return .success
  }

  /// posix_locks_deadlock: whether the holder waits, perhaps through others, for a lock of this task's table.
  private func locksWouldDeadlock(_ task: Task, waitingFor first: RecordLock) -> Bool {
    var conflict = first
    for _ in 0..<10 {
      guard case .table(let holder) = conflict.owner else { return false }
      if holder === task.files { return true }
      var next: RecordLock?
      for other in tasks.tasks.values where other.files === holder {
        guard case .blocked = other.runState, let wait = other.blocked?.block.resume as? LockWait else { continue }
        next = wait.locks.conflict(.table(holder), wait.start, wait.last, isExclusive: wait.isExclusive)
      }
      guard let next else { return false }
      conflict = next
    }
    return false
  }

  /// flock(2).
  fileprivate func flock(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let file = try call.file()
    let operation = call.uint32(1)
    let locks = try locks(of: file)
    switch operation & ~4 {
    // LOCK_SH, LOCK_EX
    case 1, 2:
      if locks.tryFlock(self, file, isExclusive: operation & ~4 == 2) { return .success }
      return try call.wait(Block(on: [locks.waiters], reason: .fileLock), nonblocking: operation & 4 != 0)
    case 8:
      locks.unflock(self, file)
      return .success
    default: throw .EINVAL
    }
  }

  // MARK: ioctl

  fileprivate func ioctl(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let file = try call.file()
    let files = call.task.files
    switch call.uint32(1) {
    // FIOCLEX, FIONCLEX
    case 0x5451: files.setCloseOnExec(call.int32(0), true)
    case 0x5450: files.setCloseOnExec(call.int32(0), false)
    // FIONBIO
    case 0x5421:
      let isOn = try call.memory.load(call.address(2), as: Int32.self) != 0
      file.flags = isOn ? file.flags | OpenFlags.nonblocking : file.flags & ~OpenFlags.nonblocking
      _ = try file.control(call, 4, UInt64(file.flags))
    default: return try file.ioctl(call, call.uint32(1), call[2])
    }
    return .success
  }
}

/// What a task that waits for a record lock wants; others look at it to find deadlocks.
struct LockWait: Resumption {
  var locks: FileLocks
  var start: Int64
  var last: Int64
  var isExclusive: Bool
  mutating func copyReferences(_ context: CopyContext) { locks = context.copy(locks) }
}
