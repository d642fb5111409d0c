// getrlimit(2): limits by resource number, fixed at start so that the host's do not show.

struct ResourceLimit: Hashable, Sendable {
  var current: UInt64
  var maximum: UInt64
  static let infinity = UInt64.max
}

/// RLIMIT_* by number, as include/uapi/asm-generic/resource.h counts them.
struct ResourceLimits: Hashable, Sendable {
  private var values: [ResourceLimit]

  static let cpu = 0, fileSize = 1, data = 2, stack = 3, core = 4, residentSet = 5, processes = 6, files = 7
  static let lockedMemory = 8, addressSpace = 9, locks = 10, signalQueue = 11, messageQueue = 12, nice = 13
  static let realtimePriority = 14, realtimeTime = 15
  static let count = 16

  /// The usual limits of a Linux login.
  init() {
    values = Array(repeating: ResourceLimit(current: .max, maximum: .max), count: Self.count)
    values[Self.stack] = ResourceLimit(current: 8 << 20, maximum: .max)
    values[Self.core] = ResourceLimit(current: 0, maximum: .max)
    values[Self.processes] = ResourceLimit(current: 4096, maximum: 4096)
    values[Self.files] = ResourceLimit(current: 1024, maximum: 1 << 20)
    values[Self.lockedMemory] = ResourceLimit(current: 8 << 20, maximum: 8 << 20)
    values[Self.signalQueue] = ResourceLimit(current: 15000, maximum: 15000)
    values[Self.messageQueue] = ResourceLimit(current: 819_200, maximum: 819_200)
    values[Self.nice] = ResourceLimit(current: 0, maximum: 0)
    values[Self.realtimePriority] = ResourceLimit(current: 0, maximum: 0)
  }

  subscript(_ resource: Int) -> ResourceLimit {
    get { values[resource] }
    set { values[resource] = newValue }
  }
}
