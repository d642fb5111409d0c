// The end of tasks and processes: kernel/exit.c.

import LinuxABI
import Platform

extension Kernel {
  /// do_exit: the task runs no more guest code. Everything else happens at its next turn, in `finishExit`.
  func endTask(_ task: Task, status: Int32) {
    task.exitStatus = status
    task.runState = .exiting
    task.syscallInProgress = nil
    task.signals.savedMask = nil
  }

  /// The task's last step: gives back what it holds, tells its parent, and becomes a zombie or goes.
  func finishExit(_ task: Task) {
    let group = task.group
    let isLast = !group.tasks.contains { $0 !== task && !$0.hasLeft }
    // Signals that only this task would have taken go to another (exit_signals).
    if !isLast {
      let orphaned = group.signals.pending.set.subtracting(task.signals.mask)
      if !orphaned.isEmpty { retarget(orphaned, from: task) }
    } else {
      if group.exitStatus == nil { group.exitStatus = group.leader?.exitStatus ?? task.exitStatus }
      processReleasesTimers(group)
    }
    taskReleasesFutexes(task)
    releaseVforkParent(of: task)
    releaseFiles(of: task)
    task.memory.release(self)
    machine.destroyContext(task.context.id)
    observer.note(.taskExited(task: task.id.rawValue, status: task.exitStatus))

    task.runState = .zombie
    reparentChildren(of: task)
    if isLast { hangUpOrphanedGroup(group.processGroup, leaving: group, parent: group.parent) }
    completeGroupStop(group)
    if !task.isLeader { forget(task) }
    if isLast { endProcess(group) }
    group.taskEvents.wakeAll(self)
    if tasks.groups.count == 1 && verdict == nil { endRun() }
  }

  /// release_task for a thread: nobody waits for it.
  func forget(_ task: Task) {
    task.group.usageOfEndedTasks += task.usage
    task.group.tasks.removeAll { $0 === task }
    tasks.remove(task)
    task.runState = .dead
  }

  /// The last task has ended: the parent is told, or the process vanishes.
  private func endProcess(_ group: ThreadGroup) {
    group.isZombie = true
    group.signals.stopSignal = 0
    group.signals.isStopped = false
    group.exitEvents.wakeAll(self)
    if tellParentOfEnd(group, signal: Int(group.exitSignal)) { reap(group) }
    if group === firstProcess && configuration.endsWithFirstProcess { endRun() }
  }

  /// do_notify_parent. True when nobody will wait: the process goes at once.
  private func tellParentOfEnd(_ group: ThreadGroup, signal: Int) -> Bool {
    guard let parent = group.parent, parent !== initProcess else { return true }
    let status = group.exitStatus ?? 0
    var isForgotten = false
    var isSilent = signal == 0
    if signal == SignalNumber.chld {
      let action = parent.handlers.actions[signal]
      isForgotten = action.isIgnore || action.flags & SignalActionFlag.noChildWait != 0
      isSilent = action.isIgnore
    }
    if !isSilent {
      let (code, value) = Self.childCode(status)
      send(childSignal(signal, from: group, code: code, status: value), to: parent)
    }
    parent.childEvents.wakeAll(self)
    return isForgotten
  }

  /// si_code and si_status of an ended child. No core is ever dumped.
  static func childCode(_ status: Int32) -> (code: Int32, value: Int32) {
    if status & 0x7f == 0 { return (SignalCode.childExited, status >> 8 & 0xff) }
    return (status & 0x80 != 0 ? SignalCode.childDumped : SignalCode.childKilled, status & 0x7f)
  }

