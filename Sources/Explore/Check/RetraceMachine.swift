// One machine with the program under check: executes plans one after the other, and keeps what each execution did.

import Kernel
import Platform
import PtracePlatform
import RecordReplay
import Trace

/// What came of one execution of a check.
public struct Retrace: Sendable {
  public var outcome: Outcome
  public var events: [TrailEvent]
  /// In order of creation.
  public var tasks: [TaskID]
  /// For each step that was made: how many events lay before it.
  public var marks: [Int]
  public var choicesMet: Int
  public var choicesTurned: Int
  /// So often time passed as the plan wants it.
  public var delaysMade: Int
  /// A task that was held got the turn, since another computed for longer than the plan's patience, though perhaps it did not spin.
  public var letGo: Bool
  /// At some step who should have been next had ended, or did not exist yet.
  public var missedNext: Bool
}

/// Made and used on one thread; `end()` in the end.
public final class RetraceMachine {
  private let program: Program
  private let machine: any ObservingMachine & HostedMachine
  private let trail = Trail()
  private let epoch: Nanoseconds
  private let random: SeededGenerator
  private var points: Set<GuestAddress> = []
  /// The first execution, which has no plan: what is long is told by it.
  private var first: Outcome?
  /// What code the program had loaded when it was held; empty for one that makes no task.
  public let code: [LoadedCode]
  /// Executions so far.
  public private(set) var executions = 0

  /// Starts the program and holds it before it creates a task.
  public init(_ options: RunOptions, input: CapturedInput?) throws(SessionError) {
    let machine = try options.makeMachine()
    guard let observing = machine as? any ObservingMachine & HostedMachine else {
      machine.shutdown()
      throw SessionError("a check needs the translated engine")
    }
    self.machine = observing
    epoch = Nanoseconds(options.epochNanoseconds)
    program = Program(options, machine: machine, host: PosixHostView(hidden: options.hidden), input: input)
    do throws(SessionError) { try program.hold() } catch {
      program.end()
      machine.shutdown()
      throw error
    }
    random = program.randomAtHold
    code = program.held?.kernel.currentCode ?? []
    program.watcher = trail
  }

  /// The program creates no task: all its executions are one.
  public var hasOneTask: Bool { program.held == nil && program.refusal == nil }

  public func end() {
    program.end()
    machine.shutdown()
  }

  /// `trapsMax`: since exec, at which it is stopped.
  public func execute(_ plan: RetracePlan, trapsMax: UInt64 = .max) throws(SessionError) -> Retrace {
    var decisions: RetraceDecisions?
    let watched = Set(plan.steps.flatMap { [$0.moment.pc, $0.until?.pc].compactMap(\.self) })
    let outcome = try execute(watched, log: .all, trapsMax: trapsMax) {
      let made = RetraceDecisions(epoch: epoch, random: random, plan: plan, trail: trail, first: first)
      decisions = made
      return made
    }
    if first == nil { first = outcome }
    return Retrace(
      outcome: outcome, events: trail.events, tasks: trail.tasks, marks: decisions!.marks, choicesMet: decisions!.choicesMet,
      choicesTurned: decisions!.choicesTurned, delaysMade: decisions!.delaysMade, letGo: decisions!.letGo,
      missedNext: decisions!.missedNext)
  }

  /// Executes the schedule of a note as it is: right for the build that it was found with.
  public func follow(_ note: SearchNote, trapsMax: UInt64 = .max) throws(SessionError) -> Outcome {
    try execute([], log: .off, trapsMax: trapsMax) {
      FollowDecisions(epoch: epoch, random: random, schedule: Schedule(note))
    }
  }

  private func execute(
    _ watched: Set<GuestAddress>, log: AccessLogMode, trapsMax: UInt64, _ decisions: () -> any Decisions
  ) throws(SessionError) -> Outcome {
    do throws(MachineError) {
      // A change of points takes translations back, so those of earlier plans stay.
      if !watched.isSubset(of: points) {
        points.formUnion(watched)
        try machine.setSchedulingPoints(points)
      }
      try machine.setWatchedPoints(watched)
      try machine.setAccessLog(log)
    } catch { throw SessionError(error.description) }
    executions += 1
    return try program.execute(trapsMax: trapsMax, observer: trail) {
      trail.begin(program.held?.task)
      return decisions()
    }
  }
}

extension Schedule {
  /// The switches of a search's note.
  init(_ note: SearchNote) {
    self.init(
      note.switches.map { entry in
        let kind: Switch.Kind =
          switch entry.kind {
          case .preemption: .preemption
          case .choice: .choice
          case .fairness: .fairness
          case .delay: .delay
          }
        let place = SchedulePlace(task: TaskID(entry.place.task), ticks: entry.place.ticks, pc: GuestAddress(entry.place.pc),
          isInside: entry.isInside)
        return Switch(kind, isInCode: entry.isInCode, at: place, to: TaskID(entry.next))
      })
  }
}
