// System calls by the gate, where registers pass through memory: tasks in one space and in two, with registers, flags, selectors
// and fs bases that change at random between their stops, must look as they do without the gate, and as the oracle's do.
import Platform
import PtracePlatform
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct GateTests {
  /// One stop: what the task looks like, and what is read for it.
  private struct Stop: Equatable {
    var trap: Trap
    var registers: Registers
    var extendedState: [UInt8]
    var word: UInt64?
  }

  private static let futex: UInt64 = 202

  /// movq %r8, %xmm0; paddq %xmm0, %xmm1; add %r9, %rbx; syscall; and again
  private static let loop: [UInt8] =
    [0x66, 0x49, 0x0f, 0x6e, 0xc0, 0x66, 0x0f, 0xd4, 0xc8, 0x4c, 0x01, 0xcb] + Asm.syscall + Asm.jump(-16)

  /// A small generator: the same changes for each machine.
  private struct Chance {
    var state: UInt64
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ state >> 29
    }
    mutating func below(_ count: UInt64) -> UInt64 { next() >> 8 % count }
  }

  private static func change(_ registers: inout Registers, _ chance: inout Chance) {
    // Some stops change rax alone, as most calls do.
    registers.rax = chance.next()
    if chance.below(3) > 0 {
      (registers.rbx, registers.rcx, registers.rdx) = (chance.next(), chance.next(), chance.next())
      (registers.rsi, registers.rdi, registers.rbp) = (chance.next(), chance.next(), chance.next())
      (registers.r8, registers.r9, registers.r10) = (chance.next(), chance.next(), chance.next())
      (registers.r11, registers.r12, registers.r13) = (chance.next(), chance.next(), chance.next())
      (registers.r14, registers.r15) = (chance.next(), chance.next())
      registers.rsp = chance.next()
      // CF, PF, AF, ZF, SF, DF, OF.
      registers.eflags = 0x202 | chance.next() & 0xcd5
    }
    if chance.below(4) == 0 { registers.fsBase = chance.next() >> 20 }
    if chance.below(8) == 0 { (registers.ds, registers.es) = (chance.below(2) * 0x2b, chance.below(2) * 0x2b) }
    if chance.below(3) == 0 {
      registers.rax = futex
      // A word, an odd address, one across the end of what is mapped, and nothing at all.
      registers.rdi = [data, data + 8, data + 3, data + page - 2, 0x1234_5000, 0, 1 << 63][Int(chance.below(7))]
    }
  }

  /// So many stops of three tasks, two of which share a space. What went wrong is thrown.
  private static func stops(_ machine: any TestMachine, _ count: Int) throws -> [Stop] {
    defer { machine.shutdown() }
    let spaces = [AddressSpaceID(rawValue: 1), AddressSpaceID(rawValue: 2)]
    try machine.createAddressSpace(spaces[0])
    try machine.map(spaces[0], range(code), [.read, .execute, .write], .anonymous)
    try machine.map(spaces[0], range(data), [.read, .write], .anonymous)
    _ = try machine.write(spaces[0], GuestAddress(code), loop[...])
    try machine.forkAddressSpace(spaces[0], as: spaces[1])
    let tasks = try (0..<3).map { number in
      var registers = Registers()
      registers.rip = code
      let context = ExecutionContext(
        id: ContextID(rawValue: UInt32(number + 1)), space: spaces[number / 2], registers: registers)
      try machine.createContext(context.id, extendedState: .initial)
      return context
    }
    var chance = Chance(state: 11)
    var stops: [Stop] = []
    for _ in 0..<count {
      let task = tasks[Int(chance.below(3))]
      let trap = try machine.run(task.context(changedBy: { change(&$0, &chance) }), limit: .unlimited)
      let address = GuestAddress(task.registers.rdi)
      if chance.below(4) == 0 {
        // What was written last is what is read.
        _ = try machine.write(task.space, GuestAddress(data + 4 * chance.below(4)), littleEndian(UInt32(chance.below(1 << 32)))[...])
      }
      let word = try machine.readInteger(task.space, address, size: 4)
      let bytes = try machine.read(task.space, address, 4)
      let expected = bytes.count < 4 ? nil : bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
      if word != expected { throw MachineError("\(word ?? 0) read at \(address), where \(expected ?? 0) is") }
      stops.append(
        Stop(trap: trap, registers: task.registers, extendedState: try machine.extendedState(of: task), word: word))
    }
    return stops
  }

  @Test func nothingShows() {
    let failures = onTracerThread { () -> [String] in
      do {
        let count = 3000
        let gate = try Self.stops(try TranslatedMachine(), count)
        var configuration = TranslatedMachine.Configuration()
        configuration.usesGate = false
        let plain = try Self.stops(try TranslatedMachine(configuration), count)
        let stepped = try Self.stops(try SteppedMachine(), count)
        var failures: [String] = []
        for (name, other) in [("without the gate", plain), ("the oracle", stepped)] {
          if let index = gate.indices.first(where: { gate[$0] != other[$0] }) {
            failures.append("stop \(index): \(gate[index].trap) \(gate[index].registers), \(name) \(other[index].trap) \(other[index].registers)")
          }
        }
        if let other = gate.first(where: { $0.trap != .syscall }) { failures.append("a trap of \(other.trap)") }
        if !gate.contains(where: { $0.word == nil && $0.registers.origRax == Self.futex }) { failures.append("no futex faulted") }
        return failures
      } catch { return ["\(error)"] }
    }
    for failure in failures { Issue.record("\(failure)") }
  }
}

extension ExecutionContext {
  /// Itself, with registers changed.
  fileprivate func context(changedBy change: (inout Registers) -> Void) -> ExecutionContext {
    change(&registers)
    return self
  }
}
