// The one OS thread that traces: its settings, and a way to get such a thread.
import CLinux
import Glibc
import HostThreads
import Platform

/// What a machine changes in its thread, to be undone at the end.
struct ThreadSetting {
  /// nil when the thread is not kept to one.
  private let place: ProcessorPlace?
  private var oldTSC = 0
  private let leftRestartableSequences: Bool

  var processor: Int? { place?.own }

  private static let readable: Int32 = 1  // PR_TSC_ENABLE
  private static let faults: Int32 = 2  // PR_TSC_SIGSEGV

  init(_ configuration: PtraceMachine.Configuration) {
    place = configuration.place.flatMap { $0.enter() ? $0 : nil }
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
    guard let place else { return }
    // The host refuses an empty one.
    _ = rsb_affinity_set_of(pid, place.beside, place.beside.count * 8)
  }

  func restore() {
    rsb_thread_hurry(0)
    if oldTSC == Int(Self.readable) { _ = rsb_tsc_set(Self.readable) }
    if leftRestartableSequences { _ = rsb_rseq_set(1) }
    place?.leave()
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
