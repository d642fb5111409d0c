// epoll(7): fs/eventpoll.c. An item observes the queues of its file; a notification puts it at the end of the ready
// list; a wait walks that list and asks each file what holds now. Level-triggered items that still hold go to the end
// of the list again, so ready files take turns.

import DequeModule
import LinuxABI
import OrderedCollections
import Platform

/// Bits of epoll_event.events beyond those of poll.
enum EpollFlag {
  static let exclusive: UInt32 = 1 << 28, wakeUp: UInt32 = 1 << 29, oneShot: UInt32 = 1 << 30
  static let edgeTriggered: UInt32 = 1 << 31
  static let all: UInt32 = exclusive | wakeUp | oneShot | edgeTriggered
}

/// A descriptor in an interest list.
final class EpollItem: WaitObserver {
  fileprivate(set) var epoll: EpollFile
  fileprivate(set) var file: OpenFile
  let descriptor: Int32
  fileprivate(set) var events: UInt32
  fileprivate(set) var data: UInt64
  fileprivate var isListed = false
  /// The queues it stands in.
  fileprivate var queues: [WaitQueue] = []

  fileprivate init(epoll: EpollFile, file: OpenFile, descriptor: Int32, events: UInt32, data: UInt64) {
    self.epoll = epoll
    self.file = file
    self.descriptor = descriptor
    self.events = events
    self.data = data
  }

  /// EPOLLONESHOT has fired: nothing but the flags is left of the mask.
  fileprivate var isDisabled: Bool { events & ~EpollFlag.all == 0 }
  fileprivate var mask: PollEvents { PollEvents(rawValue: events & ~EpollFlag.all) }

  func notified(_ kernel: Kernel, by queue: WaitQueue) { epoll.itemMayBeReady(self, kernel) }

  /// The file's last reference goes: it leaves the interest list by itself.
  func fileIsReleased(_ kernel: Kernel) { epoll.remove(self) }

  func shallowCopy() -> EpollItem {
    let new = EpollItem(epoll: epoll, file: file, descriptor: descriptor, events: events, data: data)
    new.isListed = isListed
    new.queues = queues
    return new
  }
  func copyReferences(_ context: CopyContext) {
    epoll = context.copy(epoll)
    file = context.copy(file)
    queues = context.copy(queues)
  }
}

final class EpollFile: OpenFile {
  /// A descriptor number can stand for several files, when one was closed whose duplicate lives on.
  private(set) var items: OrderedDictionary<Int32, [EpollItem]> = [:]
  private var ready = Deque<EpollItem>()
  private var queue = WaitQueue()

  /// EP_MAX_NESTS.
  static let nestingMax = 4

  // MARK: The interest list

  func item(_ descriptor: Int32, _ file: OpenFile) -> EpollItem? { items[descriptor]?.first { $0.file === file } }

  func add(_ file: OpenFile, _ descriptor: Int32, events: UInt32, data: UInt64, _ kernel: Kernel) {
    let item = EpollItem(epoll: self, file: file, descriptor: descriptor, events: events, data: data)
    items[descriptor, default: []].append(item)
    file.epollItems.append(item)
    item.queues = file.waitQueues
    for queue in item.queues { queue.add(item) }
    if !file.readiness(kernel).isDisjoint(with: item.mask) { itemMayBeReady(item, kernel) }
  }

  func modify(_ item: EpollItem, events: UInt32, data: UInt64, _ kernel: Kernel) {
    item.events = events
    item.data = data
    if !item.file.readiness(kernel).isDisjoint(with: item.mask) { itemMayBeReady(item, kernel) }
  }

  func remove(_ item: EpollItem) {
    for queue in item.queues { queue.remove(item) }
    item.queues = []
    if item.isListed {
      item.isListed = false
      ready.removeAll { $0 === item }
    }
    item.file.epollItems.removeAll { $0 === item }
    items[item.descriptor]?.removeAll { $0 === item }
    if items[item.descriptor]?.isEmpty == true { items.removeValue(forKey: item.descriptor) }
  }

