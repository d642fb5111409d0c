// Priority-inheriting futexes: the kernel hands the lock over. kernel/futex/pi.c. There are no priorities here, so the
// waiter that came first gets the lock.

import LinuxABI
import Platform

/// Bits of a PI or robust futex word.
enum FutexWord {
  static let waiters: UInt32 = 0x8000_0000
  static let ownerDied: UInt32 = 0x4000_0000
  static let threadMask: UInt32 = 0x3fff_ffff
}

extension Kernel {
  // MARK: LOCK_PI, TRYLOCK_PI, UNLOCK_PI

  func futexLockPI(_ call: Syscall, _ request: FutexRequest, onlyTry: Bool) throws(Errno) -> SyscallOutcome {
    if let state = call.resume as? FutexWait, let waiter = state.waiters.first {
      if waiter.isWoken { return .success }
      if call.wake == .event { return blockOnFutex(state) }
      ipc.futexes.remove(waiter)
      // The wait starts again from the same absolute time.
      throw call.wake == .timeout ? .ETIMEDOUT : .ERESTARTNOINTR
    }
    let key = try futexKey(call.memory, request.address, shared: request.isShared)
    if try takePI(key, request.address, in: call.memory, for: call.task, announceWaiter: !onlyTry) {
      return .success
    }
    if onlyTry { throw .EAGAIN }
    let waiter = FutexWaiter(task: call.task, key: key, address: request.address, isPriorityInheriting: true)
    if ownersReach(call.task, from: key) {
      throw .EDEADLK
    }
    ipc.futexes.add(waiter)
    if request.deadline == nil { lookForLockCycle(from: waiter) }
    return blockOnFutex(FutexWait(waiters: [waiter], deadline: request.deadline))
  }

  /// futex_lock_pi_atomic: takes the lock for `task` when nobody has it. Otherwise false, with the owner noted and, if
  /// asked, the waiters bit set. EDEADLK for its own, ESRCH when the owner does not exist, EINVAL for a wrong word.
  private func takePI(
    _ key: FutexKey, _ address: GuestAddress, in memory: MemoryManager, for task: Task, announceWaiter: Bool
  ) throws(Errno) -> Bool {
    let word: UInt32 = try memory.load(address)
    let thread = UInt32(bitPattern: task.id.rawValue)
    let holder = word & FutexWord.threadMask
    if holder == thread { throw .EDEADLK }
    if let top = ipc.futexes.first(key) {
      guard top.isPriorityInheriting, let owner = ipc.futexes.owners[key] else { throw .EINVAL }
      if holder != 0 && holder != UInt32(bitPattern: owner.rawValue) { throw .EINVAL }
    } else if holder == 0 {
      try memory.store(address, (word & (FutexWord.ownerDied | FutexWord.waiters)) | thread)
      return true
    } else {
      let owner = TaskID(Int32(bitPattern: holder))
      guard let ownerTask = tasks[owner], ownerTask.isAlive else { throw .ESRCH }
      if announceWaiter { ipc.futexes.setOwner(key, owner) }
    }
    if announceWaiter && word & FutexWord.waiters == 0 { try memory.store(address, word | FutexWord.waiters) }
    return false
  }

  func futexUnlockPI(_ call: Syscall, _ request: FutexRequest) throws(Errno) -> SyscallOutcome {
    let word: UInt32 = try call.memory.load(request.address)
    if word & FutexWord.threadMask != UInt32(bitPattern: call.task.id.rawValue) { throw .EPERM }
    let key = try futexKey(call.memory, request.address, shared: request.isShared)
    guard let top = ipc.futexes.first(key) else {
      try call.memory.store(request.address, 0 as UInt32)
      return .success
    }
    if !top.isPriorityInheriting { throw .EINVAL }
    try handOver(key, to: top, extraBits: 0)
    return .success
  }

  /// wake_futex_pi: the waiter becomes the owner. The waiters bit stays: the next unlock comes to the kernel again.
  private func handOver(_ key: FutexKey, to waiter: FutexWaiter, extraBits: UInt32) throws(Errno) {
    let word = UInt32(bitPattern: waiter.task.id.rawValue) | FutexWord.waiters | extraBits
    try waiter.task.memory.store(waiter.address, word)
    release(waiter)
    if ipc.futexes.first(key) != nil { ipc.futexes.setOwner(key, waiter.task.id) }
  }

