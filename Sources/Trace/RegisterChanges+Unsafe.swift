// The registers that differ, found for every event.
// Unsafe because comparing through pointers spares the copies of 27-word arrays that took half of the writer's time.
// Sound because `Registers` is a trivial struct of `Registers.wordCount` words in storage order, which its own `words`
// relies on too (checked below), and the pointers do not outlive the closures.
import Platform

extension RegisterChanges {
  /// What the kernel changed between a trap and the next run. With another rip come the flags, changed or not: where a
  /// signal frame is left they decide, and those at the trap may hold undefined ones that differ on the replaying processor.
  public init(from before: Registers, to after: Registers) {
    self.init()
    precondition(MemoryLayout<Registers>.size == Registers.wordCount * 8)
    var changed: UInt32 = 0
    withUnsafeBytes(of: before) { old in
      withUnsafeBytes(of: after) { new in
        let old = old.baseAddress!.assumingMemoryBound(to: UInt64.self)
        let new = new.baseAddress!.assumingMemoryBound(to: UInt64.self)
        for i in 0..<Registers.wordCount where old[i] != new[i] {
          changed |= 1 &<< UInt32(i)
          words[i] = new[i]
        }
      }
    }
    if before.rip != after.rip {
      changed |= 1 &<< UInt32(Registers.flagsIndex)
      words[Registers.flagsIndex] = after.eflags
    }
    mask = changed
  }
}
