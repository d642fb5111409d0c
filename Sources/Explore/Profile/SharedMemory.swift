// Which memory tasks share, and by which instructions they touch it: these are the scheduling points of a search. Between two of
// them the order of tasks makes no difference.

import Kernel
import Platform

/// What executions of a program touched, word by word of eight bytes.
///
/// A word is shared once two tasks touched it, at least one of them with a store. Words are told apart by space; memory that
/// processes map together comes in a second time, under a space of its own (`MachineBranch`).
public struct SharedMemory: Sendable, Equatable {
  struct Word: Equatable {
    var firstTask: ContextID
    var isShared = false
    var isWritten = false
    /// Indices into `instructions` of who touched it.
    var touchedBy: [UInt32] = []
  }
  struct Key: Hashable {
    var space: UInt32
    var word: UInt64
  }
  private(set) var words: [Key: Word] = [:]
  private(set) var instructions: [GuestAddress] = []
  private var indices: [GuestAddress: UInt32] = [:]
  private var points: Set<UInt32> = []

  public init() {}

  /// What was saved. `words` name instructions by their index.
  init(words: [Key: Word], instructions: [GuestAddress]) {
    self.words = words
    self.instructions = instructions
    for (index, instruction) in instructions.enumerated() { indices[instruction] = UInt32(index) }
    for word in words.values where word.isShared && word.isWritten { points.formUnion(word.touchedBy) }
  }

  /// Takes in what a task touched in one run. What it does in a signal handler counts as another task's.
  public mutating func add(
    _ accesses: [MemoryAccess], aliases: [Alias], by task: ContextID, inHandler: Bool, in space: AddressSpaceID
  ) {
    let who = ContextID(rawValue: task.rawValue | (inHandler ? 1 << 31 : 0))
    for access in accesses { touch(access, at: access.address, space.rawValue, by: who) }
    for alias in aliases { touch(accesses[alias.index], at: alias.address, Self.allSpaces, by: who) }
  }
  private static let allSpaces = UInt32.max

  private mutating func touch(_ access: MemoryAccess, at address: GuestAddress, _ space: UInt32, by task: ContextID) {
    let index = index(of: access.pc)
    let last = (address.rawValue &+ UInt64(max(1, access.size)) - 1) >> 3
    var number = address.rawValue >> 3
    while number <= last {
      touch(Key(space: space, word: number), index, access.isWrite, by: task)
      number += 1
    }
  }

  /// Takes in what other executions touched.
  public mutating func merge(_ other: SharedMemory) {
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
    indices[pc] = new
    return new
  }

  private mutating func touch(_ key: Key, _ instruction: UInt32, _ isWrite: Bool, by task: ContextID) {
    var word = words[key] ?? Word(firstTask: task)
    if word.firstTask != task { word.isShared = true }
    if isWrite { word.isWritten = true }
    if !word.touchedBy.contains(instruction) { word.touchedBy.append(instruction) }
    if word.isShared && word.isWritten {
      points.formUnion(word.touchedBy)
    }
    words[key] = word
  }

  /// The instructions that touched a shared word, by rising address.
  public var schedulingPoints: [GuestAddress] {
    points.map { instructions[Int($0)] }.sorted { $0.rawValue < $1.rawValue }
  }
}
