// What is left of the accesses of a long computation.

import Kernel
import Platform
import Testing

@testable import Explore

extension ExploreTests {
  @Suite struct HotInstructionsTests {
    private func accesses(_ pc: UInt64, _ count: Int) -> [MemoryAccess] {
      (0..<count).map { MemoryAccess(pc: GuestAddress(pc), address: GuestAddress(UInt64(0x10000 + 8 * $0)), size: 8, isWrite: true) }
    }

    @Test func whatComesBehindALoopIsSeen() {
      var hot = HotInstructions()
      var kept: [UInt64: Int] = [:]
      for (pc, count) in Array(repeating: (0x401000, 10_000), count: 40) + [(0x402000, 3)] as [(UInt64, Int)] {
        let left = hot.without(accesses(pc, count))
        kept[pc, default: 0] += left.count
      }
      #expect(kept == [0x401000: 60_000 + (1 << 16), 0x402000: 3])
    }

    @Test func manyHotInstructionsAreThinnedMore() {
      var hot = HotInstructions()
      var kept = 0
      for pc in UInt64(0)..<64 {
        for _ in 0..<20 {
          let left = hot.without(accesses(0x401000 + 16 * pc, 10_000))
          kept += left.count
        }
      }
      #expect(kept < 4 << 20)
      let last = hot.without(accesses(0x900000, 5))
      #expect(last.count == 5)
    }

    @Test func patienceIsForThoseWhoComputeAndEnds() {
      func place(_ ticks: UInt64) -> SchedulePlace { SchedulePlace(task: TaskID(2), ticks: ticks, pc: GuestAddress(0x401000)) }
      var turn = Turn(at: place(100), visits: 0)
      var patience = Patience(ticks: 100_000)
      // Not known; as often as who spins; seldom.
      let first = [nil, 5_000, 3].map { patience.allows(turn, at: place(20_100), visits: $0) }
      #expect(first == [false, false, true])
      turn.goOn(at: place(20_100), visits: 3)
      #expect(turn.ticksAllowed == 40_000)
      let second = patience.allows(turn, at: place(40_100), visits: 3)
      turn.goOn(at: place(40_100), visits: 3)
      let third = patience.allows(turn, at: place(80_100), visits: 3)
      #expect(second)
      #expect(!third, "nothing is left")
      patience = Patience(ticks: 100_000, traps: 5_000, isAlsoAtPoints: true)
      let fourth = patience.allows(turn, at: place(80_100), visits: 50_000)
      #expect(fourth)
      let allowed = [2_000, 3_000, 1].map { patience.allows(traps: $0) }
      #expect(allowed == [true, true, false])
    }
  }
}
