// Locks on files: record locks of a process (fcntl F_SETLK), of an open file description (F_OFD_SETLK), and flock(2).
// fs/locks.c.

import LinuxABI

/// Who holds a lock. Record locks belong to the descriptor table, as in fs/locks.c (`fl_owner = current->files`).
enum FileLockOwner {
  case table(FDTable)
  case description(OpenFile)

  static func == (a: Self, b: Self) -> Bool {
    switch (a, b) {
    case (.table(let x), .table(let y)): x === y
    case (.description(let x), .description(let y)): x === y
    default: false
    }
  }
}

/// One record lock: bytes `start ... last`.
struct RecordLock {
  var owner: FileLockOwner
  /// l_pid for F_GETLK; -1 for OFD locks.
  var process: Int32
  var isExclusive: Bool
  var start: Int64
  var last: Int64

  func overlaps(_ start: Int64, _ last: Int64) -> Bool { self.start <= last && start <= self.last }
}

/// All locks of one inode.
final class FileLocks: DeepCopyable {
  /// In order of acquisition.
  private(set) var records: [RecordLock] = []
  /// flock: open file descriptions and whether exclusive.
  private var whole: [(file: OpenFile, isExclusive: Bool)] = []
  private(set) var waiters = WaitQueue()

  init() {}

  // MARK: Record locks

  /// The first lock of somebody else that stands against this one.
  func conflict(_ owner: FileLockOwner, _ start: Int64, _ last: Int64, isExclusive: Bool) -> RecordLock? {
    records.first {
      $0.overlaps(start, last) && ($0.isExclusive || isExclusive) && !($0.owner == owner)
    }
  }

  /// Sets (or with nil removes) the owner's lock on a range; its other locks are split and joined around it.
  func set(
    _ kernel: Kernel, _ owner: FileLockOwner, process: Int32, _ start: Int64, _ last: Int64, isExclusive: Bool?
  ) {
    var new: [RecordLock] = []
    for lock in records {
      guard lock.owner == owner, lock.overlaps(start, last) else {
        new.append(lock)
        continue
      }
      if lock.start < start {
        var low = lock
        low.last = start - 1
        new.append(low)
      }
      if lock.last > last {
        var high = lock
        high.start = last + 1
        new.append(high)
      }
    }
    if let isExclusive {
      new.append(RecordLock(owner: owner, process: process, isExclusive: isExclusive, start: start, last: last))
    }
    records = new
    waiters.wakeAll(kernel)
  }

  /// close(2) of any descriptor of the file drops all record locks of the process.
  func releaseTable(_ table: FDTable, _ kernel: Kernel) {
    let count = records.count
    records.removeAll { $0.owner == .table(table) }
    if records.count != count { waiters.wakeAll(kernel) }
  }

  // MARK: flock

  /// Whether the description may have the lock now; if so it has it. Its old lock is given up either way.
  func tryFlock(_ kernel: Kernel, _ file: OpenFile, isExclusive: Bool) -> Bool {
    if let index = whole.firstIndex(where: { $0.file === file }) {
      if whole[index].isExclusive == isExclusive { return true }
      whole.remove(at: index)
      waiters.wakeAll(kernel)
    }
    if whole.contains(where: { $0.isExclusive || isExclusive }) { return false }
    whole.append((file, isExclusive))
    return true
  }

  func unflock(_ kernel: Kernel, _ file: OpenFile) {
    guard let index = whole.firstIndex(where: { $0.file === file }) else { return }
    whole.remove(at: index)
    waiters.wakeAll(kernel)
  }

  /// The description is gone.
  func releaseDescription(_ file: OpenFile, _ kernel: Kernel) {
    unflock(kernel, file)
    let count = records.count
    records.removeAll { $0.owner == .description(file) }
    if records.count != count { waiters.wakeAll(kernel) }
  }

  public func shallowCopy() -> FileLocks {
    let new = FileLocks()
    new.records = records
    new.whole = whole
    new.waiters = waiters
    return new
  }
  public func copyReferences(_ context: CopyContext) {
    records = records.map { lock in
      var new = lock
      switch lock.owner {
      case .table(let table): new.owner = .table(context.copy(table))
      case .description(let file): new.owner = .description(context.copy(file))
      }
      return new
    }
    whole = whole.map { (context.copy($0.file), $0.isExclusive) }
    waiters = context.copy(waiters)
  }
}
