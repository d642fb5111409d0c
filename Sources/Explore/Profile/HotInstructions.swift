// What a long computation touches is nearly all by a few instructions, over and over. Of those only the first accesses of an execution
// are looked at, so that what comes behind a computation is seen, and in time.

import Platform

/// Of one execution.
struct HotInstructions {
  /// Made where accesses become many. (Not `lazy`: that would copy the table for every access.)
  private var counts: InstructionCounts?
  private var kept = 0

  /// That many accesses are kept without counting whose they are.
  private static let uncounted = 1 << 16
  /// So many more of each instruction are kept, and fewer once many were kept.
  private static let visitsMax: UInt32 = 1 << 16, laterVisitsMax: UInt32 = 1 << 10
  private static let manyKept = 1 << 21

  mutating func without(_ accesses: [MemoryAccess]) -> [MemoryAccess] {
    if kept + accesses.count <= Self.uncounted {
      kept += accesses.count
      return accesses
    }
    if counts == nil { counts = InstructionCounts() }
    let most = kept > Self.manyKept ? Self.laterVisitsMax : Self.visitsMax
    let left = accesses.filter { counts!.count($0.pc) <= most }
    kept += left.count
    return left
  }
}
