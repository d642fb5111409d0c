// Small stores of the kernel that wait for the guest to run: whatever happens in between, memory and registers are what they are when every store
// is made at once. Two machines do the same at random: one lets stores wait, the direct one has none that could.
import Platform
@testable import PtracePlatform
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct StoreTests {
  private static let first = AddressSpaceID(rawValue: 1), second = AddressSpaceID(rawValue: 2), child = AddressSpaceID(rawValue: 3)

  /// movq (%rdi), %rbx; syscall; and again
  private static let loop: [UInt8] = [0x48, 0x8b, 0x1f] + Asm.syscall + Asm.jump(-7)

  private struct Chance {
    var state: UInt64
    mutating func below(_ count: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state ^ state >> 29) >> 8 % count
    }
  }

  /// What was seen, in order.
  private static func view(_ machine: any Machine, seed: UInt64, steps: Int) throws -> [[UInt64]] {
    var chance = Chance(state: seed)
    var seen: [[UInt64]] = []
    var spaces = [first, second]
    var tasks: [ExecutionContext] = []
    for space in spaces {
      try machine.createAddressSpace(space)
      try machine.map(space, range(code), [.read, .write, .execute], .anonymous)
      try machine.map(space, range(data, pages: 4), [.read, .write], .anonymous)
      _ = try machine.write(space, GuestAddress(code), loop[...])
      try machine.protect(space, range(code), [.read, .execute])
    }
    func addTask(_ space: AddressSpaceID) throws {
      var registers = Registers()
      (registers.rip, registers.rdi, registers.rcx, registers.rsp) = (code, data, 5, data + 16)
      registers.eflags = 0x202 | 0x8d5 | 0x400
      let task = ExecutionContext(id: ContextID(rawValue: UInt32(tasks.count + 1)), space: space, registers: registers)
      try machine.createContext(task.id, extendedState: .initial)
      tasks.append(task)
    }
    try addTask(first)
    try addTask(second)
    try addTask(first)
    func note(_ values: UInt64...) { seen.append(values) }
    for step in 0..<steps {
      let space = spaces[Int(chance.below(UInt64(spaces.count)))]
      switch chance.below(16) {
      case 0...7:
        // Across pages, over the end, to what cannot be written, large ones among them.
        let address = [data + chance.below(3 * page), data + 4 * page - chance.below(40), code + 100, data + 6 * page][Int(chance.below(8) / 2 % 4)]
        let count = [chance.below(24) + 1, chance.below(256) + 1, chance.below(2000) + 1][Int(chance.below(8) / 3)]
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &+ UInt64(step)) }
        note(UInt64(try machine.write(space, GuestAddress(address), bytes[...])))
      case 8...11:
        let task = tasks[Int(chance.below(UInt64(tasks.count)))]
        task.registers.rdi = data + chance.below(3 * page)
        task.registers.rax = 1000
        if chance.below(6) == 0 { task.registers.eflags ^= 0x400 }
        let trap = try machine.run(task, limit: .unlimited)
        let now = task.registers
        note(
          trap == .syscall ? 1 : 0, now.rip, now.rbx, now.rcx, now.rdx, now.rsi, now.rdi, now.rsp, now.eflags & 0xcd5, now.origRax)
        // As the kernel answers.
        task.registers.rax = UInt64(step)
      case 12:
        seen.append(try machine.read(space, GuestAddress(data + chance.below(page)), 600).map { UInt64($0) })
      case 13:
        note(try machine.readInteger(space, GuestAddress(data + chance.below(page)), size: 4) ?? .max)
      case 14:
        let part = range(data + 3 * page)
        switch chance.below(4) {
        case 0: try machine.protect(space, part, [.read])
        case 1: try machine.protect(space, part, [.read, .write])
        case 2: try machine.discard(space, range(data + page * chance.below(3)))
        default:
          try machine.unmap(space, part)
          try machine.map(space, part, [.read, .write], .anonymous)
        }
      default:
        if spaces.count == 2 {
          try machine.forkAddressSpace(space, as: child)
          spaces.append(child)
          try addTask(child)
        } else if chance.below(2) == 0 {
          seen.append(try machine.read(child, GuestAddress(data), Int(2 * page)).map { UInt64($0) })
          machine.destroyAddressSpace(child)
          machine.destroyContext(tasks.removeLast().id)
          spaces.removeLast()
        }
      }
    }
    for space in spaces { seen.append(try machine.read(space, GuestAddress(data), Int(4 * page)).map { UInt64($0) }) }
    return seen
  }

  @Test(arguments: 1...12) func storesThatWaitAreAsGoodAsDone(seed: UInt64) {
    withChecks { checks in
      let translated = try TranslatedMachine()
      let postponed = try Self.view(translated, seed: seed, steps: 1500)
      translated.shutdown()
      let direct = try PtraceMachine()
      let done = try Self.view(direct, seed: seed, steps: 1500)
      direct.shutdown()
      checks.equal(postponed.count, done.count, "what was seen")
      if let index = postponed.indices.first(where: { $0 < done.count && postponed[$0] != done[$0] }) {
        checks.check(false, "seed \(seed): \(index) is \(postponed[index].prefix(12)) and \(done[index].prefix(12))")
      }
    }
  }

  /// They really wait, until somebody looks.
  @Test func storesWait() {
    withChecks { checks in
      let machine = try TranslatedMachine()
      defer { machine.shutdown() }
      try machine.createAddressSpace(Self.first)
      try machine.map(Self.first, range(data), [.read, .write], .anonymous)
      for number in 0..<3 { checks.equal(try machine.write(Self.first, GuestAddress(data + UInt64(number)), [7]), 1, "stored") }
      checks.equal(machine.waiting.count, 3, "waiting")
      checks.equal(try machine.read(Self.first, GuestAddress(data), 3), [7, 7, 7], "what is read")
      checks.equal(machine.waiting.count, 0, "waiting after a look")
      checks.equal(try machine.write(Self.first, GuestAddress(data + page - 1), [1, 2]), 1, "stored at the end")
      checks.equal(machine.waiting.count, 0, "what could fail waits")
    }
  }

  /// A special instruction behind a system call, and one behind another: both stop through the gate.
  @Test func specialInstructionsBehindCalls() {
    withChecks { checks in
      let machine = try TranslatedMachine()
      defer { machine.shutdown() }
      let cpuid: [UInt8] = [0x0f, 0xa2], rdtsc: [UInt8] = [0x0f, 0x31]
      let bytes = Asm.rax(202) + Asm.syscall + cpuid + cpuid + rdtsc + Asm.syscall
      try machine.createAddressSpace(Self.first)
      try machine.createObject(MemoryObjectID(rawValue: 1), content: bytes)
      try machine.map(Self.first, range(code), [.read, .execute], .privateObject(MemoryObjectID(rawValue: 1), offset: 0))
      var registers = Registers()
      (registers.rip, registers.rcx, registers.rdi, registers.r11) = (code, 3, 0x10, 4)
      let task = ExecutionContext(id: ContextID(rawValue: 1), space: Self.first, registers: registers)
      try machine.createContext(task.id, extendedState: .initial)
      checks.equal(try machine.run(task, limit: .unlimited), .syscall, "first")
      checks.equal(task.registers.origRax, 202, "number")
      for (index, expected) in [SpecialInstruction.cpuid, .cpuid, .rdtsc].enumerated() {
        (task.registers.rax, task.registers.rcx, task.registers.r11) = (202 + UInt64(index), 77, 78)
        checks.equal(try machine.run(task, limit: .unlimited), .instruction(expected, length: 2), "instruction \(index)")
        checks.equal(task.registers.rip, code + 7 + 2 * UInt64(index), "place \(index)")
        checks.equal(task.registers.rax, 202 + UInt64(index), "rax \(index)")
        checks.equal(task.registers.rcx, 77, "rcx \(index)")
        checks.equal(task.registers.r11, 78, "r11 \(index)")
        task.registers.rip += 2
      }
      checks.equal(try machine.run(task, limit: .unlimited), .syscall, "last")
      checks.equal(task.registers.rip, code + 15, "behind the last")
    }
  }
}
