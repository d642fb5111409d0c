// Which memory tasks share, and by which instructions they touch it: these are the scheduling points of a search. Between two of
// them the order of tasks makes no difference.

import Kernel
import Platform

/// What executions of a program touched, word by word of eight bytes.
///
/// A word is shared once two tasks touched it, at least one of them with a store. Words are told apart by space; memory that
/// processes map together comes in a second time, under a space of its own (`MachineBranch`).
public struct SharedMemory: Sendable {
  private struct Word {
    var firstTask: ContextID
    var isShared = false
    var isWritten = false
    /// Indices into `instructions` of who touched it.
    var touchedBy: [UInt32] = []
  }
  private struct Key: Hashable {
    var space: UInt32
    var word: UInt64
  }
  private var words: [Key: Word] = [:]
  private var instructions: [GuestAddress] = []
  /// By instruction: its accesses.
  private var visits: [UInt64] = []
  private var indices: [GuestAddress: UInt32] = [:]
  private var points: Set<UInt32> = []
  /// Accesses taken in.
  private(set) var accesses: UInt64 = 0
  /// Executions taken in by `merge`.
  private(set) var executions: UInt64 = 0

  public init() {}

  /// Takes in what a task touched in one run. What it does in a signal handler counts as another task's.
  public mutating func add(
    _ accesses: [MemoryAccess], aliases: [Alias], by task: ContextID, inHandler: Bool, in space: AddressSpaceID
  ) {
    let who = ContextID(rawValue: task.rawValue | (inHandler ? 1 << 31 : 0))
    self.accesses += UInt64(accesses.count)
    for access in accesses { touch(access, at: access.address, space.rawValue, by: who) }
    for alias in aliases { touch(accesses[alias.index], at: alias.address, Self.allSpaces, by: who) }
  }
  private static let allSpaces = UInt32.max

  private mutating func touch(_ access: MemoryAccess, at address: GuestAddress, _ space: UInt32, by task: ContextID) {
    let index = index(of: access.pc)
    visits[Int(index)] += 1
    let last = (address.rawValue &+ UInt64(max(1, access.size)) - 1) >> 3
    var number = address.rawValue >> 3
    while number <= last {
      touch(Key(space: space, word: number), index, access.isWrite, by: task)
      number += 1
    }
  }

  /// Takes in what other executions touched.
  public mutating func merge(_ other: SharedMemory) {
    accesses += other.accesses
    executions += 1
    for (pc, count) in zip(other.instructions, other.visits) { visits[Int(index(of: pc))] += count }
    for (key, word) in other.words {
      for instruction in word.touchedBy {
        touch(key, index(of: other.instructions[Int(instruction)]), word.isWritten, by: word.firstTask)
      }
      if word.isShared {
        words[key]!.isShared = true
        if words[key]!.isWritten { points.formUnion(words[key]!.touchedBy) }
      }
    }
  }

  private mutating func index(of pc: GuestAddress) -> UInt32 {
    if let known = indices[pc] { return known }
    let new = UInt32(instructions.count)
    instructions.append(pc)
    visits.append(0)
    indices[pc] = new
    return new
  }

  private mutating func touch(_ key: Key, _ instruction: UInt32, _ isWrite: Bool, by task: ContextID) {
    var word = words[key] ?? Word(firstTask: task)
    let wasRacy = word.isShared && word.isWritten
    let isKnown = word.touchedBy.contains(instruction)
    if wasRacy && isKnown { return }
    if word.firstTask != task { word.isShared = true }
    if isWrite { word.isWritten = true }
    if !isKnown { word.touchedBy.append(instruction) }
    if wasRacy {
      points.insert(instruction)
    } else if word.isShared && word.isWritten {
      points.formUnion(word.touchedBy)
    }
    words[key] = word
  }

  /// Which scheduling points have worked on the same shared words.
  var conflicts: Conflicts {
    var conflicts = Conflicts()
    // Words that the same instructions touched are one.
    var seen: Set<[UInt32]> = []
    let shared = words.filter { $0.value.isShared && $0.value.isWritten }
    let sorted = shared.sorted { ($0.key.space, $0.key.word) < ($1.key.space, $1.key.word) }
    for (_, word) in sorted where seen.insert(word.touchedBy.sorted()).inserted {
      for instruction in word.touchedBy { conflicts.add(Int32(seen.count), to: instructions[Int(instruction)]) }
    }
    return conflicts
  }

  /// The scheduling points that an execution comes by so seldom, on average; all, when there would be none.
  func schedulingPoints(visitedAtMost limit: UInt64) -> [GuestAddress] {
    let all = schedulingPoints
    let cool = all.filter { visits[Int(indices[$0]!)] / max(1, executions) <= limit }
    return cool.isEmpty ? all : cool
  }

  /// The instructions that touched a shared word, by rising address.
  public var schedulingPoints: [GuestAddress] {
    points.map { instructions[Int($0)] }.sorted { $0.rawValue < $1.rawValue }
  }
}
