// A thread that unpacks the blocks which come next while the replay works on those before: the program and its libraries, which stand at
// a trace's start, take longer to unpack than a short program runs.
//
// Policy: the thread has a reader of its own and goes through the blocks by number, a few ahead of what was taken. Whoever asks for a
// block that it has not begun unpacks that one itself, and the thread goes on behind it: so two processors share the work where the
// replay waits. A block that cannot be unpacked is nobody's here; who comes to it finds out why.
import CLinux
import Glibc

/// Sound: what the threads share is under the lock; the reader is the thread's own from `init` on.
final class BlocksAhead: @unchecked Sendable {
  private let reader: BlockReader
  private let count: Int
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var thread: pthread_t?

  // Under the lock.
  /// Unpacked, ascending.
  private var ready: [(number: Int, block: Block)] = []
  /// Which the thread begins next, and which it is at.
  private var next = 1
  private var current: Int?
  private var isEnding = false

  /// A few megabytes.
  private static let readyMax = 16

  /// nil when the host refuses a thread. `count`: of blocks, with the first, which holds the header.
  init?(_ reader: BlockReader, count: Int) {
    self.reader = reader
    self.count = count
    pthread_mutex_init(lock, nil)
    pthread_cond_init(changed, nil)
    var id = pthread_t()
    let result = pthread_create(
      &id, nil,
      { argument in
        Unmanaged<BlocksAhead>.fromOpaque(argument!).takeUnretainedValue().work()
        return nil
      }, Unmanaged.passUnretained(self).toOpaque())
    if result != 0 { return nil }
    thread = id
  }

  deinit {
    if let thread {
      pthread_mutex_lock(lock)
      isEnding = true
      pthread_cond_broadcast(changed)
      pthread_mutex_unlock(lock)
      pthread_join(thread, nil)
    }
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(lock)
    changed.deallocate()
    lock.deallocate()
  }

  /// The block, when the thread has it or is at it.
  func take(_ number: Int) -> Block? {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    while current == number { pthread_cond_wait(changed, lock) }
    if let index = ready.firstIndex(where: { $0.number == number }) {
      let block = ready[index].block
      ready.removeSubrange(...index)
      pthread_cond_broadcast(changed)
      return block
    }
    if number >= next {
      next = number + 1
      ready.removeAll { $0.number < next }
      pthread_cond_broadcast(changed)
    }
    return nil
  }

  private func work() {
    rsb_thread_settle(nil, 0)
    rsb_heap_settle_thread()
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    while !isEnding {
      if next >= count || ready.count == Self.readyMax {
        pthread_cond_wait(changed, lock)
        continue
      }
      let number = next
      next += 1
      current = number
      pthread_mutex_unlock(lock)
      let block = try? reader.fileBlock(number)
      pthread_mutex_lock(lock)
      current = nil
      // Unless the replay went past it meanwhile.
      if let block, next == number + 1 { ready.append((number, block)) }
      if block == nil { next = count }
      pthread_cond_broadcast(changed)
    }
  }
}
