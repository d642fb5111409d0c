// POS: Yuan, Yang, Gu, "Partial Order Aware Concurrency Sampling", CAV 2018. Every event that could come next has a random priority, the
// highest comes; when an event has come, those of other tasks that conflict with it get new priorities. So orders of events that
// do not matter do not use up the chances of those that do.
//
// An event here is a scheduling point or a system call. What it will touch is not known before it comes, so two conflict when
// their instructions have worked on the same shared word in some execution, and all system calls do with each other.

import Kernel
import Platform

/// Which instructions have worked on the same shared words.
struct Conflicts: Sendable, Equatable {
  /// By instruction: numbers of the words, rising.
  private var words: [GuestAddress: [Int32]] = [:]

  mutating func add(_ word: Int32, to pc: GuestAddress) { words[pc, default: []].append(word) }

  /// Instructions that are no scheduling points are system calls.
  func isBetween(_ one: GuestAddress, _ other: GuestAddress) -> Bool {
    guard let first = words[one], let second = words[other] else { return words[one] == nil && words[other] == nil }
    var (i, j) = (0, 0)
    while i < first.count && j < second.count {
      if first[i] == second[j] { return true }
      if first[i] < second[j] { i += 1 } else { j += 1 }
    }
    return false
  }
}

public final class SamplingDecisions: ExploringDecisions {
  private struct Pending {
    var task: TaskID
    var pc: GuestAddress
    var priority: UInt64
  }
  private var generator: SeededGenerator
  private let conflicts: Conflicts
  /// Every event counts (1), or one in so many on average where they are too many.
  private let interval: UInt64
  private var pending: [Pending] = []

  init(
    epoch: Nanoseconds, random: SeededGenerator, history: History? = nil, seed: UInt64, conflicts: Conflicts, interval: UInt64
  ) {
    generator = SeededGenerator(seed: seed)
    self.conflicts = conflicts
    self.interval = interval
    super.init(epoch: epoch, random: random, history: history)
  }

  /// The task's next event; a task that has not been seen stands at its beginning.
  private func index(of task: TaskID) -> Int {
    if let index = pending.firstIndex(where: { $0.task == task }) { return index }
    pending.append(Pending(task: task, pc: GuestAddress(0), priority: generator.next()))
    return pending.count - 1
  }

  /// The task's event comes now.
  private func comes(_ task: TaskID) {
    let pc = pending[index(of: task)].pc
    for other in pending.indices where pending[other].task != task && conflicts.isBetween(pc, pending[other].pc) {
      pending[other].priority = generator.next()
    }
  }

  override func wantsToEnter(_ update: SchedulePlace) -> Bool { generator.next(below: 2) == 0 }

  override func wantsPreemption(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    let own = index(of: place.task)
    pending[own].pc = place.pc
    pending[own].priority = generator.next()
    let highest = queue.map { pending[index(of: $0)].priority }.max()!
    if highest > pending[own].priority { return true }
    comes(place.task)
    return false
  }

  override func next(from queue: [TaskID], after place: SchedulePlace?, kind: Switch.Kind) -> Int {
    let all = queue.map { pending[index(of: $0)].priority }
    let chosen = all.indices.max { all[$0] < all[$1] }!
    comes(queue[chosen])
    return chosen
  }

  /// What it waits for must run some time.
  override func spins(_ task: TaskID) { pending[index(of: task)].priority = 0 }

  override func limit(_ slice: inout Slice, place: SchedulePlace, queue: [TaskID]) {
    slice.points = interval > 1 ? generator.nextGeometric(mean: interval) : 1
  }
}
