// The chained hash of registers that a recording notes every 64 events and a replay recomputes.
// Unsafe because XXH3 reads bytes from a pointer: the pointer is to the borrowed registers, a trivial struct of
// 27 words without padding, and does not outlive the call.
import CXXHash
import Platform

/// hash(n) = XXH3-64 of the registers at trap n, seeded with hash(n - 1); hash(0) = 0.
public struct RegisterChain: Hashable, Sendable {
  public private(set) var value: UInt64 = 0
  public init() {}

  /// Takes in the registers at one trap.
  public mutating func add(_ registers: Registers) {
    let seed = value
    value = withUnsafeBytes(of: registers) { rsb_hash64_seeded($0.baseAddress, $0.count, seed) }
  }
}
