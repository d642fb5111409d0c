// Sending, dequeuing and delivering signals: kernel/signal.c, arch/x86/kernel/signal.c.

import LinuxABI
import Platform

extension Kernel {
  /// Sends a signal to one task (tgkill, faults, SIGPIPE).
  func send(_ info: SignalInfo, to task: Task) { preconditionFailure("owned by Signals") }

  /// Sends a signal to a process.
  func send(_ info: SignalInfo, to group: ThreadGroup) { preconditionFailure("owned by Signals") }

  /// Whether a signal waits that the task does not block: its waits end and it looks at signals before guest code.
  func hasDeliverableSignal(_ task: Task) -> Bool { false }

  /// Delivers what is pending before the task goes on in guest code: builds a frame, stops, ends, or restarts the
  /// interrupted syscall. Afterwards the task may no longer be in `.user`.
  func deliverSignals(_ task: Task) {}

  /// Raises the signal of a processor exception; not blockable (force_sig_fault).
  func raiseFault(_ fault: Fault, in task: Task) { preconditionFailure("owned by Signals") }
}
