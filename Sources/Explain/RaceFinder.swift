// Which accesses around a switch made the difference.
//
// Task A was stopped, others ran, A went on (or never did). Two orders were decided by that: an access of A from before against the
// first one of the others that conflicts with it (what A relied on did not stay so), and the last one of the others against
// an access of A from after (A saw, or overwrote, what they left). The first and the last, since these are the ones whose order a
// change of the switch would turn: what lies between follows from them. Where both meet in the same bytes, A's two accesses were
// meant to be one step, and others came between.
//
// Conflicts are looked for near the switch: of A's accesses the nearest to it on either side. Data that the program's own code
// touches comes first, then what libraries touch on its behalf, then locks: those conflict wherever tasks meet, and
// say nothing unless there is nothing else.

import Platform

/// Conflicting accesses to the same bytes around one switch.
struct Conflict {
  enum Rank: Int, Comparable {
    case programData, libraryData, lock
    static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  }
  var switchIndex: Int
  var rank: Rank
  /// A's access before, and the first one of others that conflicts with it.
  var before: (own: Touch, other: Touch)?
  /// The last one of others that conflicts with A's access after, and that.
  var after: (other: Touch, own: Touch)?
  /// A's accesses between the switch and these.
  var distance: Int
  /// Found by the search itself, by turning the order round.
  var isKnown = false

  /// In the order of the execution, each once.
  var touches: [(touch: Touch, role: AccessReport.Role)] {
    var list: [(touch: Touch, role: AccessReport.Role)] = []
    if let before { list += [(before.own, .before), (before.other, .meanwhile)] }
    if let after {
      if before?.other != after.other { list.append((after.other, .meanwhile)) }
      list.append((after.own, .after))
    }
    return list
  }
  var isBetween: Bool { before != nil && after != nil }
}

struct RaceFinder {
  let locks: LockWords
  let history: SwitchHistory
  let switchIndex: Int

  private struct Key: Hashable {
    var home: UInt64
    var word: UInt64
  }

  /// Conflicts told of each switch.
  private static let conflictsMax = 3

  /// The conflicts around the switch, the most telling first. `after`: what the task did, or would have done, when it went on.
  func conflicts(after: [Touch], includesLocks: Bool) -> [Conflict] {
    let others = index(history.meanwhile)
    var found: [Key: Conflict] = [:]
    var order: [Key] = []
    func note(_ key: Key, _ change: (inout Conflict) -> Void) {
      if found[key] == nil {
        order.append(key)
        found[key] = Conflict(switchIndex: switchIndex, rank: .programData, distance: 0)
      }
      change(&found[key]!)
    }
    for (distance, own) in history.before.reversed().enumerated() {
      for key in Self.keys(own) where found[key]?.before == nil {
        guard let other = others[key]?.first(where: { history.meanwhile[$0].conflicts(with: own) }) else { continue }
        note(key) {
          $0.before = (own, history.meanwhile[other])
          $0.distance += distance
        }
      }
    }
    for (distance, own) in after.enumerated() {
      for key in Self.keys(own) where found[key]?.after == nil {
        guard let other = others[key]?.last(where: { history.meanwhile[$0].conflicts(with: own) }) else { continue }
        note(key) {
          $0.after = (history.meanwhile[other], own)
          $0.distance += distance
        }
      }
    }
    var list = order.map { found[$0]! }
    for index in list.indices { list[index].rank = list[index].touches.map { rank($0.touch) }.max() ?? .lock }
    list.sort { Self.isBefore($0, $1) }
    return chosen(list, includesLocks)
  }

  private static func isBefore(_ a: Conflict, _ b: Conflict) -> Bool {
    if a.rank != b.rank { return a.rank < b.rank }
    if a.isBetween != b.isBetween { return a.isBetween }
    return a.distance < b.distance
  }

  /// The first of them, no access twice; locks where there is nothing else, or where they are the matter.
  private func chosen(_ list: [Conflict], _ includesLocks: Bool) -> [Conflict] {
    var result: [Conflict] = []
    for conflict in list where result.count < Self.conflictsMax {
      if conflict.rank == .lock && !includesLocks && !result.isEmpty { break }
      let own = Set(conflict.touches.filter { $0.role != .meanwhile }.map(\.touch))
      let isNew = result.allSatisfy { known in
        Set(known.touches.filter { $0.role != .meanwhile }.map(\.touch)).isDisjoint(with: own)
      }
      if isNew { result.append(conflict) }
    }
    return result
  }

  private func rank(_ touch: Touch) -> Conflict.Rank {
    if history.images?.isProgram(touch.access.pc.rawValue) == true { return .programData }
    return locks.isNearLock(touch) ? .lock : .libraryData
  }

  private func index(_ touches: [Touch]) -> [Key: [Int]] {
    var index: [Key: [Int]] = [:]
    for (number, touch) in touches.enumerated() {
      for key in Self.keys(touch) { index[key, default: []].append(number) }
    }
    return index
  }

  private static func keys(_ touch: Touch) -> [Key] {
    let last = (touch.homeAddress &+ UInt64(max(1, touch.access.size)) &- 1) >> 3
    let first = touch.homeAddress >> 3
    return first <= last ? (first...last).map { Key(home: touch.home, word: $0) } : []
  }
}
