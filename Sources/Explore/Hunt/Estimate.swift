// How probable a failure is, from how many schedules were tried and how many failed.
//
// Schedules are taken to be independent and alike. They are not quite: strategies take turns, the search learns, and the first
// schedule is the one without preemptions. So it is the probability under this search, and not on anybody's machine.

import Glibc

/// The probability that a schedule of a search fails.
public struct FailureEstimate: Sendable, Equatable {
  public var tried: UInt64
  public var failed: UInt64
  /// Clopper and Pearson's interval of 95 %: bounds that are never too narrow, whatever the probability is.
  public var lower: Double
  public var upper: Double
  public var mean: Double { Double(failed) / Double(tried) }

  /// nil when nothing was tried.
  public init?(failed: UInt64, of tried: UInt64) {
    guard tried > 0, failed <= tried else { return nil }
    self.tried = tried
    self.failed = failed
    let (n, k) = (Double(tried), Double(failed))
    if failed == 0 {
      // One-sided, since there is but one side: (1 - p)^n = 0.05, about 3 / n ("rule of three").
      lower = 0
      upper = -expm1(log(0.05) / n)
      return
    }
    // P(at least k of n) = I_p(k, n - k + 1) = 0.025, and P(at most k of n) = 1 - I_p(k + 1, n - k) = 0.025.
    lower = Self.solve { regularizedBeta($0, k, n - k + 1) - 0.025 }
    upper = failed == tried ? 1 : Self.solve { regularizedBeta($0, k + 1, n - k) - 0.975 }
  }

  /// Schedules to run without a failure to be sure that a fix holds, with this confidence: N with (1 - lower)^N <= 1 -
  /// confidence. It follows from the lower bound, so that a fix which changes nothing passes less often than that. nil when
  /// nothing failed.
  public func schedulesToTrustFix(confidence: Double = 0.99) -> UInt64? {
    if failed == 0 { return nil }
    let schedules = (log(1 - confidence) / log1p(-lower)).rounded(.up)
    return schedules < 1e18 ? max(1, UInt64(schedules)) : nil
  }

  /// The root in 0...1 of an increasing function, by halving.
  private static func solve(_ function: (Double) -> Double) -> Double {
    var low = 0.0, high = 1.0
    // Down to neighbours, for small roots too.
    for _ in 0..<1100 {
      let middle = low + (high - low) / 2
      if middle == low || middle == high { break }
      if function(middle) < 0 { low = middle } else { high = middle }
    }
    return low + (high - low) / 2
  }
}

/// I_x(a, b): the distribution function of the beta distribution, with a relative error of about 1e-12 for a, b up to 1e7.
///
/// The continued fraction of DLMF 8.17.22, evaluated by Lentz's method; it converges fast for x < (a + 1) / (a + b + 2), and
/// I_x(a, b) = 1 - I_(1-x)(b, a) leads there.
func regularizedBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
  if x <= 0 { return 0 }
  if x >= 1 { return 1 }
  if x > (a + 1) / (a + b + 2) { return 1 - regularizedBeta(1 - x, b, a) }
  let front = exp(a * log(x) + b * log1p(-x) - logBeta(a, b)) / a
  let tiny = 1e-300
  var c = 1.0
  var d = 1 / nonzero(1 - (a + b) * x / (a + 1), tiny)
  var fraction = d
  for step in 1..<100_000 {
    let m = Double(step)
    let even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / nonzero(1 + even * d, tiny)
    c = nonzero(1 + even / c, tiny)
    fraction *= d * c
    let odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / nonzero(1 + odd * d, tiny)
    c = nonzero(1 + odd / c, tiny)
    fraction *= d * c
    if abs(d * c - 1) < 1e-15 { break }
  }
  return front * fraction
}

private func nonzero(_ value: Double, _ tiny: Double) -> Double { abs(value) < tiny ? tiny : value }

private func logBeta(_ a: Double, _ b: Double) -> Double {
  var sign: Int32 = 0
  return lgamma_r(a, &sign) + lgamma_r(b, &sign) - lgamma_r(a + b, &sign)
}
