// clone(2) and kin: what is shared, what is copied, what is refused.

import LinuxABI
import Platform
import Testing

@testable import Kernel

@Suite struct TasksCloneTests {
  @Test func forkCopiesTheProcess() {
    let fixture = KernelFixture()
    fixture.task.signals.mask = SignalSet(10)
    fixture.setHandler(10, 0x40_1000)
    fixture.kernel.send(SignalInfo(signal: 10), to: fixture.task)
    let child = fixture.fork(fixture.task)
    #expect(child.id == TaskID(3))
    #expect(child.group !== fixture.task.group)
    #expect(child.group.parent === fixture.task.group)
    #expect(child.memory !== fixture.task.memory)
    #expect(child.files !== fixture.task.files)
    #expect(child.fs !== fixture.task.fs)
    #expect(child.context.registers.rax == 0)
    #expect(child.signals.mask == SignalSet(10))
    #expect(child.signals.pending.set.isEmpty)
    #expect(child.group.handlers !== fixture.task.group.handlers)
    #expect(child.group.handlers.actions[10].handler.rawValue == 0x40_1000)
    #expect(child.group.processGroup === fixture.task.group.processGroup)
  }

  @Test func threadSharesTheProcess() {
    let fixture = KernelFixture()
    fixture.task.signals.alternateStack = (GuestAddress(0x1000), 8192, 0)
    let thread = fixture.makeThread(of: fixture.task)
    #expect(thread.group === fixture.task.group)
    #expect(thread.memory === fixture.task.memory && thread.memory.users == 2)
    #expect(thread.files === fixture.task.files && thread.files.users == 2)
    #expect(thread.context.registers.rsp == 0x20_0000)
    #expect(thread.signals.alternateStack.size == 0)
    #expect(fixture.call(SyscallNumber.getpid, of: thread, []) == 2)
    #expect(fixture.call(SyscallNumber.gettid, of: thread, []) == 3)
  }

  @Test func idsAndThreadPointerAreStored() {
    let fixture = KernelFixture()
    let parentWord = fixture.allocate(4)
    let childWord = fixture.allocate(4)
    let flags: CloneFlags = [
      .memory, .fs, .files, .handlers, .thread, .setTLS, .parentSetTID, .childSetTID, .childClearTID,
    ]
    let id = fixture.call(SyscallNumber.clone, flags.rawValue, 0x20_0000, parentWord, childWord, 0x7000)
    #expect(id == 3)
    let thread = fixture.kernel.tasks[TaskID(3)]!
    #expect(thread.context.registers.fsBase == 0x7000)
    #expect(fixture.word(parentWord, as: Int32.self) == 3)
    #expect(fixture.word(childWord, as: Int32.self) == 3)
    _ = fixture.call(SyscallNumber.exit, of: thread, [0])
    fixture.finish(thread)
    #expect(fixture.word(childWord, as: Int32.self) == 0)
    #expect(fixture.isDead(thread))
    #expect(fixture.task.memory.users == 1)
  }

  @Test(arguments: [
    (CloneFlags.thread.rawValue, Errno.EINVAL),
    (CloneFlags.handlers.rawValue, .EINVAL),
    ((CloneFlags.thread.rawValue | CloneFlags.memory.rawValue), .EINVAL),
    ((CloneFlags.newMounts.rawValue | CloneFlags.fs.rawValue), .EINVAL),
    (CloneFlags.newUser.rawValue, .EPERM),
    (CloneFlags.newPID.rawValue, .EPERM),
    ((CloneFlags.pidfd.rawValue | CloneFlags.parentSetTID.rawValue), .EINVAL),
    (0x41, .EINVAL),
  ])
  func refusedFlags(_ flags: UInt64, _ error: Errno) {
    let fixture = KernelFixture()
    #expect(fixture.call(SyscallNumber.clone, flags, 0, 0, 0, 0) == failure(error))
    #expect(fixture.kernel.tasks.tasks.count == 1)
  }

