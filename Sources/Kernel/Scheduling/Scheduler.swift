// Which task runs. Tasks run one at a time; the order comes from `Decisions` alone.

/// The run queue: runnable tasks other than the current one, in the order in which they became so.
struct Scheduler {
  private(set) var queue: [Task] = []
  /// The task whose turn it is; nil when the last one blocked or ended. A new turn begins without a slice.
  var current: Task? {
    didSet { if current !== oldValue { slice = nil } }
  }
  /// What is left of the slice of the current turn; nil when none was given.
  var slice: Slice?

  var hasOthers: Bool { !queue.isEmpty }

  mutating func enqueue(_ task: Task) {
    if task.isQueued || task === current { return }
    task.isQueued = true
    queue.append(task)
  }

  mutating func take(at index: Int) -> Task {
    let task = queue.remove(at: index)
    task.isQueued = false
    task.picksHeldBack = 0
    return task
  }

  /// Where in the queue the next task may be taken from: the places of those that are not held back, or all of them
  /// when nobody else could run. None when `current` could go on and should. Counts as a pick for who is held back.
  func choices(insteadOf current: Task?) -> [Int] {
    let free = queue.indices.filter { queue[$0].picksHeldBack == 0 }
    if free.count == queue.count { return free }
    for task in queue where task.picksHeldBack > 0 { task.picksHeldBack -= 1 }
    if !free.isEmpty || current?.picksHeldBack == 0 { return free }
    return Array(queue.indices)
  }

  mutating func remove(_ task: Task) {
    if let index = queue.firstIndex(where: { $0 === task }) { _ = take(at: index) }
    if current === task { current = nil }
  }

  mutating func copyReferences(_ context: CopyContext) {
    queue = context.copy(queue)
    let slice = self.slice
    current = context.copy(current)
    self.slice = slice
  }
}
