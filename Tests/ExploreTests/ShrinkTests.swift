// Shrinking: programs whose fewest preemptions are known by their construction, and the two operations whose order decides.

import Kernel
import Platform
import Testing

@testable import Explore
@testable import RecordReplay

extension Guest {
  /// A counter that two threads add to, once each, without a lock. It says where the counter is.
  fileprivate static let lostUpdate = Guest(
    "lost-update",
    """
    static volatile long counter;
    static void *work(void *unused) {
      long before = counter;
      counter = before + 1;
      return unused;
    }
    int main(void) {
      printf("%lu\\n", (unsigned long)&counter);
      fflush(stdout);
      pthread_t a, b;
      pthread_create(&a, NULL, work, NULL);
      pthread_create(&b, NULL, work, NULL);
      pthread_join(a, NULL);
      pthread_join(b, NULL);
      return counter == 2 ? 0 : 1;
    }
    """)

  /// Bugs/three_steps.c between processes, which pass fewer places: only three preemptions in turn show it.
  fileprivate static let threeSteps = twoProcesses(
    "three-steps-alone",
    parent: "word[0] = 1; word[0] = 0; if (word[1]) { word[2] = 1; word[2] = 0; }",
    child: "if (word[0]) { word[1] = 1; word[1] = 0; if (word[2]) status = 1; }")
}

extension Guest {
  /// Two preemptions in turn show it. Behind its threads' end it does for long what they did once: at the same instructions, and alone.
  fileprivate static let longEnd = Guest(
    "long-end",
    """
    static volatile int moving, copying;
    static volatile long cells[8];
    static __attribute__((noinline)) void fill(void) {
      cells[0] = 1; cells[1] = 1; cells[2] = 1; cells[3] = 1; cells[4] = 1; cells[5] = 1; cells[6] = 1; cells[7] = 1;
    }
    static void *work(void *unused) {
      fill();
      if (moving) {
        copying = 1;
        copying = 0;
      }
      return unused;
    }
    int main(void) {
      pthread_t other;
      pthread_create(&other, NULL, work, NULL);
      fill();
      moving = 1;
      moving = 0;
      int failed = copying;
      pthread_join(other, NULL);
      for (int round = 0; round < 90000; round++) fill();
      return failed;
    }
    """)
}

/// Keeps the accesses to one word.
private final class AccessesTo: GuestWatcher {
  private let address: UInt64
  private(set) var all: [MemoryAccess] = []
  init(_ address: UInt64) { self.address = address }

  func leftOut(_ count: Int) {}
  func touched(_ accesses: [MemoryAccess], aliases: [Alias], by task: ContextID, handler: RunningHandler?, in space: AddressSpaceID) {
    all += accesses.filter { $0.address.rawValue == address }
  }
  func calls(_ registers: Registers, at pc: GuestAddress, by task: ContextID) {}
}

extension ExploreTests {
  @Suite(.serialized) struct ShrinkTests {
    /// By construction: see the comments of the programs. In start_order it is enough who starts first.
    private static let fewest = ["lost_update": 1, "two_fields": 1, "deadlock_two": 1, "start_order": 0, "stack_completion": 2]

    @Test(.timeLimit(.minutes(4)), arguments: fewest.keys.sorted(), [UInt64](1...2))
    func reachesFewest(_ name: String, _ seed: UInt64) throws {
      let result = try hunt(.bug(name)) {
        $0.seed = seed
        $0.schedulesMax = 500
      }
      let found = try #require(result.first, "\(name) was not found")
      let shrinking = try #require(found.shrinking, "what was found does not fail again")
      #expect(found.schedule.preemptions == Self.fewest[name])
      #expect(shrinking.fewest == .proved)
      #expect(shrinking.reorderings.count + shrinking.unclearPreemptions.count == found.schedule.preemptions)
      for entry in shrinking.reorderings {
        let preemption = found.schedule.switches[entry.switchIndex]
        #expect(preemption.kind == .preemption && preemption.place == entry.second)
        #expect(entry.first.task != entry.second.task)
      }
    }

    @Test(.timeLimit(.minutes(4)), arguments: [UInt64](1...2)) func threePreemptions(_ seed: UInt64) throws {
      let enumerated = try hunt(.threeSteps) {
        $0.strategy = .bounded
        $0.preemptionsMax = 2
        $0.schedulesMax = 5000
      }
      #expect(enumerated.failures == 0 && enumerated.exhausted?.hasPrefix("all schedules") == true)
      let found = try #require(
        try hunt(.threeSteps) {
          $0.seed = seed
          $0.schedulesMax = 4000
        }.first)
      #expect(found.schedule.preemptions == 3)
      #expect(found.shrinking?.fewest == .proved)
    }

