// The enumeration of schedules: against models that count them in another way, in any grouping, to its end and to a bound.

import Kernel
import Platform
import PtracePlatform
import Testing

@testable import Explore
@testable import RecordReplay

/// Tasks that pass some places each and end; whoever waited longest is next. No program: the schedules of such a system are counted.
private struct Model {
  /// By task, from 1.
  let places: [Int]

  private struct State {
    var position: [Int]
    var running = 0
    var queue: [Int]
  }
  private var start: State { State(position: places.map { _ in 0 }, queue: Array(1..<places.count)) }

  /// How many ways there are to go on with at most so many preemptions.
  func count(preemptions: Int) -> Int { count(start, preemptions) }

  private func count(_ state: State, _ left: Int) -> Int {
    var state = state
    if state.queue.isEmpty { return 1 }
    if state.position[state.running] == places[state.running] {
      return state.queue.reduce(0) { $0 + count(turned(state, to: $1, puttingBack: false), left) }
    }
    state.position[state.running] += 1
    let goingOn = count(state, left)
    if left == 0 { return goingOn }
    return state.queue.reduce(goingOn) { $0 + count(turned(state, to: $1, puttingBack: true), left - 1) }
  }

  private func turned(_ state: State, to next: Int, puttingBack: Bool) -> State {
    var state = state
    state.queue.removeAll { $0 == next }
    if puttingBack { state.queue.append(state.running) }
    state.running = next
    return state
  }

  /// Executes a schedule as a program would.
  func run(_ plan: Schedule) -> BoundedRun {
    var state = start
    var made: [Switch] = []
    var turns: [TurnPlace] = []
    while !state.queue.isEmpty {
      let position = state.position[state.running]
      let hasEnded = position == places[state.running]
      let kind: Switch.Kind = hasEnded ? .choice : .preemption
      let place = SchedulePlace(
        task: TaskID(Int32(state.running)), ticks: UInt64(position), pc: GuestAddress(UInt64(position)))
      if !hasEnded { state.position[state.running] += 1 }
      var next = hasEnded ? state.queue[0] : nil
      if made.count < plan.switches.count {
        let entry = plan.switches[made.count]
        if entry.kind == kind, entry.place == place { next = Int(entry.next.rawValue) }
      } else {
        let others = state.queue.dropFirst(hasEnded ? 1 : 0).map { TaskID(Int32($0)) }
        turns.append(TurnPlace(switchesBefore: made.count, kind: kind, isInCode: true, place: place, others: others))
      }
      guard let next else { continue }
      if !hasEnded || state.queue.count > 1 { made.append(Switch(kind, isInCode: true, at: place, to: TaskID(Int32(next)))) }
      state = turned(state, to: next, puttingBack: !hasEnded)
    }
    return BoundedRun(schedule: Schedule(made), turns: turns, hasFollowed: made.count >= plan.switches.count)
  }
}

/// Enumerates with up to so many executions under way. What was given, and what came about.
private func enumerate(
  _ schedules: BoundedSchedules, atOnce: Int, _ run: (Schedule) -> BoundedRun
) -> (given: [Schedule], cameAbout: [Schedule], rest: BoundedSchedules) {
  var schedules = schedules
  var given: [Schedule] = []
  var cameAbout: [Schedule] = []
  while !schedules.isFinished {
    var batch: [Schedule] = []
    while batch.count < atOnce, let schedule = schedules.next() { batch.append(schedule) }
    for schedule in batch {
      let came = run(schedule)
      cameAbout.append(came.schedule)
      schedules.took(came)
    }
    given += batch
  }
  return (given, cameAbout, schedules)
}

extension Guest {
  /// Two processes with a few operations each on memory that they share, by calls that make no others. The parent's status is
  /// 1 when the child's is not 0, or its own is not.
  static func twoProcesses(_ name: String, parent: String, child: String, status: String = "0") -> Guest {
    Guest(
      name,
      """
      #include <sys/syscall.h>
      int main(void) {
        volatile long *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        int status = 0;
        if (syscall(SYS_fork) == 0) {
          \(child)
          syscall(SYS_exit_group, status);
        }
        \(parent)
        syscall(SYS_wait4, -1, &status, 0, NULL);
        syscall(SYS_exit_group, status != 0 || \(status));
      }
      """)
  }

