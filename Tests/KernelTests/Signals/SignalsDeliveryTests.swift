// Handlers' frames, the way back, restarted syscalls, stops: sigaction(2), signal(7), sigreturn(2).

import LinuxABI
import Platform
import Testing

@testable import Kernel

@Suite struct SignalsDeliveryTests {
  private let handler: UInt64 = 0x40_1000
  private let eintr = failure(.EINTR)

  /// A fixture whose task stands in guest code with a stack.
  private func makeFixture() -> KernelFixture {
    let fixture = KernelFixture()
    fixture.task.context.registers.rsp = fixture.allocate(65536) + 60000
    fixture.task.context.registers.rip = 0x40_0100
    fixture.task.context.registers.eflags = 0x602
    return fixture
  }

  private func deliver(_ fixture: KernelFixture, _ signal: Int) {
    fixture.kernel.send(SignalInfo(signal: signal, sender: TaskID(2), senderUser: 1000), to: fixture.task)
    fixture.settle(fixture.task)
  }

  @Test func frameIsAsLinuxBuildsIt() {
    let fixture = makeFixture()
    fixture.setHandler(10, handler, flags: SignalActionFlag.info, mask: 0x2)
    fixture.setMask(12)
    fixture.task.context.registers.rbx = 0xb0b
    let before = fixture.task.context.registers
    deliver(fixture, 10)
    let after = fixture.task.context.registers
    let frame = after.rsp
    #expect(after.rip == handler && after.rdi == 10 && after.rax == 0)
    #expect(after.rsi == frame + 312 && after.rdx == frame + 8)
    #expect(frame & 15 == 8)
    #expect(after.eflags == 0x202)
    #expect(fixture.word(frame, as: UInt64.self) == 0x50_0000)
    #expect(fixture.word(frame + 8, as: UInt64.self) == 7)
    #expect(fixture.word(frame + 48 + 88, as: UInt64.self) == 0xb0b)
    #expect(fixture.word(frame + 48 + 128, as: UInt64.self) == before.rip)
    #expect(fixture.word(frame + 48 + 120, as: UInt64.self) == before.rsp)
    #expect(fixture.word(frame + 304, as: UInt64.self) == SignalSet(12).rawValue)
    #expect(fixture.word(frame + 312, as: Int32.self) == 10)
    let state: UInt64 = fixture.word(frame + 48 + 184)
    #expect(state & 63 == 0 && state < before.rsp - 128)
    #expect(fixture.word(state + 464, as: UInt32.self) == 0x4650_5853)
    let size: UInt32 = fixture.word(state + 464 + 16)
    #expect(fixture.word(state + 464 + 4, as: UInt32.self) == size + 4)
    #expect(fixture.word(state + UInt64(size), as: UInt32.self) == 0x4650_5845)
    #expect(fixture.task.signals.mask == [SignalSet(2), SignalSet(10), SignalSet(12)])
  }

  @Test func sigreturnRestoresEverything() {
    let fixture = makeFixture()
    fixture.setHandler(10, handler)
    fixture.setMask(12)
    fixture.task.context.registers.r15 = 15
    let before = fixture.task.context.registers
    deliver(fixture, 10)
    fixture.task.context.registers.r15 = 99
    fixture.task.context.registers.rsp += 8
    fixture.call(SyscallNumber.rt_sigreturn)
    var expected = before
    expected.origRax = ~0
    #expect(fixture.task.context.registers == expected)
    #expect(fixture.task.signals.mask == SignalSet(12))
  }

  @Test func sigreturnOfRubbishIsAFault() {
    let fixture = makeFixture()
    fixture.task.context.registers.rsp = 0x10
    fixture.call(SyscallNumber.rt_sigreturn)
    fixture.settle(fixture.task)
    #expect(fixture.kernel.verdict == .exited(status: 11))
  }

