// One OS thread of the tool, which somebody starts and joins.

import Glibc

public struct HostThread: Sendable {
  private let id: pthread_t

  /// The host refuses a thread.
  public struct Refusal: Error {
    /// errno of pthread_create(3).
    public let number: Int32
  }

  /// Runs `body` on a new thread. It begins with the processors, the blocked signals and the clock settings of the caller.
  public init(stackBytes: Int? = nil, _ body: @escaping @Sendable () -> Void) throws(Refusal) {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    if let stackBytes { pthread_attr_setstacksize(&attributes, stackBytes) }
    let work = Unmanaged.passRetained(Work(body))
    var id = pthread_t()
    let result = pthread_create(
      &id, &attributes,
      { argument in
        Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().body()
        return nil
      }, work.toOpaque())
    if result != 0 {
      work.release()
      throw Refusal(number: result)
    }
    self.id = id
  }

  /// A thread of an object's own, which does not keep it alive: the owner joins the thread at the latest when it goes.
  public init<Owner: AnyObject & Sendable>(
    of owner: Owner, _ work: @escaping @Sendable (Owner) -> Void
  ) throws(Refusal) {
    // Sound: the owner outlives the thread.
    let owner = Unmanaged.passUnretained(owner)
    try self.init { owner._withUnsafeGuaranteedRef { work($0) } }
  }

  /// Waits for the thread's end; once.
  public func join() { pthread_join(id, nil) }
}

private final class Work: Sendable {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
