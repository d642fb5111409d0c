// Guest code for tests of slices: scripts of ticks, updates and calls that honour a run's limit, as an engine with
// ticks does. One tick of a script has `instructionsPerTick` instructions.

import LinuxABI
import Platform

@testable import Kernel

/// What a scripted task does next.
enum GuestStep: Equatable {
  /// Executes so many ticks.
  case compute(UInt64)
  /// Adds to the word at an address, without a lock.
  case add(UInt64, to: GuestAddress)
  case call(UInt64, [UInt64] = [])
  case rdtsc
  /// Executes ticks for ever.
  case spin
}

final class TickingGuest {
  static let instructionsPerTick: UInt32 = 8
  private struct Script {
    var steps: [GuestStep]
    /// Begins again at its end, for ever.
    var repeats = false
    var next = 0
    /// Ticks of the current `compute` that are done.
    var done: UInt64 = 0
    /// What the current `add` loaded before a stop.
    var loaded: UInt64?
  }
  private let machine: FakeMachine
  private let space: AddressSpaceID
  private var scripts: [ContextID: Script] = [:]
  /// Every run: whose, and how it ended.
  private(set) var runs: [(context: ContextID, limit: RunLimit, trap: Trap, ticks: UInt64)] = []

  init(_ fixture: KernelFixture) {
    machine = fixture.machine
    space = fixture.task.memory.space
    fixture.machine.tickingGuest = { [unowned self] context, limit in run(context, limit) }
  }

  func set(_ context: ContextID, _ steps: [GuestStep], repeats: Bool = false) {
    scripts[context] = Script(steps: steps, repeats: repeats)
  }

  private func run(_ context: ExecutionContext, _ limit: RunLimit) -> (Trap, UInt64) {
    var script = scripts[context.id]!
    var ticks: UInt64 = 0
    var updates: UInt32 = 0
    let trap = execute(&script, context, limit, &ticks, &updates)
    scripts[context.id] = script
    runs.append((context.id, limit, trap, ticks))
    return (trap, ticks)
  }

  private func execute(
    _ script: inout Script, _ context: ExecutionContext, _ limit: RunLimit, _ ticks: inout UInt64,
    _ updates: inout UInt32
  ) -> Trap {
    // Behind its ticks a limit with updates goes on for some more.
    let end = limit.ticks.map { limit.updates > 0 ? $0 + RunLimit.ticksForUpdatesMax : $0 }
    while true {
      if let end, ticks >= end { return stop(after: limit.updates > 0 ? 0 : limit.instructions, &ticks) }
      if script.next == script.steps.count {
        precondition(script.repeats, "a script is at its end")
        script.next = 0
      }
      switch script.steps[script.next] {
      case .spin:
        ticks = end!
      case .compute(let count):
        let piece = min(count - script.done, end.map { $0 - ticks } ?? .max)
        ticks += piece
        script.done += piece
        if script.done == count {
          script.done = 0
          script.next += 1
        }
      case .add(let value, let address):
        if script.loaded == nil {
          script.loaded = word(address)
          if ticks >= limit.ticks ?? 0 { updates += 1 }
          if updates > 0 && updates == limit.updates { return .budget(StopPoint(updates: updates, loadedValue: script.loaded!)) }
        }
        store(script.loaded! &+ value, address)
        script.loaded = nil
        script.next += 1
      case .call(let number, let arguments):
        script.next += 1
        context.registers.setCall(number, arguments)
        return .syscall
      case .rdtsc:
        script.next += 1
        return .instruction(.rdtsc, length: 2)
      }
    }
  }

  /// So many instructions on, unless the next tick comes first.
  private func stop(after count: UInt32, _ ticks: inout UInt64) -> Trap {
    if count == 0 { return .budget(StopPoint()) }
    if count < Self.instructionsPerTick { return .budget(StopPoint(instructions: count)) }
    ticks += 1
    return .budget(StopPoint())
  }

  private func word(_ address: GuestAddress) -> UInt64 {
    let bytes = try! machine.read(space, address, 8)
    return bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private func store(_ value: UInt64, _ address: GuestAddress) {
    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    _ = try! machine.write(space, address, bytes[...])
  }
}

extension Registers {
  mutating func setCall(_ number: UInt64, _ arguments: [UInt64]) {
    rax = number
    origRax = number
    let words = arguments + [UInt64](repeating: 0, count: 6 - arguments.count)
    (rdi, rsi, rdx, r10, r8, r9) = (words[0], words[1], words[2], words[3], words[4], words[5])
  }
}
