// The steps of one execution in the order in which they depend on each other, and the way through them with the fewest preemptions: without
// executing anything.
//
// Every order of steps that keeps a task's own order and the order of steps that conflict is an equal execution, and fails in the same way. Of
// these that one is looked for whose turns end most often where their tasks block. Three things make it short work:
//  - A turn goes on as long as it can: whatever a task could do at once, it may as well do before the turn changes. That enables
//    others, and hinders nobody.
//  - A turn that can go on until its task blocks costs nothing, so it may as well be made at once, whenever the turn changes.
//  - What is left are turns that come to a step which others must come before, and end by a preemption: all are tried, by breadth, where
//    the same steps done are the same state.

import Kernel

struct StepOrder {
  /// A turn in an order that was found: the steps of one task, in its own numbering.
  struct Turn: Hashable {
    var task: TaskID
    var steps: Range<Int>
  }
  /// The way to a state: how many steps each task has done.
  private struct State {
    var positions: [Int]
    var turns: [Turn] = []
  }

  /// States looked at at most; beyond that nothing is found.
  private static let statesMax = 20_000
  /// Steps times tasks at most.
  private static let sizeMax = 4_000_000

  let tasks: [TaskID]
  /// By task, in its order.
  private let ends: [[Step.End]]
  /// By task and step: how many steps of each task must be done, itself among them.
  private let needs: [[[Int32]]]
  /// Whose turn is first.
  private let first: Int
  /// What must be done for the last step of all, it included.
  private let last: [Int]

  /// nil when there is nothing, or too much.
  init?(_ steps: [Step], by footprint: (Step) -> Footprint) {
    var lanes: [TaskID: Int] = [:]
    var tasks: [TaskID] = []
    for step in steps where lanes[step.task] == nil {
      lanes[step.task] = tasks.count
      tasks.append(step.task)
    }
    if steps.isEmpty || steps.count * tasks.count > Self.sizeMax { return nil }
    var ends: [[Step.End]] = tasks.map { _ in [] }
    var needs: [[[Int32]]] = tasks.map { _ in [] }
    let nothing = [Int32](repeating: 0, count: tasks.count)
    var ordered = nothing, whole = nothing
    var written: [UInt64: [Int32]] = [:], read: [UInt64: [Int32]] = [:]
    var need = nothing
    for step in steps {
      let lane = lanes[step.task]!
      let print = footprint(step)
      need = Self.later(needs[lane].last ?? nothing, ordered)
      need[lane] = Int32(needs[lane].count + 1)
      if print.isOrdered { need = Self.later(need, whole) }
      for object in print.read + print.written {
        if let before = written[object] { need = Self.later(need, before) }
      }
      for object in print.written {
        if let before = read[object] { need = Self.later(need, before) }
      }
      for object in print.written { written[object] = need }
      for object in print.read { read[object] = Self.later(read[object] ?? nothing, need) }
      if print.isOrdered { ordered = need }
      whole = Self.later(whole, need)
      needs[lane].append(need)
      ends[lane].append(step.end)
    }
    self.tasks = tasks
    self.ends = ends
    self.needs = needs
    first = lanes[steps[0].task]!
    last = need.map { Int($0) }
  }

  private static func later(_ one: [Int32], _ other: [Int32]) -> [Int32] {
    one.indices.map { max(one[$0], other[$0]) }
  }

  // MARK: Orders

  /// The order with the fewest preemptions in which the last step is done, or all are; nil when there is none with fewer than `bound`, or
  /// the search was given up.
  func fewest(all: Bool, below bound: Int = .max) -> [Turn]? {
    let goal = all ? ends.map(\.count) : last
    let start = State(positions: tasks.map { _ in 0 })
    guard let (begun, isFree) = turn(of: first, from: start, to: goal) else { return nil }
    if isDone(begun, goal) { return bound > 0 ? begun.turns : nil }
    // The first turn has no choice. All states of one front have as many preemptions.
    var preemptions = isFree ? 0 : 1
    var front = [begun]
    var seen: Set<[Int]> = []
    while !front.isEmpty, preemptions < bound {
      var next: [State] = []
      for state in front {
        let state = withFreeTurns(state, to: goal)
        if isDone(state, goal) { return state.turns }
        if !seen.insert(state.positions).inserted { continue }
        if seen.count > Self.statesMax { return nil }
        for lane in tasks.indices {
          guard let (after, _) = turn(of: lane, from: state, to: goal) else { continue }
          if isDone(after, goal) { return after.turns }
          next.append(after)
        }
      }
      front = next
      preemptions += 1
    }
    return nil
  }

  private func isDone(_ state: State, _ goal: [Int]) -> Bool {
    goal.indices.allSatisfy { state.positions[$0] >= goal[$0] }
  }

  private func isEnabled(_ lane: Int, _ positions: [Int]) -> Bool {
    let position = positions[lane]
    if position >= ends[lane].count { return false }
    let need = needs[lane][position]
    return need.indices.allSatisfy { $0 == lane || Int(need[$0]) <= positions[$0] }
  }

  /// A task's turn, as long as it can be; nil when it can do nothing. Free: it ends where the task blocks.
  private func turn(of lane: Int, from state: State, to goal: [Int]) -> (state: State, isFree: Bool)? {
    var after = state
    var isFree = false
    while !isFree, isEnabled(lane, after.positions) {
      isFree = !ends[lane][after.positions[lane]].canGoOn
      after.positions[lane] += 1
      if isDone(after, goal) { break }
    }
    let steps = state.positions[lane]..<after.positions[lane]
    if steps.isEmpty { return nil }
    if let last = after.turns.last, last.task == tasks[lane] {
      after.turns[after.turns.count - 1].steps = last.steps.lowerBound..<steps.upperBound
    } else {
      after.turns.append(Turn(task: tasks[lane], steps: steps))
    }
    return (after, isFree)
  }

  private func withFreeTurns(_ state: State, to goal: [Int]) -> State {
    var state = state
    var hasChanged = true
    while hasChanged {
      hasChanged = false
      for lane in tasks.indices {
        guard let (after, isFree) = turn(of: lane, from: state, to: goal) else { continue }
        if isDone(after, goal) { return after }
        if !isFree { continue }
        state = after
        hasChanged = true
      }
    }
    return state
  }

  // MARK: Schedules

  /// How many turns end where their task could go on; the last one's end does not count.
  func preemptions(of turns: [Turn]) -> Int { turns.dropLast().count { end(of: $0).canGoOn } }

  /// The changes of turn that make this order.
  func schedule(of turns: [Turn]) -> Schedule {
    var switches: [Switch] = []
    for (turn, next) in zip(turns, turns.dropFirst()) {
      let end = end(of: turn)
      // Where it is not known the default must do.
      guard let place = end.place else { continue }
      switches.append(Switch(end.canGoOn ? .preemption : .choice, isInCode: end.isInCode, at: place, to: next.task))
    }
    return Schedule(switches)
  }

  private func end(of turn: Turn) -> Step.End { ends[tasks.firstIndex(of: turn.task)!][turn.steps.upperBound - 1] }
}