  private static func twoAlike(_ name: String, _ work: String, status: String) -> Guest {
    twoProcesses(name, parent: work, child: work, status: status)
  }
  fileprivate static let twoStores = twoAlike("two-stores", "word[0] = 1; word[1] = 1;", status: "0")
  fileprivate static let lostTicket = twoAlike("lost-ticket", "{ long n = word[0]; word[0] = n + 1; }", status: "word[0] != 2")
  fileprivate static let keptTicket = twoAlike("kept-ticket", "__sync_fetch_and_add(&word[0], 1);", status: "word[0] != 2")
}

/// What two-stores does, counted without executions. The parent can lose its turn behind the fork, before its two stores and before
/// the wait, the child before its two stores and on both sides of the call that ends it; each as long as the other could run. A
/// waiting parent, and whoever is left, cannot.
private func twoStoresCount(parent: Int = 0, child: Int = 0, isParents: Bool = true, _ preemptions: Int) -> Int {
  if isParents {
    if parent == 4 { return 1 }
    let goesOn = twoStoresCount(parent: parent + 1, child: child, isParents: true, preemptions)
    if preemptions == 0 { return goesOn }
    return goesOn + twoStoresCount(parent: parent + 1, child: child, isParents: false, preemptions - 1)
  }
  if child == 4 { return 1 }
  let goesOn = twoStoresCount(parent: parent, child: child + 1, isParents: false, preemptions)
  if preemptions == 0 { return goesOn }
  return goesOn + twoStoresCount(parent: parent, child: child + 1, isParents: true, preemptions - 1)
}

private func bounded(
  _ guest: Guest, preemptions: Int, schedulesMax: UInt64 = 20_000, prunes: Bool = true
) throws -> HuntResult {
  try hunt(guest) {
    $0.strategy = .bounded
    $0.prunes = prunes
    $0.preemptionsMax = preemptions
    $0.schedulesMax = schedulesMax
  }
}

extension ExploreTests {
  @Suite(.serialized) struct BoundedTests {
    @Test(arguments: [[3, 2], [2, 2, 2], [1, 3, 0, 2]], 0...3) func countsOfModel(_ places: [Int], _ preemptions: Int) {
      let model = Model(places: places)
      let expected = model.count(preemptions: preemptions)
      let first = enumerate(BoundedSchedules(.init(preemptionsMax: preemptions)), atOnce: 1, model.run)
      #expect(first.given.count == expected)
      #expect(Set(first.cameAbout).count == expected)
      #expect(first.rest.completed == preemptions)
      // In levels.
      #expect(first.cameAbout.map(\.preemptions) == first.cameAbout.map(\.preemptions).sorted())
      for atOnce in [2, 7, 1000] {
        let other = enumerate(BoundedSchedules(.init(preemptionsMax: preemptions)), atOnce: atOnce, model.run)
        #expect(other.given == first.given)
      }
    }

    @Test func limitsOfModel() {
      let model = Model(places: [2, 2, 2])
      let counts = (0...2).map { model.count(preemptions: $0) }
      for most in [1, counts[0] - 1, counts[0], counts[1] - 1, counts[1], counts[2] - 1, counts[2], counts[2] + 1] {
        for atOnce in [1, 5] {
          let made = enumerate(BoundedSchedules(.init(preemptionsMax: 2, schedulesMax: most)), atOnce: atOnce, model.run)
          #expect(made.given.count == min(most, counts[2]))
          #expect(made.rest.completed == counts.lastIndex { $0 <= most }, "at most \(most)")
        }
      }
    }

    /// What was not executed as it should is no proof.
    @Test(arguments: [false, true]) func notAll(_ isStopped: Bool) {
      let model = Model(places: [2, 2])
      var number = 0
      let made = enumerate(BoundedSchedules(.init(preemptionsMax: 1)), atOnce: 1) { schedule in
        number += 1
        var run = model.run(schedule)
        if isStopped { run.hasEnded = number != 3 } else { run.hasFollowed = number != 3 }
        return run
      }
      #expect(made.rest.isFinished && made.rest.completed == nil)
      #expect(made.rest.stopped == (isStopped ? 1 : 0) && made.rest.strayed == (isStopped ? 0 : 1))
    }

