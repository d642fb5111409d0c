// Whose turn it is, how far it goes in guest code, and what it costs.
//
// With ticks a turn consists of slices (`Decisions.slice`) while others can run. What remains of a slice lasts over
// traps. At its end the task is preempted; one that stopped inside an update is then held back for some picks. Every run
// is bounded besides, so that timers fire in time in code that never traps, and the host's signals are looked at.

import Platform

extension Kernel {
  /// At 4 ns a tick a quarter of a virtual second: host signals are looked at as often.
  private static let ticksPerRunMax: UInt64 = 1 << 26
  /// While a timer on CPU time is armed: so late can it be.
  private static let ticksPerRunWithCPUTimers: UInt64 = 250_000

  // MARK: Guest code

  /// Runs the task to its next trap, and lets the time pass that this took.
  func runGuest(_ task: Task) throws(MachineError) -> Trap {
    let before = machine.ticks(of: task.context.id)
    let limit = nextLimit(of: task)
    if configuration.machineAnswers { machine.setClock(clock.isPolled ? nil : clock.monotonic.rawValue) }
    let trap = try machine.run(task.context, limit: limit)
    statistics.traps += 1
    task.stops += 1
    var point: StopPoint?
    if case .budget(let stop) = trap { point = stop }
    if configuration.hasTicks {
      task.ticks = machine.ticks(of: task.context.id).rawValue
      let executed = task.ticks - before.rawValue
      clock.ticksPassed(executed)
      if configuration.machineAnswers {
        let readings = machine.clockReadings
        clock.clockWasReadInside(readings)
        task.usage.userTime += Timekeeper.duration(ofReadings: readings)
      }
      statistics.ticks += executed
      task.usage.userTime += Timekeeper.duration(ofTicks: executed)
      let endedInside = (point?.updates ?? 0) > 0
      task.isInsideUpdate = endedInside
      scheduler.ticksSincePick += executed
      if endedInside, let slice = scheduler.slice { task.picksHeldBack = slice.picksHeldBack }
      decisions.passed(points: machine.pointsOfLastRun)
      scheduler.slice?.use(executed, points: machine.pointsOfLastRun, isAtEnd: endedInside || point?.isAtPoint == true)
    }
    if point == nil {
      clock.trapPassed()
      task.usage.chargeTrap()
    }
    return trap
  }

  /// How far the next run may go. Draws a slice where one is due.
  private func nextLimit(of task: Task) -> RunLimit {
    guard configuration.hasTicks else { return RunLimit(wallSeconds: wallSecondsMax) }
    if scheduler.sliceIsOfOneTask && scheduler.hasOthers { scheduler.slice = nil }
    if scheduler.slice == nil && (scheduler.hasOthers || configuration.slicesAlways || isAskedBesideTimers) {
      scheduler.sliceIsOfOneTask = !scheduler.hasOthers && !configuration.slicesAlways
      let age = SliceAge(ofRun: scheduler.slicesDrawn, ofTask: task.stops)
      scheduler.slice = decisions.slice(place: place(of: task), queue: scheduler.queue.map(\.id), age: age)
      scheduler.slicesDrawn += 1
    }
    var ticksMax = Self.ticksPerRunMax
    if let deadline = timers.nextDeadline() { ticksMax = min(ticksMax, clock.ticks(until: deadline)) }
    if let timeout = configuration.timeout {
      ticksMax = min(ticksMax, clock.ticks(until: Timekeeper.uptimeAtStart + timeout))
    }
    if task.group.timers.watchesCPUTime { ticksMax = min(ticksMax, Self.ticksPerRunWithCPUTimers) }
    guard let slice = scheduler.slice else { return RunLimit(ticks: ticksMax) }
    if slice.updatesCountAtOnce { return RunLimit(ticks: 0, updates: slice.updates) }
    if slice.points > 0 { return RunLimit(ticks: min(slice.ticks, ticksMax), points: slice.points) }
    if slice.ticks > ticksMax { return RunLimit(ticks: ticksMax) }
    if let pc = slice.pc { return RunLimit(ticks: slice.ticks, pc: pc) }
    return RunLimit(ticks: slice.ticks, instructions: slice.instructions, updates: slice.updates)
  }

  /// Wall time that the next turn may last without ticks: bounded while another task could run (it may be what this one
  /// waits for by spinning), and when the run has a time limit, which virtual time without traps never reaches.
  var wallSecondsMax: UInt32 {
    if scheduler.hasOthers || sleepers > 0 { return configuration.spinSecondsMax }
    guard let timeout = configuration.timeout else { return 0 }
    return UInt32(clamping: max(1, timeout.rawValue / Nanoseconds.second.rawValue))
  }

