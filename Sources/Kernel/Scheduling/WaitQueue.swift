// What a task waits on. A pipe, a socket, a futex bucket, a child list own one; when their state changes they wake it,
// and the woken tasks run their syscall's handler again, which looks whether it can go on now.

/// Something other than a blocked task that wants to hear of a change: an epoll entry.
protocol WaitObserver: DeepCopyable {
  func notified(_ kernel: Kernel, by queue: WaitQueue)
}

/// Waiters in the order of arrival.
public final class WaitQueue: DeepCopyable {
  private(set) var tasks: [Task] = []
  private var observers: [any WaitObserver] = []

  init() {}

  var isEmpty: Bool { tasks.isEmpty && observers.isEmpty }

  func add(_ task: Task) { tasks.append(task) }
  func remove(_ task: Task) {
    if let index = tasks.firstIndex(where: { $0 === task }) { tasks.remove(at: index) }
  }
  func add(_ observer: any WaitObserver) { observers.append(observer) }
  func remove(_ observer: any WaitObserver) {
    if let index = observers.firstIndex(where: { $0 === observer }) { observers.remove(at: index) }
  }

  /// Wakes every waiter. A task whose condition does not hold yet blocks again.
  func wakeAll(_ kernel: Kernel) {
    if !tasks.isEmpty {
      let woken = tasks
      for task in woken { kernel.wake(task, .event) }
    }
    if !observers.isEmpty {
      let notified = observers
      for observer in notified { observer.notified(kernel, by: self) }
    }
  }

  /// Wakes the task that has waited longest, if any.
  @discardableResult func wakeOne(_ kernel: Kernel) -> Task? {
    guard let task = tasks.first else { return nil }
    kernel.wake(task, .event)
    return task
  }

  public func shallowCopy() -> WaitQueue {
    let new = WaitQueue()
    new.tasks = tasks
    new.observers = observers
    return new
  }
  public func copyReferences(_ context: CopyContext) {
    tasks = context.copy(tasks)
    observers = observers.map { context.copyAny($0) }
  }
}
