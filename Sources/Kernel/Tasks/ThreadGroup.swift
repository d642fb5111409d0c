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
  /// The parent's thread that made it (real_parent): for __WNOTHREAD and PR_SET_PDEATHSIG.
  var parentTask: Task?
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
  /// Woken when the last task has ended: what a pidfd polls.
  private(set) var exitEvents = WaitQueue()
  /// The task that makes execve and waits for the others to end (group_exec_task), and what it waits on.
  var execTask: Task?
  private(set) var taskEvents = WaitQueue()
  /// The parent was told of the end: it can be waited for.
  var isZombie = false
  /// Nothing of it is left but references.
  var isReaped = false
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
  /// /proc/PID/oom_score_adj; nothing acts on it.
  var oomScoreAdjustment: Int32 = 0
  var didExec = false
  /// MEMBARRIER_CMD_REGISTER_*: what the process asked for.
  var registeredBarriers: UInt32 = 0
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

  /// Tasks that have not ended.
  var livingTasks: [Task] { tasks.filter { !$0.hasEnded } }
  /// Of all its tasks, the ended ones too.
  var totalUsage: TaskUsage {
    var sum = usageOfEndedTasks
    for task in tasks { sum += task.usage }
    return sum
  }

  public func shallowCopy() -> ThreadGroup {
    let new = ThreadGroup(id: id, parent: parent, processGroup: processGroup, handlers: handlers, limits: limits)
    new.tasks = tasks
    new.leader = leader
    new.children = children
    new.signals = signals
    new.parentTask = parentTask
    new.childEvents = childEvents
    new.timers = timers
    new.exitEvents = exitEvents
    new.execTask = execTask
    new.taskEvents = taskEvents
    new.isZombie = isZombie
    new.isReaped = isReaped
    new.exitStatus = exitStatus
    new.exitSignal = exitSignal
    new.arguments = arguments
    new.environment = environment
    new.executablePath = executablePath
    new.isSubreaper = isSubreaper
    new.dumpable = dumpable
    new.oomScoreAdjustment = oomScoreAdjustment
    new.didExec = didExec
    new.registeredBarriers = registeredBarriers
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
    parentTask = context.copy(parentTask)
    childEvents = context.copy(childEvents)
    timers = context.copy(timers)
    exitEvents = context.copy(exitEvents)
    execTask = context.copy(execTask)
    taskEvents = context.copy(taskEvents)
    signals.copyReferences(context)
  }
}
