// Schedules as numbers, and the enumeration of those with few preemptions.

import Kernel
import Platform

extension SchedulePlace: Packed {
  func write(to writer: inout NumberWriter) {
    writer.add(task)
    writer.add(ticks)
    writer.add(pc)
    writer.add(isInside)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    self.init(
      task: try reader.task(), ticks: try reader.number(), pc: try reader.address(), isInside: try reader.flag())
  }
}

extension Switch.Kind: Packed {
  func write(to writer: inout NumberWriter) {
    switch self {
    case .preemption: writer.add(0 as UInt64)
    case .choice: writer.add(1 as UInt64)
    case .fairness: writer.add(2 as UInt64)
    case .delay: writer.add(3 as UInt64)
    }
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    switch try reader.number() {
    case 0: self = .preemption
    case 1: self = .choice
    case 2: self = .fairness
    case 3: self = .delay
    default: throw BrokenSearch()
    }
  }
}

extension Switch: Packed {
  func write(to writer: inout NumberWriter) {
    writer.add(kind)
    writer.add(isInCode)
    writer.add(place)
    writer.add(next)
    writer.add(isDefault)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    self.init(
      try reader.one(), isInCode: try reader.flag(), at: try reader.one(), to: try reader.task(),
      isDefault: try reader.flag())
  }
}

extension Schedule: Packed {
  func write(to writer: inout NumberWriter) { writer.add(switches) }
  init(from reader: inout NumberReader) throws(BrokenSearch) { self.init(try reader.all()) }
}

extension TurnPlace: Packed {
  func write(to writer: inout NumberWriter) {
    writer.add(switchesBefore)
    writer.add(kind)
    writer.add(isInCode)
    writer.add(place)
    writer.add(others.count)
    for task in others { writer.add(task) }
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    self.init(
      switchesBefore: try reader.integer(), kind: try reader.one(), isInCode: try reader.flag(), place: try reader.one(),
      others: [])
    for _ in 0..<(try reader.count()) { others.append(try reader.task()) }
  }
}

extension BoundedSchedules.Branches: Packed {
  /// Without the turns that were taken already.
  func write(to writer: inout NumberWriter) {
    writer.add(switches)
    writer.add(Array(turns[turn...]))
    writer.add(other)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    let switches: [Switch] = try reader.all()
    let turns: [TurnPlace] = try reader.all()
    guard turns.allSatisfy({ $0.switchesBefore <= switches.count }) else { throw BrokenSearch() }
    self.init(switches, turns[...])
    other = try reader.integer()
  }
}

extension BoundedSchedules.Level: Packed {
  /// Without what is used up.
  func write(to writer: inout NumberWriter) {
    writer.add(first)
    writer.add(Array(branches[position...]))
    writer.add(added)
    writer.add(given)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    self.init()
    first = try reader.maybe()
    branches = try reader.all()
    added = try reader.integer()
    given = try reader.integer()
  }
}

extension BoundedSchedules: Packed {
  func write(to writer: inout NumberWriter) {
    precondition(underWay == 0, "a search is saved between groups")
    writer.add(limits.preemptionsMax)
    writer.add(limits.schedulesMax)
    writer.add(levels)
    writer.add(level)
    writer.add(given)
    writer.add(strayed)
    writer.add(stopped)
    writer.add(cutFrom)
    writer.add(isFinished)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    let limits = Limits(preemptionsMax: try reader.integer(), schedulesMax: try reader.integer())
    let levels: [Level] = try reader.all()
    let level = try reader.integer()
    guard level < levels.count, levels.count - 1 == limits.preemptionsMax else { throw BrokenSearch() }
    self.init(
      limits, levels: levels, level: level, given: try reader.integer(), strayed: try reader.integer(),
      stopped: try reader.integer(), cutFrom: try reader.integer(), isFinished: try reader.flag())
  }

  /// The same search with another bound; nil when something was left out for the old one that would now be tried.
  func with(schedulesMax: Int) -> BoundedSchedules? {
    if schedulesMax == limits.schedulesMax { return self }
    if schedulesMax > limits.schedulesMax && cutFrom != .max { return nil }
    let limits = Limits(preemptionsMax: limits.preemptionsMax, schedulesMax: schedulesMax)
    return BoundedSchedules(
      limits, levels: levels, level: level, given: given, strayed: strayed, stopped: stopped, cutFrom: cutFrom,
      isFinished: isFinished)
  }
}
