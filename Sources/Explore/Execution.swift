// One execution from its beginning to its verdict. It leaves nothing behind but its outcome.

import Kernel
import Platform

/// The host could not go on, or the held state cannot be branched.
public struct ExecutionError: Error, CustomStringConvertible, Sendable {
  public var description: String
  /// Set when only the branch is at fault: from exec the execution would go.
  public var refusal: String?
}

public final class Execution {
  private let program: Program
  private let kernel: Kernel
  private let machine: MachineBranch
  private let host: CapturingHost
  var times = Times()

  /// A copy of a held state that goes on with these decisions.
  public init(
    _ program: Program, from held: HeldState, _ decisions: any Decisions, observer: any Observer = SilentObserver()
  ) throws(ExecutionError) {
    self.program = program
    let start = now()
    do throws(MachineError) { machine = try MachineBranch(of: held.machine) } catch {
      // Whatever stood in the way (also too many processes): exec needs less.
      throw ExecutionError(description: error.description, refusal: error.description)
    }
    times.fork = now() - start
    host = CapturingHost(copying: held.host)
    kernel = held.kernel.deepCopy(machine: machine, host: host, decisions: decisions, observer: observer)
    times.copy = now() - start - times.fork
  }

  /// A kernel that was started already.
  init(_ program: Program, _ kernel: Kernel, _ machine: MachineBranch, _ host: CapturingHost) {
    self.program = program
    self.kernel = kernel
    self.machine = machine
    self.host = host
  }

  /// Runs to the verdict, or to so many traps since exec. Once.
  public func run(trapsMax: UInt64 = .max) throws(ExecutionError) -> Outcome {
    let start = now()
    var failure: MachineError?
    do throws(MachineError) { try kernel.run(untilTraps: trapsMax) } catch { failure = error }
    let ran = now()
    times.run += ran - start
    var outcome = self.outcome
    kernel.dismantle(into: program.graveyard)
    machine.end()
    if let failure { throw ExecutionError(description: failure.description, refusal: machine.refusal) }
    times.end = now() - ran
    outcome.times = times
    return outcome
  }

  private var outcome: Outcome {
    var outcome = Outcome()
    outcome.verdict = kernel.verdict
    outcome.standardOutput = host.standardOutput
    outcome.standardError = host.standardError
    outcome.traps = kernel.statistics.traps
    outcome.ticks = kernel.statistics.ticks
    outcome.syscalls = kernel.statistics.syscalls
    outcome.switches = kernel.statistics.switches
    outcome.virtualNanoseconds = kernel.virtualTimeElapsed.rawValue
    outcome.unknownSyscalls = kernel.statistics.unknownSyscalls
    outcome.refusedTargets = kernel.statistics.refusedTargets
    outcome.lockCycles = kernel.statistics.lockCycles
    if kernel.verdict == nil { outcome.standingCycle = kernel.standingLockCycle() }
    switch kernel.verdict {
    case .exited, .interrupted: break
    case .deadlock, .spin, .timedOut, nil: outcome.waiters = kernel.waiters()
    }
    outcome.fatalSignals = kernel.statistics.fatalSignals
    outcome.killedProcesses = kernel.livingProcesses()
    outcome.fingerprint = machine.fingerprint
    return outcome
  }
}
