// Engines with ticks: what a trace says about them, how far a replay lets a guest run, and the tee between.
import CLinux
import Kernel
import Platform
import Testing

@testable import RecordReplay
@testable import Trace

/// A machine of one context whose turns a test wrote.
private final class ScriptedMachine: HostedMachine {
  struct Turn {
    var trap: Trap
    var ticks: UInt64
    var rip: UInt64 = 0x1000
    var readings: UInt64 = 0
  }
  private var turns: [Turn]
  private var count: UInt64 = 0
  private(set) var limits: [RunLimit] = []
  /// What the clock was at each run.
  private(set) var clocks: [Int64?] = []
  private var clock: Int64?
  private(set) var clockReadings: UInt64 = 0
  init(_ turns: [Turn]) { self.turns = turns }

  func run(_ context: ExecutionContext, limit: RunLimit) throws(MachineError) -> Trap {
    limits.append(limit)
    clocks.append(clock)
    let turn = turns.removeFirst()
    clockReadings = turn.readings
    count += turn.ticks
    context.registers.rip = turn.rip
    return turn.trap
  }
  func ticks(of context: ContextID) -> Ticks { Ticks(rawValue: count) }
  func takeLocalEvents() -> [LocalEvent] { [] }
  func setClock(_ nanoseconds: Int64?) { clock = nanoseconds }
  func shutdown() {}
  var engineCounts: [(name: String, count: UInt64)] { [] }
  func memoryHash(_ space: AddressSpaceID) throws(MachineError) -> UInt64 { 0 }

  func createContext(_ id: ContextID, extendedState: ExtendedStateSource) throws(MachineError) {}
  func destroyContext(_ id: ContextID) {}
  func extendedState(of context: ExecutionContext) throws(MachineError) -> [UInt8] { [] }
  func setExtendedState(of context: ExecutionContext, _ bytes: [UInt8]) throws(MachineError) {}
  func createAddressSpace(_ id: AddressSpaceID) throws(MachineError) {}
  func forkAddressSpace(_ parent: AddressSpaceID, as id: AddressSpaceID) throws(MachineError) {}
  func destroyAddressSpace(_ id: AddressSpaceID) {}
  func map(
    _ space: AddressSpaceID, _ range: GuestRange, _ protection: Protection, _ source: MappingSource
  ) throws(MachineError) {}
  func unmap(_ space: AddressSpaceID, _ range: GuestRange) throws(MachineError) {}
  func protect(_ space: AddressSpaceID, _ range: GuestRange, _ protection: Protection) throws(MachineError) {}
  func remap(_ space: AddressSpaceID, _ range: GuestRange, to target: GuestRange) throws(MachineError) {}
  func discard(_ space: AddressSpaceID, _ range: GuestRange) throws(MachineError) {}
  func read(_ space: AddressSpaceID, _ address: GuestAddress, _ count: Int) throws(MachineError) -> [UInt8] { [] }
  func write(
    _ space: AddressSpaceID, _ address: GuestAddress, _ bytes: ArraySlice<UInt8>
  ) throws(MachineError) -> Int { bytes.count }
  func createObject(_ id: MemoryObjectID, size: UInt64) throws(MachineError) {}
  func createObject(_ id: MemoryObjectID, content: [UInt8]) throws(MachineError) {}
  func destroyObject(_ id: MemoryObjectID) {}
  func resizeObject(_ id: MemoryObjectID, size: UInt64) throws(MachineError) {}
  func readObject(_ id: MemoryObjectID, offset: UInt64, _ count: Int) throws(MachineError) -> [UInt8] { [] }
  func writeObject(_ id: MemoryObjectID, offset: UInt64, _ bytes: ArraySlice<UInt8>) throws(MachineError) {}
}

private let space = AddressSpaceID(rawValue: 1)
private let context = ContextID(rawValue: 1)
private let loaded = StopPoint(updates: 3, loadedValue: 77)
/// A turn of each kind: at a tick, behind one, in an update, at a call, within the first instructions.
private let turns: [ScriptedMachine.Turn] = [
  .init(trap: .budget(StopPoint()), ticks: 100), .init(trap: .budget(StopPoint(instructions: 5)), ticks: 30),
  .init(trap: .budget(loaded), ticks: 12), .init(trap: .syscall, ticks: 8),
  .init(trap: .budget(StopPoint(instructions: 2)), ticks: 0),
]

/// What a recording of these turns holds. `clocks`: what the machine's clock is set to before each, if it is.
private func record(_ turns: [ScriptedMachine.Turn], _ name: String, clocks: [Int64?] = []) throws -> [Record] {
  let path = "/tmp/replaysb-test-\(rsb_host_process())-\(name).zst"
  defer { _ = rsb_host_unlink(path) }
  let writer = try TraceWriter(path: path, header: TraceHeader(engine: "translated", tickDefinition: 1))
  let machine = RecordingMachine(ScriptedMachine(turns), writer: writer)
  try machine.createAddressSpace(space)
  try machine.createContext(context, extendedState: .initial)
  let execution = ExecutionContext(id: context, space: space)
  for index in turns.indices {
    if index < clocks.count { machine.setClock(clocks[index]) }
    _ = try machine.run(execution, limit: RunLimit(ticks: 1000))
  }
  try writer.close(TraceEnd())
  let reader = try TraceReader(path: path)
  var records: [Record] = []
  while let record = try reader.next() { records.append(record) }
  return records
}

