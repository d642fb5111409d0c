// The one door through which anything that may vary enters the kernel. Recording with a seed, hunting and running a
// given schedule are implementations of it; replay needs none, because the trace already holds what was decided.

import Platform

/// Where the scheduler asks.
public enum SchedulingPoint: Hashable, Sendable {
  /// The current task is about to make this system call. Only where `Decisions.asksBeforeSyscalls`; it may come there again.
  case beforeSyscall(UInt64)
  /// The current task finished a syscall or took a fault and could go on.
  case afterTrap(syscall: UInt64?)
  /// The current task used up its slice and could go on.
  case sliceEnd
  /// The current task gave up the processor (sched_yield).
  case yield
  /// The current task blocked, stopped or ended.
  case blocked
}

/// Where a task stands when something is decided about its turn. Of one run it names one moment: between two ticks no
/// instruction comes twice, and an update is begun once.
public struct SchedulePlace: Hashable, Sendable {
  public var task: TaskID
  /// Ticks that the task has executed in all; 0 without ticks.
  public var ticks: UInt64
  /// The instruction that comes next.
  public var pc: GuestAddress
  /// The instruction is an update (`RunLimit.updates`) and has loaded, but not stored.
  public var isInside: Bool
  public init(task: TaskID, ticks: UInt64, pc: GuestAddress, isInside: Bool = false) {
    self.task = task
    self.ticks = ticks
    self.pc = pc
    self.isInside = isInside
  }
}

public protocol Decisions: AnyObject {
  /// Whether the current task is put at the end of the run queue here. Asked only when another task could run: `queue`, in
  /// order, the one that waited longest first.
  func shouldPreempt(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool
  /// Which of these runnable tasks, in queue order, runs next, by its index. `place`: of the task that had the turn before;
  /// nil at the run's beginning.
  func pick(from queue: [TaskID], at point: SchedulingPoint, place: SchedulePlace?) -> Int
  /// Whether time passes here until the next timer expires, though tasks could go on: as on a machine that has no processor for any of
  /// them for so long. Asked while timers are pending, before a task is picked; where `asksBesideTimers`, also where the task
  /// at `place` could lose its turn but `queue` is empty. Asked again once time has passed.
  func letsTimePass(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool
  /// Whether a task that alone can run has slices, and may lose its turn, while timers are pending.
  var asksBesideTimers: Bool { get }
  /// How far the current task may go in guest code, while `runnable` others could run. Asked only where the machine has
  /// ticks: at the start of a turn, when a slice is used up and the task goes on, and when the first other task becomes
  /// runnable; where `asksBesideTimers` also with an empty queue.
  func slice(place: SchedulePlace, queue: [TaskID], age: SliceAge) -> Slice
  /// Whether it is asked before system calls too. The task then makes the call anew when its turn comes.
  var asksBeforeSyscalls: Bool { get }
  /// The current task came by so many scheduling points, and then to a trap or the end of its slice.
  func passed(points: UInt32)
  /// Bytes for getrandom, AT_RANDOM and the random devices.
  func randomBytes(_ count: Int) -> [UInt8]
  /// Realtime at virtual boot, in nanoseconds since 1970.
  var epoch: Nanoseconds { get }
  /// For `--clock host`: the host's realtime now; nil when virtual time rules.
  func hostRealtime() -> Nanoseconds?
}

extension Decisions {
  public var asksBeforeSyscalls: Bool { false }
  public func passed(points: UInt32) {}
  public func letsTimePass(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool { false }
  public var asksBesideTimers: Bool { false }
}

/// xoshiro256** seeded by splitmix64 (Blackman and Vigna): small, fast, and the same for ever.
public struct SeededGenerator: Sendable {
  private var s: InlineArray<4, UInt64>

  public init(seed: UInt64) {
    var z = seed
    func next() -> UInt64 {
      z &+= 0x9e37_79b9_7f4a_7c15
      var x = z
      x = (x ^ (x >> 30)) &* 0xbf58_476d_1ce4_e5b9
      x = (x ^ (x >> 27)) &* 0x94d0_49bb_1331_11eb
      return x ^ (x >> 31)
    }
    s = [next(), next(), next(), next()]
  }

  public mutating func next() -> UInt64 {
    func rotated(_ x: UInt64, _ k: UInt64) -> UInt64 { (x << k) | (x >> (64 - k)) }
    let result = rotated(s[1] &* 5, 7) &* 9
    let t = s[1] << 17
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = rotated(s[3], 45)
    return result
  }

  /// Uniform in 0 ..< bound, by Lemire's multiplication; the bias is below bound / 2^64.
  public mutating func next(below bound: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  public mutating func nextBytes(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 7)
    while bytes.count < count {
      withUnsafeBytes(of: next().littleEndian) { bytes.append(contentsOf: $0) }
    }
    bytes.removeLast(bytes.count - count)
    return bytes
  }
}

/// Which schedule a run takes.
public enum SchedulePolicy: String, Hashable, Sendable, CaseIterable {
  /// Each task runs until it blocks, yields or has used its quantum of traps or of ticks.
  case roundRobin = "round-robin"
  /// The seed says after which traps a task is preempted, how long its slices are, and who is next.
  case random
}

/// Decisions that follow from a seed alone.
public final class SeededDecisions: Decisions {
  public let policy: SchedulePolicy
  public let epoch: Nanoseconds
  private var schedule: SeededGenerator
  /// What random bytes come from: in this state another run goes on with the same.
  public private(set) var random: SeededGenerator
  private let everySlice: EverySlice?
  private var trapsInQuantum = 0
  /// Traps that a task may make in a row under round robin while others wait, and the ticks of a slice.
  static let quantumTraps = 1000
  static let quantumTicks: UInt64 = 100_000
  /// Under `random`, one trap in this many switches to another runnable task.
  static let preemptionInterval = 8

  public init(seed: UInt64, policy: SchedulePolicy, epoch: Nanoseconds, everySlice: EverySlice? = nil) {
    self.policy = policy
    self.everySlice = everySlice
    self.epoch = epoch
    schedule = SeededGenerator(seed: seed)
    random = Self.randomSource(seed: seed)
  }

  /// What random bytes come from under this seed.
  public static func randomSource(seed: UInt64) -> SeededGenerator { SeededGenerator(seed: ~seed) }

  public func shouldPreempt(at point: SchedulingPoint, place: SchedulePlace, queue: [TaskID]) -> Bool {
    switch point {
    case .yield, .sliceEnd: return true
    case .beforeSyscall: return false
    case .afterTrap, .blocked: break
    }
    switch policy {
    case .roundRobin:
      trapsInQuantum += 1
      return trapsInQuantum >= Self.quantumTraps
    case .random:
      return schedule.next(below: Self.preemptionInterval) == 0
    }
  }

  public func pick(from queue: [TaskID], at point: SchedulingPoint, place: SchedulePlace?) -> Int {
    trapsInQuantum = 0
    switch policy {
    case .roundRobin: return 0
    case .random: return queue.count == 1 ? 0 : schedule.next(below: queue.count)
    }
  }

  public func slice(place: SchedulePlace, queue: [TaskID], age: SliceAge) -> Slice {
    if let everySlice { return schedule.nextSlice(like: everySlice) }
    switch policy {
    case .roundRobin: return Slice(ticks: Self.quantumTicks)
    case .random: return schedule.nextSlice(age: age)
    }
  }

  public func randomBytes(_ count: Int) -> [UInt8] { random.nextBytes(count) }

  public func hostRealtime() -> Nanoseconds? { nil }
}
