// The end of tasks, and what parents learn of it: wait4(2), waitid(2), exit_group(2), prctl(2).

import LinuxABI
import Platform
import Testing

@testable import Kernel

@Suite struct TasksExitTests {
  @Test func waitReapsAndTells() {
    let fixture = KernelFixture()
    #expect(fixture.call(SyscallNumber.wait4, UInt64.max, 0, 0, 0) == failure(.ECHILD))
    let child = fixture.fork(fixture.task)
    #expect(fixture.call(SyscallNumber.wait4, UInt64.max, 0, 1, 0) == 0)
    let status = fixture.allocate(4)
    #expect(fixture.call(SyscallNumber.wait4, UInt64.max, status, 0, 0) == nil)
    fixture.exitGroup(child, 7)
    #expect(fixture.resume(fixture.task) == 3)
    #expect(fixture.word(status, as: Int32.self) == 7 << 8)
    #expect(fixture.kernel.tasks[TaskID(3)] == nil)
    #expect(fixture.kernel.tasks.group(TaskID(3)) == nil)
    #expect(!fixture.machine.contexts.contains(child.context.id))
    #expect(fixture.machine.spaces[child.context.space] == nil)
  }

  @Test func parentGetsTheSignalOfTheEnd() {
    let fixture = KernelFixture()
    fixture.setHandler(17, 0x40_1000, flags: SignalActionFlag.info)
    let child = fixture.fork(fixture.task)
    fixture.kernel.send(SignalInfo(signal: 9), to: child.group)
    fixture.settle(child)
    let info = fixture.kernel.dequeueSignal(fixture.task, outside: [])!
    #expect(info.signal == 17 && info.code == SignalCode.childKilled && info.sender == TaskID(3))
    #expect(info.value == 9 && info.senderUser == 1000)
    let status = fixture.allocate(4)
    #expect(fixture.call(SyscallNumber.wait4, 3, status, 0, 0) == 3)
    #expect(fixture.word(status, as: Int32.self) == 9)
  }

  @Test func ignoredChildrenVanish() {
    let fixture = KernelFixture()
    fixture.setHandler(17, 1)
    let child = fixture.fork(fixture.task)
    #expect(fixture.call(SyscallNumber.wait4, UInt64.max, 0, 0, 0) == nil)
    fixture.exitGroup(child, 0)
    #expect(fixture.isDead(child))
    #expect(fixture.resume(fixture.task) == failure(.ECHILD))
  }

  @Test func waitidKeepsTheChildOnRequest() {
    let fixture = KernelFixture()
    let child = fixture.fork(fixture.task)
    let info = fixture.allocate(128)
    // WEXITED | WNOHANG
    #expect(fixture.call(SyscallNumber.waitid, 0, 0, info, 5) == 0)
    #expect(fixture.word(info, as: Int32.self) == 0)
    fixture.exitGroup(child, 3)
    for options: UInt64 in [0x100_0004, 4] {
      #expect(fixture.call(SyscallNumber.waitid, 1, 3, info, options) == 0)
      #expect(fixture.word(info, as: Int32.self) == 17)
      #expect(fixture.word(info + 8, as: Int32.self) == SignalCode.childExited)
      #expect(fixture.word(info + 16, as: Int32.self) == 3)
      #expect(fixture.word(info + 24, as: Int32.self) == 3)
    }
    #expect(fixture.call(SyscallNumber.waitid, 1, 3, info, 4) == failure(.ECHILD))
    #expect(fixture.call(SyscallNumber.waitid, 0, 0, info, 1) == failure(.EINVAL))
    #expect(fixture.call(SyscallNumber.waitid, 9, 0, info, 4) == failure(.EINVAL))
  }

  @Test func cloneChildrenNeedTheirFlag() {
    let fixture = KernelFixture()
    #expect(fixture.call(SyscallNumber.clone, 10, 0, 0, 0, 0) == 3)
    #expect(fixture.call(SyscallNumber.wait4, UInt64.max, 0, 1, 0) == failure(.ECHILD))
    #expect(fixture.call(SyscallNumber.wait4, UInt64.max, 0, 0x8000_0001, 0) == 0)
    #expect(fixture.call(SyscallNumber.wait4, UInt64.max, 0, 0x4000_0001, 0) == 0)
  }

  @Test func threadsDoNotWaitForTheChildrenOfOthersOnRequest() {
    let fixture = KernelFixture()
    let thread = fixture.makeThread(of: fixture.task)
    _ = fixture.fork(fixture.task)
    #expect(fixture.call(SyscallNumber.wait4, of: thread, [UInt64.max, 0, 1, 0]) == 0)
    #expect(fixture.call(SyscallNumber.wait4, of: thread, [UInt64.max, 0, 0x2000_0001, 0]) == failure(.ECHILD))
  }

