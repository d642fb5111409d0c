// One event of a replay, executed in parts: to a scheduling point, to a place, by an instruction, and then to its end.
//
// A guest that was stopped on the way comes to the same trap: ticks that remain are counted from where it stands, and where
// none remain the event's pc names the place, since between two ticks no instruction comes twice.

import Platform
import Trace

/// A guest in the middle of an event. Of use while the visitor's `run` lasts.
public final class ReplayTurn {
  public let event: Event
  private let context: ExecutionContext
  private let machine: any ObservingMachine
  private let whole: RunLimit
  private var hasRun = false
  /// The trap that ended the event, once it has.
  private(set) var trap: Trap?

  init(_ event: Event, _ context: ExecutionContext, _ limit: RunLimit, _ machine: any ObservingMachine) {
    self.event = event
    self.context = context
    self.machine = machine
    whole = limit
  }

  public var registers: Registers { context.registers }
  public var ticks: UInt64 { machine.ticks(of: event.context).rawValue }
  public var hasEnded: Bool { trap != nil }

  private var stop: StopPoint? {
    if case .budget(let point) = event.trap { return point }
    return nil
  }
  /// Ticks until the event's end; nil when only a trap ends it.
  private var ticksLeft: UInt64? { stop == nil ? nil : event.ticks.rawValue - min(event.ticks.rawValue, ticks) }
  private var isAtEnd: Bool { hasRun && ticksLeft == 0 && registers.rip == event.pc.rawValue }

  /// Runs to the `number`th scheduling point from here, which the event is known to come by; one at which it stands does not count.
  /// False when the event ended before.
  public func run(toPoint number: UInt32) throws(MachineError) -> Bool {
    if hasEnded { return false }
    let trap = try machine.run(context, limit: RunLimit(ticks: ticksLeft.map { $0 + 1 }, points: number))
    hasRun = true
    if case .budget(let point) = trap {
      if point.isAtPoint { return true }
      throw MachineError("event \(event.number) passed its end on the way to a scheduling point")
    }
    self.trap = trap
    return false
  }

  /// Runs on by so many ticks. False when the event ended before, or has no more ticks than that: the rest is left to be run.
  public func run(ticks count: UInt64) throws(MachineError) -> Bool {
    if hasEnded { return false }
    if let left = ticksLeft, left <= count { return false }
    let trap = try machine.run(context, limit: RunLimit(ticks: count))
    hasRun = true
    if case .budget = trap { return true }
    self.trap = trap
    return false
  }

  /// How far a run came.
  public enum Progress { case atPoint, onTheWay, ended }

  /// Runs to the `number`th scheduling point from here as `run(toPoint:)` does, but by no more than so many ticks.
  public func run(toPoint number: UInt32, ticks count: UInt64) throws(MachineError) -> Progress {
    if hasEnded { return .ended }
    if ticksLeft.map({ $0 < count }) == true { return try run(toPoint: number) ? .atPoint : .ended }
    let trap = try machine.run(context, limit: RunLimit(ticks: count, points: number))
    hasRun = true
    if case .budget(let point) = trap { return point.isAtPoint ? .atPoint : .onTheWay }
    self.trap = trap
    return .ended
  }

  /// Runs to the place after so many ticks of the task where the instruction at `pc` is next. False when the event ended before.
  public func run(toTicks wanted: UInt64, pc: GuestAddress) throws(MachineError) -> Bool {
    if hasEnded || wanted < ticks || stop != nil && wanted > event.ticks.rawValue { return false }
    if wanted > ticks {
      let trap = try machine.run(context, limit: RunLimit(ticks: wanted - ticks))
      hasRun = true
      guard case .budget = trap else {
        self.trap = trap
        return false
      }
    }
    var instructionsLeft = 10_000
    while registers.rip != pc.rawValue {
      if hasEnded || isAtEnd || ticks != wanted || instructionsLeft == 0 { return false }
      try step()
      instructionsLeft -= 1
    }
    return true
  }

  /// Executes one instruction, if the event does not end here.
  public func step() throws(MachineError) {
    if hasEnded || isAtEnd { return }
    // It ends inside this instruction.
    if let stop, stop.updates > 0, ticksLeft == 0, registers.rip == event.pc.rawValue { return }
    let trap = try machine.run(context, limit: RunLimit(ticks: 0, instructions: 1))
    hasRun = true
    guard case .budget = trap else {
      self.trap = trap
      return
    }
  }

  /// Runs to the event's end.
  public func finish() throws(MachineError) {
    if hasEnded { return }
    if !hasRun {
      trap = try machine.run(context, limit: whole)
      hasRun = true
      return
    }
    guard let stop, let left = ticksLeft else {
      trap = try machine.run(context, limit: .unlimited)
      return
    }
    if stop.updates > 0 && left > 0 {
      trap = try machine.run(context, limit: RunLimit(ticks: left, updates: stop.updates))
      return
    }
    let reached = try machine.run(context, limit: RunLimit(ticks: left, pc: event.pc))
    guard case .budget = reached else {
      trap = reached
      return
    }
    if stop.updates > 0 {
      let inside = try machine.run(context, limit: RunLimit(ticks: 0, updates: 1))
      guard case .budget(let point) = inside, point.loadedValue == stop.loadedValue else {
        trap = inside
        return
      }
    }
    // Counted from other places than the recording did, and the same: the player compares place and ticks.
    trap = event.trap
  }
}
