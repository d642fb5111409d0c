// What a plan asks of tasks that stand somewhere, without any tasks: a trail that is told what they do, and decisions that are asked.

import Kernel
import Platform
import Testing

@testable import Explore

private let update = GuestAddress(0x1000), behindCall = GuestAddress(0x2002), sleepCall = GuestAddress(0x2000)
private let held = TaskID(3), other = TaskID(4)

private struct Stage {
  let trail = Trail()
  let decisions: RetraceDecisions

  init(_ plan: RetracePlan, ordinaryTicks: UInt64 = 100_000) {
    trail.begin(nil)
    for task in [Int32(2), 3, 4] {
      trail.note(.taskStarted(task: task, context: ContextID(rawValue: UInt32(task)), process: 2, parent: 0, name: "test"))
    }
    var first = Outcome()
    first.ticks = ordinaryTicks
    first.traps = 100
    decisions = RetraceDecisions(epoch: Nanoseconds(0), random: SeededGenerator(seed: 1), plan: plan, trail: trail, first: first)
  }

  func updates(_ task: TaskID) {
    trail.touched(
      [MemoryAccess(pc: update, address: GuestAddress(0x5000), size: 4, isWrite: true, isUpdate: true)], aliases: [],
      by: ContextID(rawValue: UInt32(task.rawValue)), handler: nil, in: AddressSpaceID(rawValue: 1))
  }

  func sleeps(_ task: TaskID) {
    var registers = Registers()
    registers.origRax = 230
    trail.calls(registers, at: sleepCall, by: ContextID(rawValue: UInt32(task.rawValue)))
  }

  func standing(_ task: TaskID, at ticks: UInt64, inside: Bool = false) -> SchedulePlace {
    SchedulePlace(task: task, ticks: ticks, pc: update, isInside: inside)
  }

  func slice(_ place: SchedulePlace, _ queue: [TaskID]) -> Slice {
    decisions.slice(place: place, queue: queue, age: SliceAge(ofRun: 0, ofTask: 0))
  }
}

private func step(inside: Bool = false, delays: Int = 0, occurrence: UInt32 = 1) -> RetraceStep {
  var step = RetraceStep(moment: Moment(task: held, pc: update, occurrence: occurrence), isBehindCall: false, next: other)
  step.isInside = inside
  step.delays = delays
  return step
}

private func plan(_ steps: [RetraceStep], isPatient: Bool = true) -> RetracePlan {
  var plan = RetracePlan()
  plan.steps = steps
  plan.holds = true
  plan.isPatient = isPatient
  return plan
}

@Suite struct RetraceTests {
  @Test func anUpdateIsToldAsOne() {
    let stage = Stage(RetracePlan())
    stage.updates(held)
    #expect(stage.trail.events.map(\.action) == [.update])
    #expect(stage.trail.events.first?.canStopInside == true)
  }

  @Test func aTaskIsStoppedInsideAnUpdate() {
    let stage = Stage(plan([step(inside: true)]))
    let before = stage.standing(held, at: 5)
    #expect(!stage.slice(before, [other]).updatesCountAtOnce)
    #expect(!stage.decisions.shouldPreempt(at: .sliceEnd, place: before, queue: [other]))
    #expect(stage.decisions.marks.isEmpty)
    #expect(stage.slice(before, [other]).updatesCountAtOnce)
    stage.updates(held)
    #expect(stage.decisions.shouldPreempt(at: .sliceEnd, place: stage.standing(held, at: 5, inside: true), queue: [other]))
    #expect(stage.decisions.marks == [1])
  }

  @Test func itIsTheArrivalThatCounts() {
    let stage = Stage(plan([step(occurrence: 2)]))
    #expect(!stage.decisions.shouldPreempt(at: .sliceEnd, place: stage.standing(held, at: 5), queue: [other]))
    stage.updates(other)
    #expect(!stage.decisions.shouldPreempt(at: .sliceEnd, place: stage.standing(held, at: 5), queue: [other]))
    stage.updates(held)
    #expect(stage.decisions.shouldPreempt(at: .sliceEnd, place: stage.standing(held, at: 9), queue: [other]))
    #expect(stage.decisions.pick(from: [TaskID(2), other], at: .sliceEnd, place: stage.standing(held, at: 9)) == 1)
  }

