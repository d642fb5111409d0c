// A kernel that stops before a task makes another, goes on later, is copied meanwhile, and is taken apart in the end.

import LinuxABI
import Platform
import Testing

@testable import Kernel

@Suite struct HoldTests {
  private static let parent = ContextID(rawValue: 1)
  private static let child = ContextID(rawValue: 2)

  /// A process that makes a child and waits for it; both compute.
  private func forkingGuest(_ seed: UInt64) -> (KernelFixture, TickingGuest) {
    let fixture = KernelFixture(seed: seed, policy: .random) { $0.hasTicks = true }
    let guest = TickingGuest(fixture)
    guest.set(
      Self.parent,
      [
        .compute(500), .call(SyscallNumber.getpid), .call(SyscallNumber.fork), .compute(5000),
        .call(SyscallNumber.wait4, [UInt64(bitPattern: -1), 0, 0, 0]), .call(SyscallNumber.exit_group, [4]),
      ])
    guest.set(Self.child, [.compute(3000), .call(SyscallNumber.getppid), .call(SyscallNumber.exit_group, [0])])
    return (fixture, guest)
  }

  private func trail(_ guest: TickingGuest) -> [String] {
    guest.runs.map { "\($0.context) \($0.limit) \($0.trap) \($0.ticks)" }
  }

  @Test func theCallIsHeldUnhandled() throws {
    let (fixture, guest) = forkingGuest(1)
    defer { withExtendedLifetime(guest) {} }
    let kernel = fixture.kernel
    try kernel.run(untilClone: true)
    #expect(kernel.isHeld && kernel.verdict == nil)
    #expect(kernel.statistics.traps == 2 && kernel.statistics.syscalls == 1)
    #expect(kernel.tasks[TaskID(3)] == nil)
    try kernel.run(untilTraps: 2)
    #expect(kernel.isHeld, "a bound that is reached lets nothing happen")
    try kernel.run()
    #expect(!kernel.isHeld && kernel.verdict == .exited(status: 4 << 8))
  }

  @Test(arguments: [1, 2, 3] as [UInt64]) func holdingAndCopyingChangeNothing(_ seed: UInt64) throws {
    let (plain, plainGuest) = forkingGuest(seed)
    try plain.kernel.run()
    let (held, heldGuest) = forkingGuest(seed)
    try held.kernel.run(untilClone: true)
    expectIndependentCopy(of: held)
    let copy = held.kernel.deepCopy(
      machine: held.machine, host: held.host, decisions: held.kernel.decisions, observer: SilentObserver())
    #expect(copy.isHeld)
    try copy.run(untilClone: true)
    #expect(copy.verdict == plain.kernel.verdict && copy.verdict == .exited(status: 4 << 8))
    #expect(trail(heldGuest) == trail(plainGuest))
    #expect(copy.statistics.traps == plain.kernel.statistics.traps)
    #expect(copy.statistics.switches == plain.kernel.statistics.switches)
    #expect(copy.clock.monotonic == plain.kernel.clock.monotonic)
    #expect(held.kernel.isHeld, "the original still stands where it stood")
  }

  @Test func aVerdictMayComeFirst() throws {
    let fixture = KernelFixture { $0.hasTicks = true }
    let guest = TickingGuest(fixture)
    guest.set(Self.parent, [.call(SyscallNumber.getpid), .call(SyscallNumber.exit_group, [0])])
    try fixture.kernel.run(untilClone: true)
    #expect(!fixture.kernel.isHeld && fixture.kernel.verdict == .exited(status: 0))
  }

  @Test(arguments: [false, true]) func nothingOfADismantledKernelStays(_ runsToTheEnd: Bool) throws {
    let graveyard = KernelGraveyard(machine: FakeMachine())
    func dismantled() throws -> [WeakObject] {
      let (fixture, guest) = forkingGuest(2)
      defer { withExtendedLifetime(guest) {} }
      let ends = fixture.allocate(8)
      #expect(fixture.call(SyscallNumber.pipe, ends) == 0)
      #expect(fixture.call(SyscallNumber.socketpair, 1, 1, 0, ends) == 0)
      let epoll = UInt64(fixture.call(SyscallNumber.epoll_create1, 0)!)
      let event = fixture.put([1, 0, 0, 0] + [UInt8](repeating: 0, count: 8))
      #expect(fixture.call(SyscallNumber.epoll_ctl, epoll, 1, 3, event) == 0)
      #expect(fixture.call(SyscallNumber.open, fixture.put("/proc/self/status"), 0)! > 0)
      #expect(fixture.call(SyscallNumber.open, fixture.put("/sys/devices/system/cpu/online"), 0)! > 0)
      try fixture.kernel.run(untilClone: true)
      let graph = ObjectGraph(of: fixture.kernel)
      if runsToTheEnd { try fixture.kernel.run() }
      fixture.kernel.dismantle(into: graveyard)
      return graph.weakObjects
    }
    // The first gives its objects as stand-ins.
    let standIns = try dismantled().filter { $0.object != nil }
    #expect(standIns.count < 60)
    let left = try dismantled().filter { $0.object != nil }.map(\.path)
    #expect(left == [])
  }
}
