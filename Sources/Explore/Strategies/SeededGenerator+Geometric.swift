// How long it takes until something happens by chance.

import Kernel

extension SeededGenerator {
  /// How many trials it takes until one of probability 1 / mean succeeds; at least 1, at most 2^20. Without floating point, so
  /// that it is the same everywhere: few trials are made, for more stands what they come close to, an exponential distribution.
  mutating func nextGeometric(mean: UInt64) -> UInt32 {
    if mean <= Self.meanOfFew {
      var trials: UInt32 = 1
      while mean > 1, trials < Self.trialsMax, next(below: Int(mean)) != 0 { trials += 1 }
      return trials
    }
    let product = nextExponential().multipliedFullWidth(by: mean)
    let trials = product.high >= 1 << 32 ? UInt64.max : product.high << 32 | product.low >> 32
    return UInt32(min(trials, UInt64(Self.trialsMax) - 1)) + 1
  }
  private static let meanOfFew: UInt64 = 16, trialsMax: UInt32 = 1 << 20

  /// Exponentially distributed with mean 1, in units of 2^-32 (von Neumann, "Various Techniques Used in Connection With Random
  /// Digits", 1951): the first of a falling row of uniform numbers, where the row has odd length; each row of even length adds 1.
  private mutating func nextExponential() -> UInt64 {
    var whole: UInt64 = 0
    while true {
      let first = next() >> 32
      var last = first, length = 1
      while true {
        let number = next() >> 32
        if number > last { break }
        last = number
        length += 1
      }
      if length % 2 == 1 { return whole << 32 | first }
      whole += 1
    }
  }
}
