// One execution of a guest under the kernel: the parts put together, run, and asked what happened.

import CLinux
import Kernel
import LinuxABI
import Platform
import PtracePlatform

/// The kernel with its four doors, for one run. Made and used on the tracing thread.
final class GuestRun {
  private let options: RunOptions
  private var kernel: Kernel
  private let machine: any Machine
  private let observer: any Observer
  private let host: PosixHostView
  private let decisions: any Decisions

  /// `decisions`: nil for those that follow from the options.
  init(
    _ options: RunOptions, machine: any Machine, observer: any Observer, host: PosixHostView,
    decisions given: (any Decisions)? = nil
  ) {
    self.options = options
    self.machine = machine
    self.observer = observer
    self.host = host
    let epoch = Nanoseconds(options.epochNanoseconds)
    decisions =
      if let given { given } else if options.usesHostClock {
        HostClockDecisions(seed: options.seed, policy: options.policy, epoch: epoch)
      } else {
        SeededDecisions(seed: options.seed, policy: options.policy, epoch: epoch, everySlice: options.everySlice)
      }
    kernel = Kernel(
      machine: machine, host: host, decisions: decisions, observer: observer,
      configuration: options.kernelConfiguration)
  }

  /// Runs the program to its end. Throws when the tool cannot go on.
  func run() throws(SessionError) -> RunResult {
    try options.start(kernel)
    if options.takesHostSignals {
      rsb_host_signals_catch()
      PtraceMachine.clearInterrupt()
    }
    defer { if options.takesHostSignals { rsb_host_signals_restore() } }
    do throws(MachineError) { try runKernel() } catch { throw SessionError(error.description) }
    return try result()
  }

  /// Runs the kernel, or a chain of its deep copies: whatever a copy forgets then shows in the trace.
  private func runKernel() throws(MachineError) {
    if options.kernelCopyInterval == nil && !options.copiesKernelAtClones { return try kernel.run() }
    while kernel.verdict == nil {
      let trapsMax = options.kernelCopyInterval.map { kernel.statistics.traps + $0 } ?? .max
      try kernel.run(untilTraps: trapsMax, untilClone: options.copiesKernelAtClones)
      kernel = kernel.deepCopy(machine: machine, host: host, decisions: decisions, observer: observer)
    }
  }

  private func result() throws(SessionError) -> RunResult {
    let end: RunEnd
    switch kernel.verdict {
    case .exited(let status): end = .exited(status: status)
    case .deadlock(let text): end = .deadlock(text)
    case .spin(let text): end = .spin(text)
    case .timedOut(let text): end = .timedOut(text)
    case .interrupted: end = .interrupted
    case nil: throw SessionError("the run ended without a verdict")
    }
    var result = RunResult(end: end)
    result.events = kernel.statistics.traps
    result.syscalls = kernel.statistics.syscalls
    result.switches = kernel.statistics.switches
    result.virtualNanoseconds = kernel.virtualTimeElapsed.rawValue
    result.unknownSyscalls = kernel.statistics.unknownSyscalls.map { (SyscallNumber.name($0.number), $0.count) }
    result.refusedTargets = kernel.statistics.refusedTargets
    result.killedProcesses = kernel.livingProcesses()
    result.deadlockReports = kernel.statistics.lockCycles
    for path in kernel.filesRead {
      let size = (try? host.status(path).size) ?? 0
      observer.fileEmbedded(path: String(decoding: path, as: UTF8.self), object: nil, size: UInt64(max(0, size)))
    }
    let changes = kernel.fileChanges()
    result.filesChanged = changes.count
    if let directory = options.exportDirectory {
      try ChangeExport(kernel: kernel, directory: directory).write(changes)
      result.exportedTo = directory
    }
    return result
  }
}

/// Seeded decisions with the host's clock (`--clock host`).
final class HostClockDecisions: Decisions {
  private let seeded: SeededDecisions
  init(seed: UInt64, policy: SchedulePolicy, epoch: Nanoseconds) {
    seeded = SeededDecisions(seed: seed, policy: policy, epoch: epoch)
  }
  var epoch: Nanoseconds { seeded.epoch }
  func shouldPreempt(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    seeded.shouldPreempt(at: point, place: place, queue: queue)
  }
  func pick(from queue: [TaskID], at point: SchedulingPoint, place: SchedulePlace?) -> Int {
    seeded.pick(from: queue, at: point, place: place)
  }
  func slice(place: SchedulePlace, queue: [TaskID], age: SliceAge) -> Slice {
    seeded.slice(place: place, queue: queue, age: age)
  }
  func randomBytes(_ count: Int) -> [UInt8] { seeded.randomBytes(count) }
  func hostRealtime() -> Nanoseconds? { Nanoseconds(rsb_clock_ns(0)) }
}

/// An errno in words, for the few that a start can meet.
func describe(_ error: Errno) -> String {
  switch error {
  case .ENOENT: "no such file or directory"
  case .EACCES: "permission denied"
  case .ENOEXEC: "not an executable this machine can run"
  case .ELOOP: "too many symbolic links"
  case .ENOTDIR: "a part of the path is not a directory"
  case .ENOMEM: "out of memory"
  case .E2BIG: "arguments and environment are too long"
  default: "errno \(error.rawValue)"
  }
}
