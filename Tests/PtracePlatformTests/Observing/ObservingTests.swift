// Scheduling points and the access log on guests by hand: counts beyond what code counts at a time, several tasks and spaces,
// a full log, operands of all kinds, and switching both on and off.
import CLinux
import Glibc
import LinuxABI
import Platform
import PtracePlatform
import Testing
import Translator

/// A translated machine and guests in it.
private final class ObservingBench {
  let machine: TranslatedMachine
  let checks: Checks
  private var last: UInt32 = 0

  init(_ checks: Checks) throws {
    machine = try TranslatedMachine()
    self.checks = checks
  }

  func space(_ bytes: [UInt8], at start: UInt64 = code) throws -> AddressSpaceID {
    last += 1
    let id = AddressSpaceID(rawValue: last)
    try machine.createAddressSpace(id)
    try machine.map(id, range(start), [.read, .write, .execute], .anonymous)
    try machine.map(id, range(data, pages: 2), [.read, .write], .anonymous)
    try machine.map(id, range(stackTop - page), [.read, .write], .anonymous)
    checks.equal(try machine.write(id, GuestAddress(start), bytes[...]), bytes.count, "code written")
    return id
  }

  func context(_ space: AddressSpaceID, _ prepare: (inout Registers) -> Void = { _ in }) throws -> ExecutionContext {
    last += 1
    var registers = Registers()
    registers.rip = code
    registers.rsp = stackTop - 512
    registers.rdi = data
    registers.rsi = data + 128
    registers.rbx = data + 64
    (registers.r10, registers.r11) = (data + 0x100, 8)
    prepare(&registers)
    let context = ExecutionContext(id: ContextID(rawValue: last), space: space, registers: registers)
    try machine.createContext(context.id, extendedState: .initial)
    return context
  }

  func setPoints(_ points: UInt64...) throws { try machine.setSchedulingPoints(Set(points.map { GuestAddress($0) })) }

  /// Runs to a point and checks where that is.
  func expectPoint(
    _ context: ExecutionContext, _ points: UInt32, ticks: UInt64? = nil, at pc: UInt64, line: Int = #line
  ) throws {
    let trap = try machine.run(context, limit: RunLimit(ticks: ticks, points: points))
    checks.equal(trap, .budget(StopPoint(isAtPoint: true)), "trap", line: line)
    checks.equal(context.registers.rip, pc, "pc", line: line)
    checks.equal(machine.pointsOfLastRun, points, "points", line: line)
  }
}

private func withObserving(_ body: (ObservingBench) throws -> Void) {
  let failures = onTracerThread { () -> [String] in
    let checks = Checks()
    do {
      let bench = try ObservingBench(checks)
      do { try body(bench) } catch { checks.check(false, "threw \(error)") }
      bench.machine.shutdown()
    } catch {
      checks.check(false, "no machine: \(error)")
    }
    return checks.failures
  }
  for failure in failures { Issue.record("\(failure)") }
}