    /// What a task does alone costs little, and hinders no proof.
    @Test(.timeLimit(.minutes(4)), arguments: [UInt64](1...2)) func longEnd(_ seed: UInt64) throws {
      let result = try hunt(.longEnd) { $0.seed = seed }
      #expect(result.steps > 500_000)
      let found = try #require(result.first)
      #expect(found.schedule.preemptions == 2)
      #expect(found.shrinking?.fewest == .proved)
    }

    /// Where the orders of tasks are too many to try: one preemption, in the right order of all others.
    @Test(.timeLimit(.minutes(8)), arguments: [UInt64](1...3)) func ringOfLocks(_ seed: UInt64) throws {
      let result = try hunt(.bug("philosophers")) { $0.seed = seed }
      let found = try #require(result.first)
      #expect(found.schedule.preemptions == 1)
      #expect(found.shrinking?.fewest == .proved)
    }

    /// Many threads, of which one matters. That it cannot be done without a preemption is not proved.
    @Test(.timeLimit(.minutes(8)), arguments: [UInt64](1...3)) func oneOfMany(_ seed: UInt64) throws {
      let twenty = try Guest.bug("twenty_threads")
      let source = twenty.source.replacing("THREADS = 20, READER = 13", with: "THREADS = 9, READER = 5")
      try #require(source != twenty.source)
      let guest = Guest(name: "nine_threads", source: source)
      let found = try #require(try hunt(guest) { $0.seed = seed }.first)
      #expect(found.schedule.preemptions == 1)
    }

    @Test(.timeLimit(.minutes(2)), arguments: [UInt64](1...3)) func narrowsToTheCounter(_ seed: UInt64) throws {
      let result = try hunt(.lostUpdate) { $0.seed = seed }
      let found = try #require(result.first)
      let counter = try #require(
        UInt64(String(decoding: found.outcome.standardOutput, as: UTF8.self).dropLast()), "no address")
      let accesses = try accesses(of: .lostUpdate, to: counter)
      let entry = try #require(found.reorderings.first)
      #expect(found.reorderings.count == 1 && found.shrinking?.unclearPreemptions.isEmpty == true)
      // Too late was the store of a thread whose load was early; the other's load came in between.
      #expect(accesses.contains { $0.pc == entry.second.pc && $0.isWrite }, "\(entry.second.pc) is no store to the counter")
      #expect(accesses.contains { $0.pc == entry.first.pc && !$0.isWrite }, "\(entry.first.pc) is no load of the counter")
      #expect(entry.first.task != entry.second.task)
    }

    /// On either side of what was found, by executions that have nothing to do with shrinking.
    @Test(.timeLimit(.minutes(2))) func otherOrderPasses() throws {
      let found = try #require(try hunt(.lostUpdate).first)
      let entry = try #require(found.reorderings.first)
      let before = Array(found.schedule.switches[..<entry.switchIndex])
      let preemption = found.schedule.switches[entry.switchIndex]
      let back = Switch(.preemption, isInCode: true, at: entry.first, to: entry.second.task)
      try withProgram(.lostUpdate) { program, findings in
        try program.hold()
        func status(_ switches: [Switch]) throws -> Verdict? {
          try program.execute {
            FollowDecisions(
              epoch: Nanoseconds(program.options.epochNanoseconds), random: program.randomAtHold, schedule: Schedule(switches))
          }.verdict
        }
        let failed = Verdict.exited(status: 1 << 8), passed = Verdict.exited(status: 0)
        findings.check(try status(found.schedule.switches) == failed, "the schedule passes")
        findings.check(try status(before + [preemption]) == failed, "the preemption alone passes")
        findings.check(try status(before) == passed, "it fails without the preemption")
        findings.check(try status(before + [preemption, back]) == passed, "it fails when the turn goes back before the first")
      }
    }

    private func accesses(of guest: Guest, to address: UInt64) throws -> [MemoryAccess] {
      var all: [MemoryAccess] = []
      try withProgram(guest) { program, _ in
        let machine = try #require(program.shared.machine as? any ObservingMachine)
        try program.hold()
        try machine.setAccessLog(.all)
        let watcher = AccessesTo(address)
        program.watcher = watcher
        defer { all = watcher.all }
        _ = try program.execute {
          FollowDecisions(
            epoch: Nanoseconds(program.options.epochNanoseconds), random: program.randomAtHold, schedule: Schedule())
        }
        program.watcher = nil
        try machine.setAccessLog(.off)
      }
      return all
    }
  }
}