  @Test func alternateStackIsUsedAndFull() {
    let fixture = makeFixture()
    let stack = fixture.allocate(16384)
    var bytes = [UInt8](repeating: 0, count: 24)
    bytes.setInteger(stack, at: 0)
    bytes.setInteger(16384 as UInt64, at: 16)
    #expect(fixture.call(SyscallNumber.sigaltstack, fixture.put(bytes), 0) == 0)
    fixture.setHandler(10, handler, flags: SignalActionFlag.onStack)
    deliver(fixture, 10)
    let rsp = fixture.task.context.registers.rsp
    #expect(rsp > stack && rsp < stack + 16384)
    #expect(fixture.call(SyscallNumber.sigaltstack, fixture.put(bytes), 0) == failure(.EPERM))
    let old = fixture.allocate(24)
    #expect(fixture.call(SyscallNumber.sigaltstack, 0, old) == 0)
    #expect(fixture.word(old + 8, as: Int32.self) == 1)
    // No room left: the frame cannot be written, and SIGSEGV has no handler.
    fixture.task.context.registers.rsp = stack + 512
    fixture.setHandler(12, handler, flags: SignalActionFlag.onStack)
    deliver(fixture, 12)
    fixture.settle(fixture.task)
    #expect(fixture.kernel.verdict == .exited(status: 11))
  }

  @Test func restartDependsOnTheErrnoAndTheHandler() {
    for (error, flags, restarts) in [
      (Errno.ERESTARTSYS, SignalActionFlag.restart, true), (.ERESTARTSYS, 0, false),
      (.ERESTARTNOHAND, SignalActionFlag.restart, false), (.ERESTARTNOINTR, 0, true),
      (.ERESTART_RESTARTBLOCK, SignalActionFlag.restart, false),
    ] {
      let fixture = makeFixture()
      fixture.setHandler(10, handler, flags: flags)
      fixture.task.context.registers.rip = 0x40_0100
      fixture.task.context.registers.rax = UInt64(bitPattern: failure(error))
      fixture.task.syscallInProgress = SyscallNumber.read
      deliver(fixture, 10)
      let context = fixture.task.context.registers.rsp + 48
      let rax: Int64 = fixture.word(context + 104)
      #expect(rax == (restarts ? Int64(SyscallNumber.read) : eintr))
      #expect(fixture.word(context + 128, as: UInt64.self) == (restarts ? 0x40_00fe : 0x40_0100))
    }
  }

  @Test func withoutAHandlerEverySyscallRestarts() {
    for (error, number) in [
      (Errno.ERESTARTSYS, SyscallNumber.read), (.ERESTARTNOHAND, SyscallNumber.read),
      (.ERESTART_RESTARTBLOCK, SyscallNumber.restart_syscall),
    ] {
      let fixture = makeFixture()
      fixture.task.context.registers.rip = 0x40_0100
      fixture.task.context.registers.rax = UInt64(bitPattern: failure(error))
      fixture.task.syscallInProgress = SyscallNumber.read
      fixture.settle(fixture.task)
      #expect(fixture.task.context.registers.rax == number)
      #expect(fixture.task.context.registers.rip == 0x40_00fe)
      #expect(fixture.task.syscallInProgress == nil)
    }
  }

  @Test func sigsuspendSavesItsMaskInTheFrame() {
    let fixture = makeFixture()
    fixture.setHandler(10, handler)
    fixture.setMask(10)
    var set: [UInt8] = []
    set.appendInteger(0 as UInt64)
    #expect(fixture.call(SyscallNumber.rt_sigsuspend, fixture.put(set), 8) == nil)
    deliver(fixture, 10)
    let frame = fixture.task.context.registers.rsp
    #expect(fixture.word(frame + 304, as: UInt64.self) == SignalSet(10).rawValue)
    #expect(fixture.word(frame + 48 + 104, as: Int64.self) == eintr)
    #expect(fixture.task.signals.savedMask == nil)
  }

  @Test func sigtimedwaitTakesBlockedSignals() {
    let fixture = makeFixture()
    fixture.setMask(10, 34)
    var set: [UInt8] = []
    set.appendInteger(SignalSet(10).union(SignalSet(34)).rawValue)
    let address = fixture.put(set)
    let info = fixture.allocate(128)
    #expect(fixture.call(SyscallNumber.rt_sigtimedwait, address, info, 0, 8) == nil)
    fixture.kernel.send(SignalInfo(signal: 10, sender: TaskID(2)), to: fixture.task.group)
    #expect(fixture.resume(fixture.task) == 10)
    #expect(fixture.word(info + 16, as: Int32.self) == 2)
    #expect(fixture.task.signals.mask.contains(10) && fixture.task.signals.awaited.isEmpty)
    let zero = fixture.put([UInt8](repeating: 0, count: 16))
    #expect(fixture.call(SyscallNumber.rt_sigtimedwait, address, info, zero, 8) == failure(.EAGAIN))
  }

