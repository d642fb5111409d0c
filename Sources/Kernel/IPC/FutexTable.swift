// Futexes: who waits on which word of memory. kernel/futex/core.c.
//
// Waiters of a word stand in the order of arrival. A waiter is an object of its own, so that a wake can mark it even
// before its task runs again: a task that was woken and then hit by a time-out or a signal reports the wake.

import LinuxABI
import OrderedCollections
import Platform

/// Names a futex: union futex_key. The three kinds never match each other, as in Linux.
enum FutexKey: Hashable, Sendable {
  /// FUTEX_PRIVATE_FLAG: a word of one address space.
  case process(AddressSpaceID, GuestAddress)
  /// Without that flag, in private memory.
  case anonymous(AddressSpaceID, GuestAddress)
  /// In a shared mapping: the object behind it.
  case object(MemoryObjectID, offset: UInt64)

  /// One word for all of it, since each wait and each wake hashes several times: addresses have 47 bits.
  func hash(into hasher: inout Hasher) {
    switch self {
    case .process(let space, let address), .anonymous(let space, let address):
      hasher.combine(address.rawValue ^ UInt64(space.rawValue) << 47)
    case .object(let object, let offset): hasher.combine(offset ^ UInt64(object.rawValue) << 47)
    }
  }
}

/// One wait on one word.
final class FutexWaiter: DeepCopyable {
  private(set) var task: Task
  /// Changed by a requeue, as is `address`.
  fileprivate(set) var key: FutexKey
  fileprivate(set) var address: GuestAddress
  let bitset: UInt32
  /// Position in the argument of futex_waitv.
  let index: Int
  let isPriorityInheriting: Bool
  /// FUTEX_WAIT_REQUEUE_PI: where it agreed to be moved.
  let requeueTarget: FutexKey?
  /// The value that the word had, for a wait without a time-out; nil for other waits.
  let expected: UInt32?
  /// FUTEX_WAIT: how the slow path of a lock waits.
  let isPlain: Bool
  /// Set by a wake (or by being given the lock); the waiter is off the table then.
  var isWoken = false

  init(
    task: Task, key: FutexKey, address: GuestAddress, bitset: UInt32 = ~0, index: Int = 0,
    isPriorityInheriting: Bool = false, requeueTarget: FutexKey? = nil, expected: UInt32? = nil,
    isPlain: Bool = false
  ) {
    self.task = task
    self.key = key
    self.address = address
    self.bitset = bitset
    self.index = index
    self.isPriorityInheriting = isPriorityInheriting
    self.requeueTarget = requeueTarget
    self.expected = expected
    self.isPlain = isPlain
  }

  func shallowCopy() -> FutexWaiter {
    let new = FutexWaiter(
      task: task, key: key, address: address, bitset: bitset, index: index,
      isPriorityInheriting: isPriorityInheriting, requeueTarget: requeueTarget, expected: expected,
      isPlain: isPlain)
    new.isWoken = isWoken
    return new
  }
  func copyReferences(_ context: CopyContext) { task = context.copy(task) }
}

/// Waiters by futex.
struct FutexTable {
  /// Never iterated but to copy it.
  private var buckets: [FutexKey: [FutexWaiter]] = [:]
  /// Owners of the PI futexes that have waiters: struct futex_pi_state.
  private(set) var owners: OrderedDictionary<FutexKey, TaskID> = [:]

  func waiters(_ key: FutexKey) -> [FutexWaiter] { buckets[key] ?? [] }
  func first(_ key: FutexKey) -> FutexWaiter? { buckets[key]?.first }

  mutating func add(_ waiter: FutexWaiter) { buckets[waiter.key, default: []].append(waiter) }

  /// Takes a waiter off the table; does nothing when it is not there.
  mutating func remove(_ waiter: FutexWaiter) {
    guard let place = buckets.index(forKey: waiter.key),
      let index = buckets.values[place].firstIndex(where: { $0 === waiter })
    else { return }
    // In place: a bucket that is taken out, changed and put back is copied.
    buckets.values[place].remove(at: index)
    guard buckets.values[place].isEmpty else { return }
    buckets.remove(at: place)
    if !owners.isEmpty { owners.removeValue(forKey: waiter.key) }
  }

  /// Moves a waiter to the end of another futex's queue.
  mutating func move(_ waiter: FutexWaiter, to key: FutexKey, _ address: GuestAddress) {
    remove(waiter)
    waiter.key = key
    waiter.address = address
    add(waiter)
  }

  mutating func setOwner(_ key: FutexKey, _ owner: TaskID) { owners[key] = owner }

  mutating func copyReferences(_ context: CopyContext) {
    buckets = buckets.mapValues { context.copy($0) }
  }
}

extension Kernel {
  /// get_futex_key: EINVAL for an odd address, EFAULT for one outside user space or, for a shared futex, unmapped.
  func futexKey(_ memory: MemoryManager, _ address: GuestAddress, shared: Bool) throws(Errno) -> FutexKey {
    if address.rawValue & 3 != 0 { throw .EINVAL }
    if address.rawValue > GuestAddress.userEnd.rawValue - 4 { throw .EFAULT }
    if !shared { return .process(memory.space, address) }
    if let place = memory.futexKey(address) { return .object(place.object, offset: place.offset) }
    _ = try memory.load(address, as: UInt32.self)
    return .anonymous(memory.space, address)
  }

  /// futex_wake: how many were woken. As in Linux a count below one wakes one. EINVAL when a PI waiter is met.
  func futexWake(_ key: FutexKey, count: Int, bitset: UInt32 = ~0) throws(Errno) -> Int {
    var woken = 0
    for waiter in ipc.futexes.waiters(key) {
      if waiter.isPriorityInheriting || waiter.requeueTarget != nil { throw .EINVAL }
      if waiter.bitset & bitset == 0 { continue }
      release(waiter)
      woken += 1
      if woken >= count { break }
    }
    return woken
  }

  /// A wake by the kernel itself (clear-child-tid, robust lists): shared, without errors.
  func futexWake(memory: MemoryManager, address: GuestAddress, count: Int) {
    guard let key = try? futexKey(memory, address, shared: true) else { return }
    _ = try? futexWake(key, count: count)
  }

  /// Takes a waiter off the table and lets its task go on.
  func release(_ waiter: FutexWaiter) {
    ipc.futexes.remove(waiter)
    waiter.isWoken = true
    wake(waiter.task, .event)
  }
}
