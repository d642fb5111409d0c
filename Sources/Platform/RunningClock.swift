// The guest's clock while the guest runs. A machine that counts ticks can answer RDTSC by itself: at the start of a run it is told the time,
// and what passes in the run follows from ticks and readings. So nobody need stop for it, and a replay that is told the same shows the same.

public enum RunningClock {
  /// Nanoseconds of a tick, of a reading, which shows what it makes, and of the trap that ends a run. Part of what a trace says: see `Record.clock`.
  public static let nanosecondsPerTick: Int64 = 4
  public static let nanosecondsPerReading: Int64 = 8
  public static let nanosecondsPerTrap: Int64 = 1_000

  /// What the clock shows after so many ticks and readings.
  public static func time(from start: Int64, ticks: UInt64, readings: UInt64) -> Int64 {
    start &+ Int64(truncatingIfNeeded: ticks) &* nanosecondsPerTick &+ Int64(truncatingIfNeeded: readings) &* nanosecondsPerReading
  }

  /// What it shows after a run that began at `start` and ended with `trap`, unless the kernel sets it otherwise; nil: it was not shown.
  public static func next(after start: Int64?, ticks: UInt64, readings: UInt64, trap: Trap) -> Int64? {
    guard let start else { return nil }
    let passed = time(from: start, ticks: ticks, readings: readings)
    if case .budget = trap { return passed }
    return passed &+ nanosecondsPerTrap
  }
}