  override func release(_ kernel: Kernel) {
    for item in items.values.joined() { remove(item) }
  }

  // MARK: Ready files

  fileprivate func itemMayBeReady(_ item: EpollItem, _ kernel: Kernel) {
    if item.isListed || item.isDisabled { return }
    item.isListed = true
    ready.append(item)
    queue.wakeAll(kernel)
  }

  /// ep_send_events: up to `count` events, in the order in which files became ready.
  func collect(_ count: Int, _ kernel: Kernel) -> [(events: UInt32, data: UInt64)] {
    var result: [(events: UInt32, data: UInt64)] = []
    var again: [EpollItem] = []
    while result.count < count, let item = ready.popFirst() {
      item.isListed = false
      let events = item.file.readiness(kernel).intersection(item.mask)
      if events.isEmpty { continue }
      result.append((events.rawValue, item.data))
      if item.events & EpollFlag.oneShot != 0 {
        item.events &= EpollFlag.all
      } else if item.events & EpollFlag.edgeTriggered == 0 {
        again.append(item)
      }
    }
    for item in again where !item.isListed {
      item.isListed = true
      ready.append(item)
    }
    return result
  }

  override func readiness(_ kernel: Kernel) -> PollEvents {
    // Drops what is not ready any more from the front, as ep_eventpoll_poll's scan does.
    while let item = ready.first {
      if !item.file.readiness(kernel).isDisjoint(with: item.mask) { return [.in, .readNormal] }
      item.isListed = false
      ready.removeFirst()
    }
    return []
  }

  /// What a wait here stands in: the own queue, and the host's input where a file of the list waits for that.
  func queuesToWait(_ kernel: Kernel) -> [WaitQueue] {
    watches(kernel.hostInputQueue, depth: 0) ? [queue, kernel.hostInputQueue] : [queue]
  }

  private func watches(_ wanted: WaitQueue, depth: Int) -> Bool {
    if depth > Self.nestingMax { return false }
    for item in items.values.joined() {
      if item.queues.contains(where: { $0 === wanted }) { return true }
      if let nested = item.file as? EpollFile, nested.watches(wanted, depth: depth + 1) { return true }
    }
    return false
  }

  override var waitQueues: [WaitQueue] { [queue] }
  override func blockReason(reading: Bool) -> BlockReason { .poll }
  override func displayPath(_ kernel: Kernel) -> [UInt8] { Array("anon_inode:[eventpoll]".utf8) }

  // MARK: Nesting

  /// How many epoll files hang below this one, itself included; more than the limit for a cycle.
  func nestingDepth(below limit: Int = EpollFile.nestingMax + 1) -> Int {
    if limit == 0 { return 1 }
    var depth = 0
    for item in items.values.joined() {
      if let nested = item.file as? EpollFile { depth = max(depth, nested.nestingDepth(below: limit - 1)) }
    }
    return depth + 1
  }

  func reaches(_ other: EpollFile, depth: Int = 0) -> Bool {
    if self === other { return true }
    if depth > Self.nestingMax + 1 { return false }
    return items.values.joined().contains { ($0.file as? EpollFile)?.reaches(other, depth: depth + 1) ?? false }
  }

  /// How many epoll files watch this one, one above the other.
  func watcherDepth(below limit: Int = EpollFile.nestingMax + 1) -> Int {
    if limit == 0 { return 1 }
    return 1 + (epollItems.map { $0.epoll.watcherDepth(below: limit - 1) }.max() ?? 0)
  }

  override func shallowCopy() -> Self {
    let new = EpollFile(flags: flags)
    new.items = items
    new.ready = ready
    new.queue = queue
    new.copyBaseFields(from: self)
    return unsafeDowncast(new, to: Self.self)
  }
  override func copyReferences(_ context: CopyContext) {
    super.copyReferences(context)
    items = items.mapValues { context.copy($0) }
    ready = Deque(ready.map { context.copy($0) })
    queue = context.copy(queue)
  }
}