  @Test func leaderMayEndBeforeItsThreads() {
    let fixture = KernelFixture()
    let child = fixture.fork(fixture.task)
    let thread = fixture.makeThread(of: child)
    _ = fixture.call(SyscallNumber.exit, of: child, [3])
    fixture.finish(child)
    #expect(fixture.isZombie(child))
    #expect(fixture.call(SyscallNumber.wait4, UInt64.max, 0, 1, 0) == 0)
    _ = fixture.call(SyscallNumber.exit, of: thread, [4])
    fixture.finish(thread)
    let status = fixture.allocate(4)
    #expect(fixture.call(SyscallNumber.wait4, UInt64.max, status, 1, 0) == 3)
    #expect(fixture.word(status, as: Int32.self) == 3 << 8)
  }

  @Test func exitGroupEndsEveryThread() {
    let fixture = KernelFixture()
    let child = fixture.fork(fixture.task)
    let first = fixture.makeThread(of: child)
    let second = fixture.makeThread(of: child)
    _ = fixture.call(SyscallNumber.pause, of: first, [])
    _ = fixture.call(SyscallNumber.exit_group, of: second, [9])
    fixture.finish(second)
    for task in [child, first] { fixture.settle(task) }
    let status = fixture.allocate(4)
    #expect(fixture.call(SyscallNumber.wait4, UInt64.max, status, 1, 0) == 3)
    #expect(fixture.word(status, as: Int32.self) == 9 << 8)
  }

  @Test func processEndsWithItsSlowestThread() {
    let fixture = KernelFixture()
    let child = fixture.fork(fixture.task)
    let thread = fixture.makeThread(of: child)
    // Both are on their way out, and the other one finishes first.
    _ = fixture.call(SyscallNumber.exit, of: thread, [0])
    _ = fixture.call(SyscallNumber.exit_group, of: child, [5])
    fixture.finish(child)
    #expect(!child.group.isZombie)
    #expect(fixture.call(SyscallNumber.wait4, UInt64.max, 0, 1, 0) == 0)
    fixture.finish(thread)
    #expect(fixture.call(SyscallNumber.wait4, UInt64.max, 0, 1, 0) == 3)
  }

  @Test func orphansGoToInitOrTheSubreaper() {
    let fixture = KernelFixture()
    let child = fixture.fork(fixture.task)
    let grandchild = fixture.fork(child)
    grandchild.parentDeathSignal = 12
    grandchild.signals.mask = SignalSet(12)
    fixture.exitGroup(child, 0)
    #expect(grandchild.group.parent === fixture.kernel.initProcess)
    #expect(grandchild.group.signals.pending.set.contains(12))
    #expect(fixture.call(SyscallNumber.getppid, of: grandchild, []) == 1)
    fixture.exitGroup(grandchild, 0)
    #expect(fixture.isDead(grandchild))

    fixture.call(SyscallNumber.prctl, 36, 1)
    let second = fixture.fork(fixture.task)
    let orphan = fixture.fork(second)
    fixture.exitGroup(second, 0)
    #expect(orphan.group.parent === fixture.task.group)
    fixture.exitGroup(orphan, 1)
    #expect(fixture.isZombie(orphan))
  }

  @Test func runEndsWithTheFirstProcess() {
    let fixture = KernelFixture()
    let child = fixture.fork(fixture.task)
    fixture.exitGroup(fixture.task, 42)
    #expect(fixture.kernel.verdict == .exited(status: 42 << 8))
    #expect(fixture.machine.contexts.isEmpty)
    #expect(fixture.machine.spaces.isEmpty)
    #expect(fixture.isDead(child))
    #expect(fixture.kernel.livingProcesses() == ["3 (test)"])
  }

  @Test func runMayWaitForAll() {
    let fixture = KernelFixture { $0.endsWithFirstProcess = false }
    let child = fixture.fork(fixture.task)
    fixture.exitGroup(fixture.task, 1)
    #expect(fixture.kernel.verdict == nil)
    fixture.exitGroup(child, 2)
    #expect(fixture.kernel.verdict == .exited(status: 1 << 8))
  }

  @Test func processGroupsAndSessions() {
    let fixture = KernelFixture()
    let child = fixture.fork(fixture.task)
    let other = fixture.fork(fixture.task)
    #expect(fixture.call(SyscallNumber.setpgid, 3, 3) == 0)
    #expect(fixture.call(SyscallNumber.getpgid, 3) == 3)
    #expect(fixture.call(SyscallNumber.setpgid, 4, 3) == 0)
    #expect(fixture.call(SyscallNumber.setpgid, 4, 99) == failure(.EPERM))
    #expect(fixture.call(SyscallNumber.setpgid, 99, 0) == failure(.ESRCH))
    #expect(fixture.call(SyscallNumber.setpgid, 0, UInt64.max) == failure(.EINVAL))
    #expect(fixture.call(SyscallNumber.setsid, of: child, []) == failure(.EPERM))
    #expect(fixture.call(SyscallNumber.setsid, of: other, []) == 4)
    #expect(fixture.call(SyscallNumber.getsid, 4) == 4)
    #expect(fixture.call(SyscallNumber.setpgid, 4, 4) == failure(.EPERM))
    child.group.didExec = true
    #expect(fixture.call(SyscallNumber.setpgid, 3, 2) == failure(.EACCES))
  }
}
