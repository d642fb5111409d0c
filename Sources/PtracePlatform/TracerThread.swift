// The one OS thread that traces: its settings, and a way to get such a thread.
import CLinux
import Glibc
import HostThreads
import Platform

/// What a machine changes in its thread, to be undone at the end.
struct ThreadSetting {
  private(set) var processor: Int?
  private var oldMask: [UInt64] = []
  private var oldTSC = 0
  private let leftRestartableSequences: Bool

  private static let readable: Int32 = 1  // PR_TSC_ENABLE
  private static let faults: Int32 = 2  // PR_TSC_SIGSEGV

  init(_ configuration: PtraceMachine.Configuration) {
    if configuration.pinsProcessor {
      var mask = [UInt64](repeating: 0, count: 128)
      let size = rsb_affinity_get(&mask, mask.count * 8)
      if size > 0 {
        oldMask = Array(mask.prefix(Int(size) / 8))
        processor = PtraceMachine.pinCallingThread(choice: configuration.processorChoice, allowed: oldMask)
      }
    }
    if configuration.trapsTimeStampCounter {
      oldTSC = rsb_tsc_get()
      _ = rsb_tsc_set(Self.faults)
    }
    rsb_thread_hurry(1)
    // Nobody here has such sequences, and each stop is two switches.
    leftRestartableSequences = rsb_rseq_set(0) == 0
  }

  /// Sends a process of ours elsewhere, if there is an elsewhere.
  func sendAway(_ pid: Int32) {
    guard let processor else { return }
    let mask = Processors.without(processor, oldMask)
    // The host refuses an empty one.
    _ = rsb_affinity_set_of(pid, mask, mask.count * 8)
  }

  func restore() {
    rsb_thread_hurry(0)
    if oldTSC == Int(Self.readable) { _ = rsb_tsc_set(Self.readable) }
    if leftRestartableSequences { _ = rsb_rseq_set(1) }
    if processor != nil { _ = rsb_affinity_set(oldMask, oldMask.count * 8) }
  }
}

extension PtraceMachine {
  /// Keeps the calling thread, and processes it starts, on the allowed processor that `choice` names, counted round.
  /// CPUID shows a program which processor it is on, and this engine cannot hide that, so the processor is part of what
  /// makes two runs equal: it follows from the run's seed and arguments, which also spreads parallel runs.
  /// Returns the processor, or nil when the host refuses.
  static func pinCallingThread(choice: UInt64, allowed: [UInt64]) -> Int? {
    guard let chosen = Processors.chosen(choice, of: allowed) else { return nil }
    var mask = [UInt64](repeating: 0, count: 128)
    mask[chosen / 64] = 1 << UInt64(chosen % 64)
    return rsb_affinity_set(mask, mask.count * 8) < 0 ? nil : chosen
  }
}

public enum Processors {
  /// How many the calling thread may run on.
  public static var allowed: Int { max(1, mask().reduce(0) { $0 + $1.nonzeroBitCount }) }

  /// Where a thread should run that works for a machine with this choice of a processor: all that the caller may use but that one. As
  /// sched_setaffinity(2) takes it; empty where there is no other.
  public static func beside(choice: UInt64) -> [UInt64] {
    let mask = mask()
    return chosen(choice, of: mask).map { without($0, mask) } ?? []
  }

  /// Empty when nothing is left.
  static func without(_ processor: Int, _ mask: [UInt64]) -> [UInt64] {
    var rest = mask
    rest[processor / 64] &= ~(1 << UInt64(processor % 64))
    return rest.allSatisfy { $0 == 0 } ? [] : rest
  }

  /// Counted round.
  static func chosen(_ choice: UInt64, of allowed: [UInt64]) -> Int? {
    let processors = (0..<allowed.count * 64).filter { allowed[$0 / 64] & 1 << UInt64($0 % 64) != 0 }
    return processors.isEmpty ? nil : processors[Int(choice % UInt64(processors.count))]
  }

  private static func mask() -> [UInt64] {
    var mask = [UInt64](repeating: 0, count: 128)
    let size = rsb_affinity_get(&mask, mask.count * 8)
    return size <= 0 ? [] : Array(mask.prefix(Int(size) / 8))
  }
}

/// Runs `body` on a new OS thread and waits for it. A machine made inside stays with that thread, and the caller's
/// clocks and affinity stay as they are.
public func onTracerThread<Result>(_ body: () -> Result) -> Result {
  withoutActuallyEscaping(body) { body in
    var result: Result?
    withUnsafeMutablePointer(to: &result) { slot in
      // Sound: the thread is joined before slot and body go.
      nonisolated(unsafe) let (slot, body) = (slot, body)
      startTracerThread { slot.pointee = body() }.join()
    }
    return result!
  }
}

/// Runs `body` on a new OS thread, which the caller joins. A machine made inside stays with that thread.
public func startTracerThread(_ body: @escaping @Sendable () -> Void) -> HostThread {
  do throws(HostThread.Refusal) { return try HostThread(stackBytes: 16 << 20, body) } catch {
    preconditionFailure("pthread_create: \(error.number)")
  }
}
