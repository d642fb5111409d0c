// Which tasks are held where in one execution, and until when.

import Kernel
import Platform

/// Where tasks are held in one execution, and all that is random in it.
public struct HoldPlan: Hashable, Sendable {
  public struct Target: Hashable, Sendable {
    public var arrival: Arrival
    /// Who is held; nil for whoever comes, but for the task that is waited for.
    public var task: TaskID?
    /// Only the first that comes there, not all.
    public var holdsFirstOnly: Bool
    /// It goes on once this has happened; nil: when nobody else can.
    public var until: Moment?
    /// Whether it then takes the turn from the task that did it.
    public var goesOnAtOnce: Bool
    /// It is held inside the update that it has arrived at, between load and store.
    public var isInside = false
  }
  public var targets: [Target] = []
  /// Who is next of those that are not held: a random one, or the one that waited longest.
  var picksRandomly: Bool
  /// Who goes on when all are held: the one held last, or first.
  var releasesLast: Bool
  /// While some task is held, one trap in so many holds another task too; 0 for none.
  var trapInterval: Int
  /// When all are held: whether time passes until somebody else wakes up, before one of them goes on.
  var letsTimePass: Bool
  /// Of the random picks.
  var seed: UInt64

  /// Without targets.
  init(_ generator: inout SeededGenerator) {
    (picksRandomly, releasesLast, trapInterval, letsTimePass, seed) = (false, false, 0, false, 0)
    drawAnew(&generator)
  }

  /// Other choices for the same targets.
  mutating func drawAnew(_ generator: inout SeededGenerator) {
    picksRandomly = generator.next(below: 4) != 0
    releasesLast = generator.next(below: 4) == 0
    trapInterval = [0, 0, 2, 4][generator.next(below: 4)]
    letsTimePass = generator.next(below: 2) == 0
    seed = generator.next()
  }

  /// Adds one of these arrivals; nothing when there is none.
  mutating func addTarget(of arrivals: [Arrival], _ generator: inout SeededGenerator) {
    if arrivals.isEmpty { return }
    targets.append(
      Target(
        arrival: arrivals[generator.next(below: arrivals.count)], holdsFirstOnly: generator.next(below: 2) == 0,
        goesOnAtOnce: false))
  }

  /// The earlier event shall come after the later one: right behind it, later, or when nobody else can go on.
  /// `isInside`: only the store of the earlier one, an update; its load comes before. `holdsAll`: after the later one shall come what
  /// other tasks do at the earlier one's place too: where many do the same, another would be there in its stead.
  mutating func add(_ reversal: Reversal, distance: Int, isInside: Bool, holdsAll: Bool) {
    targets.append(
      Target(
        arrival: Arrival(pc: reversal.earlier.pc, occurrence: reversal.earlier.occurrence), task: holdsAll ? nil : reversal.earlier.task,
        holdsFirstOnly: !holdsAll, until: distance == 2 ? nil : reversal.later,
        goesOnAtOnce: distance == 0, isInside: isInside))
  }

  /// One target, seldom two or three.
  static func random(of arrivals: [Arrival], _ generator: inout SeededGenerator) -> HoldPlan {
    var plan = HoldPlan(&generator)
    let count = 1 + (generator.next(below: 3) == 0 ? 1 : 0) + (generator.next(below: 6) == 0 ? 1 : 0)
    for _ in 0..<count { plan.addTarget(of: arrivals, &generator) }
    return plan
  }

  /// The instructions where the machine must stop.
  var watched: Set<GuestAddress> {
    var watched: Set<GuestAddress> = []
    for target in targets {
      watched.insert(target.arrival.pc)
      if let until = target.until { watched.insert(until.pc) }
    }
    return watched
  }
}
