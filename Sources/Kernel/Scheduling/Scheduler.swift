// Which task runs. Tasks run one at a time; the order comes from `Decisions` alone.

/// The run queue: runnable tasks other than the current one, in the order in which they became so.
struct Scheduler {
  private(set) var queue: [Task] = []
  /// The task whose turn it is; nil when the last one blocked or ended. A new turn begins without a slice.
  var current: Task? {
    didSet { if current !== oldValue { slice = nil } }
  }
  /// No other task could run when the slice was drawn: it ends when one can.
  var sliceIsOfOneTask = false
  /// Where the task stood that had the last turn, when it blocked or ended.
  var leftAt: SchedulePlace?
  /// What is left of the slice of the current turn; nil when none was given.
  var slice: Slice?

  /// How many slices were drawn in this run.
  var slicesDrawn = 0
  /// What tasks executed since `choices` was last asked.
  var ticksSincePick: UInt64 = 0
  /// So much execution counts as one more pick for who is held back: a wait for it by spinning ends soon.
  private static let ticksPerPick: UInt64 = 256

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

  /// Where in the queue the next task may be taken from: the places of those that are not held back. When all are,
  /// the time passes until the first is not. None when `current` could go on and should; nil for the whole queue, since usually
  /// nobody is held back. Counts as a pick for who is held back.
  mutating func choices(insteadOf current: Task?) -> [Int]? {
    let passed = 1 + Int(ticksSincePick / Self.ticksPerPick)
    ticksSincePick = 0
    if queue.allSatisfy({ $0.picksHeldBack == 0 }) { return nil }
    let free = queue.indices.filter { queue[$0].picksHeldBack == 0 }
    for task in queue where task.picksHeldBack > 0 { task.picksHeldBack = max(0, task.picksHeldBack - passed) }
    if !free.isEmpty || current?.picksHeldBack == 0 { return free }
    var least = queue.lazy.map(\.picksHeldBack).min() ?? 0
    if let current { least = min(least, current.picksHeldBack) }
    for task in queue { task.picksHeldBack -= least }
    current?.picksHeldBack -= least
    return queue.indices.filter { queue[$0].picksHeldBack == 0 }
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
