// One machine with the program under test: executes trials one after the other.

import Kernel
import Platform
import PtracePlatform
import RecordReplay

/// Made and used on its machine's thread; `end()` in the end.
final class Worker: TrialExecutor {
  let program: Program
  private let machine: any ObservingMachine & HostedMachine
  private let history = History()
  private var setting = TrialSetting()
  private let epoch: Nanoseconds
  /// What executions go on drawing random bytes from: known once the program is held.
  private var random: SeededGenerator

  /// Starts the program and holds it before it creates a task. `number`: among the workers.
  init(_ options: RunOptions, input: CapturedInput?, number: Int = 0) throws(SessionError) {
    let machine = try options.makeMachine(number: number)
    guard let observing = machine as? any ObservingMachine & HostedMachine else {
      machine.shutdown()
      throw SessionError("a search needs the translated engine")
    }
    self.machine = observing
    program = Program(options, machine: machine, host: PosixHostView(hidden: options.hidden), input: input)
    epoch = Nanoseconds(options.epochNanoseconds)
    random = program.randomAtHold
    do throws(SessionError) { try program.hold() } catch {
      end()
      throw error
    }
    random = program.randomAtHold
    program.watcher = history
    history.image = program.held?.image
  }

  /// The program creates no task: all its executions are one.
  var hasOneTask: Bool { program.held == nil && program.refusal == nil }

  func end() {
    program.end()
    machine.shutdown()
  }

  func execute(_ trials: [Trial], _ setting: TrialSetting) throws(SessionError) -> [TrialResult] {
    var results: [TrialResult] = []
    for trial in trials { results.append(try execute(trial, setting)) }
    return results
  }

  func execute(_ trial: Trial, _ setting: TrialSetting) throws(SessionError) -> TrialResult {
    do throws(MachineError) { try use(setting) } catch { throw SessionError(error.description) }
    return try execute(trial)
  }

  private func use(_ new: TrialSetting) throws(MachineError) {
    if new == setting { return }
    if new.points != setting.points {
      history.points.removeAll()
      for point in new.points { _ = history.points.number(of: point) }
      try machine.setSchedulingPoints(Set(new.points))
    }
    try machine.setAccessLog(new.log)
    setting = new
  }

  private func execute(_ trial: Trial) throws(SessionError) -> TrialResult {
    history.memory = setting.log == .all ? SharedMemory() : nil
    history.isForSteps = trial.manner.isGiven
    if case .follow = trial.manner { program.watcher = nil } else { program.watcher = history }
    let watched: Set<GuestAddress> = if case .hold(let plan) = trial.manner { plan.watched } else { [] }
    do throws(MachineError) { try machine.setWatchedPoints(watched) } catch { throw SessionError(error.description) }
    var made: ExploringDecisions?
    let outcome = try program.execute(trapsMax: trial.trapsMax, observer: history) {
      history.begin(program.held?.task)
      let decisions = decisions(trial.manner)
      decisions.patience = trial.patience
      decisions.updates = setting.updates
      made = decisions
      return decisions
    }
    var bounded = (made as? BoundedDecisions)?.run
    bounded?.hasEnded = outcome.verdict != nil
    let work = Work(
      traps: outcome.traps - (program.held?.traps ?? 0), ticks: outcome.ticks - (program.held?.ticks ?? 0))
    return TrialResult(
      trial: trial, outcome: outcome, schedule: made!.schedule, bounded: bounded, steps: made!.steps, work: work,
      findings: trial.manner.isGiven ? Findings() : Findings(history), isMet: (made as? HoldDecisions)?.isMet ?? true,
      planUsed: (made as? HoldDecisions)?.planUsed, memory: history.memory)
  }

  private func decisions(_ manner: Trial.Manner) -> ExploringDecisions {
    switch manner {
    case .plain: ExploringDecisions(epoch: epoch, random: random, history: history)
    case .walk(let seed, let interval, let trapInterval):
      WalkDecisions(
        epoch: epoch, random: random, history: history, seed: seed, interval: interval, trapInterval: trapInterval)
    case .priorities(let seed, let depth, let stepsExpected):
      PriorityDecisions(
        epoch: epoch, random: random, history: history, seed: seed, depth: depth, stepsExpected: stepsExpected)
    case .sample(let seed, let conflicts, let interval):
      SamplingDecisions(
        epoch: epoch, random: random, history: history, seed: seed, conflicts: conflicts, interval: interval)
    case .hold(let plan): HoldDecisions(epoch: epoch, random: random, plan: plan, history: history)
    case .follow(let schedule): FollowDecisions(epoch: epoch, random: random, schedule: schedule)
    case .bounded(let schedule, let notes):
      BoundedDecisions(
        epoch: epoch, random: random, history: history, schedule: schedule, notes: notes,
        recordsSteps: setting.log != .off)
    }
  }
}
