// The thread that fills new images from the cache while the machine goes on: reading, checking and copying megabytes takes as
// long as a short program runs.
//
// Policy. An image's code and tables belong to this thread from `load` to `finishLoad`, which whoever looks into an image calls
// before it was entered: no code leads there until then. A piece of mirror that spaces share is filled when the second one comes, while guests
// may run: an entry that is missing yet costs a stop that finds the code, as an entry that was never there, and nothing else. Entries are stored
// word by word, so that no guest sees half of one, and no other thread stores the same words: blocks that were known have theirs from here, later
// ones from the translator. `finish` waits for the mirror, too: before anything is taken out of an image or its memory is given back.
import CLinux
import Glibc
import HostThreads
import Platform
import Translator

/// Sound: what the threads share is under the lock, and jobs are handed over under it.
final class ImageLoader: @unchecked Sendable {
  private let cache: TranslationCache
  private let arena: CodeArena
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var thread: HostThread?

  // Under the lock.
  private var loads: [SharedImage] = []
  /// Is being filled.
  private var current: SharedImage?
  private var fills: [Fill] = []
  private var fillsAfterLoad: [(shared: SharedImage, words: UnsafeMutablePointer<UInt64>)] = []
  /// Jobs that wait or are at work.
  private var loadsLeft = 0
  private var fillsLeft = 0
  private var loaded: UInt64 = 0
  private var isEnding = false

  /// The machine's own: whether loads may be left.
  private var mayBeLoading = false

  /// Entries to be stored in a piece of mirror.
  private struct Fill {
    let image: CodeImage
    let words: UnsafeMutablePointer<UInt64>
    /// By rising guest address once the first of them are stored.
    var entries: [MirrorEntry]
    var next = 0
  }
  /// Entries between two looks for a load, which somebody waits for.
  private static let entriesAtOnce = 512

  private let place: ProcessorPlace?

  /// The thread works beside the machine at `place`. It has the caller's clock: to be made before that is trapped.
  init(_ cache: TranslationCache, _ arena: CodeArena, _ place: ProcessorPlace?) {
    self.place = place
    self.cache = cache
    self.arena = arena
    pthread_mutex_init(lock, nil)
    pthread_cond_init(changed, nil)
    thread = try? HostThread(of: self, processors: place?.beside ?? []) { $0.work() }
  }

  deinit {
    end()
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(lock)
    changed.deallocate()
    lock.deallocate()
  }

  // MARK: The machine's thread

  /// Fills an empty image, some time before `finishLoad` for it or `finishLoads` returns.
  func load(_ shared: SharedImage) {
    guard thread != nil else { return restore(shared) }
    pthread_mutex_lock(lock)
    loads.append(shared)
    loadsLeft += 1
    if loadsLeft == 1 { place?.rightOfWay.take() }
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(lock)
    mayBeLoading = true
  }

  /// Fills an image's new mirror with the entries that it has, or that its load will give it. Later ones are the caller's business.
  func fillMirror(of shared: SharedImage, _ words: UnsafeMutablePointer<UInt64>) {
    if thread == nil { return shared.image.fillMirror(words) }
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    fillsLeft += 1
    if current === shared || loads.contains(where: { $0 === shared }) {
      fillsAfterLoad.append((shared, words))
    } else {
      fills.append(Fill(image: shared.image, words: words, entries: shared.image.allMirrorEntries()))
      pthread_cond_broadcast(changed)
    }
  }

  /// Waits until an image's code and tables are there, which comes next.
  @inline(__always) func finishLoad(_ image: CodeImage) {
    if mayBeLoading { waitFor(image) }
  }

  /// Waits until every image's code and tables are there.
  func finishLoads() {
    if mayBeLoading { wait { self.loadsLeft == 0 } }
  }

  /// Waits until nothing is left to do.
  func finish() { wait { self.loadsLeft == 0 && self.fillsLeft == 0 } }

