// The translated engine against the stepped one over sequences by hand: as it is, and under observation.
import LinuxABI
import Platform
import PtracePlatform
import Testing

protocol TestMachine: Machine { func shutdown() }
extension TranslatedMachine: TestMachine {}
extension SteppedMachine: TestMachine {}

/// Code, data and a stack, and what the registers are at first.
struct OracleSequence {
  var code: [UInt8]
  var data: [UInt8] = (0..<256).map { UInt8(truncatingIfNeeded: $0 * 37 + 11) }
  var dataProtection: Protection = [.read, .write]
  var codeAddress = OracleTests.codeLow
  var prepare: (inout Registers) -> Void = { _ in }
  /// Another task's store between the stops: at each it adds 1 to every byte of the data.
  var dataChanges = false
  /// Flags that the processor leaves as it likes, and not the same for operands in registers and in memory.
  var undefinedFlags: UInt64 = 0
}

/// One stop, with all that can be seen of the task.
struct Seen: Equatable {
  var trap: Trap
  var ticks: UInt64
  var registers: Registers
  var data: [UInt8]
  var stack: [UInt8]
  var extended: [UInt8]
}

extension OracleTests {
  /// Runs to the first trap that is no stop, or through so many stops, each under the next of the limits.
  private func run(_ machine: any TestMachine, _ number: UInt32, _ sequence: OracleSequence, _ limits: [RunLimit]) throws -> Outcome {
    let id = AddressSpaceID(rawValue: number)
    let codeStart = sequence.codeAddress
    try machine.createAddressSpace(id)
    try machine.map(id, range(codeStart), [.read, .write, .execute], .anonymous)
    try machine.map(id, range(data), [.read, .write], .anonymous)
    try machine.map(id, range(stackTop - page), [.read, .write], .anonymous)
    _ = try machine.write(id, GuestAddress(codeStart), sequence.code[...])
    _ = try machine.write(id, GuestAddress(data), sequence.data[...])
    if sequence.dataProtection != [.read, .write] { try machine.protect(id, range(data), sequence.dataProtection) }
    var registers = Registers()
    registers.rip = codeStart
    registers.rsp = stackTop - 512
    registers.rdi = data
    registers.rsi = data + 128
    registers.rbx = data + 64
    (registers.r10, registers.r11) = (0x1010_1010_1010_1010, 0x1111_2222_3333_4444)
    sequence.prepare(&registers)
    let context = ExecutionContext(id: ContextID(rawValue: number), space: id, registers: registers)
    try machine.createContext(context.id, extendedState: .initial)
    var seen: [Seen] = []
    var touched: [Touched] = []
    for stop in 0..<Self.stopsMax {
      if machine is SteppedMachine, limits == Self.singleSteps, range(codeStart).contains(GuestAddress(context.registers.rip)) {
        let code = try machine.read(id, GuestAddress(context.registers.rip), 15)
        touched += WalkStep(registers: context.registers, ticks: 0, code: code).touched
      }
      let trap = try machine.run(context, limit: limits[stop % limits.count])
      var registers = context.registers
      registers.eflags &= ~sequence.undefinedFlags
      seen.append(
        Seen(
          trap: trap, ticks: machine.ticks(of: context.id).rawValue, registers: registers,
          data: try machine.read(id, GuestAddress(data), 256),
          stack: try machine.read(id, GuestAddress(stackTop - 640), 640),
          extended: try machine.extendedState(of: context)))
      guard case .budget = trap else { break }
      if sequence.dataChanges {
        let changed = try machine.read(id, GuestAddress(data), 256).map { $0 &+ 1 }
        _ = try machine.write(id, GuestAddress(data), changed[...])
      }
    }
    if let machine = machine as? TranslatedMachine { touched = machine.takeAccesses().map(Touched.init) }
    machine.destroyContext(context.id)
    machine.destroyAddressSpace(id)
    return Outcome(seen: seen, touched: touched)
  }

