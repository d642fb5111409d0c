// What every task does when a run does not end: who waits in which call for what, and who would have to act.
//
// It is asked for once, at the end of a run. Nothing here changes the kernel's state.

import LinuxABI
import Platform

/// What one task does at the end of a run that did not end by itself.
public struct Waiter: Sendable, Hashable {
  public var task: TaskID
  public var process: TaskID
  /// comm, at most 15 bytes.
  public var name: String
  /// The system call that it is blocked in; nil when it is not blocked.
  public var syscall: String?
  /// What it waits for, in words; for a task that does not wait, what it does.
  public var what: String
  /// The futex that it waits on.
  public var futex: GuestAddress?
  /// The descriptor that it waits at.
  public var descriptor: Int32?
  /// The one task that would have to act: it holds the lock, or it is the thread or child whose end is waited for.
  /// nil where there are several or the kernel cannot know.
  public var owner: TaskID?
  /// What it waits for is the end of a thread.
  public var isJoin = false
  /// A deadline ends this wait.
  public var hasTimeout = false

  /// For people, in one line.
  public var line: String {
    guard let syscall else { return "task \(task) (\(name)) \(what)" }
    return "task \(task) (\(name)) waits in \(syscall) for \(what)\(hasTimeout ? ", with a time-out" : "")"
  }
}

extension Kernel {
  /// What the tasks do that have not ended, in order of creation.
  public func waiters() -> [Waiter] {
    tasks.tasks.values.compactMap { $0.group === initProcess || $0.hasEnded ? nil : waiter($0) }
  }

  /// Lines for people at most; `waiters` has all.
  private static let linesMax = 64

  /// One line a task.
  func describeWaits(_ some: [Waiter]? = nil) -> String {
    let all = some ?? waiters()
    var lines = all.prefix(Self.linesMax).map(\.line)
    if all.count > lines.count { lines.append("and \(all.count - lines.count) more") }
    return lines.joined(separator: "\n")
  }

  func waiter(_ task: Task) -> Waiter {
    var waiter = Waiter(task: task.id, process: task.group.id, name: task.name, what: "")
    guard case .blocked = task.runState, let blocked = task.blocked else {
      waiter.what = describeState(of: task)
      return waiter
    }
    waiter.syscall = SyscallNumber.name(blocked.number)
    waiter.hasTimeout = blocked.block.deadline.map { $0 < .max } ?? false
    waiter.what = blocked.block.reason.text
    switch blocked.block.reason {
    case .futex(let address): describeFutex(of: task, address, &waiter)
    case .child: describeChildren(of: task, blocked, &waiter)
    case .vfork: waiter.owner = (blocked.block.resume as? VforkWait)?.child
    case .fileLock: describeFileLock(of: task, blocked, &waiter)
    case .poll: describePolled(by: task, blocked, &waiter)
    case .pipe, .socket, .eventCounter, .hostInput: describeFile(of: task, blocked, &waiter)
    case .sleep, .signal, .timer, .other: break
    }
    if let owner = waiter.owner, blocked.block.reason == .vfork, let child = tasks[owner] {
      waiter.what += ": \(nameOf(child))"
    }
    return waiter
  }

  private func describeState(of task: Task) -> String {
    switch task.runState {
    case .groupStopped: "is stopped by \(SignalNumber.name(task.group.signals.stopSignal))"
    case .exiting, .zombie, .dead: "is ending"
    case .user, .resumeSyscall, .blocked:
      "can run, at \(CodePlace(GuestAddress(task.context.registers.rip), in: task.memory))"
    }
  }

  private func nameOf(_ task: Task) -> String { "task \(task.id) (\(task.name))" }

  // MARK: Futexes

  private func describeFutex(of task: Task, _ address: GuestAddress, _ waiter: inout Waiter) {
    waiter.futex = address
    guard let futex = futexWaiter(of: task) else { return }
    // A requeue changes it.
    waiter.futex = futex.address
    waiter.what = BlockReason.futex(futex.address).text
    guard let owner = lockOwner(futex) else { return }
    waiter.owner = owner.task.id
    waiter.isJoin = owner.kind == LockOwner.join
    waiter.what += owner.text(for: task)
  }

  // MARK: Children

  private func describeChildren(of task: Task, _ blocked: BlockedSyscall, _ waiter: inout Waiter) {
    let waited = Int32(truncatingIfNeeded: blocked.arguments[0])
    var children = task.group.children.filter { !$0.isZombie }
    if blocked.number == SyscallNumber.wait4, waited > 0 { children = children.filter { $0.id.rawValue == waited } }
    if children.isEmpty { return }
    let names = children.prefix(8).map { "process \($0.id) (\($0.leader?.name ?? "?"))" }
    waiter.what = "the end of " + names.joined(separator: " or ") + (children.count > 8 ? " or others" : "")
    if children.count == 1 { waiter.owner = children[0].leader?.id }
  }