  @Test func timePassesAtAStep() {
    let stage = Stage(plan([step(delays: 2)]))
    let place = stage.standing(held, at: 5)
    #expect(stage.decisions.asksBesideTimers)
    #expect(stage.decisions.letsTimePass(at: .sliceEnd, place: place, queue: []))
    #expect(stage.decisions.shouldPreempt(at: .sliceEnd, place: place, queue: [other]))
    #expect(stage.decisions.letsTimePass(at: .sliceEnd, place: place, queue: [other]))
    #expect(!stage.decisions.letsTimePass(at: .sliceEnd, place: place, queue: [other]))
    #expect(stage.decisions.delaysMade == 2)
  }

  @Test func timePassesWhereATaskBlocks() {
    var plan = RetracePlan()
    var choice = RetraceChoice(task: held, call: 230, occurrence: 2, next: held)
    choice.delays = 1
    plan.choices = [choice]
    let stage = Stage(plan)
    let place = SchedulePlace(task: held, ticks: 5, pc: behindCall)
    stage.sleeps(held)
    #expect(!stage.decisions.letsTimePass(at: .blocked, place: place, queue: [other]))
    stage.sleeps(held)
    #expect(stage.decisions.letsTimePass(at: .blocked, place: place, queue: [other]))
    #expect(!stage.decisions.letsTimePass(at: .blocked, place: place, queue: [other, held]))
    #expect(stage.decisions.pick(from: [other, held], at: .blocked, place: place) == 1)
    #expect(stage.decisions.delaysMade == 1)
    #expect(stage.decisions.choicesMet == 1)
  }

  /// The other task's turn lasts; says whether it has lost it when it has executed so many ticks, and whether the held one was let go.
  private func longTurn(isPatient: Bool, ordinaryTicks: UInt64, until ticks: UInt64) -> (lost: Bool, letGo: Bool) {
    let stage = Stage(plan([step()], isPatient: isPatient), ordinaryTicks: ordinaryTicks)
    let place = stage.standing(held, at: 5)
    #expect(stage.decisions.shouldPreempt(at: .sliceEnd, place: place, queue: [other]))
    #expect(stage.decisions.pick(from: [other], at: .sliceEnd, place: place) == 0)
    var computing = SchedulePlace(task: other, ticks: 0, pc: GuestAddress(0x3000))
    while computing.ticks < ticks {
      computing.ticks += stage.slice(computing, [held]).ticks
      if stage.decisions.shouldPreempt(at: .sliceEnd, place: computing, queue: [held]) { return (true, stage.decisions.letGo) }
    }
    return (false, stage.decisions.letGo)
  }

  @Test func whoComputesKeepsItsTurn() {
    #expect(longTurn(isPatient: true, ordinaryTicks: 500_000, until: 490_000) == (false, false))
  }

  @Test func whoSpinsDoesNot() {
    #expect(longTurn(isPatient: true, ordinaryTicks: 500_000, until: 100_000_000) == (true, false))
    #expect(longTurn(isPatient: true, ordinaryTicks: 1000, until: 100_000_000) == (true, false))
  }

  @Test func withoutPatienceTheHeldOneIsLetGoAndThatIsSaid() {
    #expect(longTurn(isPatient: false, ordinaryTicks: 500_000, until: 490_000) == (true, true))
  }

  @Test func whoWasToBeNextHasEnded() {
    let stage = Stage(plan([step()]))
    stage.trail.note(.taskExited(task: other.rawValue, status: 0))
    #expect(stage.decisions.shouldPreempt(at: .sliceEnd, place: stage.standing(held, at: 5), queue: [TaskID(2)]))
    #expect(stage.decisions.missedNext)
  }
}
