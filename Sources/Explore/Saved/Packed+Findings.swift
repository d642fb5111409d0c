// What a search learnt, as numbers. Sets and dictionaries are written in an order of their own, so that equal ones are equal bytes.

import Kernel
import Platform

extension Arrival: Packed {
  func write(to writer: inout NumberWriter) {
    writer.add(pc)
    writer.add(occurrence)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    self.init(pc: try reader.address(), occurrence: try reader.word())
  }
}

extension Moment: Packed {
  func write(to writer: inout NumberWriter) {
    writer.add(task)
    writer.add(pc)
    writer.add(occurrence)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    self.init(task: try reader.task(), pc: try reader.address(), occurrence: try reader.word())
  }
}

extension Reversal: Packed {
  func write(to writer: inout NumberWriter) {
    writer.add(earlier)
    writer.add(later)
    writer.add(isOwn)
    writer.add(startsInUpdate)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    self.init(
      earlier: try reader.one(), later: try reader.one(), isOwn: try reader.flag(), startsInUpdate: try reader.flag())
  }
}

extension InstructionPair: Packed, Comparable {
  static func < (one: Self, other: Self) -> Bool { (one.first, one.second) < (other.first, other.second) }
  func write(to writer: inout NumberWriter) {
    writer.add(first)
    writer.add(second)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    self.init(first: try reader.address(), second: try reader.address())
  }
}

extension HoldPlan.Target: Packed {
  func write(to writer: inout NumberWriter) {
    writer.add(arrival)
    writer.add(task != nil)
    if let task { writer.add(task) }
    writer.add(holdsFirstOnly)
    writer.add(until)
    writer.add(goesOnAtOnce)
    writer.add(isInside)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    self.init(
      arrival: try reader.one(), task: try reader.flag() ? try reader.task() : nil, holdsFirstOnly: try reader.flag(),
      until: try reader.maybe(), goesOnAtOnce: try reader.flag(), isInside: try reader.flag())
  }
}

extension HoldPlan: Packed {
  func write(to writer: inout NumberWriter) {
    writer.add(targets)
    writer.add(picksRandomly)
    writer.add(releasesLast)
    writer.add(trapInterval)
    writer.add(letsTimePass)
    writer.add(seed)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    targets = try reader.all()
    picksRandomly = try reader.flag()
    releasesLast = try reader.flag()
    trapInterval = try reader.integer()
    letsTimePass = try reader.flag()
    seed = try reader.number()
  }
}

extension NumberWriter {
  mutating func add(_ counts: [InstructionPair: Int]) {
    add(counts.count)
    for pair in counts.keys.sorted() {
      add(pair)
      add(counts[pair]!)
    }
  }
}

extension NumberReader {
  mutating func counts() throws(BrokenSearch) -> [InstructionPair: Int] {
    var counts: [InstructionPair: Int] = [:]
    for _ in 0..<(try count()) {
      let pair: InstructionPair = try one()
      counts[pair] = try integer()
    }
    return counts
  }
}

extension Corpus.Entry: Packed {
  func write(to writer: inout NumberWriter) {
    writer.add(plan)
    writer.add(found)
    writer.add(reversals)
    writer.add(tries)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    self.init(plan: try reader.one(), found: try reader.all(), reversals: try reader.all(), tries: try reader.counts())
  }
}

extension Corpus: Packed {
  func write(to writer: inout NumberWriter) {
    writer.add(arrivals)
    writer.add(entries)
    writer.add(others)
    writer.add(seenMeetings.sorted())
    writer.add(seenWholes.count)
    for whole in seenWholes.sorted() { writer.add(whole) }
    writer.add(tries)
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    self.init()
    arrivals = try reader.all()
    seenArrivals = Set(arrivals)
    entries = try reader.all()
    others = try reader.all()
    seenMeetings = Set(try reader.all(InstructionPair.self))
    for _ in 0..<(try reader.count()) { seenWholes.insert(try reader.number()) }
    tries = try reader.counts()
  }
}

extension SharedMemory: Packed {
  func write(to writer: inout NumberWriter) {
    writer.add(accesses)
    writer.add(executions)
    writer.add(firstSpace)
    writer.add(instructions.keys.count)
    for (key, count) in zip(instructions.keys, visits) {
      writer.add(key.rawValue)
      writer.add(count)
    }
    writer.add(points.count)
    for point in points.sorted() { writer.add(point) }
    writer.add(updating.count)
    for instruction in updating.sorted() { writer.add(instruction) }
    writer.add(words.count)
    // Words lie side by side: what is written is how far they are apart.
    var last: UInt64 = 0
    for (key, word) in zip(numbers.keys, words) {
      let apart = Int64(bitPattern: key.word &- last)
      writer.add(key.space)
      writer.add(UInt64(bitPattern: apart << 1 ^ apart >> 63))
      writer.add(word.firstTask.rawValue)
      writer.add((word.isShared ? 1 : 0) | (word.isWritten ? 2 : 0) as UInt64)
      writer.add(word.touchedBy.count)
      for index in word.touchedBy { writer.add(index) }
      last = key.word
    }
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    self.init()
    accesses = try reader.number()
    executions = try reader.number()
    firstSpace = try reader.word()
    for number in 0..<(try reader.count()) {
      guard instructions.number(of: GuestAddress(try reader.number())) == number else { throw BrokenSearch() }
      visits.append(try reader.number())
    }
    func instruction() throws(BrokenSearch) -> UInt32 {
      let index = try reader.word()
      guard index < visits.count else { throw BrokenSearch() }
      return index
    }
    for _ in 0..<(try reader.count()) { points.insert(try instruction()) }
    for _ in 0..<(try reader.count()) { updating.insert(try instruction()) }
    var last: UInt64 = 0
    for number in 0..<(try reader.count()) {
      let space = try reader.word()
      let apart = try reader.number()
      last = last &+ (apart >> 1 ^ (0 &- (apart & 1)))
      guard numbers.number(of: Key(space: space, word: last)) == number else { throw BrokenSearch() }
      var word = Word(firstTask: ContextID(rawValue: try reader.word()))
      let flags = try reader.number()
      if flags > 3 { throw BrokenSearch() }
      (word.isShared, word.isWritten) = (flags & 1 != 0, flags & 2 != 0)
      for _ in 0..<(try reader.count()) { word.touchedBy.append(try instruction()) }
      words.append(word)
    }
  }
}