  // MARK: Files

  /// The calls that wait at a descriptor other than their first argument.
  private static func descriptor(_ blocked: BlockedSyscall) -> Int32 {
    let isSecond = blocked.number == SyscallNumber.sendfile && blocked.block.reason == .pipe(reading: true)
    return Int32(truncatingIfNeeded: blocked.arguments[isSecond ? 1 : 0])
  }

  private func describeFile(of task: Task, _ blocked: BlockedSyscall, _ waiter: inout Waiter) {
    // Two descriptors each, and which of them blocks is not kept.
    switch blocked.number {
    case SyscallNumber.splice, SyscallNumber.tee, SyscallNumber.copy_file_range: return
    default: break
    }
    let descriptor = Self.descriptor(blocked)
    guard let file = try? task.files.file(descriptor) else { return }
    waiter.descriptor = descriptor
    waiter.what += " at descriptor \(descriptor) (\(name(of: file)))"
    guard case .pipe(let reading) = blocked.block.reason, let end = file as? PipeEnd else { return }
    let holders = holders(of: end.pipe, writing: reading)
    let role = reading ? "written" : "read"
    if holders.isEmpty { return waiter.what += ", which nobody has open to be \(role)" }
    let others = holders.filter { $0 !== task.group }
    if others.isEmpty { return waiter.what += ", which only its own process has open to be \(role)" }
    let names = others.prefix(8).map { "process \($0.id) (\($0.leader?.name ?? "?"))" }
    waiter.what += ", which can be \(role) by " + names.joined(separator: ", ")
    if holders.count == 1 { waiter.owner = others[0].leader?.id }
  }

  private func name(of file: OpenFile) -> String { String(decoding: file.displayPath(self), as: UTF8.self) }

  /// Processes that have the pipe open for writing, or else for reading, in order of creation.
  private func holders(of pipe: Pipe, writing: Bool) -> [ThreadGroup] {
    tasks.groups.values.filter { group in
      guard group !== initProcess else { return false }
      // Threads share a table as a rule.
      var seen: FDTable?
      return group.livingTasks.contains { task in
        if task.files === seen { return false }
        seen = task.files
        return task.files.slots.contains { slot in
          guard let end = slot?.file as? PipeEnd, end.pipe === pipe else { return false }
          return writing ? end.isWritable : end.isReadable
        }
      }
    }
  }

  private func describePolled(by task: Task, _ blocked: BlockedSyscall, _ waiter: inout Waiter) {
    var descriptors: [Int32] = []
    switch blocked.number {
    case SyscallNumber.poll, SyscallNumber.ppoll:
      // struct pollfd: fd, events, revents. A negative fd is left out.
      let count = min(Int(truncatingIfNeeded: UInt32(truncatingIfNeeded: blocked.arguments[1])), 16)
      guard let bytes = try? task.memory.copyIn(GuestAddress(blocked.arguments[0]), count * 8) else { return }
      descriptors = (0..<count).map { bytes.integer(at: $0 * 8) as Int32 }.filter { $0 >= 0 }
    case SyscallNumber.epoll_wait, SyscallNumber.epoll_pwait, SyscallNumber.epoll_pwait2:
      descriptors = [Int32(truncatingIfNeeded: blocked.arguments[0])]
    default: return
    }
    let names = descriptors.prefix(8).compactMap { descriptor in
      (try? task.files.file(descriptor)).map { "\(descriptor) (\(name(of: $0)))" }
    }
    if names.isEmpty { return }
    waiter.what = (names.count == 1 ? "an event at descriptor " : "an event at the descriptors ")
    waiter.what += names.joined(separator: ", ") + (descriptors.count > 8 ? " and others" : "")
    if descriptors.count == 1 { waiter.descriptor = descriptors[0] }
  }

  private func describeFileLock(of task: Task, _ blocked: BlockedSyscall, _ waiter: inout Waiter) {
    let descriptor = Int32(truncatingIfNeeded: blocked.arguments[0])
    guard let file = try? task.files.file(descriptor) else { return }
    waiter.descriptor = descriptor
    waiter.what += " at descriptor \(descriptor) (\(name(of: file)))"
    guard let wait = blocked.block.resume as? LockWait,
      let conflict = wait.locks.conflict(
        .table(task.files), wait.start, wait.last, isExclusive: wait.isExclusive),
      let holder = tasks.group(TaskID(conflict.process))
    else { return }
    waiter.owner = holder.leader?.id
    waiter.what += ", held by process \(holder.id) (\(holder.leader?.name ?? "?"))"
  }
}
