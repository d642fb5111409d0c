// Queues, choice of the receiving task, what is dropped: signal(7), kill(2), sigqueue(3).

import LinuxABI
import Platform
import Testing

@testable import Kernel

@Suite struct SignalsSendTests {
  @Test func standardSignalsQueueOnceRealtimeOnesInOrder() {
    let fixture = KernelFixture()
    fixture.setHandler(34, 0x40_1000)
    fixture.setHandler(10, 0x40_1000)
    fixture.setMask(10, 34)
    for value in 1...3 {
      fixture.kernel.send(SignalInfo(signal: 34, code: SignalCode.queue, value: UInt64(value)), to: fixture.task)
    }
    #expect(fixture.kernel.send(SignalInfo(signal: 10, value: 1), to: fixture.task) == .queued)
    #expect(fixture.kernel.send(SignalInfo(signal: 10, value: 2), to: fixture.task) == .alreadyPending)
    var taken: [[UInt64]] = []
    while let info = fixture.kernel.dequeueSignal(fixture.task, outside: []) {
      taken.append([UInt64(info.signal), info.value])
    }
    #expect(taken == [[10, 1], [34, 1], [34, 2], [34, 3]])
  }

  @Test func faultsComeBeforeOthers() {
    var queue = SignalQueue()
    queue.append(SignalInfo(signal: 1))
    queue.append(SignalInfo(signal: 11))
    #expect(queue.take(outside: [])?.signal == 11)
    #expect(queue.take(outside: SignalSet(1)) == nil)
    #expect(queue.take(outside: [])?.signal == 1)
    #expect(queue.set.isEmpty)
  }

  @Test func queueIsBounded() {
    let fixture = KernelFixture()
    fixture.task.group.limits[ResourceLimits.signalQueue].current = 2
    fixture.setMask(40)
    var info = [UInt8](repeating: 0, count: 128)
    info.setInteger(SignalCode.queue, at: 8)
    let address = fixture.put(info)
    #expect(fixture.call(SyscallNumber.rt_sigqueueinfo, 2, 40, address) == 0)
    #expect(fixture.call(SyscallNumber.rt_sigqueueinfo, 2, 40, address) == 0)
    #expect(fixture.call(SyscallNumber.rt_sigqueueinfo, 2, 40, address) == failure(.EAGAIN))
  }

  @Test func ignoredSignalsAreDroppedUnlessBlocked() {
    let fixture = KernelFixture()
    #expect(fixture.kernel.send(SignalInfo(signal: 28), to: fixture.task) == .ignored)
    fixture.setMask(28)
    #expect(fixture.kernel.send(SignalInfo(signal: 28), to: fixture.task) == .queued)
    fixture.setHandler(28, 1)
    #expect(fixture.task.signals.pending.set.isEmpty)
  }

  @Test func mainTaskIsPreferredThenTheFirstThatWants() {
    let fixture = KernelFixture()
    fixture.setHandler(10, 0x40_1000)
    let thread = fixture.makeThread(of: fixture.task)
    fixture.kernel.send(SignalInfo(signal: 10), to: fixture.task.group)
    #expect(fixture.kernel.hasDeliverableSignal(fixture.task))
    #expect(!fixture.kernel.hasDeliverableSignal(thread))
    _ = fixture.kernel.dequeueSignal(fixture.task, outside: [])
    fixture.setMask(10)
    fixture.kernel.send(SignalInfo(signal: 10), to: fixture.task.group)
    #expect(!fixture.kernel.hasDeliverableSignal(fixture.task))
    #expect(fixture.kernel.hasDeliverableSignal(thread))
  }

  @Test func blockingASignalPassesItOn() {
    let fixture = KernelFixture()
    fixture.setHandler(10, 0x40_1000)
    let thread = fixture.makeThread(of: fixture.task)
    fixture.kernel.send(SignalInfo(signal: 10), to: fixture.task.group)
    fixture.setMask(10)
    #expect(!fixture.kernel.hasDeliverableSignal(fixture.task))
    #expect(fixture.kernel.hasDeliverableSignal(thread))
  }