  // MARK: Turns

  /// The current task if it may go on, else the next from the queue.
  func nextTask() -> Task? {
    if let current = scheduler.current { return current }
    guard let next = takeNext(at: .blocked, insteadOf: nil) else { return nil }
    scheduler.current = next
    statistics.switches += 1
    return next
  }

  /// After a step: gives up the turn when the task cannot go on, or when the schedule says so.
  func leave(_ task: Task) {
    switch task.runState {
    case .user, .resumeSyscall, .exiting:
      if scheduler.hasOthers || isAskedBesideTimers, scheduler.current === task { askForPreemption(of: task) }
      task.yielding = false
      if scheduler.current === task {
        if scheduler.slice?.isUsedUp == true { scheduler.slice = nil }
        task.picksHeldBack = 0
      }
    case .blocked, .groupStopped, .zombie, .dead:
      if scheduler.current === task {
        scheduler.leftAt = place(of: task)
        scheduler.current = nil
      }
    }
  }

  private func place(of task: Task) -> SchedulePlace {
    SchedulePlace(
      task: task.id, ticks: task.ticks, pc: GuestAddress(task.context.registers.rip), isInside: task.isInsideUpdate)
  }

  private func askForPreemption(of task: Task) {
    let point: SchedulingPoint =
      task.yielding
      ? .yield : scheduler.slice?.isUsedUp == true ? .sliceEnd : .afterTrap(syscall: task.syscallInProgress)
    guard hasOthers(at: point, insteadOf: task) else { return }
    guard decisions.shouldPreempt(at: point, place: place(of: task), queue: scheduler.queue.map(\.id)),
      let next = takeNext(at: point, insteadOf: task)
    else { return }
    scheduler.current = next
    scheduler.enqueue(task)
    statistics.switches += 1
  }

  /// Gives the turn to another task before a system call that has trapped but was not handled, as if the task had stopped at its
  /// instruction: it will make it again, and signals come before it.
  func preemptBeforeSyscall(_ task: Task) -> Bool {
    guard scheduler.hasOthers || isAskedBesideTimers, scheduler.current === task else { return false }
    let trapped = task.context.registers
    let instructionLength: UInt64 = 2
    task.context.registers.rip -= instructionLength
    task.context.registers.rax = trapped.origRax
    task.context.registers.origRax = ~0
    let point = SchedulingPoint.beforeSyscall(trapped.origRax)
    guard hasOthers(at: point, insteadOf: task), decisions.shouldPreempt(at: point, place: place(of: task), queue: scheduler.queue.map(\.id)),
      let next = takeNext(at: point, insteadOf: task)
    else {
      task.context.registers = trapped
      return false
    }
    scheduler.current = next
    scheduler.enqueue(task)
    statistics.switches += 1
    return true
  }

  private var isAskedBesideTimers: Bool { decisions.asksBesideTimers && timers.nextDeadline() != nil }

  /// Whether another task could run, perhaps since timers expire meanwhile.
  private func hasOthers(at point: SchedulingPoint, insteadOf task: Task) -> Bool {
    while !scheduler.hasOthers, letTimePass(at: point, insteadOf: task) {}
    return scheduler.hasOthers
  }

  /// Goes to the next timer if the schedule says so. False where there is none.
  private func letTimePass(at point: SchedulingPoint, insteadOf current: Task?) -> Bool {
    guard let deadline = timers.nextDeadline(), let place = current.map({ self.place(of: $0) }) ?? scheduler.leftAt,
      decisions.letsTimePass(at: point, place: place, queue: scheduler.queue.map(\.id))
    else { return false }
    pass(until: deadline)
    fireDueTimers()
    return true
  }

  /// Takes the next task from the queue. nil when it is empty, or when `current` should go on because all others are
  /// held back.
  private func takeNext(at point: SchedulingPoint, insteadOf current: Task?) -> Task? {
    if scheduler.hasOthers { while letTimePass(at: point, insteadOf: current) {} }
    let choices = scheduler.choices(insteadOf: current)
    let tasks = choices.map { $0.map { scheduler.queue[$0].id } } ?? scheduler.queue.map(\.id)
    if tasks.isEmpty { return nil }
    var chosen = 0
    if tasks.count > 1 || current != nil {
      chosen = decisions.pick(from: tasks, at: point, place: current.map { self.place(of: $0) } ?? scheduler.leftAt)
    }
    return scheduler.take(at: choices?[chosen] ?? chosen)
  }
}