  /// Both machines over all sequences, under each list of limits; reports the first difference of each.
  func compare(_ sequences: [OracleSequence], _ limits: [[RunLimit]], line: Int = #line) {
    let failures = onTracerThread { () -> [String] in
      do {
        let translated = try self.all(TranslatedMachine(), sequences, limits)
        // All places are points, of which nobody asks for a stop, and accesses are logged: that must not show.
        let observing = try TranslatedMachine()
        let places = sequences.flatMap { sequence in sequence.code.indices.map { GuestAddress(sequence.codeAddress + UInt64($0)) } }
        try observing.setSchedulingPoints(Set(places))
        try observing.setAccessLog(.all)
        let observed = try self.all(observing, sequences, limits)
        let stepped = try self.all(SteppedMachine(), sequences, limits)
        return stepped.indices.flatMap { index -> [String] in
          let (sequence, list) = (sequences[index / limits.count], limits[index % limits.count])
          let found = [
            self.difference(sequence.code, list, translated[index].seen, stepped[index].seen),
            self.difference(sequence.code, list, observed[index].seen, stepped[index].seen).map { "observed: " + $0 },
            limits.firstIndex(of: Self.singleSteps).flatMap { single in
              self.difference(sequence.code, list, observed[index], from: stepped[index - index % limits.count + single])
            },
          ]
          return found.compactMap { $0 }
        }
      } catch { return ["threw \(error)"] }
    }
    for failure in failures.prefix(40) { Issue.record("line \(line): \(failure)") }
  }

  private func all(_ machine: any TestMachine, _ sequences: [OracleSequence], _ limits: [[RunLimit]]) throws -> [Outcome] {
    defer { machine.shutdown() }
    var number: UInt32 = 0
    return try sequences.flatMap { sequence in
      try limits.map { list in
        number += 1
        return try run(machine, number, sequence, list)
      }
    }
  }

  private func difference(_ code: [UInt8], _ limits: [RunLimit], _ translated: [Seen], _ stepped: [Seen]) -> String? {
    guard let index = (0..<max(translated.count, stepped.count)).first(where: { index in
      index >= translated.count || index >= stepped.count || translated[index] != stepped[index]
    }) else { return nil }
    let bytes = code.prefix(48).map { String($0, radix: 16) }.joined(separator: " ")
    var text = "code \(bytes); \(limits[index % limits.count]); stop \(index)"
    guard index < translated.count, index < stepped.count else { return text + ": only one gets there" }
    let (t, s) = (translated[index], stepped[index])
    if t.trap != s.trap { text += "\n  trap: translated \(t.trap), stepped \(s.trap)" }
    if t.ticks != s.ticks { text += "\n  ticks: translated \(t.ticks), stepped \(s.ticks)" }
    for (number, name) in Registers.names.enumerated() where t.registers.words[number] != s.registers.words[number] {
      text += "\n  \(name): translated \(GuestAddress(t.registers.words[number])), stepped \(GuestAddress(s.registers.words[number]))"
    }
    for (what, a, b) in [("data", t.data, s.data), ("stack", t.stack, s.stack), ("extended", t.extended, s.extended)] {
      if let byte = zip(a, b).enumerated().first(where: { $1.0 != $1.1 }) {
        text += "\n  \(what) byte \(byte.offset): translated \(byte.element.0), stepped \(byte.element.1)"
      }
    }
    return text
  }

  /// Between a log and what single steps touched, where both got to the end.
  private func difference(_ code: [UInt8], _ limits: [RunLimit], _ observed: Outcome, from stepped: Outcome) -> String? {
    if observed.touched == stepped.touched || observed.seen.count == Self.stopsMax || stepped.seen.count == Self.stopsMax { return nil }
    let bytes = code.prefix(48).map { String($0, radix: 16) }.joined(separator: " ")
    return "code \(bytes); \(limits): logged \(observed.touched), not \(stepped.touched)"
  }

  private static let singleSteps = [RunLimit(ticks: 0, instructions: 1)]

  /// Of one sequence under one list of limits. What is touched is known of single steps, and of a machine that logs.
  private struct Outcome {
    var seen: [Seen]
    var touched: [Touched]
  }
}
