// What a long computation touches is nearly all by a few instructions, over and over. Of those only the first accesses of an execution
// are looked at, so that what comes behind a computation is seen, and in time.

import Platform

/// Of one execution.
struct HotInstructions {
  /// Made for the first access: most executions are not profiled. (Not `lazy`: that would copy the table for every access.)
  private var counts: InstructionCounts?
  private var kept = 0

  /// So many accesses of an instruction are kept, and fewer once many were kept.
  private static let visitsMax: UInt32 = 1 << 17, laterVisitsMax: UInt32 = 1 << 10
  private static let manyKept = 1 << 21

  mutating func without(_ accesses: [MemoryAccess]) -> [MemoryAccess] {
    if accesses.isEmpty { return accesses }
    let most = kept > Self.manyKept ? Self.laterVisitsMax : Self.visitsMax
    if counts == nil { counts = InstructionCounts() }
    let left = accesses.filter { counts!.count($0.pc) <= most }
    kept += left.count
    return left
  }
}
