// Schedules that are left out: what can come of the rest is what can come of all, with as few preemptions.

import Kernel
import Platform
import PtracePlatform
import Testing

@testable import Explore
@testable import RecordReplay

/// Tasks that work on a few variables and locks. What comes of them says who saw what.
private struct LittleProgram {
  enum Operation {
    case read(Int)
    case write(Int)
    case lock(Int)
    case unlock(Int)
    case own
  }
  let tasks: [[Operation]]

  init(_ generator: inout SeededGenerator, tasks count: Int, operations: Int) {
    tasks = (0..<count).map { _ in
      var held: Int?
      var list: [Operation] = []
      for _ in 0..<operations {
        switch generator.next(below: 8) {
        case 0, 1, 2: list.append(.read(generator.next(below: 2)))
        case 3, 4: list.append(.write(generator.next(below: 2)))
        case 5: list.append(.own)
        default:
          if let lock = held {
            list.append(.unlock(lock))
            held = nil
          } else {
            held = generator.next(below: 2)
            list.append(.lock(held!))
          }
        }
      }
      return list
    }
  }

  struct Outcome: Hashable {
    var memory = [0, 0]
    var seen: [[Int]]
    /// Who never got on.
    var blocked: Set<Int> = []
  }

  private struct State {
    var position: [Int]
    var outcome: Outcome
    var owners: [Int?] = [nil, nil]
    var waiting: [Int: Int] = [:]
    var queue: [Int]
    var running: Int?
    var awakened: Set<Int> = []
  }

  private func id(_ task: Int) -> TaskID { TaskID(Int32(task)) }

  /// Executes a schedule as a program would, and says what came of it.
  func run(_ plan: Schedule) -> (run: BoundedRun, outcome: Outcome) {
    var state = State(
      position: tasks.map { _ in 0 }, outcome: Outcome(seen: tasks.map { _ in [] }), queue: Array(1..<tasks.count), running: 0)
    var made: [Switch] = []
    var turns: [TurnPlace] = []
    var steps: [Step] = []
    var hasLeftPlan = false
    while let task = state.running {
      let hasEnded = state.position[task] == tasks[task].count
      let isBlocked = state.waiting[task] != nil
      let place = SchedulePlace(
        task: id(task), ticks: UInt64(state.position[task]), pc: GuestAddress(UInt64(task * 100 + state.position[task] + 1)))
      let kind: Switch.Kind = hasEnded || isBlocked ? .choice : .preemption
      var next: Int?
      if !state.queue.isEmpty, kind == .preemption || state.queue.count > 1 {
        if kind == .choice { next = state.queue[0] }
        let isPlanned = made.count < plan.switches.count
        if isPlanned, plan.switches[made.count].kind == kind, plan.switches[made.count].place == place {
          next = Int(plan.switches[made.count].next.rawValue)
        } else if isPlanned && kind == .choice {
          hasLeftPlan = true
        }
        if !isPlanned {
          let others = state.queue.filter { $0 != next }.map(id)
          turns.append(
            TurnPlace(
              switchesBefore: made.count, kind: kind, isInCode: true, place: place, others: others, stepsBefore: steps.count))
        }
        if let next { made.append(Switch(kind, isInCode: true, at: place, to: id(next))) }
      } else if kind == .choice {
        next = state.queue.first
      }
      if kind == .choice || next != nil {
        if kind == .preemption { state.queue.append(task) }
        state.queue.removeAll { $0 == next }
        state.running = next
        continue
      }
      let footprint = step(task, &state)
      if made.count >= plan.switches.count {
        steps.append(
          Step(
            task: id(task), footprint: footprint, likely: footprint,
            end: Step.End(canGoOn: state.waiting[task] == nil, isInCode: true, place: nil)))
      }
    }
    state.outcome.blocked = Set(state.waiting.keys)
    var run = BoundedRun(schedule: Schedule(made), turns: turns, hasFollowed: made.count >= plan.switches.count && !hasLeftPlan)
    run.steps = steps
    run.hasAllSteps = true
    return (run, state.outcome)
  }

  private func step(_ task: Int, _ state: inout State) -> Footprint {
    var read: [UInt64] = state.awakened.remove(task) == nil ? [] : [Footprint.readiness(of: id(task))]
    var written: [UInt64] = []
    switch tasks[task][state.position[task]] {
    case .own: break
    case .read(let variable):
      read.append(UInt64(variable))
      state.outcome.seen[task].append(state.outcome.memory[variable])
    case .write(let variable):
      written.append(UInt64(variable))
      state.outcome.memory[variable] = task * 100 + state.position[task] + 1
    case .lock(let lock):
      written.append(UInt64(10 + lock))
      if state.owners[lock] != nil {
        state.waiting[task] = lock
        return Footprint(read: read, written: written)
      }
      state.owners[lock] = task
    case .unlock(let lock):
      written.append(UInt64(10 + lock))
      state.owners[lock] = nil
      for waiter in tasks.indices where state.waiting[waiter] == lock {
        state.waiting[waiter] = nil
        state.queue.append(waiter)
        state.awakened.insert(waiter)
        written.append(Footprint.readiness(of: id(waiter)))
      }
    }
    state.position[task] += 1
    return Footprint(read: read, written: written)
  }

  /// With how few preemptions each outcome comes, of how many executions.
  func outcomes(preemptions: Int, prunes: Bool) -> (fewest: [Outcome: Int], executions: Int) {
    var schedules = BoundedSchedules(.init(preemptionsMax: preemptions, prunes: prunes))
    var fewest: [Outcome: Int] = [:]
    while let schedule = schedules.next() {
      let (run, outcome) = run(schedule)
      fewest[outcome] = min(fewest[outcome] ?? .max, run.schedule.preemptions)
      schedules.took(run)
    }
    #expect(schedules.completed == preemptions)
    return (fewest, schedules.given)
  }
}