  private func wait(_ isDone: () -> Bool) {
    pthread_mutex_lock(lock)
    while !isDone() { pthread_cond_wait(changed, lock) }
    mayBeLoading = loadsLeft > 0
    pthread_mutex_unlock(lock)
  }

  /// What the thread has not begun, who needs it does.
  private func waitFor(_ image: CodeImage) {
    pthread_mutex_lock(lock)
    if let index = loads.firstIndex(where: { $0.image === image }) { restoreWithoutLock(loads.remove(at: index)) }
    pthread_mutex_unlock(lock)
    wait { current?.image !== image }
  }

  /// How many images the cache had so far.
  var imagesLoaded: UInt64 {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return loaded
  }

  /// Ends the thread. What was not filled in stays so: nobody may run that code any more.
  func end() {
    guard let thread else { return }
    thread.move(to: place?.atEnd ?? [])
    pthread_mutex_lock(lock)
    isEnding = true
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(lock)
    thread.join()
    self.thread = nil
  }

  // MARK: The loader's thread

  private func work() {
    rsb_thread_settle()
    rsb_thread_hurry(1)
    prepareDecoder()
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    while true {
      if !loads.isEmpty {
        let shared = loads.removeFirst()
        current = shared
        restoreWithoutLock(shared)
        current = nil
      } else if isEnding {
        return
      } else if !fills.isEmpty {
        var next = fills.removeFirst()
        pthread_mutex_unlock(lock)
        fill(&next, most: Self.entriesAtOnce)
        pthread_mutex_lock(lock)
        if next.next < next.entries.count { fills.insert(next, at: 0) } else { fillsLeft -= 1 }
      } else {
        pthread_cond_wait(changed, lock)
        continue
      }
      pthread_cond_broadcast(changed)
    }
  }

  /// The lock is given up meanwhile. Of either thread.
  private func restoreWithoutLock(_ shared: SharedImage) {
    pthread_mutex_unlock(lock)
    restore(shared)
    pthread_mutex_lock(lock)
    if let index = fillsAfterLoad.firstIndex(where: { $0.shared === shared }) {
      let words = fillsAfterLoad.remove(at: index).words
      fills.append(Fill(image: shared.image, words: words, entries: shared.image.allMirrorEntries()))
    }
    loadsLeft -= 1
    if loadsLeft == 0 { place?.rightOfWay.leave() }
    pthread_cond_broadcast(changed)
  }

  private func restore(_ shared: SharedImage) {
    guard let key = cache.key(shared) else { return }
    let stamp = cache.load(key, into: shared.image) { offset, bytes in arena.store(shared.image, offset, bytes) }
    shared.cacheKey = key
    shared.savedBlocks = shared.image.blockCount
    if let stamp {
      shared.stamp = stamp
      shared.entriesLoaded = shared.image.mirrorEntryCount
      shared.keptMirror = cache.mirror(of: shared.image, key, stamp: stamp)
      pthread_mutex_lock(lock)
      loaded += 1
      pthread_mutex_unlock(lock)
    }
  }

  private func fill(_ job: inout Fill, most: Int) {
    if job.next == 0 { job.entries.sort { $0.guest < $1.guest } }
    let end = job.next + min(most, job.entries.count - job.next)
    let pageWords = 4096 / 8
    while job.next < end {
      // Pages one after the other are asked of the host at once: a fault for each takes twice the time.
      let first = Int(job.entries[job.next].guest) / pageWords
      var last = first, behind = job.next
      while behind < end, Int(job.entries[behind].guest) / pageWords <= last + 1 {
        last = Int(job.entries[behind].guest) / pageWords
        behind += 1
      }
      rsb_memory_populate(job.words + first * pageWords, (last - first + 1) * 4096)
      for index in job.next..<behind {
        let entry = job.entries[index]
        job.words[Int(entry.guest)] = job.image.address + UInt64(entry.counted)
      }
      job.next = behind
    }
  }
}
