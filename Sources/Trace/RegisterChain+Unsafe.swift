// The chained hash of registers and output that a recording notes every 64 events and at its end, and a replay recomputes.
// Unsafe because XXH3 reads bytes from a pointer: the pointer is to the borrowed registers, a trivial struct of
// 27 words without padding, and does not outlive the call.
import CXXHash
import Platform

/// Each link is XXH3-64 of the registers at a trap, or of the bytes of an output, seeded with the link before; the first
/// seed is 0.
public struct RegisterChain: Hashable, Sendable {
  public private(set) var value: UInt64 = 0
  /// What of the flags is left out: what depends on the processor's maker.
  private let flagsLeftOut: UInt64

  /// `formatVersion`: of the trace. In version 1 all flags counted.
  public init(formatVersion: UInt32 = TraceFormat.version) {
    flagsLeftOut = formatVersion == 1 ? 0 : Registers.statusFlags | Registers.resumeFlag
  }

  /// Takes in the registers at one trap.
  public mutating func add(_ registers: Registers) {
    let seed = value
    var registers = registers
    registers.eflags &= ~flagsLeftOut
    value = withUnsafeBytes(of: registers) { rsb_hash64_seeded($0.baseAddress, $0.count, seed) }
  }

  /// Takes in bytes that the guest wrote to a stream: they are not in the trace, so this is what checks them.
  public mutating func add(output bytes: ArraySlice<UInt8>) {
    let seed = value
    value = bytes.withUnsafeBytes { rsb_hash64_seeded($0.baseAddress, $0.count, seed) }
  }
}
