// Which accesses around a switch made the difference.
//
// Task A was stopped, others ran, A went on (or never did). Two orders were decided by that: an access of A from before against the
// first one of the others that conflicts with it (what A relied on did not stay so), and the last one of the others against
// an access of A from after (A saw, or overwrote, what they left). The first and the last, since these are the ones whose order a
// change of the switch would turn: what lies between follows from them. Where both meet in the same bytes, A's two accesses were
// meant to be one step, and others came between.
//
// What others came between is told first. Of the two orders alone the second is what the switch turned; the first would hold
// without it.
//
// Conflicts are looked for near the switch: of A's accesses the nearest to it on either side. Data that the program's own code
// touches comes first, then what libraries touch on its behalf, then locks: those conflict wherever tasks meet, and
// say nothing unless there is nothing else.

import Platform

/// Conflicting accesses to the same bytes around one switch.
struct Conflict {
  enum Rank: Int, Comparable {
    /// By the program's own code; by that and a library's, or system calls to the same file; by libraries; a lock's; what
    /// the run-time system does for itself.
    case program, mixed, library, lock, runtime
    static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  }
  var switchIndex: Int
  var rank: Rank
  /// A's access before, and the first one of others that conflicts with it.
  var before: (own: Touch, other: Touch)?
  /// The last one of others that conflicts with A's access after, and that.
  var after: (other: Touch, own: Touch)?
  /// Another access of others in between, which the search narrowed the switch down to.
  var narrowed: Touch?
  /// A's accesses between the switch and these.
  var distance: Int
  /// The search narrowed the switch down to this order.
  var isKnown = false
  /// Its switch says less than those where a task lost its turn: a task that did not get to run, or had to wait.
  var isAside = false

  /// In the order of the execution, each once.
  var touches: [(touch: Touch, role: AccessReport.Role)] {
    var others: [Touch] = []
    for touch in [before?.other, narrowed, after?.other].compactMap(\.self) where !others.contains(touch) { others.append(touch) }
    var list: [(touch: Touch, role: AccessReport.Role)] = []
    if let before { list.append((before.own, .before)) }
    list += others.sorted { $0.isBefore($1) }.map { ($0, .meanwhile) }
    if let after { list.append((after.own, .after)) }
    return list
  }
  var isBetween: Bool { before != nil && after != nil }

  /// What a task did before a switch to one variable, where the other conflict is what it did behind it to another one, and the same
  /// task came between: a pair that was meant to change together.
  func isOtherHalf(of other: Conflict) -> Bool {
    guard let before, let last = other.after, other.before == nil else { return false }
    if before.own.overlaps(last.own) { return false }
    if let after, !last.own.isBefore(after.own) { return false }
    return switchIndex == other.switchIndex && rank <= .mixed && other.rank <= .mixed && before.other.context == last.other.context
      && before.own.context == last.own.context
  }

  /// What is told first: what the search narrowed down, unless it is the order in which a lock was taken. The switch decides the order of
  /// others' accesses and those of the task from after it; one from before came first anyway, and matters as a step that was meant
  /// to be one with what follows.
  var standing: [Int] {
    let completeness = isBetween ? 0 : after != nil ? 1 : 2
    // The earliest switch, where the run began to go wrong; there what was held back before what comes later.
    if isKnown && rank < .lock { return [0, switchIndex, distance, rank.rawValue] }
    return [1, max(rank, .mixed).rawValue, isKnown ? 0 : 1, isAside ? 1 : 0, completeness, rank.rawValue]
  }

  /// Of those that stand alike the last change of turn first, the nearest to the failure.
  static func isToldBefore(_ a: Conflict, _ b: Conflict, _ isEarlier: Bool) -> Bool {
    if a.standing != b.standing { return a.standing.lexicographicallyPrecedes(b.standing) }
    if a.switchIndex != b.switchIndex { return a.switchIndex > b.switchIndex }
    return a.distance != b.distance ? a.distance < b.distance : isEarlier
  }

  /// Says the same as another one of another task: the same instructions, the same bytes.
  func isLike(_ other: Conflict) -> Bool {
    let (mine, others) = (touches, other.touches)
    return mine.count == others.count
      && zip(mine, others).allSatisfy { (one, two) in
        one.role == two.role && one.touch.access.pc == two.touch.access.pc && one.touch.overlaps(two.touch)
      }
  }
}

extension [Conflict] {
  /// In the order in which they are told, what says the same once.
  func toldInOrder() -> [Conflict] {
    var kept: [Conflict] = []
    for entry in enumerated().sorted(by: { Conflict.isToldBefore($0.element, $1.element, $0.offset < $1.offset) }) {
      if !kept.contains(where: { $0.isLike(entry.element) }) { kept.append(entry.element) }
    }
    return kept
  }
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
  private static let conflictsMax = 4