  /// rt_mutex's walk along the chain: whether waiting on `key` would close a cycle of PI owners through `task`.
  private func ownersReach(_ task: Task, from key: FutexKey) -> Bool {
    var key = key
    for _ in 0..<1024 {
      guard let owner = ipc.futexes.owners[key], let ownerTask = tasks[owner] else { return false }
      if owner == task.id { return true }
      guard let state = ownerTask.blocked?.block.resume as? FutexWait, let waiter = state.waiters.first,
        waiter.isPriorityInheriting, !waiter.isWoken
      else { return false }
      key = waiter.key
    }
    return false
  }

  // MARK: Requeueing to a PI futex

  func futexWaitRequeuePI(_ call: Syscall, _ request: FutexRequest) throws(Errno) -> SyscallOutcome {
    if let state = call.resume as? FutexWait, let waiter = state.waiters.first {
      if waiter.isWoken { return .success }
      if call.wake == .event { return blockOnFutex(state) }
      ipc.futexes.remove(waiter)
      if call.wake == .timeout { throw .ETIMEDOUT }
      // handle_early_requeue_pi_wakeup; after the move the caller must look again by itself.
      throw waiter.key == waiter.requeueTarget ? .EAGAIN : .ERESTARTNOINTR
    }
    if request.address == request.address2 { throw .EINVAL }
    let key = try futexKey(call.memory, request.address, shared: request.isShared)
    let target = try futexKey(call.memory, request.address2, shared: request.isShared)
    if key == target { throw .EINVAL }
    if try call.memory.load(request.address, as: UInt32.self) != request.value { throw .EAGAIN }
    let waiter = FutexWaiter(
      task: call.task, key: key, address: request.address, isPriorityInheriting: true, requeueTarget: target)
    ipc.futexes.add(waiter)
    return blockOnFutex(FutexWait(waiters: [waiter], deadline: request.deadline))
  }

  /// FUTEX_CMP_REQUEUE_PI: gives the lock to the first waiter if it is free; the others queue for it.
  func futexRequeuePI(_ call: Syscall, _ request: FutexRequest) throws(Errno) -> SyscallOutcome {
    if request.address == request.address2 || request.value != 1 || request.value2 < 0 { throw .EINVAL }
    let key = try futexKey(call.memory, request.address, shared: request.isShared)
    let target = try futexKey(call.memory, request.address2, shared: request.isShared)
    if key == target { throw .EINVAL }
    if try call.memory.load(request.address, as: UInt32.self) != request.value3 { throw .EAGAIN }
    let waiters = ipc.futexes.waiters(key)
    if waiters.contains(where: { $0.requeueTarget != target }) { throw .EINVAL }
    guard let top = waiters.first else { return .value(0 as Int64) }

    var done = 0
    var rest = waiters[...]
    if try takePI(target, request.address2, in: call.memory, for: top.task, announceWaiter: true) {
      release(top)
      rest = rest.dropFirst()
      done = 1
      if !rest.isEmpty && request.value2 > 0 {
        let word: UInt32 = try call.memory.load(request.address2)
        try call.memory.store(request.address2, word | FutexWord.waiters)
        ipc.futexes.setOwner(target, top.task.id)
      }
    }
    for waiter in rest.prefix(Int(request.value2)) {
      ipc.futexes.move(waiter, to: target, request.address2)
      done += 1
    }
    return .value(done)
  }

  // MARK: The end of an owner

  /// exit_pi_state_list: every PI futex that the task owns and somebody waits for goes to its first waiter.
  func releasePriorityInheritingFutexes(_ task: Task) {
    let owned = ipc.futexes.owners.filter { $0.value == task.id }.map { $0.key }
    for key in owned {
      guard let top = ipc.futexes.first(key) else { continue }
      if (try? handOver(key, to: top, extraBits: FutexWord.ownerDied)) == nil { release(top) }
    }
  }
}

extension Task {
  /// Not yet on its way out.
  var isAlive: Bool {
    switch runState {
    case .exiting, .zombie, .dead: false
    case .user, .resumeSyscall, .blocked, .groupStopped: true
    }
  }
}
