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

extension Footprint: Packed {
  func write(to writer: inout NumberWriter) {
    for objects in [read, written] {
      writer.add(objects.count)
      for object in objects { writer.add(object) }
    }
    writer.add(isOrdered)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    var objects: [[UInt64]] = [[], []]
    for index in objects.indices {
      for _ in 0..<(try reader.count()) { objects[index].append(try reader.number()) }
    }
    self.init(read: objects[0], written: objects[1], isOrdered: try reader.flag())
  }
}

extension Sleeper: Packed {
  func write(to writer: inout NumberWriter) {
    writer.add(task)
    writer.add(step)
    writer.add(turn)
    writer.add(isStepMet)
    writer.add(isTurnMet)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    self.init(
      task: try reader.task(), step: try reader.one(), turn: try reader.one(), isStepMet: try reader.flag(),
      isTurnMet: try reader.flag())
  }
}

extension BranchPlace: Packed {
  func write(to writer: inout NumberWriter) {
    writer.add(turn)
    writer.add(sleepers)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    self.init(turn: try reader.one(), sleepers: try reader.all())
  }
}

extension BoundedSchedules.Given: Packed {
  func write(to writer: inout NumberWriter) {
    writer.add(schedule)
    writer.add(sleepers)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    self.init(schedule: try reader.one(), sleepers: try reader.all())
  }
}

extension BoundedSchedules.Branches: Packed {
  /// Without the places that were taken already.
  func write(to writer: inout NumberWriter) {
    writer.add(switches)
    writer.add(Array(places[position...]))
    writer.add(other)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    let switches: [Switch] = try reader.all()
    let places: [BranchPlace] = try reader.all()
    guard places.allSatisfy({ $0.turn.switchesBefore <= switches.count }) else { throw BrokenSearch() }
    self.init(switches, places[...])
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
    precondition(underWay.isEmpty, "a search is saved between groups")
    writer.add(limits.preemptionsMax)
    writer.add(limits.schedulesMax)
    writer.add(limits.prunes)
    writer.add(prunes)
    writer.add(levels)
    writer.add(level)
    writer.add(given)
    writer.add(strayed)
    writer.add(stopped)
    writer.add(cutFrom)
    writer.add(isFinished)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    let limits = Limits(
      preemptionsMax: try reader.integer(), schedulesMax: try reader.integer(), prunes: try reader.flag())
    let prunes = try reader.flag()
    let levels: [Level] = try reader.all()
    let level = try reader.integer()
    guard level < levels.count, levels.count - 1 == limits.preemptionsMax else { throw BrokenSearch() }
    self.init(
      limits, prunes: prunes, levels: levels, level: level, given: try reader.integer(), strayed: try reader.integer(),
      stopped: try reader.integer(), cutFrom: try reader.integer(), isFinished: try reader.flag())
  }

  /// The same search with another bound; nil when something was left out for the old one that would now be tried.
  func with(schedulesMax: Int) -> BoundedSchedules? {
    if schedulesMax == limits.schedulesMax { return self }
    if schedulesMax > limits.schedulesMax && cutFrom != .max { return nil }
    let limits = Limits(preemptionsMax: limits.preemptionsMax, schedulesMax: schedulesMax, prunes: limits.prunes)
    return BoundedSchedules(
      limits, prunes: prunes, levels: levels, level: level, given: given, strayed: strayed, stopped: stopped, cutFrom: cutFrom,
      isFinished: isFinished)
  }
}
