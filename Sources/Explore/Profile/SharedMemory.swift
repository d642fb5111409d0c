// Which memory tasks share, and by which instructions they touch it: these are the scheduling points of a search. Between two of
// them the order of tasks makes no difference.

import Kernel
import Platform

/// What executions of a program touched, word by word of eight bytes.
///
/// A word is shared once two tasks touched it, at least one of them with a store. Words are told apart by space; what a child of vfork
/// does counts as its parent's, which waits (`History`); memory that processes map together comes in a second time, under a space
/// of its own (`MachineBranch`).
public struct SharedMemory: Sendable, Equatable {
  struct Word: Equatable {
    var firstTask: ContextID
    var isShared = false
    var isWritten = false
    /// Indices into `instructions` of who touched it.
    var touchedBy: [UInt32] = []
  }
  typealias Key = WordKey
  /// By number.
  var words: [Word] = []
  var numbers = Numbering<WordKey>()
  var instructions = Numbering<GuestAddress>()
  var points: Set<UInt32> = []
  /// Instructions that are updates (`RunLimit.updates`).
  var updating: Set<UInt32> = []
  /// By instruction: its accesses.
  var visits: [UInt64] = []
  /// Accesses taken in.
  var accesses: UInt64 = 0
  /// Executions taken in by `merge`.
  var executions: UInt64 = 0
  /// The space of the first process: the lowest that was seen.
  var firstSpace = UInt32.max
  /// Something that was taken in.
  private struct Recent: Equatable {
    var access: MemoryAccess
    var address: GuestAddress
    var space: UInt32
    var task: ContextID
    /// Its number.
    var instruction: UInt32

    func has(_ access: MemoryAccess, at address: GuestAddress, _ space: UInt32, by task: ContextID) -> Bool {
      self.access == access && self.address == address && self.space == space && self.task == task
    }
  }
  /// By a mixture of the address and the instruction, to take in nothing twice.
  private var recent: [Recent?] = []

  public init() {}

  /// Takes in what a task touched in one run. What it does in a signal handler counts as another task's.
  public mutating func add(
    _ accesses: [MemoryAccess], aliases: [Alias], by task: ContextID, handler: RunningHandler?, in space: AddressSpaceID
  ) {
    self.accesses += UInt64(accesses.count)
    firstSpace = min(firstSpace, space.rawValue)
    let who = handler == nil ? task : ContextID(rawValue: task.rawValue | 1 << 31)
    for access in accesses {
      let isOnOwnStack = handler?.stack?.contains(access.address) ?? false
      touch(access, at: access.address, space.rawValue, by: isOnOwnStack ? task : who)
    }
    for alias in aliases { touch(accesses[alias.index], at: alias.address, Self.allSpaces, by: who) }
  }
  private static let allSpaces = UInt32.max

  private mutating func touch(_ access: MemoryAccess, at address: GuestAddress, _ space: UInt32, by task: ContextID) {
    // Most is done again soon, by loops.
    if recent.isEmpty { recent = Array(repeating: nil, count: Self.recentMax) }
    let mixed = (address.rawValue >> 3 ^ access.pc.rawValue << 7) &* 0x9e37_79b9_7f4a_7c15
    let place = Int(mixed >> 48) & (Self.recentMax - 1)
    if let known = recent[place], known.has(access, at: address, space, by: task) {
      visits[Int(known.instruction)] += 1
      return
    }
    let index = index(of: access.pc)
    visits[Int(index)] += 1
    recent[place] = Recent(access: access, address: address, space: space, task: task, instruction: index)
    if access.isUpdate { updating.insert(index) }
    let last = (address.rawValue &+ UInt64(max(1, access.size)) - 1) >> 3
    var number = address.rawValue >> 3
    while number <= last {
      touch(Key(space: space, word: number), index, access.isWrite, by: task)
      number += 1
    }
  }

  private static let recentMax = 1 << 10

  /// Takes in what other executions touched. Which process has which space, but for the first, differs from execution to execution: of
  /// those count only the points.
  public mutating func merge(_ other: SharedMemory) {
    accesses += other.accesses
    executions += 1
    for (instruction, count) in other.visits.enumerated() {
      visits[Int(index(of: other.address(of: UInt32(instruction))))] += count
    }
    firstSpace = min(firstSpace, other.firstSpace)
    for (number, word) in other.words.enumerated() {
      let key = other.numbers.keys[number]
      if key.space != firstSpace && key.space != Self.allSpaces { continue }
      for instruction in word.touchedBy {
        touch(key, index(of: other.address(of: instruction)), word.isWritten, by: word.firstTask)
      }
      if word.isShared {
        let own = numbers.number(of: key)
        words[own].isShared = true
        if words[own].isWritten { points.formUnion(words[own].touchedBy) }
      }
    }
    for point in other.points { points.insert(index(of: other.address(of: point))) }
    for instruction in other.updating { updating.insert(index(of: other.address(of: instruction))) }
  }

  private mutating func index(of pc: GuestAddress) -> UInt32 {
    let number = instructions.number(of: pc)
    if number == visits.count { visits.append(0) }
    return UInt32(number)
  }

  private func address(of instruction: UInt32) -> GuestAddress { instructions.keys[Int(instruction)] }

  private mutating func touch(_ key: Key, _ instruction: UInt32, _ isWrite: Bool, by task: ContextID) {
    let number = numbers.number(of: key)
    if number == words.count { words.append(Word(firstTask: task)) }
    let isNew = !words[number].touchedBy.contains(instruction)
    if isNew { words[number].touchedBy.append(instruction) }
    let wasPoint = words[number].isShared && words[number].isWritten
    if words[number].firstTask != task { words[number].isShared = true }
    if isWrite { words[number].isWritten = true }
    if !words[number].isShared || !words[number].isWritten { return }
    if !wasPoint { points.formUnion(words[number].touchedBy) } else if isNew { points.insert(instruction) }
  }

  /// The scheduling points that are updates.
  var updates: Set<GuestAddress> { Set(points.intersection(updating).map { address(of: $0) }) }

  /// Which scheduling points have worked on the same shared words.
  var conflicts: Conflicts {
    var conflicts = Conflicts()
    // Words that the same instructions touched are one.
    var seen: Set<[UInt32]> = []
    let racy = words.indices.filter { words[$0].isShared && words[$0].isWritten }
    let sorted = racy.sorted {
      let (one, other) = (numbers.keys[$0], numbers.keys[$1])
      return (one.space, one.word) < (other.space, other.word)
    }
    for number in sorted where seen.insert(words[number].touchedBy.sorted()).inserted {
      for instruction in words[number].touchedBy { conflicts.add(Int32(seen.count), to: address(of: instruction)) }
    }
    return conflicts
  }

  /// The scheduling points that an execution comes by so seldom, on average; all, when there would be none.
  func schedulingPoints(visitedAtMost limit: UInt64) -> [GuestAddress] {
    let cool = points.filter { visits[Int($0)] / max(1, executions) <= limit }
    return addresses(of: cool.isEmpty ? points : cool)
  }

  /// The instructions that touched a shared word, by rising address.
  public var schedulingPoints: [GuestAddress] { addresses(of: points) }

  private func addresses(of points: Set<UInt32>) -> [GuestAddress] {
    points.map { address(of: $0) }.sorted { $0.rawValue < $1.rawValue }
  }
}
