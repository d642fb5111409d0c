// New tasks: kernel/fork.c.

import LinuxABI
import Platform

/// A parent that waits in vfork, and for which child.
struct VforkWait: Resumption {
  let child: TaskID
}

extension Kernel {
  /// clone(2), clone3(2), fork(2) and vfork(2).
  func clone(_ call: Syscall, _ options: CloneOptions) throws(Errno) -> SyscallOutcome {
    let parent = call.task
    try options.validate(for: parent, self)
    try checkTaskLimits(for: parent)
    // copy_process: a signal is handled before the fork, which is then made again.
    if hasDeliverableSignal(parent) { throw .ERESTARTNOINTR }

    let memory = try shareOrCopyMemory(of: parent, options)
    let context = ExecutionContext(
      id: identifiers.nextContext(), space: memory.space, registers: childRegisters(of: parent, options))
    do { try machine.createContext(context.id, extendedState: .copy(of: parent.context.id)) } catch {
      machineError = error
      memory.release(self)
      throw .EAGAIN
    }
    let id = tasks.allocateID()
    let child = makeTask(id, context, memory, from: parent, options)
    if options.flags.contains(.pidfd) {
      do throws(Errno) {
        try installPidfd(for: child.group, call, at: options.pidfd)
      } catch {
        abandon(child)
        throw error
      }
    }
    if options.flags.contains(.parentSetTID) { try? parent.memory.store(options.parentTID, id.rawValue) }
    if options.flags.contains(.childSetTID) { try? memory.store(options.childTID, id.rawValue) }
    if options.flags.contains(.childClearTID) { child.clearChildTID = options.childTID }
    enter(child, from: parent, options)
    if options.flags.contains(.vfork) {
      let done = WaitQueue()
      child.vforkParent = parent
      child.vforkDone = done
      return .block(Block(on: [done], interruptible: false, resume: VforkWait(child: id), reason: .vfork))
    }
    return .value(id)
  }

  /// The parent goes on: its vfork child made execve or ended, or the parent is being killed.
  func finishVfork(_ call: Syscall, _ wait: VforkWait) -> SyscallOutcome {
    if let child = tasks[wait.child], child.vforkParent === call.task {
      child.vforkParent = nil
      child.vforkDone = nil
    }
    return .value(wait.child)
  }

  /// The child of vfork no longer uses its parent's memory.
  func releaseVforkParent(of task: Task) {
    guard let done = task.vforkDone else { return }
    task.vforkParent = nil
    task.vforkDone = nil
    done.wakeAll(self)
  }

  /// The configured bound on tasks, and RLIMIT_NPROC, which does not bind root.
  private func checkTaskLimits(for parent: Task) throws(Errno) {
    if tasks.tasks.count >= configuration.tasksMax { throw .EAGAIN }
    let credentials = parent.credentials
    let limit = parent.group.limits[ResourceLimits.processes].current
    // CAP_SYS_RESOURCE, CAP_SYS_ADMIN.
    if credentials.realUser == 0 || credentials.hasCapability(24) || credentials.hasCapability(21) { return }
    if UInt64(tasks.tasks.count) < limit { return }
    var count: UInt64 = 0
    for task in tasks.tasks.values where task.credentials.realUser == credentials.realUser { count += 1 }
    if count >= limit { throw .EAGAIN }
  }

  private func shareOrCopyMemory(of parent: Task, _ options: CloneOptions) throws(Errno) -> MemoryManager {
    if !options.flags.contains(.memory) { return try parent.memory.fork(self) }
    parent.memory.users += 1
    return parent.memory
  }

  private func childRegisters(of parent: Task, _ options: CloneOptions) -> Registers {
    var registers = parent.context.registers
    registers.rax = 0
    registers.origRax = ~0
    if options.stack != 0 { registers.rsp = options.stack }
    if options.flags.contains(.setTLS) { registers.fsBase = options.tls }
    return registers
  }

  /// copy_process: the task and what it shares or copies. It is not visible yet.
  private func makeTask(
    _ id: TaskID, _ context: ExecutionContext, _ memory: MemoryManager, from parent: Task, _ options: CloneOptions
  ) -> Task {
    let flags = options.flags
    let files = flags.contains(.files) ? parent.files : parent.files.fork()
    if flags.contains(.files) { files.users += 1 }
    let fs = flags.contains(.fs) ? parent.fs : parent.fs.fork()
    if flags.contains(.fs) { fs.users += 1 }
    let group = flags.contains(.thread) ? parent.group : makeGroup(id, from: parent, options)
    let child = Task(
      id: id, context: context, group: group, memory: memory, files: files, fs: fs, credentials: parent.credentials,
      name: parent.name)
    child.signals.mask = parent.signals.mask
    // Nothing is deliverable now, or the clone would have been restarted.
    child.signals.needsRecheck = false
    // A thread starts without an alternate stack; fork and vfork keep it (sas_ss_reset in copy_process).
    let keepsStack = !flags.contains(.memory) || flags.contains(.vfork)
    child.signals.alternateStack = keepsStack ? parent.signals.alternateStack : (GuestAddress(0), 0, 2)
    child.affinity = parent.affinity
    child.niceness = parent.policies.resetOnFork ? max(0, parent.niceness) : parent.niceness
    child.policies = parent.policies.forChild
    child.personality = parent.personality
    child.timerSlack = parent.timerSlack
    return child
  }

  private func makeGroup(_ id: TaskID, from parent: Task, _ options: CloneOptions) -> ThreadGroup {
    let old = parent.group
    let isSibling = options.flags.contains(.parent)
    let handlers = options.flags.contains(.handlers) ? old.handlers : old.handlers.fork()
    if options.flags.contains(.clearHandlers) { handlers.resetHandlers() }
    let group = ThreadGroup(
      id: id, parent: isSibling ? old.parent : old, processGroup: old.processGroup, handlers: handlers,
      limits: old.limits)
    group.parentTask = isSibling ? old.parentTask : parent
    group.exitSignal = isSibling ? old.exitSignal : options.exitSignal
    group.arguments = old.arguments
    group.environment = old.environment
    group.executablePath = old.executablePath
    group.dumpable = old.dumpable
    group.startTime = clock.monotonic
    return group
  }

  /// The new task becomes visible and may run. The parent goes on first, as Linux has it.
  private func enter(_ child: Task, from parent: Task, _ options: CloneOptions) {
    if options.flags.contains(.thread) {
      child.group.tasks.append(child)
      tasks.add(child)
    } else {
      add(child, as: child.group)
      child.group.parent?.children.append(child.group)
    }
    noteStart(child)
    scheduler.enqueue(child)
  }

  /// Undoes a clone that failed late.
  private func abandon(_ child: Task) {
    machine.destroyContext(child.context.id)
    releaseFiles(of: child)
    child.memory.release(self)
    child.runState = .dead
  }

  private func installPidfd(for group: ThreadGroup, _ call: Syscall, at address: GuestAddress) throws(Errno) {
    let descriptor = try call.task.files.install(
      PidFile(group, flags: 2), closeOnExec: true, limit: call.task.group.limits[ResourceLimits.files].current)
    do throws(Errno) { try call.memory.store(address, descriptor) } catch {
      try? call.task.files.close(self, descriptor)
      throw error
    }
  }

  /// exit_files and exit_fs.
  func releaseFiles(of task: Task) {
    task.files.users -= 1
    if task.files.users == 0 { task.files.closeAll(self) }
    task.fs.users -= 1
  }
}
