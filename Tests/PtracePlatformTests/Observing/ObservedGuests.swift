// Random guests under observation: scheduling points, stops at an instruction and the log of accesses must be where single
// steps say, and change nothing else. REPLAYSB_GUEST_SEED and REPLAYSB_GUEST_COUNT as for the differential tests.
import Glibc
import Platform
import PtracePlatform
import Testing

@Suite(.serialized, .timeLimit(.minutes(600))) struct ObservedGuests {
  private static func setting(_ name: String) -> UInt64? { getenv(name).flatMap { UInt64(String(cString: $0)) } }

  @Test func randomGuestsAreObservedExactly() throws {
    let first = Self.setting("REPLAYSB_GUEST_SEED") ?? 1
    let count = Self.setting("REPLAYSB_GUEST_COUNT") ?? 1000
    let failures = onTracerThread { () -> [String] in
      var trial = Trial()
      var seed = first
      while seed < first + count, trial.failures.count < 10 {
        let last = min(seed + 1000, first + count)
        do { try trial.run(seed..<last) } catch { trial.failures.append("seeds from \(seed): threw \(error)") }
        seed = last
      }
      print(trial.summary)
      return trial.failures
    }
    for failure in failures { Issue.record("\(failure)") }
  }
}

/// Some guests on one pair of machines.
private struct Trial {
  var failures: [String] = []
  private var guests = 0, skipped = 0, steps = 0, pointStops = 0, placeStops = 0, accesses = 0
  private var seed: UInt64 = 0
  private var dice = Dice(0)

  var summary: String {
    "\(guests) guests, \(steps) instructions, \(skipped) guests skipped; \(pointStops) stops of runs with points, "
      + "\(placeStops) at instructions, \(accesses) accesses; \(failures.count) failures"
  }

  init() {}

  mutating func run(_ seeds: Range<UInt64>) throws {
    var configuration = TranslatedMachine.Configuration()
    configuration.host.extendedStateComponents = 7
    var steppedConfiguration = SteppedMachine.Configuration()
    steppedConfiguration.host = configuration.host
    let stepped = try SteppedMachine(steppedConfiguration)
    defer { stepped.shutdown() }
    let observing = try TranslatedMachine(configuration), plain = try TranslatedMachine(configuration)
    defer {
      observing.shutdown()
      plain.shutdown()
    }
    let (walker, engine, other) = (try Runner(stepped), try Runner(observing), try Runner(plain))
    for seed in seeds where failures.count < 10 {
      self.seed = seed
      dice = Dice(seed ^ 0x5eed)
      let guest = RandomGuest(seed: seed)
      guard let walk = try? Walk(guest, walker) else {
        skipped += 1
        continue
      }
      guests += 1
      show(walk)
      steps += walk.steps.count
      do {
        // Code that guests share and write is executed in stretches, where points do not count.
        if !walk.hasTrapFlag && guest.home != .shared { try countPoints(guest, walk, engine, observing) }
        if !walk.hasTrapFlag { try findPlaces(guest, walk, engine, other) }
        try logAccesses(guest, walk, engine, observing)
      } catch {
        fail("threw \(error)")
        throw error
      }
    }
  }

  private mutating func fail(_ what: String) { failures.append("seed \(seed): \(what)") }

  /// Prints the walk when one guest is looked at alone.
  private func show(_ walk: Walk) {
    guard getenv("REPLAYSB_GUEST_TRACE") != nil else { return }
    for (index, step) in walk.steps.enumerated() {
      let code = step.code.prefix(max(1, Int(step.instruction.length))).map { String($0, radix: 16) }.joined(separator: " ")
      print(seed, index, GuestAddress(step.registers.rip), "ticks", step.ticks, code, walk.traps[index].map { "\($0.trap)" } ?? "")
    }
  }

  /// False when the run did not end as expected.
  private mutating func check(
    _ what: String, _ trap: Trap, _ runner: Runner, _ ticks: UInt64, _ walk: Walk, _ end: Walk.End
  ) -> Bool {
    let expected = walk.registers(at: end)
    if trap != end.trap {
      fail(
        "\(what): \(trap) at \(GuestAddress(runner.context.registers.rip)), not \(end.trap), at step \(end.position) of "
          + "\(walk.steps.count), \(GuestAddress(walk.steps[end.position].registers.rip))")
    } else if runner.context.registers != expected {
      fail("\(what), step \(end.position): \(runner.context.registers.difference(from: expected))")
    } else if case .budget = trap, ticks != walk.steps[end.position].ticks {
      fail("\(what), step \(end.position): \(ticks) ticks, not \(walk.steps[end.position].ticks)")
    } else { return true }
    return false
  }

  private mutating func choosePoints(_ walk: Walk) -> Set<UInt64> {
    let rarity = dice.pick([1, 1, 3, 10])
    return Set(walk.steps.map(\.registers.rip).filter { _ in dice.chance(1, in: rarity) })
  }

