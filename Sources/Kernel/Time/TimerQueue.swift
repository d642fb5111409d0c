// Everything that happens at a point of virtual time, in the order (deadline, sequence).

import HeapModule

/// A kernel object that a timer calls.
protocol TimerTarget: DeepCopyable {
  /// The deadline has come. May arm the next one. `token` is what was given when the timer was armed.
  func timerFired(_ kernel: Kernel, token: UInt64)
}

/// Names one armed timer, so that it can be cancelled.
struct TimerID: RawRepresentable, Hashable, Comparable, Sendable {
  let rawValue: UInt64
  static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Armed timers, earliest first; equal deadlines fire in the order in which they were armed.
struct TimerQueue {
  struct Entry: Comparable {
    let deadline: Nanoseconds
    let id: TimerID
    var target: any TimerTarget
    let token: UInt64
    static func < (a: Self, b: Self) -> Bool { (a.deadline, a.id) < (b.deadline, b.id) }
    static func == (a: Self, b: Self) -> Bool { a.id == b.id }
  }

  private var heap = Heap<Entry>()
  /// Ids that are armed (asked for membership only); an entry of the heap that is not here was cancelled.
  private var armed: Set<TimerID> = []
  private var nextID: UInt64 = 1

  mutating func arm(_ deadline: Nanoseconds, _ target: any TimerTarget, token: UInt64 = 0) -> TimerID {
    let id = TimerID(rawValue: nextID)
    nextID += 1
    heap.insert(Entry(deadline: deadline, id: id, target: target, token: token))
    armed.insert(id)
    return id
  }

  mutating func cancel(_ id: TimerID) {
    armed.remove(id)
    if heap.count > 64 && heap.count > 4 * armed.count {
      heap = Heap(heap.unordered.filter { armed.contains($0.id) })
    }
  }

  /// The next deadline, or nil when nothing is armed.
  mutating func nextDeadline() -> Nanoseconds? {
    while let first = heap.min, !armed.contains(first.id) { _ = heap.popMin() }
    return heap.min?.deadline
  }

  /// Whether every armed timer calls an object of this class. True when none is armed.
  func hasOnly<Target: TimerTarget>(_ kind: Target.Type) -> Bool {
    heap.unordered.allSatisfy { $0.target is Target || !armed.contains($0.id) }
  }

  /// The first entry due at `now`, removed.
  mutating func popDue(_ now: Nanoseconds) -> Entry? {
    guard let deadline = nextDeadline(), deadline <= now else { return nil }
    let entry = heap.popMin()!
    armed.remove(entry.id)
    return entry
  }

  mutating func copyReferences(_ context: CopyContext) {
    heap = Heap(
      heap.unordered.map { entry in
        var new = entry
        new.target = context.copyAny(entry.target)
        return new
      })
  }
}