  @Test func clone3ChecksItsArguments() {
    let fixture = KernelFixture()
    func clone3(_ fields: [Int: UInt64], size: UInt64 = 88) -> Int64? {
      var bytes = [UInt8](repeating: 0, count: Int(size))
      for (index, value) in fields { bytes.setInteger(value, at: index * 8) }
      return fixture.call(SyscallNumber.clone3, fixture.put(bytes), size)
    }
    #expect(fixture.call(SyscallNumber.clone3, fixture.allocate(64), 56) == failure(.EINVAL))
    #expect(fixture.call(SyscallNumber.clone3, fixture.allocate(64), 8192) == failure(.E2BIG))
    #expect(clone3([11: 1], size: 96) == failure(.E2BIG))
    #expect(clone3([0: 17]) == failure(.EINVAL))
    #expect(clone3([0: 1 << 40]) == failure(.EINVAL))
    #expect(clone3([4: 65]) == failure(.EINVAL))
    #expect(clone3([5: 0x20_0000]) == failure(.EINVAL))
    #expect(clone3([0: CloneFlags.thread.rawValue, 4: 17]) == failure(.EINVAL))
    #expect(clone3([4: 17, 5: 0x20_0000, 6: 0x1000]) == 3)
    #expect(fixture.kernel.tasks[TaskID(3)]!.context.registers.rsp == 0x20_1000)
  }

  @Test func tasksAreBounded() {
    let fixture = KernelFixture { $0.tasksMax = 3 }
    _ = fixture.fork(fixture.task)
    _ = fixture.fork(fixture.task)
    #expect(fixture.call(SyscallNumber.fork) == failure(.EAGAIN))
  }

  @Test func processLimitBindsOrdinaryUsers() {
    let fixture = KernelFixture()
    fixture.task.group.limits[ResourceLimits.processes].current = 2
    _ = fixture.fork(fixture.task)
    #expect(fixture.call(SyscallNumber.fork) == failure(.EAGAIN))
  }

  @Test func vforkHoldsTheParentUntilTheChildEnds() {
    let fixture = KernelFixture()
    #expect(fixture.call(SyscallNumber.vfork) == nil)
    let child = fixture.kernel.tasks[TaskID(3)]!
    #expect(child.memory === fixture.task.memory)
    fixture.kernel.send(SignalInfo(signal: 15), to: fixture.task)
    // A fatal signal ends the wait; one with a handler does not.
    fixture.settle(fixture.task)
    #expect(fixture.isDead(fixture.task) || fixture.isZombie(fixture.task))
    #expect(child.vforkParent == nil)
  }

  @Test func vforkIsNotInterruptedByHandledSignals() {
    let fixture = KernelFixture()
    fixture.setHandler(10, 0x40_1000)
    #expect(fixture.call(SyscallNumber.vfork) == nil)
    let child = fixture.kernel.tasks[TaskID(3)]!
    fixture.kernel.send(SignalInfo(signal: 10), to: fixture.task)
    if case .blocked = fixture.task.runState {} else { Issue.record("the parent was woken") }
    fixture.exitGroup(child, 0)
    #expect(fixture.resume(fixture.task) == 3)
  }

  @Test func pidfdBecomesReadableAtTheEnd() {
    let fixture = KernelFixture()
    let word = fixture.allocate(4)
    #expect(fixture.call(SyscallNumber.clone, CloneFlags.pidfd.rawValue | 17, 0, word, 0, 0) == 3)
    let descriptor = fixture.word(word, as: Int32.self)
    let file = try! fixture.task.files.file(descriptor)
    #expect(file.readiness(fixture.kernel).isEmpty)
    fixture.exitGroup(fixture.kernel.tasks[TaskID(3)]!, 5)
    #expect(file.readiness(fixture.kernel).contains(.in))
    let info = fixture.allocate(128)
    #expect(fixture.call(SyscallNumber.waitid, 3, UInt64(descriptor), info, 4) == 0)
    #expect(fixture.word(info + 24, as: Int32.self) == 5)
    #expect(
      fixture.call(SyscallNumber.pidfd_send_signal, UInt64(descriptor), 0, 0, 0) == failure(.ESRCH))
  }
}
