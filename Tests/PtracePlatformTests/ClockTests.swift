// What a machine answers for itself. The guest's clock: RDTSC follows from the time that the machine was told, ticks and readings, wherever the runs
// end, the same in the translated engine and the stepped one; told nothing, it traps. CPUID: likewise, from answers that the machine was told.
import Platform
@testable import PtracePlatform
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct ClockTests {
  private static let rounds: UInt32 = 40
  private static let start: Int64 = 5_000_000_000_123

  /// Stores what RDTSC says, twice a round with a branch between, at rdi and on; counts in rbx how often the carry survived it.
  private static let program: [UInt8] =
    [0xb9] + (0..<4).map { UInt8(truncatingIfNeeded: rounds >> (8 * $0)) }  // mov $rounds, %ecx
    + [
      0xf9,  // round: stc
      0x0f, 0x31,  // rdtsc
      0x48, 0x83, 0xd3, 0x00,  // adc $0, %rbx
      0x89, 0x07, 0x89, 0x57, 0x04,  // mov %eax, (%rdi); mov %edx, 4(%rdi)
      0xe8, 0x00, 0x00, 0x00, 0x00,  // call the next
      0x48, 0x83, 0xc4, 0x08,  // add $8, %rsp
      0x4d, 0x01, 0xd3,  // add %r10, %r11
      0x0f, 0x31,  // rdtsc
      0x89, 0x47, 0x08, 0x89, 0x57, 0x0c,  // mov %eax, 8(%rdi); mov %edx, 12(%rdi)
      0x48, 0x83, 0xc7, 0x10,  // add $16, %rdi
      0xff, 0xc9,  // dec %ecx
      0x75, 0xd8,  // jnz round
      0x0f, 0x05,  // syscall
    ]

  /// Space 1 with this code.
  private func space(_ machine: any TestMachine, _ bytes: [UInt8]) throws -> AddressSpaceID {
    let id = AddressSpaceID(rawValue: 1)
    try machine.createAddressSpace(id)
    try machine.map(id, range(code), [.read, .execute, .write], .anonymous)
    _ = try machine.write(id, GuestAddress(code), bytes[...])
    return id
  }

  private struct Seen: Equatable {
    var times: [UInt8]
    var registers: Registers
    var ticks: UInt64
    var readings: UInt64
  }

  /// Runs the program in parts under these limits. `isSetAnew`: before each, to what the clock shows there.
  private func run(_ machine: any TestMachine, _ number: UInt32, _ limits: [RunLimit], isSetAnew: Bool) throws -> Seen {
    let id = AddressSpaceID(rawValue: number)
    try machine.createAddressSpace(id)
    try machine.map(id, range(code), [.read, .execute, .write], .anonymous)
    try machine.map(id, range(data), [.read, .write], .anonymous)
    try machine.map(id, range(stackTop - page), [.read, .write], .anonymous)
    _ = try machine.write(id, GuestAddress(code), Self.program[...])
    var registers = Registers()
    (registers.rip, registers.rsp, registers.rdi, registers.r10, registers.r11) = (code, stackTop - 64, data, 3, 7)
    let context = ExecutionContext(id: ContextID(rawValue: number), space: id, registers: registers)
    try machine.createContext(context.id, extendedState: .initial)
    var clock: Int64? = Self.start
    machine.setClock(clock)
    var part = 0, readings: UInt64 = 0
    while true {
      let before = machine.ticks(of: context.id).rawValue
      let trap = try machine.run(context, limit: limits[part % limits.count])
      part += 1
      if isSetAnew {
        readings += machine.clockReadings
        clock = RunningClock.next(
          after: clock, ticks: machine.ticks(of: context.id).rawValue - before, readings: machine.clockReadings, trap: trap)
        machine.setClock(clock)
      } else {
        readings = machine.clockReadings
      }
      if trap == .syscall { break }
      guard case .budget = trap, part < 10_000 else { throw MachineError("an unexpected trap: \(trap)") }
    }
    let seen = Seen(
      times: try machine.read(id, GuestAddress(data), Int(Self.rounds) * 16), registers: context.registers,
      ticks: machine.ticks(of: context.id).rawValue, readings: readings)
    machine.destroyContext(context.id)
    machine.destroyAddressSpace(id)
    return seen
  }

  @Test func followsFromTicksAndReadings() {
    withChecks { checks in
      let translated = try TranslatedMachine(), stepped: SteppedMachine
      defer { translated.shutdown() }
      stepped = try SteppedMachine()
      defer { stepped.shutdown() }
      var number: UInt32 = 0
      var expected: Seen?
      let ways: [[RunLimit]] = [
        [.unlimited], [RunLimit(ticks: 1_000_000)], [RunLimit(ticks: 1)], [RunLimit(ticks: 3)], [RunLimit(ticks: 0, instructions: 1)],
        [RunLimit(ticks: 1, instructions: 2), RunLimit(ticks: 0, instructions: 3)],
      ]
      for limits in ways {
        for machine: any TestMachine in [translated, stepped] {
          for isSetAnew in [false, true] {
            number += 1
            let seen = try run(machine, number, limits, isSetAnew: isSetAnew)
            let what = "\(type(of: machine)), \(limits), set anew: \(isSetAnew)"
            checks.equal(seen.readings, UInt64(2 * Self.rounds), what)
            checks.equal(seen.registers.rbx, UInt64(Self.rounds), "carry, \(what)")
            if let expected { checks.equal(seen, expected, what) } else { expected = seen }
          }
        }
      }
      // Each is later than the one before, by a tick's and a reading's time at most for what lies between them.
      let times = expected!.times.withUnsafeBytes { bytes in (0..<Int(2 * Self.rounds)).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self) } }
      checks.equal(times.first, Self.start + RunningClock.nanosecondsPerReading)
      for (earlier, later) in zip(times, times.dropFirst()) {
        let passed = later - earlier - RunningClock.nanosecondsPerReading
        checks.check(passed == 0 || passed == RunningClock.nanosecondsPerTick, "\(earlier), then \(later)")
      }
    }
  }

  /// A forward jump to code that another image has counts no tick, and stops with a count that is one too high.
  @Test func acrossImages() {
    withChecks { checks in
      let translated = try TranslatedMachine(), stepped: SteppedMachine
      defer { translated.shutdown() }
      stepped = try SteppedMachine()
      defer { stepped.shutdown() }
      let other = code + 0x4_0000
      for machine: any TestMachine in [translated, stepped] {
        let distance = UInt32(other - code - 5)
        let id = try space(machine, [0xe9] + (0..<4).map { UInt8(truncatingIfNeeded: distance >> (8 * $0)) })  // jmp other
        try machine.map(id, range(other), [.read, .execute, .write], .anonymous)
        _ = try machine.write(id, GuestAddress(other), [0x0f, 0x31, 0x89, 0xc3, 0x0f, 0x05])  // rdtsc; mov %eax, %ebx; syscall
        for round in 1...2 as ClosedRange<UInt32> {
          var registers = Registers()
          registers.rip = code
          let context = ExecutionContext(id: ContextID(rawValue: round), space: id, registers: registers)
          try machine.createContext(context.id, extendedState: .initial)
          machine.setClock(Self.start)
          checks.equal(try machine.run(context, limit: .unlimited), .syscall)
          checks.equal(context.registers.rbx, UInt64(Self.start + RunningClock.nanosecondsPerReading) & 0xffff_ffff)
          checks.equal(machine.ticks(of: context.id).rawValue, 0)
        }
      }
    }
  }

  /// Without a clock, and for a task that it was not set for.
  @Test func trapsUntilItIsSet() {
    withChecks { checks in
      let translated = try TranslatedMachine(), stepped: SteppedMachine
      defer { translated.shutdown() }
      stepped = try SteppedMachine()
      defer { stepped.shutdown() }
      for machine: any TestMachine in [translated, stepped] {
        let id = try space(machine, [0x0f, 0x31, 0x0f, 0x31, 0x0f, 0x05])  // rdtsc, twice; syscall
        func task(_ number: UInt32) throws -> ExecutionContext {
          var registers = Registers()
          (registers.rip, registers.rax, registers.rdx, registers.r11) = (code, 11, 12, 13)
          let context = ExecutionContext(id: ContextID(rawValue: number), space: id, registers: registers)
          try machine.createContext(context.id, extendedState: .initial)
          return context
        }
        let trap = Trap.instruction(.rdtsc, length: 2)
        let first = try task(1), second = try task(2)
        for limit in [RunLimit.unlimited, RunLimit(ticks: 0, instructions: 1)] {
          checks.equal(try machine.run(first, limit: limit), trap)
          checks.equal([first.registers.rip, first.registers.rax, first.registers.rdx, first.registers.r11], [code, 11, 12, 13])
        }
        machine.setClock(Self.start)
        checks.equal(try machine.run(first, limit: .unlimited), .syscall)
        checks.equal(machine.clockReadings, 2)
        checks.equal(try machine.run(second, limit: .unlimited), trap)
        machine.setClock(nil)
        first.registers.rip = code
        checks.equal(try machine.run(first, limit: .unlimited), trap)
        machine.setClock(Self.start)
        checks.equal(try machine.run(second, limit: .unlimited), .syscall)
        checks.equal(machine.clockReadings, 2)
      }
    }
  }

  /// CPUID for each leaf, with what the registers and flags are behind it; what has no answer traps with all as it was.
  @Test func processorAnswers() {
    withChecks { checks in
      var withoutGate = TranslatedMachine.Configuration()
      withoutGate.usesGate = false
      let translated = try TranslatedMachine(), plain: TranslatedMachine, stepped: SteppedMachine
      defer { translated.shutdown() }
      plain = try TranslatedMachine(withoutGate)
      defer { plain.shutdown() }
      stepped = try SteppedMachine()
      defer { stepped.shutdown() }
      let answers = [
        ProcessorAnswer(leaf: 4, subleaf: 1, eax: 0x41, ebx: 0x8000_0042, ecx: 0xffff_ffff, edx: 0x44),
        ProcessorAnswer(leaf: 4, subleaf: nil, eax: 0, ebx: 0, ecx: 0, edx: 0),
        ProcessorAnswer(leaf: 0, subleaf: 0, eax: 1, ebx: 2, ecx: 3, edx: 4),
        ProcessorAnswer(leaf: 0x8000_0001, subleaf: nil, eax: 5, ebx: 6, ecx: 7, edx: 8),
      ]
      let trap = Trap.instruction(.cpuid, length: 2)
      let high: UInt64 = 0xdead_beef_0000_0000
      var number: UInt32 = 0
      for machine: any TestMachine in [translated, plain, stepped] {
        let id = try space(machine, [0x0f, 0xa2, 0x0f, 0x05])  // cpuid; syscall
        number = 0
        for isSet in [false, true] {
          if isSet { machine.setProcessorAnswers(answers) }
          for (leaf, subleaf): (UInt32, UInt32) in [(4, 1), (4, 0), (4, 77), (0, 0), (0, 1), (0x8000_0001, 9), (1, 0)] {
            for flags: UInt64 in [0x202, 0x202 | 0x8d5, 0x202 | 0x801, 0x202 | 0x400 | 0x10] {
              for limit in [RunLimit.unlimited, RunLimit(ticks: 0, instructions: 1)] {
                number += 1
                var registers = Registers()
                (registers.rip, registers.eflags) = (code, flags)
                (registers.rax, registers.rcx) = (high | UInt64(leaf), high | UInt64(subleaf))
                (registers.rbx, registers.rdx, registers.r10, registers.r11, registers.rsp) = (21, 22, 23, 24, stackTop - 64)
                let context = ExecutionContext(id: ContextID(rawValue: number), space: id, registers: registers)
                try machine.createContext(context.id, extendedState: .initial)
                let reached = try machine.run(context, limit: limit)
                let what = "\(type(of: machine)), \(leaf), \(subleaf), \(flags), \(limit)"
                if let answer = answers.first(where: { $0.matches(leaf: leaf, subleaf: subleaf) }), isSet {
                  checks.equal(reached, limit.instructions > 0 ? .budget(StopPoint(instructions: 1)) : .syscall, what)
                  (registers.rax, registers.rbx) = (UInt64(answer.eax), UInt64(answer.ebx))
                  (registers.rcx, registers.rdx, registers.rip) = (UInt64(answer.ecx), UInt64(answer.edx), code + 2)
                  if limit.instructions == 0 {
                    (registers.rcx, registers.rip) = (code + 4, code + 4)
                    (registers.origRax, registers.r11) = (registers.rax, context.registers.r11)
                    registers.rax = context.registers.rax
                  } else {
                    registers.origRax = context.registers.origRax
                  }
                } else {
                  checks.equal(reached, trap, what)
                  registers.origRax = context.registers.origRax
                }
                (registers.fsBase, registers.gsBase) = (context.registers.fsBase, context.registers.gsBase)
                checks.equal(context.registers, registers, what)
                machine.destroyContext(context.id)
              }
            }
          }
        }
      }
    }
  }
}
