// Which task runs. Tasks run one at a time; the order comes from `Decisions` alone.

/// The run queue: runnable tasks other than the current one, in the order in which they became so.
struct Scheduler {
  private(set) var queue: [Task] = []
  /// The task whose turn it is; nil when the last one blocked or ended.
  var current: Task?

  var hasOthers: Bool { !queue.isEmpty }

  mutating func enqueue(_ task: Task) {
    if task.isQueued || task === current { return }
    task.isQueued = true
    queue.append(task)
  }

  mutating func take(at index: Int) -> Task {
    let task = queue.remove(at: index)
    task.isQueued = false
    return task
  }

  mutating func remove(_ task: Task) {
    if let index = queue.firstIndex(where: { $0 === task }) { _ = take(at: index) }
    if current === task { current = nil }
  }

  mutating func copyReferences(_ context: CopyContext) {
    queue = context.copy(queue)
    current = context.copy(current)
  }
}
