// What one execution teaches about others: which pairs of events came in which order, and which of these orders could be turned
// around (as partial-order reduction does: Flanagan, Godefroid, "Dynamic Partial-Order Reduction", POPL 2005; here not to try all
// classes of schedules, but to know where it makes a difference who runs).

import Kernel
import Platform

/// An arrival at a scheduling point or a system call, or behind one: the n-th of a task at this instruction.
public struct Arrival: Hashable, Sendable {
  public var pc: GuestAddress
  /// From 1.
  public var occurrence: UInt32
  public init(pc: GuestAddress, occurrence: UInt32) {
    self.pc = pc
    self.occurrence = occurrence
  }
}

/// Two instructions, the second of which came to what the first had worked with, in another task.
struct InstructionPair: Hashable, Sendable {
  var first: GuestAddress
  var second: GuestAddress

  /// A number that is the same in every run of the tool, unlike a hash value.
  var mixed: UInt64 {
    var generator = SeededGenerator(seed: first.rawValue &* 0x9e37_79b9_7f4a_7c15 &+ second.rawValue)
    return generator.next()
  }
}

/// An instruction came to what another task's had left.
struct Meeting: Hashable, Sendable {
  var instructions: InstructionPair
  /// Both by the program itself, or on its variables.
  var isOwn: Bool
}

/// Two events of one execution on one object, at least one of which changes it: `earlier` could be held back until `later` has
/// happened.
struct Reversal: Hashable, Sendable {
  var earlier: Moment
  var later: Moment
  /// Both by the program itself, or on its variables.
  var isOwn: Bool
  /// The earlier one is an update: its task can be held between load and store too.
  var startsInUpdate: Bool
  var instructions: InstructionPair { InstructionPair(first: earlier.pc, second: later.pc) }
}

struct Findings: Sendable {
  /// In the order of their first occurrence, each once.
  private(set) var arrivals: [Arrival] = []
  /// Which instruction's effect met which: likewise.
  private(set) var meetings: [Meeting] = []
  private(set) var reversals: [Reversal] = []
  /// Equal for executions with the same meetings of the program's own.
  private(set) var whole: UInt64 = 0

  /// A task's later arrivals at one instruction differ little.
  private static let occurrencesMax: UInt32 = 4
  /// Of one pair of instructions: the first and some later ones.
  private static let reversalsMax = 3
  private static let instructionsMax = 8

  /// What tasks did last to one object, by instruction; the latest at the end.
  private struct Object {
    var last: Moment
    var lastIsWrite: Bool
    var lastIsOwn: Bool
    var known: [(moment: Moment, isWrite: Bool, isOwn: Bool, isUpdate: Bool, event: Int)] = []

    mutating func add(_ event: HistoryEvent, _ index: Int) {
      last = event.moment
      lastIsWrite = event.isWrite
      lastIsOwn = event.isOwn
      known.removeAll { $0.moment.task == last.task && $0.moment.pc == last.pc }
      known.append((last, event.isWrite, event.isOwn, event.isUpdate, index))
      if known.count > Findings.instructionsMax * 4 { known.removeFirst() }
    }
  }

  init() {}

  init(_ history: History) {
    var arrivals = Numbering<Arrival>(), met = Numbering<InstructionPair>()
    /// Pairs that could come the other way round, with how many of each are kept.
    var turnable = Numbering<InstructionPair>(), counts: [Int] = []
    var objectNumbers = Numbering<UInt64>(), objects: [Object] = []
    var births: [TaskID: (parent: TaskID?, event: Int)] = [:]
    for start in history.starts { births[start.task] = (start.parent, start.event) }
    /// Whether the task exists only because another one, or a child of its, went on behind an event.
    func waits(_ task: TaskID, for earlier: TaskID, at event: Int) -> Bool {
      var next: TaskID? = task
      while let child = next, let birth = births[child] {
        if birth.parent == earlier { return birth.event > event }
        next = birth.parent
      }
      return false
    }
    for (index, event) in history.events.enumerated() {
      let moment = event.moment
      if moment.occurrence <= Self.occurrencesMax {
        var arrival = Arrival(pc: moment.pc, occurrence: moment.occurrence)
        _ = arrivals.number(of: arrival)
        if event.isCall {
          arrival.pc = GuestAddress(moment.pc.rawValue + 2)
          _ = arrivals.number(of: arrival)
        }
      }
      let number = objectNumbers.number(of: event.object)
      if number == objects.count { objects.append(Object(last: moment, lastIsWrite: event.isWrite, lastIsOwn: event.isOwn)) }
      let object = objects[number]
      if object.last.task != moment.task, event.isWrite || object.lastIsWrite {
        let pair = InstructionPair(first: object.last.pc, second: moment.pc)
        if met.number(of: pair) == meetings.count {
          let meeting = Meeting(instructions: pair, isOwn: event.isOwn && object.lastIsOwn)
          meetings.append(meeting)
          if meeting.isOwn { whole &+= pair.mixed }
        }
      }
      for other in object.known where other.moment.task != moment.task && (event.isWrite || other.isWrite) {
        let reversal = Reversal(earlier: other.moment, later: moment, isOwn: other.isOwn && event.isOwn, startsInUpdate: other.isUpdate)
        let pair = turnable.number(of: reversal.instructions)
        if pair == counts.count { counts.append(0) }
        if counts[pair] >= Self.reversalsMax || waits(moment.task, for: other.moment.task, at: other.event) { continue }
        counts[pair] += 1
        reversals.append(reversal)
      }
      objects[number].add(event, index)
    }
    self.arrivals = arrivals.keys
  }
}
