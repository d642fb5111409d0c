// What the platform leaves on the host, and what it says about it.
import CLinux
import Glibc
import Platform
import PtracePlatform
import Testing

@Suite(.serialized, .timeLimit(.minutes(1))) struct HostTests {
  @Test func shutdownLeavesNoProcess() {
    withBench { bench in
      for round in 0..<200 {
        let id = try bench.space(Asm.getppidLoop)
        let task = try bench.context(id)
        bench.checks.equal(try bench.run(task), .syscall)
        if round % 2 == 0 { bench.machine.destroyAddressSpace(id) }
      }
      let thread = rsb_syscall(186, 0, 0, 0, 0, 0, 0)  // gettid(2)
      // The zygote, the hundred that were not destroyed, and the last of those that were, which may be ending.
      let stubs = children(of: getpid(), thread: thread).count
      bench.checks.check((101...105).contains(stubs), "\(stubs) stubs")
      bench.machine.shutdown()
      bench.checks.equal(children(of: getpid(), thread: thread), [], "children left")
    }
  }

  /// A fresh space holds nothing of the host but our own pages and one socket.
  @Test func stubIsConfined() {
    withBench { bench in
      let id = bench.nextSpace()
      try bench.machine.createAddressSpace(id)
      let thread = rsb_syscall(186, 0, 0, 0, 0, 0, 0)
      let stubs = children(of: getpid(), thread: thread)
      bench.checks.equal(stubs.count, 2)
      for stub in stubs {
        let maps = readProc("/proc/\(stub)/maps").split(separator: "\n").map { $0.prefix { $0 != " " } }
        let ours: [Substring] = ["7ffffff00000-7fffffffd000", "7fffffffd000-7fffffffe000", "7fffffffe000-7ffffffff000"]
        bench.checks.equal(maps.filter { !$0.hasPrefix("ffffffffff") }, ours)
        bench.checks.equal(directoryEntries("/proc/\(stub)/fd"), ["0"])
        let status = readProc("/proc/\(stub)/status")
        bench.checks.check(status.contains("Seccomp:\t2\n"), "filter")
        bench.checks.check(status.contains("NoNewPrivs:\t1\n"), "no new privileges")
        bench.checks.check(status.contains("\nThreads:\t1\n"), "one thread")
      }
    }
  }

  /// Signals that somebody on the host sends to a stub do not reach the guest's run; killing it ends the run.
  @Test func hostSignalsAreNoConcernOfGuests() {
    withBench { bench in
      let id = try bench.space(Asm.getppidLoop)
      let task = try bench.context(id)
      bench.checks.equal(try bench.run(task), .syscall)
      let thread = rsb_syscall(186, 0, 0, 0, 0, 0, 0)
      let stub = children(of: getpid(), thread: thread).max() ?? 0
      for signal in [SIGSTOP, SIGCONT, SIGTERM, SIGTRAP, SIGSEGV, SIGUSR1] {
        kill(stub, signal)
        task.registers.rax = 5
        bench.checks.equal(try bench.run(task), .syscall)
        bench.checks.equal(task.registers.origRax, 110)
        bench.checks.equal(task.registers.rip, code + 7)
        kill(stub, signal)
        try bench.machine.protect(id, range(data), signal == SIGTERM ? [.read] : [.read, .write])
        kill(stub, signal)
        bench.checks.equal(try bench.run(task), .syscall)
      }
      kill(stub, SIGKILL)
      do {
        let trap = try bench.run(task)
        bench.checks.check(false, "a dead stub ran: \(trap)")
      } catch {
        bench.checks.check("\(error)".contains("stub"), "\(error)")
      }
    }
  }

  @Test func threadIsGivenBack() {
    onTracerThread {
      var before = [UInt64](repeating: 0, count: 16), after = before
      _ = rsb_affinity_get(&before, 128)
      let machine = try? PtraceMachine()
      #expect(rsb_tsc_get() == 2)
      #expect(machine?.processor != nil)
      machine?.shutdown()
      #expect(rsb_tsc_get() == 1)
      _ = rsb_affinity_get(&after, 128)
      #expect(before == after)
    }
  }

  @Test func permissionAndFingerprint() {
    let check = PtraceMachine.checkPermission()
    #expect(check.isAllowed, "\(check)")
    let fingerprint = PtraceMachine.cpuFingerprint()
    #expect(fingerprint.contains(" family "))
    for _ in 0..<20 { #expect(onTracerThread { PtraceMachine.cpuFingerprint() } == fingerprint) }
  }

  /// The request is for the whole process, so it is tried in another one.
  @Test func interruptStopsGuest() throws {
    let process = try spawnSelf(filter: "Interrupted")
    var status: Int32 = -1
    waitpid(process, &status, 0)
    #expect(status == 0)
  }

  /// PTRACE_O_EXITKILL: a tracer that dies by SIGKILL takes every stub along, one that spins included. The tracer is
  /// this test program again, with `Victim` switched on.
  @Test func killedTracerLeavesNoStub() throws {
    let victim = try spawnSelf(filter: "Victim")
    var stubs: [Int32] = []
    for _ in 0..<500 where stubs.count < 4 {
      usleep(10_000)
      stubs = threads(of: victim).flatMap { children(of: victim, thread: Int($0)) }
    }
    #expect(stubs.count == 4)
    kill(victim, SIGKILL)
    var status: Int32 = 0
    waitpid(victim, &status, 0)
    var left = stubs
    for _ in 0..<200 where !left.isEmpty {
      usleep(1000)
      left = left.filter { isAlive($0) }
    }
    #expect(left == [])
  }
}

/// Not a test by itself: what `interruptStopsGuest` runs.
@Suite(.enabled(if: getenv("REPLAYSB_VICTIM") != nil), .timeLimit(.minutes(1))) struct Interrupted {
  @Test func stopsGuest() {
    withBench { bench in
      PtraceMachine.requestInterrupt()
      let context = try bench.context(try bench.space(Asm.jump(-2)))
      bench.checks.equal(try bench.machine.run(context, limit: .unlimited), .interrupted)
      bench.checks.equal(context.registers.rip, code)
      PtraceMachine.clearInterrupt()
      bench.checks.equal(try bench.machine.run(context, limit: RunLimit(wallSeconds: 1)), .unresponsive)
      // While it runs, from another thread, as a signal handler would.
      var thread = pthread_t()
      pthread_create(
        &thread, nil,
        { _ in
          usleep(100_000)
          PtraceMachine.requestInterrupt()
          return nil
        }, nil)
      let start = rsb_clock_ns(1)
      bench.checks.equal(try bench.machine.run(context, limit: .unlimited), .interrupted)
      bench.checks.check(rsb_clock_ns(1) - start < 300_000_000, "at once")
      pthread_join(thread, nil)
    }
  }
}

/// Not a test by itself: the tracer that the one above kills.
@Suite(.enabled(if: getenv("REPLAYSB_VICTIM") != nil), .timeLimit(.minutes(1))) struct Victim {
  @Test func spins() {
    withBench { bench in
      let id = try bench.space(Asm.jump(-2))
      let child = bench.nextSpace(), grandchild = bench.nextSpace()
      try bench.machine.forkAddressSpace(id, as: child)
      try bench.machine.forkAddressSpace(child, as: grandchild)
      _ = try bench.machine.run(try bench.context(grandchild), limit: RunLimit(wallSeconds: 20))
    }
  }
}