    @Test func goesOnFromACopy() {
      let model = Model(places: [2, 2, 2])
      var schedules = BoundedSchedules(.init(preemptionsMax: 2))
      let whole = enumerate(schedules, atOnce: 1, model.run)
      for _ in 0..<20 { schedules.took(model.run(schedules.next()!)) }
      let rest = enumerate(schedules, atOnce: 1, model.run)
      #expect(rest.given == Array(whole.given[20...]))
    }

    @Test(.timeLimit(.minutes(2)), arguments: 0...3) func countsOfProgram(_ preemptions: Int) throws {
      let result = try bounded(.twoStores, preemptions: preemptions, prunes: false)
      let count = twoStoresCount(preemptions)
      #expect(result.schedulingPoints == 4)
      let words = ["without preemptions", "with at most 1 preemption", "with at most 2 preemptions", "with at most 3 preemptions"]
      #expect(
        result.exhausted
          == "all schedules \(words[preemptions]) tried, \(count) schedule\(count == 1 ? "" : "s"): no failure")
    }

    @Test(.timeLimit(.minutes(2))) func differentExecutions() throws {
      let guestOptions = try options(.twoStores)
      let findings = Findings()
      nonisolated(unsafe) var failure: (any Error)?
      let body = {
        let worker = try Worker(guestOptions, input: nil)
        defer { worker.end() }
        var options = HuntOptions()
        options.strategy = .bounded
        options.preemptionsMax = 0
        let hunt = Hunt(worker, options)
        _ = try hunt.run(hasOneTask: false) { _ in true }
        var fingerprints: Set<Fingerprint> = []
        let runs = try (0..<2).map { _ in
          var schedules = BoundedSchedules(.init(preemptionsMax: 2))
          var cameAbout: [Schedule] = []
          while let schedule = schedules.next() {
            let tried = try hunt.execute(hunt.bounded(schedule))
            let run = tried.bounded!
            fingerprints.insert(tried.outcome.fingerprint)
            findings.check(run.hasFollowed, "\(schedule) was left")
            cameAbout.append(run.schedule)
            schedules.took(run)
          }
          return cameAbout
        }
        findings.check(runs[0] == runs[1], "the enumeration differs from itself")
        let count = twoStoresCount(2)
        findings.check(Set(runs[0]).count == count, "\(Set(runs[0]).count) schedules, not \(count)")
        // Twice the same executions, and all of them different.
        findings.check(fingerprints.count == count, "\(fingerprints.count) executions, not \(count)")
      }
      onTracerThread { do { try body() } catch { failure = error } }
      if let failure { throw failure }
      #expect(findings.all == [])
    }

    @Test(.timeLimit(.minutes(2))) func findsWithOnePreemption() throws {
      let without = try bounded(.lostTicket, preemptions: 0)
      #expect(without.failures == 0)
      #expect(without.exhausted == "all schedules without preemptions tried, 1 schedule, one of each kind: no failure")
      let with = try bounded(.lostTicket, preemptions: 1)
      let found = try #require(with.first)
      #expect(found.schedule.preemptions == 1)
      #expect(found.shrinking?.fewest == .proved)
      #expect(with.exhausted == nil)
    }

    @Test(.timeLimit(.minutes(2))) func finishesOnTwin() throws {
      let result = try bounded(.keptTicket, preemptions: 3)
      #expect(result.failures == 0)
      #expect(result.exhausted?.hasPrefix("all schedules with at most 3 preemptions tried, ") == true)
    }

    @Test(.timeLimit(.minutes(2))) func saysThatItDidNotFinish() throws {
      // As many as there are with one preemption, and one more.
      let most = UInt64(twoStoresCount(1)) + 1
      let result = try bounded(.twoStores, preemptions: 2, schedulesMax: most, prunes: false)
      #expect(result.schedulesTried == most)
      #expect(
        result.exhausted
          == "not all schedules with at most 2 preemptions tried, but all with at most 1 preemption, \(most) schedules: no failure")
    }
  }
}
