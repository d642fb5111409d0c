// One OS thread of the tool, which somebody starts and joins.

import CLinux
import Glibc

public struct HostThread: Sendable {
  private let id: pthread_t

  /// The host refuses a thread.
  public struct Refusal: Error {
    /// errno of pthread_create(3).
    public let number: Int32
  }

  /// Runs `body` on a new thread, on these processors (as sched_setaffinity(2) takes them; empty for the caller's) if the host lets it.
  /// It begins with the blocked signals and the clock settings of the caller.
  public init(stackBytes: Int? = nil, processors: [UInt64] = [], _ body: @escaping @Sendable () -> Void) throws(Refusal) {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    if let stackBytes { pthread_attr_setstacksize(&attributes, stackBytes) }
    // A thread that moves itself would first wait for its turn here.
    if !processors.isEmpty { rsb_thread_place(&attributes, processors, processors.count * 8) }
    let work = Unmanaged.passRetained(Work(body))
    var id = pthread_t()
    var result = Self.create(&id, &attributes, work)
    if result == EINVAL && !processors.isEmpty {
      // None of them is there any more.
      rsb_thread_place(&attributes, nil, 0)
      result = Self.create(&id, &attributes, work)
    }
    if result != 0 {
      work.release()
      throw Refusal(number: result)
    }
    self.id = id
  }

  /// A thread of an object's own, which does not keep it alive: the owner joins the thread at the latest when it goes.
  public init<Owner: AnyObject & Sendable>(
    of owner: Owner, processors: [UInt64] = [], _ work: @escaping @Sendable (Owner) -> Void
  ) throws(Refusal) {
    // Sound: the owner outlives the thread.
    let owner = Unmanaged.passUnretained(owner)
    try self.init(processors: processors) { owner._withUnsafeGuaranteedRef { work($0) } }
  }

  private static func create(_ id: inout pthread_t, _ attributes: inout pthread_attr_t, _ work: Unmanaged<Work>) -> Int32 {
    pthread_create(
      &id, &attributes,
      { argument in
        Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().body()
        return nil
      }, work.toOpaque())
  }

  /// From now on the thread runs on these processors, if the host lets it; empty: as before.
  public func move(to processors: [UInt64]) {
    if !processors.isEmpty { rsb_thread_move(id, processors, processors.count * 8) }
  }

  /// Waits for the thread's end; once.
  public func join() { pthread_join(id, nil) }
}

private final class Work: Sendable {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
