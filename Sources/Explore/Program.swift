// A program that is executed many times, and the state that its executions start from.

import CLinux
import Kernel
import Platform
import RecordReplay

/// A kernel that holds the first call that creates a task, with the machine and the host below it. Never runs on: each execution
/// goes on with a copy.
public final class HeldState {
  let kernel: Kernel
  let machine: MachineBranch
  let host: CapturingHost
  /// The only task.
  let task: (id: TaskID, context: ContextID)?
  /// Where the program itself is, without its libraries.
  let image: GuestRange?

  init(_ kernel: Kernel, _ machine: MachineBranch, _ host: CapturingHost) {
    self.kernel = kernel
    self.machine = machine
    self.host = host
    task = kernel.currentTask
    image = kernel.currentProgramImage
  }

  /// Traps from exec to here.
  public var traps: UInt64 { kernel.statistics.traps }
  /// Ticks of all tasks to here.
  public var ticks: UInt64 { kernel.statistics.ticks }
}

/// A program under test on one machine. Made and used on the machine's thread; `end()` before the machine's shutdown.
///
/// Up to the call that creates the first task (the prefix) every execution decides alike: by `options.seed`. Only random bytes are
/// asked for there, since a single task has no schedule. From that call on its own decisions count; they must have the epoch
/// of the options.
public final class Program {
  public let options: RunOptions
  let shared: SharedMachine
  private let cache: HostCache
  private let input: CapturedInput?
  private let configuration: KernelConfiguration
  let graveyard: KernelGraveyard
  /// Where executions start; nil before `hold`, and when there is no such state.
  public private(set) var held: HeldState?
  /// Why executions start from exec though the program creates tasks, in words; nil when they do not.
  public private(set) var refusal: String?

  /// `host` is read through a cache; its standard streams give only their kinds.
  public init(_ options: RunOptions, machine: any Machine, host: any HostView, input: CapturedInput? = nil) {
    self.options = options
    shared = SharedMachine(machine)
    cache = HostCache(host)
    self.input = input
    configuration = options.kernelConfiguration
    graveyard = KernelGraveyard(machine: machine)
  }

  /// Objects, spaces and contexts that the machine has now, for tests.
  public var machineCounts: (spaces: Int, contexts: Int, objects: Int) { shared.counts }

  /// Who is told what guests do, with the kernel's names of task and space; nil for nobody. Not owned. The machine's log is the
  /// caller's to switch.
  public var watcher: (any GuestWatcher)? {
    get { shared.watcher }
    set { shared.watcher = newValue }
  }

  /// What executions go on drawing random bytes from behind the prefix.
  public var randomAtHold: SeededGenerator {
    (held?.kernel.decisions as? SeededDecisions)?.random ?? SeededDecisions.randomSource(seed: options.seed)
  }

  /// Runs the program up to the first call that creates a task, and keeps that state. False when it ended without one, and
  /// then all executions are the same. Throws when the program cannot be executed or the host cannot go on.
  @discardableResult
  public func hold(observer: any Observer = SilentObserver()) throws(SessionError) -> Bool {
    release()
    let (kernel, machine, host) = try startFromExec(observer)
    if !kernel.isHeld {
      kernel.dismantle(into: graveyard)
      machine.end()
      return false
    }
    held = HeldState(kernel, machine, host)
    return true
  }

  /// Gives up the held state. Executions start from exec then.
  public func release() {
    guard let held else { return }
    self.held = nil
    held.kernel.dismantle(into: graveyard)
    held.machine.end()
  }

  /// Gives back all that the machine has for this program.
  public func end() {
    release()
    shared.end()
  }

  /// One execution, from the held state if there is one. When it turns out that this program cannot be branched, the execution
  /// and all later ones start from exec; that is why decisions are asked for by a closure.
  public func execute(
    trapsMax: UInt64 = .max, observer: any Observer = SilentObserver(), _ decisions: () -> any Decisions
  ) throws(SessionError) -> Outcome {
    if let held {
      do throws(ExecutionError) {
        return try Execution(self, from: held, decisions(), observer: observer).run(trapsMax: trapsMax)
      } catch {
        guard let reason = error.refusal else { throw SessionError(error.description) }
        refusal = reason
        release()
      }
    }
    return try executeFromExec(trapsMax: trapsMax, observer: observer, decisions())
  }

  /// One execution from exec. The same decisions give the same execution as from the held state.
  public func executeFromExec(
    trapsMax: UInt64 = .max, observer: any Observer = SilentObserver(), _ decisions: any Decisions
  ) throws(SessionError) -> Outcome {
    let start = now()
    let (kernel, machine, host) = try startFromExec(observer)
    kernel.decisions = decisions
    let execution = Execution(self, kernel, machine, host)
    execution.times.run = now() - start
    do throws(ExecutionError) { return try execution.run(trapsMax: trapsMax) } catch {
      throw SessionError(error.description)
    }
  }

  private func startFromExec(
    _ observer: any Observer
  ) throws(SessionError) -> (Kernel, MachineBranch, CapturingHost) {
    let machine = MachineBranch(shared)
    let host = CapturingHost(cache, input: input)
    let prefix = SeededDecisions(
      seed: options.seed, policy: options.policy, epoch: Nanoseconds(options.epochNanoseconds))
    let kernel = Kernel(
      machine: machine, host: host, decisions: prefix, observer: observer, configuration: configuration)
    var isStarted = false
    defer {
      if !isStarted {
        kernel.dismantle(into: graveyard)
        machine.end()
      }
    }
    try options.start(kernel)
    do throws(MachineError) { try kernel.run(untilClone: true) } catch { throw SessionError(error.description) }
    isStarted = true
    return (kernel, machine, host)
  }
}

/// The monotonic clock without the vdso, which a tracing thread must not use: CLOCK_MONOTONIC_RAW, in nanoseconds.
func now() -> Int64 { rsb_clock_ns(4) }
