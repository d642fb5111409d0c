// The numbers of a search against sums and products that need no beta function.

import Glibc
import Testing

@testable import Explore

/// P(exactly k of n), by products alone.
private func probability(_ k: Int, of n: Int, _ p: Double) -> Double {
  var value = 1.0
  // The factors in an order in which nothing gets too large or too small.
  var failures = n - k
  for index in 0..<k {
    value *= Double(n - index) / Double(k - index) * p
    while value > 1 && failures > 0 {
      value *= 1 - p
      failures -= 1
    }
  }
  for _ in 0..<failures { value *= 1 - p }
  return value
}

private func isClose(_ a: Double, _ b: Double, _ error: Double = 1e-9) -> Bool { abs(a - b) <= error * max(abs(a), abs(b)) }

@Suite struct EstimateTests {
  static let counts = [(1, 1), (1, 2), (1, 10), (5, 10), (9, 10), (3, 200), (62, 400), (1, 2000), (1999, 2000), (700, 2000)]

  @Test(arguments: counts) func tailsAtTheBoundsAreExact(_ failed: Int, _ tried: Int) throws {
    let estimate = try #require(FailureEstimate(failed: UInt64(failed), of: UInt64(tried)))
    var below = 0.0, upTo = 0.0
    for k in 0..<failed { below += probability(k, of: tried, estimate.lower) }
    for k in 0...failed { upTo += probability(k, of: tried, estimate.upper) }
    #expect(isClose(1 - below, 0.025), "\(1 - below)")
    if failed == tried { #expect(estimate.upper == 1) } else { #expect(isClose(upTo, 0.025), "\(upTo)") }
    #expect(estimate.lower < estimate.mean && estimate.mean <= estimate.upper)
  }

  /// Values of the literature: Clopper and Pearson's interval for 1 and 5 of 10.
  @Test func publishedValues() throws {
    let one = try #require(FailureEstimate(failed: 1, of: 10)), half = try #require(FailureEstimate(failed: 5, of: 10))
    #expect(isClose(one.lower, 0.002528579, 1e-6) && isClose(one.upper, 0.445016117, 1e-6))
    #expect(isClose(half.lower, 0.187086030, 1e-6) && isClose(half.upper, 0.812913970, 1e-6))
  }

  @Test(arguments: [1, 10, 300, 2000, 1_000_000]) func noFailureAtAll(_ tried: Int) throws {
    let estimate = try #require(FailureEstimate(failed: 0, of: UInt64(tried)))
    #expect(estimate.lower == 0 && estimate.schedulesToTrustFix() == nil)
    var passes = 1.0
    for _ in 0..<tried { passes *= 1 - estimate.upper }
    #expect(isClose(passes, 0.05, 1e-6))
    // The rule of three is an upper bound.
    #expect(estimate.upper < 3 / Double(tried))
  }

  /// Whatever the probability is, at least 95 % of searches have it within their bounds.
  @Test(arguments: [0.003, 0.02, 0.1, 0.5, 0.97]) func boundsCover(_ p: Double) throws {
    var covered = 0.0
    for k in 0...60 {
      let estimate = try #require(FailureEstimate(failed: UInt64(k), of: 60))
      if estimate.lower <= p && p <= estimate.upper { covered += probability(k, of: 60, p) }
    }
    #expect(covered >= 0.95 && covered <= 1.000_001, "\(covered)")
  }

  @Test(arguments: counts) func schedulesToTrustAFix(_ failed: Int, _ tried: Int) throws {
    let estimate = try #require(FailureEstimate(failed: UInt64(failed), of: UInt64(tried)))
    let schedules = try #require(estimate.schedulesToTrustFix())
    // The first number of schedules that all pass with a probability of at most 1 %.
    var passes = 1.0, needed: UInt64 = 0
    while passes > 0.01 {
      passes *= 1 - estimate.lower
      needed += 1
    }
    #expect(schedules == needed)
    #expect(try #require(estimate.schedulesToTrustFix(confidence: 0.9)) <= schedules)
  }

  @Test func nothingTried() {
    #expect(FailureEstimate(failed: 0, of: 0) == nil)
    #expect(FailureEstimate(failed: 2, of: 1) == nil)
  }

  @Test func largeCounts() throws {
    let estimate = try #require(FailureEstimate(failed: 1000, of: 10_000_000))
    // The normal approximation is good to some percent here: 1e-4 -+ 1.96 * sqrt(1e-4 / 1e7).
    #expect(isClose(estimate.lower, 1e-4 - 6.198e-6, 0.01) && isClose(estimate.upper, 1e-4 + 6.198e-6, 0.01))
  }
}
