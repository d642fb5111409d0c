// How often instructions came, for those who look only at the first accesses of each.

/// Counts by instruction, approximately: instructions may share a counter.
public struct InstructionCounts: Sendable {
  private var counts: [UInt32] = Array(repeating: 0, count: 1 << 14)
  public init() {}

  /// How often this one came, with now.
  public mutating func count(_ pc: GuestAddress) -> UInt32 {
    let counter = Int((pc.rawValue &* 0x9e37_79b9_7f4a_7c15) >> 50)
    counts[counter] &+= 1
    return counts[counter]
  }
}