  /// The conflicts around the switch, in no order. `after`: what the task did, or would have done, when it went on.
  func conflicts(after: [Touch]) -> [Conflict] {
    let others = index(history.meanwhile)
    var list: [Conflict] = []
    var befores = nearest(history.before.reversed(), others) { $0.first }
    for (distance, own, other) in nearest(after, others, { $0.last }) {
      var conflict = Conflict(switchIndex: switchIndex, rank: .lock, after: (other, own), distance: distance)
      // The same bytes before and after: one conflict, unless it is the same done again.
      if let index = befores.firstIndex(where: {
        $0.own.overlaps(own) && $0.other.overlaps(own) && $0.own.overlaps(other) && !areRounds($0.own, own)
      }) {
        let before = befores.remove(at: index)
        conflict.before = (before.own, before.other)
        conflict.distance += before.distance
      }
      list.append(conflict)
    }
    for (distance, own, other) in befores {
      list.append(Conflict(switchIndex: switchIndex, rank: .lock, before: (own, other), distance: distance))
    }
    for index in list.indices { list[index].rank = rank(list[index]) }
    return list
  }

  /// For the bytes that the task touched the access nearest to the switch that conflicts with others', and which of those it is.
  private func nearest(
    _ own: some Sequence<Touch>, _ others: [Key: [Int]], _ choose: ([Touch]) -> Touch?
  ) -> [(distance: Int, own: Touch, other: Touch)] {
    var found: [(distance: Int, own: Touch, other: Touch)] = []
    for (distance, touch) in own.enumerated() {
      for key in Self.keys(touch) {
        guard let numbers = others[key] else { continue }
        if found.contains(where: { $0.own.overlaps(touch) }) { continue }
        guard let other = choose(numbers.map { history.meanwhile[$0] }.filter { $0.conflicts(with: touch) }) else { continue }
        found.append((distance, touch, other))
      }
    }
    return found
  }

  /// Whether the same statement writes twice. One that reads may be a function's that is called in different places, as a library's are.
  func areRounds(_ a: Touch, _ b: Touch) -> Bool {
    guard a.access.isWrite && b.access.isWrite, history.images?.isProgram(a.access.pc.rawValue) != false else { return false }
    if a.access.pc == b.access.pc { return true }
    // Inlined or unrolled code has a copy for each round.
    guard let one = history.images?.frames(at: a.access.pc.rawValue).first, one.line != nil,
      let two = history.images?.frames(at: b.access.pc.rawValue).first
    else { return false }
    return (one.function, one.file, one.line) == (two.function, two.file, two.line)
  }

  /// Those that are told, the most telling first. What libraries do among themselves only where there is nothing else or where others came
  /// between, locks too unless they are the matter.
  func chosen(_ list: [Conflict], includesLocks: Bool) -> [Conflict] {
    let list = list.toldInOrder()
    guard let best = list.first?.rank else { return [] }
    let telling = list.filter { conflict in
      switch conflict.rank {
      case .program, .mixed: true
      // Two tasks that come between each other's steps, on whoever's behalf.
      case .library: best >= .library || conflict.isBetween || conflict.isKnown
      case .lock: conflict.isKnown || (best == .lock || includesLocks) && isOfLockWord(conflict)
      case .runtime: false
      }
    }
    var chosen = Array(telling.prefix(Self.conflictsMax))
    // The other half of what others came between, where these are two variables.
    if let first = chosen.first, let companion = telling.first(where: { $0.isOtherHalf(of: first) }),
      !chosen.contains(where: { $0.isOtherHalf(of: first) })
    {
      chosen[chosen.count - 1] = companion
    }
    return chosen
  }

  /// Not of the words that a library keeps beside a lock's, which tell nothing more.
  private func isOfLockWord(_ conflict: Conflict) -> Bool { conflict.touches.contains { locks.isAtomicUpdate($0.touch) } }

  func rank(_ conflict: Conflict) -> Conflict.Rank {
    let touches = conflict.touches.map(\.touch)
    // What a program without source lines (an interpreter) does with its own memory says less than what it does with files.
    let hasLines = touches.contains { history.images?.hasLines($0.access.pc.rawValue) == true }
    if touches.contains(where: Resources.isResource) { return history.images?.programHasLines == true ? .mixed : .program }
    let ranks = touches.map(rank)
    // A thread's own block, which lies on its stack.
    if !ranks.contains(.program) && touches.contains(where: \.isOnOwnStack) || ranks.contains(.runtime) { return .runtime }
    if ranks.contains(.lock) { return .lock }
    let ofProgram = ranks.count { $0 == .program }
    return ofProgram == ranks.count && hasLines ? .program : ofProgram > 0 ? .mixed : .library
  }

  private func rank(_ touch: Touch) -> Conflict.Rank {
    if history.images?.isProgram(touch.access.pc.rawValue) == true { return .program }
    if history.images?.isLinker(touch.access.pc.rawValue) == true { return .runtime }
    return locks.isNearLock(touch) ? .lock : .library
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
