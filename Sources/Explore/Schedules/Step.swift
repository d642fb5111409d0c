// An execution as the steps between which the turn can change, and what each of them has to do with others: two steps of different tasks
// that do not conflict may come in either order, and the execution stays the same (Mazurkiewicz, "Trace Theory", 1986).

import Kernel
import Platform

/// What a step worked on that others may work on too.
struct Footprint: Hashable, Sendable {
  /// Objects (`HistoryEvent.object`) that it read but did not change, and that it changed, by rising number.
  private(set) var read: [UInt64] = []
  private(set) var written: [UInt64] = []
  /// It may have to do with anything: its place among the steps of all tasks is kept.
  var isOrdered = false

  static let ordered = Footprint(isOrdered: true)

  init(read: [UInt64] = [], written: [UInt64] = [], isOrdered: Bool = false) {
    let changed = Set(written)
    self.read = Set(read).subtracting(changed).sorted()
    self.written = changed.sorted()
    self.isOrdered = isOrdered
  }

  /// Nothing that another task could have to do with.
  var isEmpty: Bool { read.isEmpty && written.isEmpty && !isOrdered }

  /// Whether it makes a difference which of two steps comes first.
  func conflicts(with other: Footprint) -> Bool {
    if isOrdered || other.isOrdered { return true }
    return Self.haveCommon(written, other.written) || Self.haveCommon(written, other.read) || Self.haveCommon(read, other.written)
  }

  /// Of both together.
  func union(_ other: Footprint) -> Footprint {
    if other.isEmpty { return self }
    if isEmpty { return other }
    return Footprint(
      read: read + other.read, written: written + other.written, isOrdered: isOrdered || other.isOrdered)
  }

  func without(_ object: UInt64) -> Footprint {
    if !read.contains(object) && !written.contains(object) { return self }
    return Footprint(
      read: read.filter { $0 != object }, written: written.filter { $0 != object }, isOrdered: isOrdered)
  }

  /// Objects of which it makes a difference which of two steps comes first.
  func contended(with other: Footprint) -> [UInt64] {
    written.filter { other.written.contains($0) || other.read.contains($0) } + read.filter { other.written.contains($0) }
  }

  private static func haveCommon(_ one: [UInt64], _ other: [UInt64]) -> Bool {
    var first = 0, second = 0
    while first < one.count, second < other.count {
      if one[first] == other[second] { return true }
      if one[first] < other[second] { first += 1 } else { second += 1 }
    }
    return false
  }

  /// Whether a task can run: written by the step that lets it go on, read by its next one.
  static func readiness(of task: TaskID) -> UInt64 { readinessMark << 32 | UInt64(UInt32(bitPattern: task.rawValue)) }
  static func isReadiness(_ object: UInt64) -> Bool { object >> 32 == readinessMark }
  /// Words of memory have the number of their space above, and no space has this one.
  private static let readinessMark: UInt64 = 0xfffe_0000
}

/// What one task did between two moments at which the turn could change.
struct Step: Hashable, Sendable {
  /// How a step ended.
  struct End: Hashable, Sendable {
    /// The task could have gone on: who has the turn behind it has it by a preemption.
    var canGoOn: Bool
    /// See `Switch.isInCode`.
    var isInCode: Bool
    /// Where the task stood; nil where that is not known.
    var place: SchedulePlace?
  }
  var task: TaskID
  /// Certain: steps without a conflict may be exchanged.
  var footprint: Footprint
  /// Likely: what calls usually work on. To guess by.
  var likely: Footprint
  var end: End
}
