// Which schedules an enumeration with a bound on preemptions may leave out, since an equal one with as few or fewer preemptions is executed.
//
// Two executions are equal when one becomes the other by exchanging neighbouring steps of different tasks that do not conflict
// (`Step`): they end in the same state. Usual partial order reductions may not be used under a bound, since the execution that they
// keep may have more preemptions than the one that they leave out (Coons, Musuvathi, McKinley, "Bounded Partial-Order Reduction",
// OOPSLA 2013). So only exchanges are made here that add none. A preemption is counted for the turn that it ends, so taking a
// part of a turn elsewhere adds none as long as it is moved to another turn of the same task, which then ends as one of them did.
//
// A task A has a turn, loses it by a preemption before a step e, others do T, then A goes on.
//  - When e conflicts with nothing in T, then e can as well be done before T, at the end of A's turn before. There are as many
//    preemptions as before, or fewer (where e blocks, or was all that A did behind T).
//  - When nothing in A's turn before conflicts with T, then that turn can as well be made behind T, together with what A does there. There is
//    one preemption less.
// So A sleeps, that is, does not get its turn back, until T has done something that conflicts with e and something that conflicts with
// A's turn (sleep sets: Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996). Likewise nothing
// is preempted before a step that nobody could conflict with, or in a turn that has done nothing yet. The first turn, before which there is
// none, is not moved.
//
// That none is missed: of all equal executions take those with the fewest preemptions, and of these the one that goes on with the
// task that has the turn for longest, at the first difference. None of the above leaves it out: by each the execution that is left out
// is equal to one with fewer preemptions, or with as many and a later first preemption.
//
// Not told by steps are: spinning (a turn that grows may end by fairness), the time (an execution with other preemptions has another
// number of traps), and accesses of which none are logged. Where one of these plays a part nothing is left out. Who waited
// longest, and so is next by default, may differ between equal executions: but every choice is enumerated.

import Kernel

/// A task that lost its turn by a preemption, and should not have it back yet.
struct Sleeper: Sendable, Equatable {
  var task: TaskID
  /// Its next step.
  var step: Footprint
  /// The turn that it lost.
  var turn: Footprint
  /// Whether others have done something that conflicts with each of them.
  var isStepMet = false
  var isTurnMet = false

  var sleeps: Bool { !isStepMet || !isTurnMet }
}

/// A place where an execution could go another way, with those that may have the turn there, and who sleeps behind it.
struct BranchPlace: Sendable, Equatable {
  var turn: TurnPlace
  var sleepers: [Sleeper]
}

/// Looks through one execution behind its last switch that was asked for.
struct Pruning {
  private let run: BoundedRun
  private var sleepers: [Sleeper]
  /// Whose turn it is, and what it has done in it.
  private var task: TaskID?
  private var turn = Footprint()

  /// `sleepers`: behind the last switch that was asked for.
  init(_ run: BoundedRun, _ sleepers: [Sleeper]) {
    self.run = run
    self.sleepers = sleepers
  }

  /// Where it should be tried another way.
  func places() -> [BranchPlace] {
    var rest = self
    return rest.walk()
  }

  private mutating func walk() -> [BranchPlace] {
    var places: [BranchPlace] = []
    var step = 0
    // The first turn of all.
    if run.turns.first?.switchesBefore == 0, let first = run.steps.first?.task ?? run.turns.first?.place.task {
      task = first
      turn = .ordered
    }
    for place in run.turns {
      while step < place.stepsBefore {
        guard begin(run.steps[step].task) else { return places }
        take(run.steps[step].footprint)
        step += 1
      }
      guard begin(place.place.task) else { return places }
      if let branch = branch(place, step) { places.append(branch) }
    }
    return places
  }

  /// False when the task sleeps: what follows is equal to something else.
  private mutating func begin(_ next: TaskID) -> Bool {
    if next == task { return true }
    if sleepers.contains(where: { $0.task == next && $0.sleeps }) { return false }
    sleepers.removeAll { $0.task == next }
    task = next
    turn = Footprint()
    return true
  }

  private mutating func take(_ step: Footprint) {
    for index in sleepers.indices {
      if step.conflicts(with: sleepers[index].step) { sleepers[index].isStepMet = true }
      if step.conflicts(with: sleepers[index].turn) { sleepers[index].isTurnMet = true }
    }
    turn = turn.union(step)
  }

  private func branch(_ place: TurnPlace, _ step: Int) -> BranchPlace? {
    var place = place
    place.others.removeAll { other in sleepers.contains { $0.task == other && $0.sleeps } }
    if place.others.isEmpty { return nil }
    // No step ends there, so nothing is known to be equal.
    if place.kind == .delay || place.place.isInside { return BranchPlace(turn: place, sleepers: []) }
    if place.kind == .choice { return BranchPlace(turn: place, sleepers: sleepers.filter(\.sleeps)) }
    // What an execution did last, or what was not noted as one step of this task, is not known.
    let isKnown = step < run.steps.count && run.steps[step].task == place.place.task
    let next = isKnown ? run.steps[step].footprint : .ordered
    if next.isEmpty || turn.isEmpty { return nil }
    let new = Sleeper(task: place.place.task, step: next, turn: turn)
    return BranchPlace(turn: place, sleepers: sleepers.filter(\.sleeps) + [new])
  }
}