  /// release_task for a process: its parent waited for it, or nobody will.
  func reap(_ group: ThreadGroup) {
    if let parent = group.parent {
      parent.children.removeAll { $0 === group }
      // Linux adds the times of a child that was waited for; of one that was not it knows nothing.
      if group.isZombie && !group.isReaped && parent !== initProcess {
        parent.usageOfChildren += group.totalUsage
        parent.usageOfChildren += group.usageOfChildren
      }
    }
    for task in group.tasks {
      group.usageOfEndedTasks += task.usage
      task.runState = .dead
      tasks.remove(task)
    }
    group.tasks = []
    // A process that somebody still refers to must not keep its tasks, which refer to it.
    group.leader = nil
    tasks.remove(group)
    group.isReaped = true
  }

  // MARK: Orphans

  /// forget_original_parent: children go to another thread of the process, else to a subreaper, else to init.
  private func reparentChildren(of task: Task) {
    let group = task.group
    let mine = group.children.filter { $0.parentTask === task }
    if mine.isEmpty { return }
    let sibling = group.tasks.first { $0 !== task && !$0.hasEnded }
    let newParent = sibling?.group ?? reaper(for: group)
    let newTask = sibling ?? newParent.livingTasks.first
    for child in mine {
      child.parentTask = newTask
      for thread in child.tasks where thread.parentDeathSignal != 0 && !thread.hasEnded {
        send(SignalInfo(signal: Int(thread.parentDeathSignal), code: SignalCode.user), to: child)
      }
      if newParent === group { continue }
      group.children.removeAll { $0 === child }
      child.parent = newParent
      newParent.children.append(child)
      child.exitSignal = UInt8(SignalNumber.chld)
      if child.isZombie && tellParentOfEnd(child, signal: SignalNumber.chld) { reap(child) }
      hangUpOrphanedGroup(child.processGroup, leaving: nil, child: child, parent: group)
    }
  }

  private func reaper(for group: ThreadGroup) -> ThreadGroup {
    var ancestor = group.parent
    while let candidate = ancestor {
      if candidate.isSubreaper && !candidate.livingTasks.isEmpty { return candidate }
      ancestor = candidate.parent
    }
    guard let initProcess else { preconditionFailure("a run without init") }
    return initProcess
  }

  /// kill_orphaned_pgrp: a process group that loses its last tie to its session, and has stopped members, is hung up.
  private func hangUpOrphanedGroup(
    _ processGroup: ProcessGroup, leaving: ThreadGroup?, child: ThreadGroup? = nil, parent: ThreadGroup?
  ) {
    guard let parent, let member = leaving ?? child else { return }
    if parent.processGroup === processGroup || parent.processGroup.session !== member.processGroup.session { return }
    let members = tasks.groups.values.filter { $0.processGroup === processGroup }
    if !isOrphaned(processGroup, ignoring: leaving) { return }
    if !members.contains(where: { $0.signals.isStopped }) { return }
    for group in members {
      send(SignalInfo(signal: SignalNumber.hup, code: SignalCode.kernel), to: group)
      send(SignalInfo(signal: SignalNumber.cont, code: SignalCode.kernel), to: group)
    }
  }

  /// will_become_orphaned_pgrp: no member has a parent in another group of the same session.
  func isOrphaned(_ processGroup: ProcessGroup, ignoring ignored: ThreadGroup? = nil) -> Bool {
    for group in tasks.groups.values where group.processGroup === processGroup {
      guard group !== ignored, !group.isZombie, let parent = group.parent, parent !== initProcess else {
        continue
      }
      if parent.processGroup !== processGroup && parent.processGroup.session === processGroup.session { return false }
    }
    return true
  }

  // MARK: The end of the run

  /// The first process has ended, or with `--wait-all` the last one. What still runs is killed, in order of creation.
  private func endRun() {
    let status = firstProcess?.exitStatus ?? 0
    for task in Array(tasks.tasks.values) where task.group !== initProcess {
      if task.hasLeft { continue }
      observer.note(.taskExited(task: task.id.rawValue, status: Int32(SignalNumber.kill)))
      task.runState = .dead
      machine.destroyContext(task.context.id)
      task.memory.release(self)
    }
    scheduler = Scheduler()
    verdict = .exited(status: status)
  }
}
