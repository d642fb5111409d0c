// The beginning of a run: our init as pid 1, and the first guest process as pid 2, with the program in it.

import LinuxABI
import Platform

extension Kernel {
  /// Makes init and the first process, and loads the program. Call once, before `run`. `program` is an absolute path.
  /// Throws what execve(2) would, or EIO for a machine that fails.
  public func start(program: [UInt8], arguments: [[UInt8]], environment: [[UInt8]]) throws(Errno) {
    precondition(initProcess == nil, "a kernel starts once")
    let initID = tasks.allocateID()
    let session = Session(id: initID)
    let initGroup = ThreadGroup(
      id: initID, parent: nil, processGroup: ProcessGroup(id: initID, session: session), handlers: SignalHandlers(),
      limits: ResourceLimits())
    initProcess = initGroup
    tasks.add(initGroup)

    let id = tasks.allocateID()
    let group = ThreadGroup(
      id: id, parent: initGroup, processGroup: ProcessGroup(id: id, session: session), handlers: SignalHandlers(),
      limits: ResourceLimits())
    let credentials = Credentials(
      user: configuration.user, group: configuration.group, supplementaryGroups: configuration.supplementaryGroups)
    let fs = try makeFSContext()
    let files = try makeStandardStreams()
    let file = try openProgram(program, fs: fs, credentials: credentials)
    let loaded = try loadProgram(
      file, arguments: arguments, environment: environment, fs: fs, credentials: credentials, limits: group.limits)
    let context = ExecutionContext(
      id: identifiers.nextContext(), space: loaded.memory.space, registers: loaded.registers)
    do throws(MachineError) { try machine.createContext(context.id, extendedState: .initial) } catch {
      machineError = error
      throw .EIO
    }
    let task = Task(
      id: id, context: context, group: group, memory: loaded.memory, files: files, fs: fs, credentials: credentials,
      name: loaded.name)
    group.tasks = [task]
    group.leader = task
    group.arguments = loaded.arguments
    group.environment = environment
    group.executablePath = loaded.path
    group.startTime = clock.monotonic
    group.didExec = true
    initGroup.children = [group]
    firstProcess = group
    tasks.add(group)
    tasks.add(task)
    scheduler.current = task
    observer.note(
      .taskStarted(
        task: id.rawValue, context: context.id, process: id.rawValue, parent: initID.rawValue, name: loaded.name))
    observer.note(
      .executed(
        task: id.rawValue, path: String(decoding: loaded.path, as: UTF8.self),
        arguments: loaded.arguments.map { String(decoding: $0, as: UTF8.self) }))
  }
}
