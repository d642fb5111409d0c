// Which processors a machine and the threads beside it use.
import CLinux
import HostThreads

/// The processors of a run: one for its machine, and the others for threads that work beside it. CPUID shows a program which processor it
/// is on, and the direct engine cannot hide that, so the processor is part of what makes two runs equal: it follows from the run's seed and
/// arguments, which also spreads parallel runs.
public struct ProcessorPlace: Sendable {
  /// Those that the thread which made this might use, as sched_setaffinity(2) takes them.
  private let allowed: [UInt64]
  /// The machine's; nil when the host does not tell.
  public let own: Int?
  /// Empty where there is no other.
  public let beside: [UInt64]
  /// Where such threads finish their work while the host takes the last stub's memory back, which it does beside: there if there is room for
  /// both, otherwise on the machine's own, whose thread has little left to do. Empty when nothing is to change.
  public let atEnd: [UInt64]
  /// Among those threads: the machine waits for what fills its images.
  public let rightOfWay = RightOfWay()

  /// `choice`: which of the allowed processors, counted round.
  public init(choice: UInt64 = 0) {
    var mask = [UInt64](repeating: 0, count: 128)
    let size = rsb_affinity_get(&mask, mask.count * 8)
    allowed = size <= 0 ? [] : Array(mask.prefix(Int(size) / 8))
    own = Self.chosen(choice, of: allowed)
    var rest = allowed
    if let own { rest[own / 64] &= ~(1 << UInt64(own % 64)) }
    beside = rest.allSatisfy { $0 == 0 } ? [] : rest
    atEnd = own != nil && beside.reduce(0) { $0 + $1.nonzeroBitCount } == 1 ? Self.mask(own!) : []
  }

  private static func mask(_ processor: Int) -> [UInt64] {
    var mask = [UInt64](repeating: 0, count: processor / 64 + 1)
    mask[processor / 64] = 1 << UInt64(processor % 64)
    return mask
  }

  /// How many processors the calling thread may run on.
  public static var allowedCount: Int { max(1, ProcessorPlace().allowed.reduce(0) { $0 + $1.nonzeroBitCount }) }

  private static func chosen(_ choice: UInt64, of allowed: [UInt64]) -> Int? {
    let processors = (0..<allowed.count * 64).filter { allowed[$0 / 64] & 1 << UInt64($0 % 64) != 0 }
    return processors.isEmpty ? nil : processors[Int(choice % UInt64(processors.count))]
  }

  /// Keeps the calling thread, and what it starts, to the machine's processor. A machine does so itself; who starts other threads before
  /// there is one does it before that, or they would take turns with it. False when the host refuses.
  @discardableResult
  public func enter() -> Bool {
    guard let own else { return false }
    let mask = Self.mask(own)
    return rsb_affinity_set(mask, mask.count * 8) >= 0
  }

  /// Gives the calling thread back what it might use before.
  public func leave() {
    if own != nil { _ = rsb_affinity_set(allowed, allowed.count * 8) }
  }
}
