// How far a task may go in guest code while others wait, and how the seed draws that. Only for machines with ticks.
//
// Where a race shows depends on the scale of its window, which nobody knows beforehand. So the length of a slice is
// log-uniform, and many slices end between two ticks, since a window is often a few instructions without a branch, or
// inside an update, an instruction that loads, computes and stores without a lock (`counter++`). A task that stopped
// there is held back for a while, so that others get to the same memory before its store overwrites what they did.
//
// Stops cost time, so most are made where they find most: early in a run, and early in the life of each task, whose
// first accesses are new. Such slices are dense: short, nearly all with a stop inside the next update. A young task is
// held back longer than an old one, so that its partner, which may not exist yet, is created and catches up. Behind the
// dense beginning one in ever more slices is dense, and the others are long enough to pay for themselves.

import Platform

/// A piece of a task's turn. It ends where its ticks and then its instructions are used up, or inside an update.
public struct Slice: Hashable, Sendable {
  /// Counted over all runs of the slice. A trap behind the last of them ends the slice too.
  public var ticks: UInt64
  /// Instructions beyond the last tick.
  public var instructions: UInt32
  /// The slice ends inside the n-th update behind its ticks; 0 for never.
  public var updates: UInt32
  /// Its updates count from the start of each of its runs instead: a trap, or a stop for a timer, starts the count again,
  /// since the machine tells how many updates there were only when it stops in one.
  public var updatesCountAtOnce = false
  /// For how many choices of the next task this one is passed over after such a stop, while others can run. What the
  /// others execute counts too (`Scheduler.ticksPerPick`).
  public var picksHeldBack: Int

  /// The slice ends before the n-th scheduling point, counted over all its runs, if its ticks do not end it first; 0 for never.
  public var points: UInt32 = 0
  /// The slice ends, behind its ticks, where this instruction is next.
  public var pc: GuestAddress?

  public init(ticks: UInt64, instructions: UInt32 = 0, updates: UInt32 = 0, picksHeldBack: Int = 0) {
    self.ticks = ticks
    self.instructions = instructions
    self.updates = updates
    self.picksHeldBack = picksHeldBack
  }

  var isUsedUp: Bool { ticks == 0 }

  /// The task ran for so many ticks, past so many scheduling points. `isAtEnd`: and stopped inside an update, or at a scheduling point.
  mutating func use(_ executed: UInt64, points passed: UInt32, isAtEnd: Bool) {
    ticks = isAtEnd || executed >= ticks ? 0 : ticks - executed
    if points > 0 { points = passed < points ? points - passed : 1 }
  }
}

/// How old the run and the task are when a slice is drawn.
public struct SliceAge: Hashable, Sendable {
  /// Slices that were drawn in this run before.
  public var ofRun: Int
  /// Stops of the task before: traps and ends of runs.
  public var ofTask: Int
  public init(ofRun: Int, ofTask: Int) {
    self.ofRun = ofRun
    self.ofTask = ofTask
  }
}

/// What a test asks of all slices, to compare many places of a run.
public struct EverySlice: Hashable, Sendable {
  public var ticks: UInt64
  /// Draw instructions beyond the ticks and stops inside updates from the seed; otherwise there are none.
  public var isVaried: Bool
  public init(ticks: UInt64, isVaried: Bool) {
    self.ticks = ticks
    self.isVaried = isVaried
  }
}

extension SeededGenerator {
  /// Slices at the beginning of a run that are all dense; behind them, slice n is dense with this number in n.
  static let denseSlices = 256
  /// Stops after which a task is no longer young.
  static let stopsOfYouth = 40

  /// One of a test's slices.
  mutating func nextSlice(like every: EverySlice) -> Slice {
    var slice = Slice(ticks: every.ticks)
    if !every.isVaried { return slice }
    if next(below: 2) == 0 {
      slice.instructions = UInt32(next(below: 16))
    } else {
      slice.updates = UInt32(1 + next(below: 4))
      slice.picksHeldBack = next(below: 4)
    }
    return slice
  }

  /// A slice of the random policy.
  mutating func nextSlice(age: SliceAge) -> Slice {
    let isYoung = age.ofTask < Self.stopsOfYouth
    if isYoung || age.ofRun < Self.denseSlices || next(below: age.ofRun + 1) < Self.denseSlices {
      return nextDenseSlice(isYoung: isYoung)
    }
    var slice = Slice(ticks: UInt64(nextLogUniform(4..<20)))
    if next(below: 4) == 0 { slice.instructions = UInt32(next(below: 8)) }
    if next(below: 4) == 0 {
      slice.updates = next(below: 2) == 0 ? 1 : UInt32(2 + next(below: 6))
      slice.picksHeldBack = nextLogUniform(0..<6)
    }
    return slice
  }

  /// Short, and mostly with a stop between two ticks or in the very next update. A young task is held back longest.
  private mutating func nextDenseSlice(isYoung: Bool) -> Slice {
    var slice = Slice(ticks: UInt64(nextLogUniform(0..<12)))
    if next(below: 4) == 0 {
      slice.instructions = UInt32(next(below: 8))
    } else {
      slice.updates = next(below: 8) != 0 ? 1 : UInt32(2 + next(below: 6))
      slice.updatesCountAtOnce = true
      slice.picksHeldBack = isYoung ? nextLogUniform(4..<11) : nextLogUniform(0..<4)
    }
    return slice
  }

  /// 2^e and something below 2^e, with e uniform in the range: every scale is as likely as another.
  private mutating func nextLogUniform(_ exponents: Range<Int>) -> Int {
    let scale = 1 << (exponents.lowerBound + next(below: exponents.count))
    return scale + next(below: scale)
  }
}