@Suite(.serialized, .timeLimit(.minutes(3))) struct ObservingTests {
  /// mov ecx, n; L: add [rdi], rcx; mov rax, [rsi]; loop L; hlt
  private static func loop(_ count: UInt32) -> [UInt8] {
    [0xb9] + littleEndian(count) + [0x48, 0x01, 0x0f, 0x48, 0x8b, 0x06, 0xe2, 0xf8, 0xf4]
  }
  private static let add = code + 5, load = code + 8, end = code + 13

  @Test func pointsInALoop() {
    withObserving { bench in
      let machine = bench.machine, checks = bench.checks
      let task = try bench.context(try bench.space(Self.loop(1000)))
      try bench.setPoints(Self.add, Self.load, Self.end)  // The last has no operand and is none.
      try bench.expectPoint(task, 1, at: Self.add)
      checks.equal(task.registers.rcx, 1000)
      try bench.expectPoint(task, 1, at: Self.load)
      try bench.expectPoint(task, 1, at: Self.add)
      checks.equal(task.registers.rcx, 999)
      try bench.expectPoint(task, 100, at: Self.add)
      checks.equal(task.registers.rcx, 949)
      checks.equal(machine.ticks(of: task.id), Ticks(rawValue: 51))
      // Ticks first: the point where they end does not count, neither here nor in the next run.
      checks.equal(try machine.run(task, limit: RunLimit(ticks: 3, points: 6)), .budget(StopPoint()))
      checks.equal(task.registers.rip, Self.add)
      checks.equal(machine.pointsOfLastRun, 5)
      try bench.expectPoint(task, 1, at: Self.load)
      // In one run the counts of ticks are refilled and the points count on.
      try bench.expectPoint(task, 7, ticks: 1 << 40, at: Self.add)
      // To the end, with more points than there are, and without a limit.
      let rest = UInt32(task.registers.rcx)
      let fault = try machine.run(task, limit: RunLimit(points: 100_000))
      if case .fault = fault {} else { checks.check(false, "\(fault)") }
      checks.equal(machine.pointsOfLastRun, 2 * rest - 1)
      checks.equal(machine.ticks(of: task.id), Ticks(rawValue: 999))
      // Points elsewhere; none.
      task.registers.rip = code
      try bench.setPoints(Self.load)
      try bench.expectPoint(task, 3, at: Self.load)
      checks.equal(task.registers.rcx, 998)
      try bench.setPoints()
      _ = try machine.run(task, limit: RunLimit(points: 1))
      checks.equal(task.registers.rip, Self.end)
      checks.equal(machine.pointsOfLastRun, 0)
    }
  }

  /// More points than code counts at a time: with a limit, without one, and the limit at the end of a count.
  @Test func countsOfPointsAreRefilled() {
    withObserving { bench in
      let machine = bench.machine, checks = bench.checks
      let most = UInt32(RuntimeLayout.countMax)
      let task = try bench.context(try bench.space(Self.loop(5 << 20)))
      try bench.setPoints(Self.add, Self.load)
      _ = try machine.run(task, limit: .unlimited)
      checks.equal(machine.pointsOfLastRun, 10 << 20)
      for limit in [most - 1, most, most + 1, most + 2, 2 * most, 2 * most + 1, 2 * most + 2] {
        task.registers.rip = code
        try bench.expectPoint(task, limit, at: limit % 2 == 1 ? Self.add : Self.load)
        checks.equal(task.registers.rcx, UInt64(5 << 20) - UInt64((limit - 1) / 2))
      }
    }
  }

  /// Branch targets, fall-through, calls by way of memory, pushes of memory, high code.
  @Test func pointsOfAllKinds() {
    withObserving { bench in
      let machine = bench.machine, checks = bench.checks
      // jmp over; f: ret; over: lock xadd [rdi], rax; push [rdi]; pop [rsi]; call [rbx]; movsb; cmp r10, [r10+r11]; hlt
      let pieces: [[UInt8]] = [
        [0xeb, 1], [0xc3], [0xf0, 0x48, 0x0f, 0xc1, 0x07], [0xff, 0x37], [0x8f, 0x06], [0xff, 0x13], [0xa4], [0x4f, 0x3b, 0x14, 0x1a],
        [0x48, 0x8d, 0x07], [0x0f, 0x1f, 0x00], [0xf4],
      ]
      var places: [UInt64] = [], here = code
      for piece in pieces {
        places.append(here)
        here += UInt64(piece.count)
      }
      let space = try bench.space(pieces.flatMap { $0 })
      _ = try machine.write(space, GuestAddress(data + 64), littleEndian(code + 2)[...])
      let task = try bench.context(space)
      try machine.setSchedulingPoints(Set(places.map { GuestAddress($0) }))
      for place in places[2...7] { try bench.expectPoint(task, 1, at: place) }
      _ = try machine.run(task, limit: RunLimit(points: 1))
      checks.equal(task.registers.rip, places[10])
      checks.equal(task.registers.r10, data + 0x100)
      // A run that begins at one after something else happened there: it is passed.
      task.registers.rip = places[3]
      try bench.expectPoint(task, 1, at: places[4])
      task.registers.rip = places[2]
      try bench.expectPoint(task, 2, at: places[4])
    }
  }

  /// Points count for each task by itself, and in spaces that share or copy code.
  @Test func severalTasksAndSpaces() {
    withObserving { bench in
      let machine = bench.machine, checks = bench.checks
      let object = MemoryObjectID(rawValue: 1)
      try machine.createObject(object, content: Self.loop(50) + [UInt8](repeating: 0x90, count: 4096 - 14))
      let first = try bench.space([]), second = try bench.space([])
      for id in [first, second] { try machine.map(id, range(code), [.read, .execute], .privateObject(object, offset: 0)) }
      let a = try bench.context(first), b = try bench.context(first), c = try bench.context(second)
      _ = try machine.run(a, limit: RunLimit(ticks: 1))
      try bench.setPoints(Self.add)
      try bench.expectPoint(b, 1, at: Self.add)
      try bench.expectPoint(c, 3, at: Self.add)
      try bench.expectPoint(a, 1, at: Self.add)
      try bench.expectPoint(b, 2, at: Self.add)
      checks.equal([a.registers.rcx, b.registers.rcx, c.registers.rcx], [48, 48, 48])
      // A fork, of a space with code of its own, too.
      let own = try bench.space(Self.loop(50))
      let d = try bench.context(own)
      try bench.expectPoint(d, 4, at: Self.add)
      let forked = AddressSpaceID(rawValue: 100)
      try machine.forkAddressSpace(own, as: forked)
      d.space = forked
      try bench.expectPoint(d, 1, at: Self.add)
      checks.equal(d.registers.rcx, 46)
      try bench.setPoints()
      for task in [a, b, c, d] {
        _ = try machine.run(task, limit: RunLimit(points: 1))
        checks.equal(task.registers.rip, Self.end)
        checks.equal(task.registers.rcx, 0)
      }
    }
  }

  // MARK: The log

  /// Operands by hand, with what must be logged: offset of the instruction's address register is told by the test's registers.
  @Test func operandsInTheLog() {
    let low = data + 0x40
    let cases: [(code: [UInt8], expected: [(UInt64, UInt8, Bool)])] = [
      ([0x48, 0x8b, 0x07], [(data, 8, false)]),  // mov rax, [rdi]
      ([0x88, 0x47, 5], [(data + 5, 1, true)]),  // mov [rdi+5], al
      ([0x48, 0x8b, 0x40, 8], [(data + 8, 8, false)]),  // mov rax, [rax+8]
      ([0x4d, 0x8b, 0x12], [(data + 0x100, 8, false)]),  // mov r10, [r10]
      ([0x47, 0x8b, 0x1c, 0x1a], [(data + 0x108, 4, false)]),  // mov r11d, [r10+r11]
      ([0x47, 0x89, 0x54, 0xd3, 4], [(8 + 8 * (data + 0x100) + 4, 4, true)]),  // mov [r11+r10*8+4], r10d
      ([0x42, 0x8b, 0x04, 0x18], [(data + 8, 4, false)]),  // mov eax, [rax+r11]
      ([0x42, 0x8b, 0x04, 0xdd] + littleEndian(UInt32(data)), [(data + 64, 4, false)]),  // mov eax, [r11*8+data]
      ([0x8b, 0x04, 0x25] + littleEndian(UInt32(low)), [(low, 4, false)]),
      ([0x67, 0x66, 0x8b, 0x07], [(data, 2, false)]),
      ([0xf0, 0xff, 0x07], [(data, 4, true)]),  // lock inc [rdi]
      ([0x48, 0x87, 0x07], [(data, 8, true)]),  // xchg
      ([0xf0, 0x48, 0x0f, 0xb1, 0x0f], [(data, 8, true)]),  // lock cmpxchg
      ([0x48, 0xa1] + littleEndian(low), [(low, 8, false)]), ([0xa2] + littleEndian(low), [(low, 1, true)]),
      ([0xa4], [(data + 128, 1, false), (data, 1, true)]), ([0x48, 0xa7], [(data + 128, 8, false), (data, 8, false)]),
      ([0xf3, 0x48, 0xab], [(data, 8, true)]), ([0x66, 0xad], [(data + 128, 2, false)]), ([0xae], [(data, 1, false)]),
      ([0x31, 0xc9, 0xf3, 0xa4], []), ([0xd7], [(low + (data & 0xff), 1, false)]),
      ([0x66, 0x0f, 0xf7, 0xc1], [(data, 16, true)]), ([0xc5, 0xfc, 0x28, 0x07], [(data, 32, false)]),
      ([0xc4, 0x81, 0x78, 0x11, 0x04, 0x1a], [(data + 0x108, 16, true)]), ([0xdd, 0x07], [(data, 8, false)]),
      ([0xd9, 0x3f], [(data, 2, true)]), ([0x64, 0x8b, 0x07], []), ([0x64, 0xa4], [(data, 1, true)]),
      ([0x48, 0x8d, 0x07, 0x0f, 0x1f, 0x07, 0x0f, 0x18, 0x0f], []), ([0xff, 0x37, 0x8f, 0x06], []),
    ]
    withObserving { bench in
      let machine = bench.machine, checks = bench.checks
      try machine.setAccessLog(.all)
      for (bytes, expected) in cases {
        for limit in [RunLimit.unlimited, RunLimit(ticks: 0, instructions: 1), RunLimit(updates: 1)] {
          let space = try bench.space(bytes + [0xf4])
          let task = try bench.context(space) {
            $0.rax = data
            $0.rcx = 3
          }
          while case .budget = try machine.run(task, limit: limit) {}
          let found = machine.takeAccesses().map(Touched.init)
          let start = bytes.starts(with: [0x31]) ? code + 2 : code
          checks.equal(
            found, expected.map { Touched(pc: start, address: $0.0, size: $0.1, isWrite: $0.2) }, "\(bytes) under \(limit):")
          checks.equal(machine.takeAccesses(), [])
          machine.destroyAddressSpace(space)
        }
      }
    }
  }

  /// Relative to rip, below and above 2 GiB; in its own page, which is write-protected while its code is kept.
  @Test func ripRelativeInTheLog() {
    withObserving { bench in
      let machine = bench.machine, checks = bench.checks
      try machine.setAccessLog(.all)
      for start: UInt64 in [0x41_0000, 0x1_8000_0000] {
        // inc [rip+n]; vmovups xmm0, [rip+n]; mov [rip+n], r11; hlt
        let bytes: [UInt8] =
          [0xff, 0x05] + littleEndian(UInt32(0x200)) + [0xc5, 0xf8, 0x10, 0x05] + littleEndian(UInt32(0x200))
          + [0x4c, 0x89, 0x1d] + littleEndian(UInt32(0x200)) + [0xf4]
        let task = try bench.context(try bench.space(bytes, at: start)) { $0.rip = start }
        _ = try machine.run(task, limit: .unlimited)
        checks.equal(task.registers.rip, start + 21)
        checks.equal(
          machine.takeAccesses().map(Touched.init),
          [
            Touched(pc: start, address: start + 0x206, size: 4, isWrite: true),
            Touched(pc: start + 6, address: start + 0x20e, size: 16, isWrite: false),
            Touched(pc: start + 14, address: start + 0x215, size: 8, isWrite: true),
          ])
      }
    }
  }

  /// More accesses than the buffer holds, without and with stops; what the guest computes stays.
  @Test func fullLog() {
    withObserving { bench in
      let machine = bench.machine, checks = bench.checks
      let count: UInt32 = 150_000
      try machine.setAccessLog(.all)
      for ticks: UInt64? in [nil, 7001] {
        let space = try bench.space(Self.loop(count))
        let task = try bench.context(space) { $0.rax = 0x1234 }
        while case .budget = try machine.run(task, limit: RunLimit(ticks: ticks)) {}
        let accesses = machine.takeAccesses()
        checks.equal(accesses.count, Int(2 * count))
        checks.check(
          accesses.enumerated().allSatisfy { index, access in
            Touched(access)
              == (index % 2 == 0
                ? Touched(pc: Self.add, address: data, size: 8, isWrite: true)
                : Touched(pc: Self.load, address: data + 128, size: 8, isWrite: false))
          }, "entries")
        let sum = try machine.read(space, GuestAddress(data), 8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        checks.equal(sum, UInt64(count) * UInt64(count + 1) / 2)
        checks.equal(machine.ticks(of: task.id), Ticks(rawValue: UInt64(count - 1)))
        machine.destroyAddressSpace(space)
      }
    }
  }

  /// Both on and off in the middle of a guest: only what runs under the log is in it, and nothing is lost.
  @Test func switchingBackAndForth() {
    withObserving { bench in
      let machine = bench.machine, checks = bench.checks
      let task = try bench.context(try bench.space(Self.loop(40)))
      var logged = 0
      for round in 0..<12 {
        try machine.setAccessLog(round % 3 == 1 ? .all : .off)
        if round % 4 == 2 { try bench.setPoints(Self.load) } else { try bench.setPoints() }
        checks.equal(try machine.run(task, limit: RunLimit(ticks: 3)), .budget(StopPoint()))
        logged += round % 3 == 1 ? 6 : 0
        checks.equal(machine.pointsOfLastRun, round % 4 == 2 ? 3 : 0)
      }
      try machine.setAccessLog(.off)
      checks.equal(task.registers.rcx, 4)
      checks.equal(machine.takeAccesses().count, logged)
    }
  }

  // MARK: Places

  @Test func placesBetweenTicks() {
    withObserving { bench in
      let machine = bench.machine, checks = bench.checks
      let task = try bench.context(try bench.space(Self.loop(20)))
      func find(_ ticks: UInt64, _ pc: UInt64, _ instructions: UInt32, at expected: UInt64? = nil, line: Int = #line) throws {
        let trap = try machine.run(task, limit: RunLimit(ticks: ticks, pc: GuestAddress(pc)))
        checks.equal(trap, .budget(StopPoint(instructions: instructions)), "trap", line: line)
        checks.equal(task.registers.rip, expected ?? pc, "pc", line: line)
      }
      try find(0, code, 0)
      try find(0, Self.load, 2)
      try find(0, Self.load, 0)
      try find(2, Self.add, 0)
      try find(1, Self.load, 1)
      try find(0, Self.load + 3, 1)
      // One that does not come before the next tick.
      try find(0, code, 0, at: Self.add)
      try find(1, Self.end, 0, at: Self.add)
      checks.equal(task.registers.rcx, 14)
      let trap = try machine.run(task, limit: RunLimit(ticks: 13, pc: GuestAddress(Self.end)))
      checks.equal(trap, .budget(StopPoint(instructions: 3)))
      // A split update stays split.
      task.registers.rip = Self.add
      checks.equal(try machine.run(task, limit: RunLimit(updates: 1)), .budget(StopPoint(updates: 1, loadedValue: 210)))
      _ = try machine.write(task.space, GuestAddress(data), littleEndian(UInt64(5))[...])
      task.registers.rcx = 1
      try find(0, Self.add, 0)
      try find(0, Self.load, 1)
      checks.equal(try machine.read(task.space, GuestAddress(data), 8), littleEndian(UInt64(211)))
    }
  }

  // MARK: Costs

  /// Nanoseconds of a point that does not stop and of a logged access, in a loop of three instructions. Prints.
  @Test(.enabled(if: getenv("REPLAYSB_MEASURE") != nil)) func costs() {
    withObserving { bench in
      let machine = bench.machine
      let count: UInt32 = 30_000
      func measure(_ name: String) throws {
        let task = try bench.context(try bench.space(Self.loop(count)))
        var best = Double.infinity
        for _ in 0..<200 {
          task.registers.rip = code
          let start = rsb_clock_ns(1)
          _ = try machine.run(task, limit: .unlimited)
          best = min(best, Double(rsb_clock_ns(1) - start) / Double(count))
          _ = machine.takeAccesses()
        }
        print("\(name): \(Double(Int(best * 100)) / 100) ns")
      }
      try measure("a round, plain")
      try bench.setPoints(Self.add)
      try measure("a round with a point")
      try bench.setPoints(Self.add, Self.load)
      try measure("a round with two points")
      try bench.setPoints()
      try machine.setAccessLog(.all)
      try measure("a round with two logged accesses")
    }
  }
}
