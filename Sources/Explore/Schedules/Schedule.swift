// A schedule as what differs from the default: at which places the turn changed, and to whom. Two executions that start from the
// same state and take the same schedule are the same execution.

import Kernel
import Platform

/// One change of turn.
public struct Switch: Hashable, Sendable {
  public enum Kind: String, Hashable, Sendable {
    /// The task could have gone on: at a scheduling point, or where a system call ended.
    case preemption
    /// It had blocked or ended, or gave up its turn, and several tasks could be next.
    case choice
    /// It had spun for `DefaultTurns.spinTicks`, and another got the turn; or it seemed to spin, or gave up its turn, and went on all
    /// the same: then `next` is the task itself.
    case fairness
    /// Time passed until the next timer, though tasks could have gone on; `next` says nothing. Who has the turn then is a switch of
    /// its own, or follows from there being one only.
    case delay
  }
  public var kind: Kind
  /// Whether the task was stopped in guest code (at a scheduling point), not behind a trap.
  public var isInCode: Bool
  /// Where the task stood whose turn ended.
  public var place: SchedulePlace
  /// Who had the next turn.
  public var next: TaskID
  /// Whether the same happens where a schedule says nothing. It stands in a schedule so that what follows is told apart from it.
  public var isDefault: Bool
  /// The turn does not change.
  public var isStay: Bool { kind == .fairness && next == place.task }

  public init(_ kind: Kind, isInCode: Bool, at place: SchedulePlace, to next: TaskID, isDefault: Bool = false) {
    self.kind = kind
    self.isInCode = isInCode
    self.place = place
    self.next = next
    self.isDefault = isDefault
  }
}

extension Switch: CustomStringConvertible {
  public var description: String {
    "\(kind.rawValue): task \(place.task) at \(place.pc), tick \(place.ticks)\(isInCode ? "" : ", behind a trap"), to task \(next)"
  }
}

/// The changes of turn of one execution, in order.
public struct Schedule: Hashable, Sendable {
  public var switches: [Switch] = []
  public init(_ switches: [Switch] = []) { self.switches = switches }

  public var preemptions: Int { switches.count { $0.kind == .preemption } }
  public var delays: Int { switches.count { $0.kind == .delay } }
  /// The switches that would not come about by themselves.
  public var deviations: [Switch] { switches.filter { !$0.isDefault } }
}

extension Collection where Element == Switch {
  /// What comes behind the delays that stand first, where these are at this place; whether there are any.
  func behindDelays(at place: SchedulePlace) -> (entry: Switch?, isDelayed: Bool) {
    guard let index = firstIndex(where: { $0.kind != .delay || $0.place != place }) else { return (nil, !isEmpty) }
    return (self[index], index != startIndex)
  }
}

/// What happens where a schedule says nothing.
public enum DefaultTurns {
  /// A task that executed so many ticks in one turn without a trap, while others wait, is taken to spin: the next gets its turn.
  public static let spinTicks: UInt64 = 20_000
  /// A task that made so many traps in one turn, likewise (a spin on the clock or on a try-lock that calls the kernel).
  public static let spinTraps = 2000
}
