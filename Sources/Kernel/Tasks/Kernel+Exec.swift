// execve(2): begin_new_exec of fs/exec.c. Everything that can fail comes first; from the moment at which the other
// threads are told to end there is no way back.
//
// Set-user-id and set-group-id bits of programs are not honoured: the run has the caller's rights and no more.

import LinuxABI
import Platform

/// What a task that makes execve keeps while it waits for the other threads of its process to end.
struct ExecWait: Resumption {
  var program: LoadedProgram
  var environment: [[UInt8]]

  mutating func copyReferences(_ context: CopyContext) { program.memory = context.copy(program.memory) }
}

extension Kernel {
  func execute(_ call: Syscall, path: [UInt8]) throws(Errno) -> SyscallOutcome {
    let task = call.task
    let isAt = call.number == SyscallNumber.execveat
    let (arguments, environment) = try copyInArguments(
      call, arguments: call.address(isAt ? 2 : 1), environment: call.address(isAt ? 3 : 2))
    let file = try openProgram(path, fs: task.fs, credentials: task.credentials)
    let program = try loadProgram(
      file, invokedAs: path, arguments: arguments, environment: environment, fs: task.fs, credentials: task.credentials,
      limits: task.group.limits)
    return try continueExec(call, ExecWait(program: program, environment: environment), isFirst: true)
  }

  /// de_thread: the other threads end first.
  func continueExec(_ call: Syscall, _ wait: ExecWait, isFirst: Bool = false) throws(Errno) -> SyscallOutcome {
    let task = call.task
    let group = task.group
    if group.exitStatus != nil || (group.execTask != nil && group.execTask !== task) {
      if group.execTask === task { group.execTask = nil }
      wait.program.memory.release(self)
      throw .EAGAIN
    }
    if group.tasks.contains(where: { $0 !== task && !$0.hasLeft }) {
      group.execTask = task
      if isFirst { killTasks(of: group, except: task) }
      return .block(Block(on: [group.taskEvents], interruptible: false, resume: wait, reason: .other("execve")))
    }
    group.execTask = nil
    if !task.isLeader { takeOverLeader(task) }
    replaceProgram(of: task, wait)
    return .registersSet
  }

  /// The thread that made execve becomes the leader, with the leader's id.
  private func takeOverLeader(_ task: Task) {
    let group = task.group
    guard let leader = group.leader else { preconditionFailure("a process without a leader") }
    group.usageOfEndedTasks += leader.usage
    leader.runState = .dead
    tasks.remove(leader)
    tasks.remove(task)
    for child in group.children where child.parentTask === leader { child.parentTask = task }
    task.id = leader.id
    tasks.add(task)
    group.leader = task
    group.tasks = [task]
    noteStart(task)
  }

  /// The point of no return is passed: the task gets its new space and loses what execve(2) lists.
  private func replaceProgram(of task: Task, _ wait: ExecWait) {
    let group = task.group
    let program = wait.program
    taskReleasesFutexes(task)
    execReleasesTimers(group)
    let old = task.memory
    task.memory = program.memory
    task.context.space = program.memory.space
    task.context.registers = program.registers
    do { try machine.setExtendedState(of: task.context, []) } catch { machineError = error }
    releaseVforkParent(of: task)
    old.release(self)

    unshareFiles(of: task)
    task.files.closeOnExec(self)
    // A table shared with another process by CLONE_SIGHAND is left to it.
    if tasks.groups.values.contains(where: { $0 !== group && $0.handlers === group.handlers }) {
      group.handlers = group.handlers.fork()
    }
    group.handlers.resetHandlers()
    task.signals.alternateStack = (GuestAddress(0), 0, task.signals.alternateStack.flags)
    task.signals.lastFault = (0, 0, 0)
    task.restartBlock = nil
    task.syscallInProgress = nil
    task.rseq = nil
    group.exitSignal = UInt8(SignalNumber.chld)
    group.didExec = true
    group.dumpable = 1
    group.registeredBarriers = 0
    task.credentials.executeProgram()
    task.name = commandName(program.name)
    noteProgram(program, of: task, environment: wait.environment)
    noteExecution(program, of: task)
  }

  /// unshare_files.
  func unshareFiles(of task: Task) {
    if task.files.users == 1 { return }
    task.files.users -= 1
    task.files = task.files.fork()
  }

  // MARK: Arguments

  /// argv and envp. E2BIG as bprm_stack_limits and MAX_ARG_STRLEN.
  private func copyInArguments(
    _ call: Syscall, arguments: GuestAddress, environment: GuestAddress
  ) throws(Errno) -> ([[UInt8]], [[UInt8]]) {
    let stackLimit = call.task.group.limits[ResourceLimits.stack].current
    // Three quarters of _STK_LIM, a quarter of the stack's limit, but at least ARG_MAX.
    var room = Int(max(min(6 << 20, stackLimit / 4), 131_072))
    let first = try copyInStrings(call.memory, arguments, room: &room)
    let second = try copyInStrings(call.memory, environment, room: &room)
    return (first, second)
  }

  private func copyInStrings(
    _ memory: MemoryManager, _ array: GuestAddress, room: inout Int
  ) throws(Errno) -> [[UInt8]] {
    if array.rawValue == 0 { return [] }
    var strings: [[UInt8]] = []
    var at = array
    while true {
      // The pointers up to the end of the page in one read.
      let untilPageEnd = Int(GuestAddress.pageSize - (at.rawValue & (GuestAddress.pageSize - 1)))
      let bytes = try memory.copyIn(at, min(512, max(8, untilPageEnd & ~7)))
      for offset in stride(from: 0, to: bytes.count, by: 8) {
        let pointer: UInt64 = bytes.integer(at: offset)
        if pointer == 0 { return strings }
        let string = try memory.copyInString(GuestAddress(pointer), limit: 131_072, tooLong: .E2BIG)
        room -= string.count + 1 + 8
        if room < 0 { throw .E2BIG }
        strings.append(string)
      }
      at = at + UInt64(bytes.count)
    }
  }
}

extension Credentials {
  /// cap_bprm_creds_from_file for a program without set-user-id bits and file capabilities.
  mutating func executeProgram() {
    savedUser = effectiveUser
    savedGroup = effectiveGroup
    fsUser = effectiveUser
    fsGroup = effectiveGroup
    keepCapabilities = false
    if realUser == 0 || effectiveUser == 0 {
      permittedCapabilities = inheritableCapabilities | boundingCapabilities
      effectiveCapabilities = effectiveUser == 0 ? permittedCapabilities : ambientCapabilities
    } else {
      permittedCapabilities = ambientCapabilities
      effectiveCapabilities = ambientCapabilities
    }
  }
}
