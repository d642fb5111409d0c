// What a search narrowed a switch down to: the program fails when one operation of another task comes before one of the task that was
// stopped. These are the ends of a window, the last point to stop the task and the first to let it go on, and need not touch the same
// memory. Where they do they are the race; where they do not there are two: what the others had done by then to the memory of the
// operation that was held back, and what the task did later to the memory of the others' last one.

import Platform

extension RaceFinder {
  /// Brings an order in among the conflicts of its switch. `second` is nil when the operation at `pc` was never executed; `after` is what
  /// the task did when it went on, or would have done.
  func bring(in first: Touch, before second: Touch?, at pc: GuestAddress, after: [Touch], to list: inout [Conflict]) {
    let half = after.first { $0.isSecondHalf && $0.access.pc == pc }
    let second = half ?? second ?? after.first { $0.isAhead && $0.access.pc == pc } ?? unseen(first, at: pc, after)
    if let second, first.conflicts(with: second) { return add((first, second), distance: 0, to: &list) }
    let done = history.meanwhile.prefix { !first.isBefore($0) }
    if let second, let other = done.last(where: { $0.conflicts(with: second) }) { add((other, second), distance: 0, to: &list) }
    if let late = after.first(where: { $0.conflicts(with: first) }) { add((first, late), distance: 1, to: &list) }
  }

  /// An operation that the run did not get to, where its instruction touched the same bytes at another time.
  private func unseen(_ first: Touch, at pc: GuestAddress, _ after: [Touch]) -> Touch? {
    guard var touch = (history.before + history.meanwhile + after).last(where: { $0.access.pc == pc && $0.conflicts(with: first) })
    else { return nil }
    touch.context = history.entry.context
    touch.isAhead = true
    touch.index = -1
    return touch
  }

  /// In place of what was found on the same bytes, and with what the task had done to them before.
  private func add(_ pair: (other: Touch, own: Touch), distance: Int, to list: inout [Conflict]) {
    if list.contains(where: { $0.isKnown && $0.after?.own.overlaps(pair.own) == true }) { return }
    var conflict = Conflict(switchIndex: switchIndex, rank: .program, after: pair, distance: distance, isKnown: true)
    conflict.before = list.lazy.compactMap(\.before).first {
      !areRounds($0.own, pair.own) && $0.own.overlaps(pair.own) && $0.other.overlaps(pair.own) && !pair.other.isBefore($0.other)
    }
    // The others' first operation that conflicts with what the task had done came later still: then it came between, too.
    if conflict.before == nil, let between = list.first(where: { $0.isBetween && $0.after?.own.overlaps(pair.own) == true }),
      let start = history.meanwhile.first, !pair.other.isBefore(start)
    {
      conflict.before = between.before
      conflict.after = (between.after?.other ?? pair.other, pair.own)
      conflict.narrowed = pair.other
    }
    conflict.rank = rank(conflict)
    list.removeAll { $0.after?.own.overlaps(pair.own) == true || conflict.before != nil && $0.before?.own == conflict.before?.own }
    list.append(conflict)
  }
}