  private mutating func countPoints(_ guest: RandomGuest, _ walk: Walk, _ runner: Runner, _ machine: TranslatedMachine) throws {
    let points = choosePoints(walk)
    try machine.setSchedulingPoints(Set(points.map { GuestAddress($0) }))
    try runner.prepare(guest)
    defer { runner.end() }
    let before = runner.ticks
    var position = 0
    while true {
      if dice.chance(1, in: 10) { try runner.fork() }
      let limit = RunLimit(
        ticks: dice.chance(1, in: 3) ? UInt64(1 + dice.below(4)) : nil, points: dice.chance(1, in: 8) ? 0 : UInt32(1 + dice.below(3)))
      let trap = try machine.run(runner.context, limit: limit)
      let end = walk.end(from: position, ticks: limit.ticks, points: limit.points, in: points)
      pointStops += 1
      if !check("\(limit)", trap, runner, runner.ticks - before, walk, end) { return }
      if machine.pointsOfLastRun != end.points {
        return fail("\(limit): \(machine.pointsOfLastRun) points, not \(end.points), to step \(end.position)")
      }
      position = end.position
      if case .budget = trap { continue }
      position += 1
      if !runner.answer(trap) || position == walk.steps.count { return }
    }
  }

  /// Stops by `pc` on one machine, by the instructions that it reports on another.
  private mutating func findPlaces(_ guest: RandomGuest, _ walk: Walk, _ runner: Runner, _ other: Runner) throws {
    try runner.prepare(guest)
    try other.prepare(guest)
    defer {
      runner.end()
      other.end()
    }
    let before = (runner.ticks, other.ticks)
    var position = 0
    while true {
      // A place that comes, most often; within some ticks.
      let target = walk.steps[min(walk.steps.count - 1, position + dice.below(12))]
      let ticks = target.ticks - walk.steps[position].ticks + (dice.chance(1, in: 8) ? 1 : 0)
      let limit = RunLimit(ticks: ticks, pc: GuestAddress(target.registers.rip))
      let trap = try runner.machine.run(runner.context, limit: limit)
      let end = walk.end(from: position, ticks: ticks, pc: target.registers.rip)
      placeStops += 1
      if !check("\(limit)", trap, runner, runner.ticks - before.0, walk, end) { return }
      if case .budget(let stop) = trap, walk.steps[end.position].ticks - walk.steps[position].ticks == ticks {
        let again = RunLimit(ticks: ticks, instructions: stop.instructions)
        if ticks > 0 || stop.instructions > 0 {
          let same = try other.machine.run(other.context, limit: again)
          if !check("\(again) after \(limit)", same, other, other.ticks - before.1, walk, end) { return }
        }
        position = end.position
        continue
      }
      // A further tick, or a trap.
      let same = try other.machine.run(other.context, limit: RunLimit(ticks: ticks, instructions: 5000))
      if !check("instructions after \(limit)", same, other, other.ticks - before.1, walk, end) { return }
      position = end.position
      if case .budget = trap { continue }
      position += 1
      if !runner.answer(trap) || !other.answer(trap) || position == walk.steps.count { return }
    }
  }

  private mutating func logAccesses(_ guest: RandomGuest, _ walk: Walk, _ runner: Runner, _ machine: TranslatedMachine) throws {
    try machine.setAccessLog(.all)
    defer { try? machine.setAccessLog(.off) }
    if dice.chance(1, in: 2) { try machine.setSchedulingPoints([]) }
    _ = machine.takeAccesses()
    try runner.prepare(guest)
    defer { runner.end() }
    let kind = dice.below(5)
    var traps = 0
    var found: [Touched] = []
    while true {
      if dice.chance(1, in: 10) { try runner.fork() }
      let trap = try machine.run(runner.context, limit: limit(kind))
      if dice.chance(1, in: 3) { found += machine.takeAccesses().map(Touched.init) }
      if case .budget = trap { continue }
      traps += 1
      if traps == walk.traps.count { break }
      _ = runner.answer(trap)
    }
    found += machine.takeAccesses().map(Touched.init)
    let expected = walk.touched
    accesses += expected.count
    if runner.context.registers != walk.traps[walk.steps.count - 1]!.registers {
      return fail("logging changed \(runner.context.registers.difference(from: walk.traps[walk.steps.count - 1]!.registers))")
    }
    if found == expected { return }
    let index = zip(found, expected).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(found.count, expected.count)
    fail(
      "log (kind \(kind)), entry \(index): \(index < found.count ? "\(found[index])" : "none"), "
        + "not \(index < expected.count ? "\(expected[index])" : "none")")
  }

  private mutating func limit(_ kind: Int) -> RunLimit {
    switch kind {
    case 0: .unlimited
    case 1: RunLimit(ticks: 0, instructions: UInt32(1 + dice.below(4)))
    case 2: RunLimit(ticks: UInt64(1 + dice.below(3)), points: UInt32(dice.below(3)))
    case 3: RunLimit(ticks: UInt64(dice.below(2)), updates: UInt32(1 + dice.below(3)))
    default: RunLimit(ticks: UInt64(dice.below(3)), instructions: UInt32(1 + dice.below(6)))
    }
  }
}