@Suite struct TicksTests {
  /// Plays them; the first difference, if there is one.
  private func replay(_ records: [Record], on machine: ScriptedMachine, hasTicks: Bool = true) throws -> Divergence? {
    let player = ReplayPlayer(machine, hasTicks: hasTicks)
    for record in records {
      if case .diverged(let divergence) = try player.play(record) { return divergence }
    }
    return nil
  }

  @Test func theTraceSaysHowFarEachRunGoes() throws {
    let machine = ScriptedMachine(turns)
    #expect(try replay(record(turns, "limits"), on: machine) == nil)
    #expect(
      machine.limits == [
        RunLimit(ticks: 100), RunLimit(ticks: 30, instructions: 5), RunLimit(ticks: 12, updates: 3),
        .unlimited,
        RunLimit(ticks: 0, instructions: 2),
      ])
  }

  /// The clock is in the trace where it does not follow from the run before, and a replay sets it for every run as the recording did.
  @Test func theClockGoesOnBetweenRuns() throws {
    let turns: [ScriptedMachine.Turn] = [
      .init(trap: .syscall, ticks: 5), .init(trap: .syscall, ticks: 10, readings: 3), .init(trap: .budget(StopPoint()), ticks: 7),
      .init(trap: .syscall, ticks: 1), .init(trap: .syscall, ticks: 1), .init(trap: .syscall, ticks: 0), .init(trap: .syscall, ticks: 2),
    ]
    // A trap takes 1,000 ns, a tick 4, a reading 8; a preemption nothing.
    let clocks: [Int64?] = [nil, 7_000, 7_000 + 40 + 24 + 1_000, 8_064 + 28, 50_000, nil, nil]
    let records = try record(turns, "clock", clocks: clocks)
    let noted = records.compactMap { if case .clock(let time) = $0 { time.map(String.init) ?? "none" } else { nil } }
    #expect(noted == ["7000", "50000", "none"])
    let machine = ScriptedMachine(turns)
    #expect(try replay(records, on: machine) == nil)
    #expect(machine.clocks == clocks)
  }

  @Test func otherTicksDiverge() throws {
    var other = turns
    other[2].ticks = 13
    let divergence = try #require(try replay(record(turns, "other"), on: ScriptedMachine(other)))
    #expect(divergence.event == 3)
    #expect(divergence.differences.map(\.what) == ["ticks"])
  }

  @Test func anotherLoadedValueDiverges() throws {
    var other = turns
    other[2].trap = .budget(StopPoint(updates: 3, loadedValue: 78))
    let divergence = try #require(try replay(record(turns, "value"), on: ScriptedMachine(other)))
    #expect(divergence.event == 3)
    #expect(
      divergence.differences == [
        Difference(
          what: "trap", expected: "preempted inside update 3, which loaded 0x4d",
          actual: "preempted inside update 3, which loaded 0x4e")
      ])
  }

  /// A forged trace: an error, no crash.
  @Test func ticksThatGoBackwardsAreRefused() throws {
    var records = try record(turns, "backwards")
    let index = try #require(records.lastIndex { if case .event = $0 { true } else { false } })
    guard case .event(var event) = records[index] else { return }
    event.ticks = Ticks(rawValue: 3)
    records[index] = .event(event)
    #expect(throws: MachineError.self) { try replay(records, on: ScriptedMachine(turns)) }
  }

  @Test func theDirectEngineRefusesTicks() throws {
    let records = try record(turns, "direct")
    #expect(throws: MachineError.self) { try replay(records, on: ScriptedMachine(turns), hasTicks: false) }
  }

  @Test func headersNameEngineAndTicks() throws {
    #expect(try Engine(of: TraceHeader()) == .direct)
    #expect(try Engine(of: TraceHeader(engine: "translated", tickDefinition: TickDefinition.current)) == .translated)
    let unknown: [(String, UInt32)] = [("translated", 0), ("translated", 99), ("direct", 1), ("other", 0)]
    for (engine, definition) in unknown {
      #expect(throws: SessionError.self) { try Engine(of: TraceHeader(engine: engine, tickDefinition: definition)) }
    }
  }

  @Test func stopsAreSaidInWords() {
    #expect(TrapText.describe(.budget(StopPoint()), ticks: Ticks(rawValue: 12)) == "preempted at tick 12")
    #expect(
      TrapText.describe(.budget(StopPoint(instructions: 4)), ticks: Ticks(rawValue: 12))
        == "preempted at tick 12 + 4 instructions")
    #expect(
      TrapText.describe(.budget(loaded), ticks: Ticks(rawValue: 12))
        == "preempted at tick 12 inside update 3, which loaded 0x4d")
  }
}
