// The guest's clock as a machine that counts ticks answers for it.
import Platform

/// What `Machine.setClock` said last, and the task that it holds for.
struct MachineClock {
  private var next: Int64?
  private var isNew = false
  private var context: ContextID?
  /// The clock's nanoseconds when it was set, less those of the ticks that the task had executed.
  private var origin: Int64?
  /// Whether the task that runs may read it.
  private(set) var isOpen = false

  mutating func set(_ nanoseconds: Int64?) {
    next = nanoseconds
    isNew = true
  }

  /// A run of this task begins, which has executed so many ticks.
  mutating func begin(_ context: ContextID, ticks: UInt64) {
    if isNew {
      isNew = false
      self.context = context
      origin = next.map { $0 &- RunningClock.time(from: 0, ticks: ticks, readings: 0) }
    }
    isOpen = origin != nil && self.context == context
  }

  /// What it shows once the task has executed so many ticks, the last of so many readings.
  func nanoseconds(ticks: UInt64, readings: UInt64) -> Int64 { RunningClock.time(from: origin!, ticks: ticks, readings: readings) }
}
