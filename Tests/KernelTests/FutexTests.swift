// Futexes on fake memory, in the manner of gVisor's futex_test.go.

import LinuxABI
import Platform
import Testing

@testable import Kernel

@Suite struct FutexTests {
  static let number = SyscallNumber.futex
  static let privately: UInt64 = 128
  let f = KernelFixture()

  private func wait(_ task: Task, _ word: UInt64, _ value: UInt64, timeout: UInt64 = 0) -> Int64? {
    f.call(Self.number, by: task, word, Self.privately, value, timeout)
  }
  private func wake(_ word: UInt64, _ count: UInt64) -> Int64? {
    f.call(Self.number, by: f.task, word, 1 | Self.privately, count)
  }

  @Test func waitersWakeInTheOrderOfArrival() {
    let word = f.putInteger(7 as UInt32)
    let threads = (0..<3).map { _ in f.makeThread() }
    for thread in threads { #expect(wait(thread, word, 7) == nil) }
    #expect(wake(word, 1) == 1)
    #expect(f.resume(threads[0]) == 0)
    #expect(f.isBlocked(threads[1]))
    #expect(wake(word, 5) == 2)
    #expect(f.resume(threads[1]) == 0)
    #expect(f.resume(threads[2]) == 0)
    #expect(wake(word, 1) == 0)
  }

  @Test func aChangedWordIsNotWaitedFor() {
    let word = f.putInteger(7 as UInt32)
    #expect(wait(f.task, word, 8) == failure(.EAGAIN))
    #expect(wait(f.task, word + 1, 7) == failure(.EINVAL))
    #expect(wait(f.task, 0x10, 7) == failure(.EFAULT))
    #expect(wait(f.task, UInt64(Int64.max), 7) == failure(.EINVAL))
    #expect(f.call(Self.number, word, 9 | Self.privately, 7, 0, 0, 0) == failure(.EINVAL))
    #expect(f.call(Self.number, word, 256 | Self.privately, 7, 0) == failure(.ENOSYS))
  }

  @Test func sharedAndPrivateWaitersDoNotMeet() {
    let word = f.putInteger(0 as UInt32)
    let thread = f.makeThread()
    #expect(wait(thread, word, 0) == nil)
    #expect(f.call(Self.number, word, 1, 1) == 0)
    #expect(wake(word, 1) == 1)
  }

  @Test func aRelativeTimeoutEnds() {
    let word = f.putInteger(0 as UInt32)
    let start = f.kernel.clock.monotonic
    #expect(wait(f.task, word, 0, timeout: f.putTime(1_000_000)) == nil)
    f.passTime()
    #expect(f.resume(f.task) == failure(.ETIMEDOUT))
    #expect((f.kernel.clock.monotonic - start).rawValue >= 1_000_000)
    #expect(wake(word, 1) == 0)
    #expect(wait(f.task, word, 0, timeout: f.putTime(-1)) == failure(.EINVAL))
  }

  @Test func anAbsoluteRealtimeDeadlineFollowsTheClock() {
    let word = f.putInteger(0 as UInt32)
    let hour: Int64 = 3_600_000_000_000
    let deadline = f.putTime(f.kernel.clock.realtime.rawValue + hour)
    let thread = f.makeThread()
    let operation: UInt64 = 9 | Self.privately | 256
    #expect(f.call(Self.number, by: thread, word, operation, 0, deadline, 0, 0xffff_ffff) == nil)
    f.kernel.clock.realtimeOffset += Nanoseconds(hour - 1_000_000)
    f.kernel.ipc.realtimeChanges.wakeAll(f.kernel)
    #expect(f.resume(thread) == nil)
    let before = f.kernel.clock.monotonic
    f.passTime()
    #expect((f.kernel.clock.monotonic - before).rawValue <= 1_000_000)
    #expect(f.resume(thread) == failure(.ETIMEDOUT))
  }

  @Test func aWakeBeatsATimeoutThatComesLater() {
    let word = f.putInteger(0 as UInt32)
    let thread = f.makeThread()
    #expect(wait(thread, word, 0, timeout: f.putTime(1_000)) == nil)
    #expect(wake(word, 1) == 1)
    f.passTime()
    #expect(f.resume(thread) == 0)
  }

  @Test func bitsetsSelect() {
    let word = f.putInteger(0 as UInt32)
    let (a, b) = (f.makeThread(), f.makeThread())
    #expect(f.call(Self.number, by: a, word, 9 | Self.privately, 0, 0, 0, 0b01) == nil)
    #expect(f.call(Self.number, by: b, word, 9 | Self.privately, 0, 0, 0, 0b10) == nil)
    #expect(f.call(Self.number, word, 10 | Self.privately, 5, 0, 0, 0b10) == 1)
    #expect(f.isBlocked(a))
    #expect(f.resume(b) == 0)
  }

  @Test func requeueMovesTheRest() {
    let (first, second) = (f.putInteger(5 as UInt32), f.putInteger(0 as UInt32))
    let threads = (0..<4).map { _ in f.makeThread() }
    for thread in threads { #expect(wait(thread, first, 5) == nil) }
    #expect(f.call(Self.number, first, 4 | Self.privately, 1, 2, second, 6) == failure(.EAGAIN))
    #expect(f.call(Self.number, first, 4 | Self.privately, 1, 2, second, 5) == 3)
    #expect(f.isWoken(threads[0]))
    #expect(wake(first, 9) == 1)
    #expect(f.isWoken(threads[3]))
    #expect(wake(second, 9) == 2)
  }

  @Test func wakeOperationChangesAndCompares() {
    let (first, second) = (f.putInteger(0 as UInt32), f.putInteger(3 as UInt32))
    let (a, b) = (f.makeThread(), f.makeThread())
    #expect(wait(a, first, 0) == nil)
    #expect(wait(b, second, 3) == nil)
    // FUTEX_OP_ADD 4, FUTEX_OP_CMP_EQ 3.
    let encoded: UInt64 = 1 << 28 | 0 << 24 | 4 << 12 | 3
    #expect(f.call(Self.number, first, 5 | Self.privately, 1, 1, second, encoded) == 2)
    #expect(f.word(second, as: UInt32.self) == 7)
  }

  @Test func vectorReportsWhichWasWoken() {
    let (first, second) = (f.putInteger(1 as UInt32), f.putInteger(2 as UInt32))
    var list: [UInt8] = []
    for (value, address) in [(1, first), (2, second)] {
      list.appendInteger(UInt64(value))
      list.appendInteger(address)
      list.appendInteger(UInt32(2 | 128))
      list.appendInteger(UInt32(0))
    }
    let thread = f.makeThread()
    #expect(f.call(SyscallNumber.futex_waitv, by: thread, f.put(list), 2, 0, 0, 0) == nil)
    #expect(wake(second, 1) == 1)
    #expect(f.resume(thread) == 1)
    #expect(wake(first, 1) == 0)
  }

  // MARK: PI and robust futexes

  private func lockPI(_ task: Task, _ word: UInt64) -> Int64? { f.call(Self.number, by: task, word, 6 | Self.privately) }
  private func unlockPI(_ task: Task, _ word: UInt64) -> Int64? { f.call(Self.number, by: task, word, 7 | Self.privately) }

  @Test func thePILockGoesToTheFirstWaiter() {
    let word = f.putInteger(0 as UInt32)
    let (a, b, c) = (f.makeThread(), f.makeThread(), f.makeThread())
    #expect(lockPI(a, word) == 0)
    #expect(f.word(word, as: UInt32.self) == UInt32(a.id.rawValue))
    #expect(lockPI(a, word) == failure(.EDEADLK))
    #expect(lockPI(b, word) == nil)
    #expect(lockPI(c, word) == nil)
    #expect(f.word(word, as: UInt32.self) == UInt32(a.id.rawValue) | 0x8000_0000)
    #expect(unlockPI(b, word) == nil || unlockPI(f.task, word) == failure(.EPERM))
    #expect(unlockPI(a, word) == 0)
    #expect(f.resume(b) == 0)
    #expect(f.word(word, as: UInt32.self) == UInt32(b.id.rawValue) | 0x8000_0000)
    #expect(f.call(Self.number, by: a, word, 8 | Self.privately) == failure(.EAGAIN))
    #expect(unlockPI(b, word) == 0)
    #expect(f.resume(c) == 0)
    #expect(unlockPI(c, word) == 0)
    #expect(f.word(word, as: UInt32.self) == 0)
  }

  @Test func aCycleOfPILocksIsRefused() {
    let (x, y) = (f.putInteger(0 as UInt32), f.putInteger(0 as UInt32))
    let (a, b) = (f.makeThread(), f.makeThread())
    #expect(lockPI(a, x) == 0)
    #expect(lockPI(b, y) == 0)
    #expect(lockPI(a, y) == nil)
    #expect(lockPI(b, x) == failure(.EDEADLK))
  }

  @Test func theEndOfAnOwnerHandsThePILockOver() {
    let word = f.putInteger(0 as UInt32)
    let (a, b) = (f.makeThread(), f.makeThread())
    #expect(lockPI(a, word) == 0)
    #expect(lockPI(b, word) == nil)
    f.kernel.taskReleasesFutexes(a)
    #expect(f.resume(b) == 0)
    #expect(f.word(word, as: UInt32.self) & 0x3fff_ffff == UInt32(b.id.rawValue))
    #expect(f.word(word, as: UInt32.self) & 0x4000_0000 != 0)
  }

  @Test func requeueToAPILockGivesItToTheFirst() {
    let (condition, lock) = (f.putInteger(0 as UInt32), f.putInteger(0 as UInt32))
    let (a, b) = (f.makeThread(), f.makeThread())
    for thread in [a, b] {
      #expect(f.call(Self.number, by: thread, condition, 11 | Self.privately, 0, 0, lock) == nil)
    }
    #expect(wake(condition, 1) == failure(.EINVAL))
    #expect(f.call(Self.number, condition, 12 | Self.privately, 1, 9, lock, 0) == 2)
    #expect(f.resume(a) == 0)
    #expect(f.word(lock, as: UInt32.self) == UInt32(a.id.rawValue) | 0x8000_0000)
    #expect(f.isBlocked(b))
    #expect(unlockPI(a, lock) == 0)
    #expect(f.resume(b) == 0)
  }

  @Test func robustListMarksAndWakes() {
    let (owner, waiter) = (f.makeThread(), f.makeThread())
    // Entry: next pointer, then the futex word at offset 16.
    let entry = f.allocate(32)
    let head = f.allocate(24)
    f.set(entry, head)
    f.set(entry + 16, UInt32(owner.id.rawValue) | 0x8000_0000)
    f.set(head, entry)
    f.set(head + 8, 16 as UInt64)
    f.set(head + 16, 0 as UInt64)
    owner.robustListHead = GuestAddress(head)
    #expect(f.call(Self.number, by: waiter, entry + 16, 0, UInt64(owner.id.rawValue) | 0x8000_0000) == nil)
    f.kernel.taskReleasesFutexes(owner)
    #expect(f.word(entry + 16, as: UInt32.self) == 0xc000_0000)
    #expect(f.resume(waiter) == 0)
  }

  @Test func clearChildTIDWakes() {
    let (thread, joiner) = (f.makeThread(), f.makeThread())
    let word = f.putInteger(UInt32(thread.id.rawValue))
    thread.clearChildTID = GuestAddress(word)
    #expect(f.call(Self.number, by: joiner, word, 0, UInt64(thread.id.rawValue)) == nil)
    f.kernel.taskReleasesFutexes(thread)
    #expect(f.word(word, as: UInt32.self) == 0)
    #expect(f.resume(joiner) == 0)
  }

  // MARK: The deadlock verdict

  /// pthread_mutex_t of glibc, locked with waiters.
  private func mutex(ownedBy owner: Task) -> UInt64 {
    let address = f.allocate(40)
    f.set(address, 2 as Int32)
    f.set(address + 8, owner.id.rawValue)
    f.set(address + 12, 1 as Int32)
    return address
  }

  /// A cycle whose owners stand in memory only must last.
  private func letTheCycleLast(_ fixture: KernelFixture) {
    fixture.kernel.clock.jump(to: fixture.kernel.clock.monotonic + Kernel.lockCycleDuration)
    fixture.kernel.fireDueTimers()
  }

  @Test func aCycleOfMutexesIsADeadlockThoughOthersRun() throws {
    let (a, b) = (f.makeThread("left"), f.makeThread("right"))
    let (x, y) = (mutex(ownedBy: a), mutex(ownedBy: b))
    #expect(wait(a, y, 2) == nil)
    #expect(f.kernel.verdict == nil)
    #expect(wait(b, x, 2) == nil)
    #expect(f.kernel.verdict == nil)
    letTheCycleLast(f)
    guard case .deadlock(let text) = try #require(f.kernel.verdict) else { return }
    #expect(text.contains("(left)") && text.contains("(right)") && text.contains("pthread mutex"))
    #expect(f.kernel.describeDeadlock().contains("held by task \(b.id) (right)"))
  }

  @Test func aCycleNeedsNoTimeWhenNothingElseIsLeft() throws {
    let other = f.makeThread("other")
    #expect(wait(f.task, mutex(ownedBy: other), 2) == nil)
    #expect(wait(other, mutex(ownedBy: f.task), 2) == nil)
    #expect(f.kernel.verdict == nil)
    #expect(f.kernel.timers.hasOnly(FutexWaiter.self))
    #expect(f.kernel.standingLockCycle()?.contains("(other)") == true)
    _ = f.kernel.timers.arm(Nanoseconds.second, f.task)
    #expect(!f.kernel.timers.hasOnly(FutexWaiter.self))
    let waiters = f.kernel.waiters().filter { $0.syscall != nil }
    #expect(waiters.map(\.owner) == [other.id, f.task.id])
    #expect(waiters.allSatisfy { $0.syscall == "futex" && $0.futex != nil && !$0.isJoin && !$0.hasTimeout })
  }

  @Test func joiningTheOneWhoWaitsForUsIsADeadlock() throws {
    let (joiner, joined) = (f.makeThread("joiner"), f.makeThread("joined"))
    let identifier = f.putInteger(UInt32(joined.id.rawValue))
    joined.clearChildTID = GuestAddress(identifier)
    let lock = mutex(ownedBy: joiner)
    // pthread_join: FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, shared.
    let join = f.call(Self.number, by: joiner, identifier, 9 | 256, UInt64(joined.id.rawValue), 0, 0, 0xffff_ffff)
    #expect(join == nil && f.kernel.verdict == nil)
    #expect(wait(joined, lock, 2) == nil)
    letTheCycleLast(f)
    guard case .deadlock(let text) = try #require(f.kernel.verdict) else { return }
    #expect(text.contains("the end of task \(joined.id) (joined)"))
  }

  @Test func aTimeoutInTheCycleIsNoDeadlock() {
    let (a, b) = (f.makeThread(), f.makeThread())
    let (x, y) = (mutex(ownedBy: a), mutex(ownedBy: b))
    #expect(wait(a, y, 2, timeout: f.putTime(1_000_000)) == nil)
    #expect(wait(b, x, 2) == nil)
    letTheCycleLast(f)
    #expect(f.kernel.verdict == nil)
  }

  @Test func aReportedCycleLetsTheRunGoOn() {
    let g = KernelFixture { $0.deadlockPolicy = .report }
    let word = g.allocate(40)
    g.set(word, 2 as Int32)
    g.set(word + 8, g.task.id.rawValue)
    g.set(word + 12, 1 as Int32)
    #expect(g.call(Self.number, word, Self.privately, 2, 0) == nil)
    letTheCycleLast(g)
    #expect(g.kernel.verdict == nil)
    #expect(g.kernel.statistics.lockCycles.count == 1)
  }

  @Test func locksOfOtherMakesAreNotMistaken() {
    let a = f.makeThread()
    // A lock word of 2 with a counter behind it that happens to be a thread id.
    let plain = f.allocate(40)
    f.set(plain, 2 as Int32)
    f.set(plain + 8, UInt64(UInt32(a.id.rawValue)))
    #expect(wait(a, plain, 2) == nil)
    letTheCycleLast(f)
    #expect(f.kernel.verdict == nil)
    // Bit 31 and a count of readers.
    let b = f.makeThread()
    let counting = f.allocate(40)
    f.set(counting, UInt32(b.id.rawValue) | 0x8000_0000)
    #expect(wait(b, counting, UInt64(UInt32(b.id.rawValue) | 0x8000_0000)) == nil)
    #expect(f.kernel.verdict == nil)
  }
}
