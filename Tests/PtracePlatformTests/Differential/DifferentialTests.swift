// Random guests, each on the processor as it is and translated, whole and in slices: all must end alike. A failure prints a
// seed; REPLAYSB_GUEST_SEED=seed REPLAYSB_GUEST_COUNT=1 runs that guest alone, and a large count is a soak (Tools/soak).
import Glibc
import Platform
import PtracePlatform
import Testing

@Suite(.serialized, .timeLimit(.minutes(600))) struct DifferentialTests {
  private static func setting(_ name: String) -> UInt64? { getenv(name).flatMap { UInt64(String(cString: $0)) } }

  @Test func translatedCodeDoesWhatTheProcessorDoes() throws {
    let first = Self.setting("REPLAYSB_GUEST_SEED") ?? 1
    let count = Self.setting("REPLAYSB_GUEST_COUNT") ?? 4000
    let failures = onTracerThread { () -> [String] in
      var report = Report(stopsAfter: 10)
      var seed = first
      while seed < first + count, !report.isFull {
        // A machine keeps what it knew of files, so it is renewed now and then.
        let last = min(seed + 2500, first + count)
        do { try Self.compare(seed..<last, &report) } catch { report.add(seed, "threw \(error)") }
        seed = last
      }
      print(report.summary)
      return report.failures
    }
    for failure in failures { Issue.record("\(failure)") }
  }

  /// FXSAVE, FNSTENV (both sizes) and FNSAVE through r11, an address relative to rip, fs and an index.
  @Test func stateSavesTellNothingOfTheHost() throws {
    var assembler = GuestAssembler(RandomGuest.Place.low)
    let target = RandomGuest.Place.lowData
    assembler.raw([0xd9, 0xe8])  // fld1
    assembler.set(11, target)
    assembler.raw([0x41, 0xd8, 0x03])  // fadds (%r11), a last instruction with an operand
    assembler.raw([0x41, 0x0f, 0xae, 0x03])  // fxsave (%r11)
    var form = MemoryForm()
    form.target = target + 512
    assembler.emit(Encoding(map: 1, opcode: 0xae, wide: true), 0, .memory(form))  // fxsave64 rip
    form.target = target + 1024
    assembler.emit(Encoding(opcode: 0xd9), 6, .memory(form))  // fnstenv rip
    assembler.set(10, 1100)
    assembler.raw([0x64, 0x66, 0x41, 0xd9, 0x32])  // fnstenvs %fs:(%r10)
    assembler.raw([0x43, 0xdd, 0xb4, 0x13] + littleEndian(Int32(256)))  // fnsave 256(%r11, %r10)
    assembler.raw([0xcc])
    let code = assembler.bytes
    let failures = onTracerThread { () -> [String] in
      do {
        let machine = try TranslatedMachine()
        defer { machine.shutdown() }
        let runner = try Runner(machine)
        let memory = try runner.data(after: code)
        var wrong: [String] = []
        func zeros(_ range: Range<Int>, _ what: String) {
          if !memory[range].allSatisfy({ $0 == 0 }) { wrong.append("\(what): \(memory[range])") }
        }
        for start in [0, 512] {
          zeros(start + 6..<start + 24, "last instruction of fxsave")
          if Array(memory[start + 28..<start + 32]) != [0xff, 0xff, 0, 0] { wrong.append("MXCSR_MASK") }
          if Array(memory[start + 24..<start + 28]) != [0x80, 0x1f, 0, 0] { wrong.append("MXCSR") }
        }
        zeros(1036..<1052, "fnstenv")
        zeros(1106..<1114, "fnstenvs")
        zeros(1368..<1384, "fnsave")
        if memory[1024] != 0x7f || memory[1025] != 3 { wrong.append("control word \(memory[1024..<1026])") }
        return wrong
      } catch { return ["threw \(error)"] }
    }
    for failure in failures { Issue.record("\(failure)") }
  }

  private struct Report {
    let stopsAfter: Int
    var failures: [String] = []
    var guests = 0, ended = 0, faulted = 0, endless = 0, slices = 0
    init(stopsAfter: Int) { self.stopsAfter = stopsAfter }
    var isFull: Bool { failures.count >= stopsAfter }
    var summary: String {
      "\(guests) guests: \(ended) to their end, \(faulted) to a fault, \(endless) endless; \(slices) slices; \(failures.count) differ"
    }
    mutating func add(_ seed: UInt64, _ what: String) { failures.append("seed \(seed): \(what)") }
  }

  private static func compare(_ seeds: Range<UInt64>, _ report: inout Report) throws {
    var configuration = TranslatedMachine.Configuration()
    configuration.host.extendedStateComponents = 7
    let direct = try PtraceMachine(configuration.host)
    defer { direct.shutdown() }
    let translated = try TranslatedMachine(configuration)
    defer { translated.shutdown() }
    let native = try Runner(direct), engine = try Runner(translated)
    for seed in seeds where !report.isFull {
      let guest = RandomGuest(seed: seed)
      do {
        try compare(guest, native, engine, &report)
      } catch {
        report.add(seed, "threw \(error); code at \(String(guest.entry, radix: 16)): \(hex(guest.code))")
        throw error
      }
    }
  }

  private static func compare(_ guest: RandomGuest, _ native: Runner, _ engine: Runner, _ report: inout Report) throws {
    report.guests += 1
    let expected = try native.run(guest) { RunLimit(wallSeconds: 2) }
    if expected.isEndless {
      report.endless += 1
      return
    }
    if case .fault(let fault)? = expected.stops.last?.trap, fault.signal == 5 { report.ended += 1 } else { report.faulted += 1 }
    let whole = try engine.run(guest) { RunLimit(ticks: 1_000_000) }
    if let difference = whole.difference(from: expected) {
      report.add(guest.seed, "whole: \(difference); \(describe(guest))")
      return
    }
    var dice = Dice(guest.seed ^ 0xabcd)
    let kind = dice.below(4)
    let sliced = try engine.run(guest, forksLater: true) { Self.limit(kind, &dice) }
    report.slices += sliced.slices
    if let difference = sliced.difference(from: whole) {
      report.add(guest.seed, "in slices (kind \(kind)): \(difference); \(describe(guest))")
    } else if sliced.ticks != whole.ticks {
      report.add(guest.seed, "in slices (kind \(kind)): \(sliced.ticks) ticks, not \(whole.ticks); \(describe(guest))")
    }
  }

  private static func limit(_ kind: Int, _ dice: inout Dice) -> RunLimit {
    switch kind {
    case 0: RunLimit(ticks: 0, instructions: 1)
    case 1: RunLimit(ticks: 1 + UInt64(dice.below(3)))
    case 2: RunLimit(updates: UInt32(1 + dice.below(3)))
    default:
      if dice.chance(1, in: 3) {
        RunLimit(ticks: UInt64(dice.below(3)), updates: UInt32(1 + dice.below(3)))
      } else {
        RunLimit(ticks: UInt64(dice.below(3)), instructions: UInt32(1 + dice.below(6)))
      }
    }
  }

  private static func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  private static func describe(_ guest: RandomGuest) -> String {
    "\(guest.home) at 0x\(String(guest.entry, radix: 16)): \(hex(guest.code))"
  }
}