  @Test func severalSignalsStackTheirFrames() {
    let fixture = makeFixture()
    fixture.setHandler(10, handler)
    fixture.setHandler(12, handler + 0x100)
    fixture.kernel.send(SignalInfo(signal: 12), to: fixture.task)
    fixture.kernel.send(SignalInfo(signal: 10), to: fixture.task)
    fixture.settle(fixture.task)
    // The first frame is that of the lower signal; the second handler runs first.
    #expect(fixture.task.context.registers.rip == handler + 0x100)
    #expect(fixture.word(fixture.task.context.registers.rsp + 48 + 128, as: UInt64.self) == handler)
  }

  @Test func resetHandlerIsUsedOnce() {
    let fixture = makeFixture()
    fixture.setHandler(10, handler, flags: SignalActionFlag.resetHandler | SignalActionFlag.noDefer)
    deliver(fixture, 10)
    #expect(fixture.task.context.registers.rip == handler)
    #expect(!fixture.task.signals.mask.contains(10))
    deliver(fixture, 10)
    #expect(fixture.kernel.verdict == .exited(status: 10))
  }

  @Test func blockedFaultKills() {
    let fixture = makeFixture()
    fixture.setHandler(11, handler)
    fixture.setMask(11)
    fixture.kernel.raiseFault(Fault(signal: 11, code: 1, address: GuestAddress(8)), in: fixture.task)
    fixture.settle(fixture.task)
    #expect(fixture.kernel.verdict == .exited(status: 11))
  }

  @Test func faultTellsItsAddress() {
    let fixture = makeFixture()
    fixture.setHandler(11, handler, flags: SignalActionFlag.info)
    fixture.kernel.raiseFault(Fault(signal: 11, code: 1, address: GuestAddress(0xdead0)), in: fixture.task)
    fixture.settle(fixture.task)
    let frame = fixture.task.context.registers.rsp
    #expect(fixture.word(frame + 312 + 16, as: UInt64.self) == 0xdead0)
    #expect(fixture.word(frame + 48 + 160, as: UInt64.self) == 14)
    #expect(fixture.word(frame + 48 + 176, as: UInt64.self) == 0xdead0)
  }

  @Test func stopsAndContinuesTheWholeProcess() {
    let fixture = makeFixture()
    let child = fixture.fork(fixture.task)
    let thread = fixture.makeThread(of: child)
    _ = fixture.call(SyscallNumber.pause, of: thread, [])
    fixture.setHandler(17, handler)
    fixture.kernel.send(SignalInfo(signal: 19), to: child.group)
    fixture.settle(child)
    #expect(fixture.isStopped(child) && !child.group.signals.isStopped)
    fixture.settle(thread)
    #expect(fixture.isStopped(thread) && child.group.signals.isStopped)
    let info = fixture.kernel.dequeueSignal(fixture.task, outside: [])
    #expect(info?.code == SignalCode.childStopped && info?.value == 19)
    let status = fixture.allocate(4)
    #expect(fixture.call(SyscallNumber.wait4, 3, status, 3, 0) == 3)
    #expect(fixture.word(status, as: Int32.self) == 0x137f)
    #expect(fixture.call(SyscallNumber.wait4, 3, status, 3, 0) == 0)
    fixture.kernel.send(SignalInfo(signal: 18), to: child.group)
    #expect(!fixture.isStopped(child) && !fixture.isStopped(thread))
    #expect(fixture.call(SyscallNumber.wait4, 3, status, 9, 0) == 3)
    #expect(fixture.word(status, as: Int32.self) == 0xffff)
    // pause is made again, since no handler ran.
    fixture.settle(thread)
    #expect(thread.context.registers.rax == SyscallNumber.pause)
  }

  @Test func killReachesTheStopped() {
    let fixture = makeFixture()
    let child = fixture.fork(fixture.task)
    fixture.kernel.send(SignalInfo(signal: 19), to: child.group)
    fixture.settle(child)
    fixture.kernel.send(SignalInfo(signal: 9), to: child.group)
    fixture.settle(child)
    #expect(fixture.isZombie(child) && child.group.exitStatus == 9)
  }

  @Test func orphanedGroupDoesNotStopByTerminalSignals() {
    let fixture = makeFixture()
    let child = fixture.fork(fixture.task)
    _ = fixture.call(SyscallNumber.setsid, of: child, [])
    fixture.kernel.send(SignalInfo(signal: 20), to: child.group)
    fixture.settle(child)
    #expect(!fixture.isStopped(child))
  }
}
