// What tests of tasks and signals do again and again.

import LinuxABI
import Platform
import Testing

@testable import Kernel

extension KernelFixture {
  /// A new thread of the task's process.
  func makeThread(of task: Task) -> Task {
    let flags: CloneFlags = [.memory, .fs, .files, .handlers, .thread]
    let id = call(SyscallNumber.clone, of: task, [flags.rawValue, 0x20_0000, 0, 0, 0])!
    precondition(id > 0, "clone gave \(id)")
    return kernel.tasks[TaskID(Int32(id))]!
  }

  /// A new process by fork.
  func fork(_ task: Task) -> Task {
    let id = call(SyscallNumber.fork, of: task, [])!
    precondition(id > 0, "fork gave \(id)")
    return kernel.tasks[TaskID(Int32(id))]!
  }

  /// exit_group, and the step that follows.
  func exitGroup(_ task: Task, _ code: UInt64) {
    _ = call(SyscallNumber.exit_group, of: task, [code])
    finish(task)
  }

  /// Lets a task that is ending end, and others of its process that were killed.
  func finish(_ task: Task) {
    kernel.scheduler.remove(task)
    if case .exiting = task.runState { kernel.finishExit(task) }
  }

  /// What the run loop does before a task goes on in guest code: signals; then its end, if that is what they brought.
  func settle(_ task: Task) {
    kernel.scheduler.remove(task)
    if case .resumeSyscall = task.runState { _ = resume(task) }
    if case .user = task.runState, kernel.hasDeliverableSignal(task) || task.syscallInProgress != nil {
      kernel.deliverSignals(task)
    }
    finish(task)
  }

  /// rt_sigaction with SA_RESTORER.
  @discardableResult
  func setHandler(
    _ signal: Int, _ handler: UInt64, flags: UInt64 = 0, mask: UInt64 = 0, of task: Task? = nil
  ) -> Int64? {
    var bytes: [UInt8] = []
    bytes.appendInteger(handler)
    bytes.appendInteger(flags | SignalActionFlag.restorer)
    bytes.appendInteger(0x50_0000 as UInt64)
    bytes.appendInteger(mask)
    let address = put(bytes)
    let caller = task ?? self.task
    _ = try? caller.memory.copyOut(GuestAddress(address), bytes)
    return call(SyscallNumber.rt_sigaction, of: caller, [UInt64(signal), address, 0, 8])
  }

  /// rt_sigprocmask(SIG_SETMASK).
  func setMask(_ signals: Int..., of task: Task? = nil) {
    (task ?? self.task).signals.mask = SignalSet(signals.map { SignalSet($0) })
  }

  func isDead(_ task: Task) -> Bool {
    if case .dead = task.runState { true } else { false }
  }
  func isZombie(_ task: Task) -> Bool {
    if case .zombie = task.runState { true } else { false }
  }
  func isStopped(_ task: Task) -> Bool {
    if case .groupStopped = task.runState { true } else { false }
  }
}