  @Test func fatalSignalEndsAllThreadsAtOnce() {
    let fixture = KernelFixture()
    let child = fixture.fork(fixture.task)
    let thread = fixture.makeThread(of: child)
    _ = fixture.call(SyscallNumber.pause, of: thread, [])
    fixture.kernel.send(SignalInfo(signal: 15), to: child.group)
    fixture.settle(thread)
    fixture.settle(child)
    #expect(fixture.isZombie(child) && fixture.isDead(thread))
    #expect(child.group.exitStatus == 15)
  }

  @Test func stopAndContinueCancelEachOther() {
    let fixture = KernelFixture()
    fixture.setMask(20, 18)
    fixture.setHandler(18, 0x40_1000)
    fixture.setHandler(20, 0x40_1000)
    fixture.kernel.send(SignalInfo(signal: 20), to: fixture.task.group)
    fixture.kernel.send(SignalInfo(signal: 18), to: fixture.task.group)
    #expect(fixture.task.group.signals.pending.set == SignalSet(18))
    fixture.kernel.send(SignalInfo(signal: 20), to: fixture.task.group)
    #expect(fixture.task.group.signals.pending.set == SignalSet(20))
  }

  @Test func permissions() {
    let fixture = KernelFixture()
    let child = fixture.fork(fixture.task)
    child.credentials.realUser = 7
    child.credentials.savedUser = 7
    #expect(fixture.call(SyscallNumber.kill, 3, 0) == failure(.EPERM))
    #expect(fixture.call(SyscallNumber.kill, 3, 18) == 0)
    #expect(fixture.call(SyscallNumber.kill, 2, 0) == 0)
    #expect(fixture.call(SyscallNumber.kill, 2, 65) == failure(.EINVAL))
    #expect(fixture.call(SyscallNumber.kill, 99, 65) == failure(.ESRCH))
    #expect(fixture.call(SyscallNumber.tgkill, 2, 3, 0) == failure(.ESRCH))
    #expect(fixture.call(SyscallNumber.tgkill, 0, 3, 0) == failure(.EINVAL))
    #expect(fixture.call(SyscallNumber.kill, UInt64(bitPattern: -77), 0) == failure(.ESRCH))
    var info = [UInt8](repeating: 0, count: 128)
    info.setInteger(SignalCode.user, at: 8)
    #expect(fixture.call(SyscallNumber.rt_sigqueueinfo, 3, 10, fixture.put(info)) == failure(.EPERM))
  }

  @Test func initIgnoresWhatHasNoHandler() {
    let fixture = KernelFixture()
    #expect(fixture.kernel.send(SignalInfo(signal: 9), to: fixture.kernel.initProcess!) == .ignored)
  }

  @Test func siginfoLayouts() {
    let child = SignalInfo(
      signal: 17, code: SignalCode.childExited, sender: TaskID(5), senderUser: 1000, value: 3, userTime: 7,
      systemTime: 8)
    let bytes = child.encoded()
    #expect(bytes.count == 128)
    #expect(bytes.integer(at: 0, as: Int32.self) == 17 && bytes.integer(at: 8, as: Int32.self) == 1)
    #expect(bytes.integer(at: 16, as: Int32.self) == 5 && bytes.integer(at: 20, as: UInt32.self) == 1000)
    #expect(bytes.integer(at: 24, as: Int32.self) == 3)
    #expect(bytes.integer(at: 32, as: Int64.self) == 7 && bytes.integer(at: 40, as: Int64.self) == 8)
    let fault = SignalInfo(signal: 11, code: 1, address: GuestAddress(0x1234)).encoded()
    #expect(fault.integer(at: 16, as: UInt64.self) == 0x1234)
    let timer = SignalInfo(signal: 14, code: SignalCode.timer, value: 99, timerID: 4, overrun: 2).encoded()
    #expect(timer.integer(at: 16, as: Int32.self) == 4 && timer.integer(at: 20, as: Int32.self) == 2)
    #expect(timer.integer(at: 24, as: UInt64.self) == 99)
    let queued = SignalInfo(signal: 34, code: SignalCode.queue, sender: TaskID(9), senderUser: 3, value: 0x1_0000_0001)
    #expect(SignalInfo(signal: 34, queued: queued.encoded()).encoded() == queued.encoded())
  }
}
