// Threads that share a processor, of which one does what somebody waits for.

import Synchronization

/// While one thread has taken it, others that can wait do so.
public final class RightOfWay: Sendable {
  private let holders = Atomic<Int>(0)

  public init() {}

  public func take() { holders.wrappingAdd(1, ordering: .releasing) }
  public func leave() { holders.wrappingSubtract(1, ordering: .releasing) }
  public var isTaken: Bool { holders.load(ordering: .acquiring) > 0 }
}
