// The one OS thread that traces: its settings, and a way to get such a thread.
import CLinux
import Glibc
import Platform

/// What a machine changes in its thread, to be undone at the end.
struct ThreadSetting {
  private(set) var processor: Int?
  private var oldMask: [UInt64] = []
  private var oldTSC = 0

  private static let readable: Int32 = 1  // PR_TSC_ENABLE
  private static let faults: Int32 = 2  // PR_TSC_SIGSEGV

  init(_ configuration: PtraceMachine.Configuration) {
    if configuration.pinsProcessor {
      var mask = [UInt64](repeating: 0, count: 128)
      let size = rsb_affinity_get(&mask, mask.count * 8)
      if size > 0 {
        oldMask = Array(mask.prefix(Int(size) / 8))
        processor = PtraceMachine.pinCallingThread()
      }
    }
    if configuration.trapsTimeStampCounter {
      oldTSC = rsb_tsc_get()
      _ = rsb_tsc_set(Self.faults)
    }
  }

  func restore() {
    if oldTSC == Int(Self.readable) { _ = rsb_tsc_set(Self.readable) }
    if processor != nil { _ = rsb_affinity_set(oldMask, oldMask.count * 8) }
  }
}

extension PtraceMachine {
  /// Keeps the calling thread, and processes it starts, on the processor where the scheduler put it, which is how
  /// parallel runs spread. Returns that processor, or nil when the host refuses.
  @discardableResult
  public static func pinCallingThread() -> Int? {
    let current = rsb_cpu_current()
    guard current >= 0, current < 128 * 64 else { return nil }
    var mask = [UInt64](repeating: 0, count: 128)
    mask[current / 64] = 1 << UInt64(current % 64)
    return rsb_affinity_set(mask, mask.count * 8) < 0 ? nil : current
  }
}

/// Runs `body` on a new OS thread and waits for it. A machine made inside stays with that thread, and the caller's
/// clocks and affinity stay as they are.
public func onTracerThread<Result>(_ body: () -> Result) -> Result {
  withoutActuallyEscaping(body) { body in
    var result: Result?
    withUnsafeMutablePointer(to: &result) { slot in
      // Sound: the thread is joined before slot and body go.
      let work = Work { slot.pointee = body() }
      var attributes = pthread_attr_t()
      pthread_attr_init(&attributes)
      pthread_attr_setstacksize(&attributes, 16 << 20)
      var thread = pthread_t()
      let status = pthread_create(
        &thread, &attributes,
        { argument in
          Unmanaged<Work>.fromOpaque(argument!).takeUnretainedValue().body()
          return nil
        }, Unmanaged.passUnretained(work).toOpaque())
      precondition(status == 0, "pthread_create: \(status)")
      withExtendedLifetime(work) { _ = pthread_join(thread, nil) }
      pthread_attr_destroy(&attributes)
    }
    return result!
  }
}

private final class Work {
  let body: () -> Void
  init(_ body: @escaping () -> Void) { self.body = body }
}
