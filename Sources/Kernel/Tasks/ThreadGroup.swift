// A process: the tasks that share a pid, their signal handlers, limits, children, and how it ended.

import LinuxABI

public final class ThreadGroup: DeepCopyable {
  /// The pid: the id of its first task.
  let id: TaskID
  /// Living and zombie tasks, the leader first, then by creation.
  var tasks: [Task] = []
  var leader: Task?
  /// The process that waits for this one; nil for init.
  var parent: ThreadGroup?
  /// Children in order of creation, until they are reaped.
  var children: [ThreadGroup] = []
  var processGroup: ProcessGroup
  var handlers: SignalHandlers
  /// Process-directed pending signals, interval timers, job-control state.
  var signals = GroupSignals()
  var limits: ResourceLimits
  /// Timers that send it signals.
  private(set) var timers = ProcessTimers()
  /// Woken when a child changes state (exit, stop, continue).
  private(set) var childEvents = WaitQueue()
  /// Set when the whole process is on its way out: the wait status for the parent.
  var exitStatus: Int32?
  /// The signal sent to the parent at exit; SIGCHLD unless clone said otherwise.
  var exitSignal: UInt8 = 17
  /// /proc/PID/cmdline and exe.
  var arguments: [[UInt8]] = []
  var environment: [[UInt8]] = []
  var executablePath: [UInt8] = []
  /// prctl(PR_SET_CHILD_SUBREAPER).
  var isSubreaper = false
  var dumpable: Int32 = 1
  var didExec = false
  /// Sums over reaped children and ended threads.
  var usageOfChildren = TaskUsage()
  var usageOfEndedTasks = TaskUsage()
  var startTime = Nanoseconds.zero

  init(
    id: TaskID, parent: ThreadGroup?, processGroup: ProcessGroup, handlers: SignalHandlers, limits: ResourceLimits
  ) {
    self.id = id
    self.parent = parent
    self.processGroup = processGroup
    self.handlers = handlers
    self.limits = limits
  }

  public func shallowCopy() -> ThreadGroup {
    let new = ThreadGroup(id: id, parent: parent, processGroup: processGroup, handlers: handlers, limits: limits)
    new.tasks = tasks
    new.leader = leader
    new.children = children
    new.signals = signals
    new.childEvents = childEvents
    new.timers = timers
    new.exitStatus = exitStatus
    new.exitSignal = exitSignal
    new.arguments = arguments
    new.environment = environment
    new.executablePath = executablePath
    new.isSubreaper = isSubreaper
    new.dumpable = dumpable
    new.didExec = didExec
    new.usageOfChildren = usageOfChildren
    new.usageOfEndedTasks = usageOfEndedTasks
    new.startTime = startTime
    return new
  }

  public func copyReferences(_ context: CopyContext) {
    tasks = context.copy(tasks)
    leader = context.copy(leader)
    parent = context.copy(parent)
    children = context.copy(children)
    processGroup = context.copy(processGroup)
    handlers = context.copy(handlers)
    childEvents = context.copy(childEvents)
    timers = context.copy(timers)
    signals.copyReferences(context)
  }
}
