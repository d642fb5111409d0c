// Virtual time. It advances with what the guest does, never with the host: 1 us a trap, 4 ns a tick where the machine
// has ticks, and in a jump to the next timer when every task sleeps. See DESIGN.md, "Kernel".

import Platform

/// A span or a point of virtual time, in nanoseconds.
public struct Nanoseconds: RawRepresentable, Hashable, Comparable, Sendable {
  public var rawValue: Int64
  @inlinable public init(rawValue: Int64) { self.rawValue = rawValue }
  @inlinable public init(_ value: Int64) { rawValue = value }
  public static let zero = Nanoseconds(0)
  public static let second = Nanoseconds(1_000_000_000)
  /// KTIME_MAX: the largest point of time; additions saturate here.
  public static let max = Nanoseconds(Int64.max)
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  /// Saturating, as ktime_add_safe is.
  @inlinable public static func + (a: Self, b: Self) -> Self {
    let (sum, overflow) = a.rawValue.addingReportingOverflow(b.rawValue)
    return overflow ? (b.rawValue < 0 ? Self(Int64.min) : Self(Int64.max)) : Self(sum)
  }
  @inlinable public static func - (a: Self, b: Self) -> Self {
    let (difference, overflow) = a.rawValue.subtractingReportingOverflow(b.rawValue)
    return overflow ? (b.rawValue < 0 ? Self(Int64.max) : Self(Int64.min)) : Self(difference)
  }
  @inlinable public static func += (a: inout Self, b: Self) { a = a + b }
}

/// The clocks of the guest.
public struct Timekeeper: Sendable {
  /// Time since virtual boot: CLOCK_MONOTONIC and CLOCK_BOOTTIME.
  public private(set) var monotonic: Nanoseconds
  /// CLOCK_REALTIME minus CLOCK_MONOTONIC. clock_settime moves it.
  public var realtimeOffset: Nanoseconds
  /// The step that the next clock reading takes; doubles while a task only reads clocks.
  private var readingStep = Timekeeper.stepPerSyscall
  private var lastCallReadClock = false
  /// Readings in a row, with nothing else between them.
  private var readingsInARow = 0

  static let stepPerSyscall = Nanoseconds(RunningClock.nanosecondsPerTrap)
  static let nanosecondsPerTick = RunningClock.nanosecondsPerTick
  static let readingStepMax = Nanoseconds(1_000_000)
  /// Readings in a row that still count as work being measured (V8 and the JVM take up to 300); beyond, it is a wait.
  static let patientReadings = 1000
  /// The machine has been up for this long when the run begins.
  static let uptimeAtStart = Nanoseconds(100 * 1_000_000_000)

  public init(epoch: Nanoseconds) {
    monotonic = Self.uptimeAtStart
    realtimeOffset = epoch - Self.uptimeAtStart
  }

  public var realtime: Nanoseconds { monotonic + realtimeOffset }

  /// One syscall or fault passed.
  mutating func trapPassed() {
    monotonic += Self.stepPerSyscall
    if !lastCallReadClock {
      readingStep = Self.stepPerSyscall
      readingsInARow = 0
    }
    lastCallReadClock = false
  }

  /// Guest code ran for so many ticks. No answer to a call: a wait by polling that is preempted remains one.
  mutating func ticksPassed(_ count: UInt64) { monotonic += Self.duration(ofTicks: count) }

  static func duration(ofTicks count: UInt64) -> Nanoseconds { Nanoseconds(Int64(count) * nanosecondsPerTick) }

  static func duration(ofReadings count: UInt64) -> Nanoseconds { Nanoseconds(Int64(count) * RunningClock.nanosecondsPerReading) }

  /// Ticks after which a point of time has come: at least one.
  func ticks(until time: Nanoseconds) -> UInt64 {
    UInt64(max(0, (time - monotonic).rawValue - 1) / Self.nanosecondsPerTick + 1)
  }

  /// The guest read a clock so often without asking, in the run that ended.
  mutating func clockWasReadInside(_ count: UInt64) {
    if count == 0 { return }
    monotonic += Self.duration(ofReadings: count)
    if !lastCallReadClock {
      readingStep = Self.stepPerSyscall
      readingsInARow = 0
    }
    lastCallReadClock = true
    readingsInARow += Int(clamping: count)
  }

  /// The guest waits by reading clocks, which it should ask for now: time runs faster then.
  var isPolled: Bool { lastCallReadClock && readingsInARow > Self.patientReadings }

  /// The guest read a clock: while it does nothing else, time runs ever faster, so that a wait by polling ends.
  mutating func clockWasRead() {
    lastCallReadClock = true
    monotonic += readingStep
    readingsInARow += 1
    if readingsInARow > Self.patientReadings && readingStep < Self.readingStepMax { readingStep += readingStep }
  }

  /// Every task sleeps: go to the next timer.
  mutating func jump(to time: Nanoseconds) {
    if time > monotonic { monotonic = time }
  }

  /// The time-stamp counter that RDTSC shows: one tick a nanosecond.
  public var timestampCounter: UInt64 { UInt64(monotonic.rawValue) }
}
