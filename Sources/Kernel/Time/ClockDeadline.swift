// Deadlines on the guest's clocks, and the structures that carry times: struct timespec, timeval.

import LinuxABI
import Platform

/// A point of time on the clock on which the guest named it. One on CLOCK_REALTIME moves when that clock is set.
struct ClockDeadline: Hashable, Sendable {
  var time: Nanoseconds
  var isRealtime: Bool

  /// The same point on the monotonic clock, as timers want it.
  func monotonic(_ kernel: Kernel) -> Nanoseconds {
    if !isRealtime || time == .max { return time }
    return time - kernel.clock.realtimeOffset
  }

  /// Queues to wait on beside the deadline itself.
  func queues(_ kernel: Kernel) -> [WaitQueue] { isRealtime ? [kernel.ipc.realtimeChanges] : [] }
}

extension Kernel {
  /// The deadline `timeout` from now.
  func deadline(in timeout: Nanoseconds) -> ClockDeadline {
    ClockDeadline(time: clock.monotonic + timeout, isRealtime: false)
  }
}

extension MemoryManager {
  /// struct timespec as get_timespec64 and timespec64_valid take it. EINVAL for a negative or unnormalised one; what
  /// does not fit saturates.
  func copyInTimespec(_ address: GuestAddress) throws(Errno) -> Nanoseconds {
    let bytes = try copyIn(address, 16)
    return try Nanoseconds(validSeconds: bytes.integer(at: 0), nanoseconds: bytes.integer(at: 8))
  }

  func copyOutTimespec(_ address: GuestAddress, _ time: Nanoseconds) throws(Errno) {
    try copyOut(address, time.timespecBytes)
  }

  /// struct timeval. EINVAL for a negative or unnormalised one.
  func copyInTimeval(_ address: GuestAddress) throws(Errno) -> Nanoseconds {
    let bytes = try copyIn(address, 16)
    let microseconds: Int64 = bytes.integer(at: 8)
    if microseconds < 0 || microseconds >= 1_000_000 { throw .EINVAL }
    return try Nanoseconds(validSeconds: bytes.integer(at: 0), nanoseconds: microseconds * 1000)
  }

  func copyOutTimeval(_ address: GuestAddress, _ time: Nanoseconds) throws(Errno) {
    try copyOut(address, time.timevalBytes)
  }
}

extension Nanoseconds {
  init(validSeconds seconds: Int64, nanoseconds: Int64) throws(Errno) {
    if seconds < 0 || nanoseconds < 0 || nanoseconds >= 1_000_000_000 { throw .EINVAL }
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    self = overflow ? .max : Nanoseconds(product) + Nanoseconds(nanoseconds)
  }

  /// Seconds rounded down, and the nanoseconds above them.
  var parts: (seconds: Int64, nanoseconds: Int64) {
    var seconds = rawValue / 1_000_000_000
    var rest = rawValue % 1_000_000_000
    if rest < 0 {
      seconds -= 1
      rest += 1_000_000_000
    }
    return (seconds, rest)
  }

  var timespecBytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(16)
    bytes.appendInteger(parts.seconds)
    bytes.appendInteger(parts.nanoseconds)
    return bytes
  }

  var timevalBytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(16)
    bytes.appendInteger(parts.seconds)
    bytes.appendInteger(parts.nanoseconds / 1000)
    return bytes
  }
}