extension Guest {
  /// The parent's and the child's operations; the status has what they saw.
  fileprivate static func seen(_ name: String, parent: String, child: String) -> Guest {
    Guest(
      name,
      """
      #include <sys/syscall.h>
      int main(void) {
        volatile long *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        int status = 0;
        long a = 0, b = 0;
        if (syscall(SYS_fork) == 0) {
          \(child)
          syscall(SYS_exit_group, a * 4 + b);
        }
        \(parent)
        syscall(SYS_wait4, -1, &status, 0, NULL);
        syscall(SYS_exit_group, (status >> 8) + 16 * a + 64 * b);
      }
      """)
  }
}

extension ExploreTests {
  @Suite(.serialized) struct PruningTests {
    @Test(arguments: [(2, 6, 4), (3, 4, 2), (4, 3, 1)]) func sameOutcomes(_ tasks: Int, _ operations: Int, _ most: Int) {
      var generator = SeededGenerator(seed: UInt64(tasks))
      var executions = [0, 0]
      for number in 0..<40 {
        let program = LittleProgram(&generator, tasks: tasks, operations: operations)
        for preemptions in 0...most {
          let all = program.outcomes(preemptions: preemptions, prunes: false)
          let rest = program.outcomes(preemptions: preemptions, prunes: true)
          #expect(rest.fewest == all.fewest, "program \(number) with \(preemptions): \(program.tasks)")
          #expect(rest.executions <= all.executions)
          executions[0] += rest.executions
          executions[1] += all.executions
        }
      }
      #expect(executions[0] * 3 < executions[1] * 2, "\(executions[0]) of \(executions[1])")
    }

    /// An execution that does not tell its steps makes it try everything.
    @Test(arguments: [1, 5]) func beginsAnew(_ atOnce: Int) {
      var generator = SeededGenerator(seed: 9)
      let program = LittleProgram(&generator, tasks: 3, operations: 3)
      let all = program.outcomes(preemptions: 1, prunes: false)
      var schedules = BoundedSchedules(.init(preemptionsMax: 1, prunes: true))
      var number = 0
      var fewest: [LittleProgram.Outcome: Int] = [:]
      var begunAnewAt = 0
      while !schedules.isFinished {
        var batch: [Schedule] = []
        while batch.count < atOnce, let schedule = schedules.next() { batch.append(schedule) }
        for schedule in batch {
          number += 1
          var (run, outcome) = program.run(schedule)
          if number == 7 { run.hasAllSteps = false }
          fewest[outcome] = min(fewest[outcome] ?? .max, run.schedule.preemptions)
          schedules.took(run)
        }
        if begunAnewAt == 0 && !schedules.prunes { begunAnewAt = schedules.given }
      }
      #expect(!schedules.prunes && schedules.completed == 1)
      #expect(fewest == all.fewest)
      #expect(schedules.given == begunAnewAt + all.executions)
    }

    @Test(.timeLimit(.minutes(4)), arguments: [
      Guest.seen("seen-stores", parent: "word[0] = 1; a = word[1]; word[0] = 2;", child: "word[1] = 1; a = word[0]; b = word[0];"),
      Guest.seen("seen-ticket", parent: "a = word[0]; word[0] = a + 1; b = word[1];", child: "a = word[0]; word[1] = 1; word[0] = a + 1;"),
      Guest.seen("seen-apart", parent: "word[0] = 1; word[1] = 1; a = word[2];", child: "word[2] = 1; word[3] = 1; a = word[1];"),
    ])
    func sameOutcomesOfProgram(_ guest: Guest) throws {
      let guestOptions = try options(guest)
      let findings = Findings()
      nonisolated(unsafe) var failure: (any Error)?
      let body = {
        let worker = try Worker(guestOptions, input: nil)
        defer { worker.end() }
        var options = HuntOptions()
        options.strategy = .bounded
        options.preemptionsMax = 1
        options.countsFailures = true
        let hunt = Hunt(worker, options)
        _ = try hunt.run(hasOneTask: false) { _ in true }
        hunt.setting.log = .points
        /// `notesAll`: executions with the most preemptions stop at all places too.
        func outcomes(prunes: Bool, notesAll: Bool = false) throws -> (fewest: [Verdict: Int], executed: [Schedule]) {
          var schedules = BoundedSchedules(.init(preemptionsMax: 3, prunes: prunes))
          var fewest: [Verdict: Int] = [:]
          var executed: [Schedule] = []
          while let schedule = schedules.next() {
            let tried = try hunt.execute(hunt.bounded(schedule, notesAll ? PlaceNotes() : schedules.placeNotes))
            executed.append(tried.schedule)
            if let verdict = tried.outcome.verdict {
              fewest[verdict] = min(fewest[verdict] ?? .max, tried.schedule.preemptions)
            }
            schedules.took(tried.bounded!)
          }
          findings.check(schedules.completed == 3 && schedules.prunes == prunes, "it was not whole, or not pruned")
          return (fewest, executed)
        }
        let all = try outcomes(prunes: false), rest = try outcomes(prunes: true)
        findings.check(all.fewest == rest.fewest, "\(all.fewest) became \(rest.fewest)")
        findings.check(all.fewest.count > 1, "there is but one outcome")
        findings.check(rest.executed.count < all.executed.count, "\(rest.executed.count) of \(all.executed.count)")
        let noted = try outcomes(prunes: true, notesAll: true)
        findings.check(noted.executed == rest.executed && noted.fewest == rest.fewest, "it matters what is noted with the most preemptions")
      }
      onTracerThread { do { try body() } catch { failure = error } }
      if let failure { throw failure }
      #expect(findings.all == [])
    }
  }
}
