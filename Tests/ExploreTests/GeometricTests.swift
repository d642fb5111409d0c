// Random numbers of trials have the distribution that they promise.

import Kernel
import Testing

@testable import Explore

extension ExploreTests {
  @Suite struct GeometricTests {
    private func draws(_ mean: UInt64, _ count: Int) -> [Double] {
      var generator = SeededGenerator(seed: mean)
      return (0..<count).map { _ in Double(generator.nextGeometric(mean: mean)) }
    }

    /// Both ways of drawing, and where one ends and the other begins.
    @Test(arguments: [2, 5, 16, 17, 100, 3_000, 60_000] as [UInt64])
    func meanAndSpreadAndShares(_ mean: UInt64) {
      let all = draws(mean, 40_000), expected = Double(mean)
      let average = all.reduce(0, +) / Double(all.count)
      let variance = all.map { ($0 - average) * ($0 - average) }.reduce(0, +) / Double(all.count)
      // Six standard errors, and half a trial for drawing from what it comes close to.
      #expect(abs(average - expected) < 0.03 * expected + (mean > 16 ? 0.6 : 0))
      #expect(abs(variance / (expected * (expected - 1)) - 1) < 0.1)
      #expect(all.allSatisfy { $0 >= 1 })
      for threshold in [expected, 3 * expected] {
        let share = Double(all.count { $0 > threshold }) / Double(all.count)
        var none = 1.0
        for _ in 0..<Int(threshold) { none *= 1 - 1 / expected }
        #expect(abs(share - none) < 0.02, "more than \(threshold) trials")
      }
    }

    @Test func boundsHold() {
      #expect(draws(1, 10).allSatisfy { $0 == 1 })
      #expect(draws(.max, 1_000).allSatisfy { $0 >= 1 && $0 <= 1_048_576 })
      #expect(draws(1 << 24, 1_000).allSatisfy { $0 <= 1_048_576 })
    }
  }
}
