// The deep copy of a whole run. The copy meets its own machine, which must hold copies of the same address spaces,
// contexts and objects under the same identifiers.

import Platform

extension Kernel {
  /// A kernel in the same state that shares nothing with this one but the immutable configuration.
  public func deepCopy(
    machine: any Machine, host: any HostView, decisions: any Decisions, observer: any Observer
  ) -> Kernel {
    let new = Kernel(copying: self, machine: machine, host: host, decisions: decisions, observer: observer)
    let context = CopyContext(machine: machine)
    new.tasks = tasks
    new.tasks.copyReferences(context)
    new.scheduler = scheduler
    new.scheduler.copyReferences(context)
    new.timers = timers
    new.timers.copyReferences(context)
    new.identifiers = identifiers
    new.files = context.copy(files)
    new.ipc = ipc
    new.ipc.copyReferences(context)
    new.sleepers = sleepers
    new.idleJumps = idleJumps
    new.hostInputQueue = context.copy(hostInputQueue)
    new.initProcess = context.copy(initProcess)
    new.firstProcess = context.copy(firstProcess)
    new.committedBytes = committedBytes
    new.vdsoObject = context.copy(vdsoObject)
    new.vvarObject = context.copy(vvarObject)
    new.executableProblem = executableProblem
    new.verdict = verdict
    new.statistics = statistics
    new.machineError = machineError
    new.heldTrap = heldTrap
    return new
  }
}
