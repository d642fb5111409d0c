// The beginning of a run: init, and the first process as its child.

import LinuxABI
import Platform

extension Kernel {
  /// Loads the program that `path` names into the first process, which is ready to run afterwards. `path` is resolved
  /// in the guest's file system; there is no search in PATH. Errors as execve(2), or EIO for a machine that fails.
  /// Scripts and AT_EXECFN see `invokedAs`, a path as a shell would have given it.
  public func start(
    program path: [UInt8], invokedAs: [UInt8]? = nil, arguments: [[UInt8]], environment: [[UInt8]]
  ) throws(Errno) {
    precondition(initProcess == nil, "a run starts once")
    let fs = try makeFSContext()
    let files = try makeStandardStreams()
    let credentials = Credentials(
      user: configuration.user, group: configuration.group, supplementaryGroups: configuration.supplementaryGroups)
    let limits = ResourceLimits()
    let file = try openProgram(path, fs: fs, credentials: credentials)
    let program = try loadProgram(
      file, invokedAs: invokedAs ?? path, arguments: arguments, environment: environment, fs: fs,
      credentials: credentials, limits: limits)

    let initGroup = makeInit(limits)
    let id = tasks.allocateID()
    let session = Session(id: id)
    let group = ThreadGroup(
      id: id, parent: initGroup, processGroup: ProcessGroup(id: id, session: session), handlers: SignalHandlers(),
      limits: limits)
    group.parentTask = initGroup.leader
    group.startTime = clock.monotonic
    if configuration.machineAnswers, let model = configuration.processor {
      machine.setProcessorAnswers(model.answers(cpuCount: configuration.cpuCount))
    }
    let context = ExecutionContext(
      id: identifiers.nextContext(), space: program.memory.space, registers: program.registers)
    do { try machine.createContext(context.id, extendedState: .initial) } catch {
      machineError = error
      throw .EIO
    }
    let task = Task(
      id: id, context: context, group: group, memory: program.memory, files: files, fs: fs, credentials: credentials,
      name: commandName(program.name))
    add(task, as: group)
    initGroup.children.append(group)
    firstProcess = group
    noteProgram(program, of: task, environment: environment)
    noteStart(task)
    noteExecution(program, of: task)
    scheduler.current = task
  }

  /// pid 1. Its task exists to be looked at: it never runs, and owns no context or space of the machine.
  private func makeInit(_ limits: ResourceLimits) -> ThreadGroup {
    let id = tasks.allocateID()
    let rootCredentials = Credentials(user: 0, group: 0, supplementaryGroups: [])
    let group = ThreadGroup(
      id: id, parent: nil, processGroup: ProcessGroup(id: id, session: Session(id: id)), handlers: SignalHandlers(),
      limits: limits)
    let space = AddressSpaceID(rawValue: 0)
    let task = Task(
      id: id, context: ExecutionContext(id: ContextID(rawValue: 0), space: space, registers: Registers()), group: group,
      memory: MemoryManager(space: space, machine: machine), files: FDTable(),
      fs: FSContext(root: files.root, workingDirectory: files.root),
      credentials: rootCredentials, name: "init")
    task.runState = .blocked
    group.startTime = clock.monotonic
    add(task, as: group)
    initProcess = group
    return group
  }

  /// Enters a process with its first task.
  func add(_ task: Task, as group: ThreadGroup) {
    group.tasks = [task]
    group.leader = task
    tasks.add(task)
    tasks.add(group)
  }

  /// comm: at most 15 bytes.
  func commandName(_ name: String) -> String {
    String(decoding: Array(name.utf8.prefix(15)), as: UTF8.self)
  }

  /// What /proc shows of a program that was just loaded.
  func noteProgram(_ program: LoadedProgram, of task: Task, environment: [[UInt8]]) {
    task.group.arguments = program.arguments
    task.group.environment = environment
    task.group.executablePath = program.path
  }

  func noteStart(_ task: Task) {
    observer.note(
      .taskStarted(
        task: task.id.rawValue, context: task.context.id, process: task.group.id.rawValue,
        parent: task.group.parent?.id.rawValue ?? 0, name: task.name))
  }

  func noteExecution(_ program: LoadedProgram, of task: Task) {
    observer.note(
      .executed(
        task: task.id.rawValue, path: String(decoding: program.path, as: UTF8.self),
        arguments: program.arguments.map { String(decoding: $0, as: UTF8.self) }))
  }
}
