// Which memory tasks share, and by which instructions they touch it: these are the scheduling points of a search. Between two of
// them the order of tasks makes no difference.

import Kernel
import Platform

/// What executions of a program touched, word by word of eight bytes.
///
/// A word is shared once two tasks touched it, at least one of them with a store. Words are told apart by space; memory that
/// processes map together comes in a second time, under a space of its own (`MachineBranch`).
public struct SharedMemory {
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
  private var indices: [GuestAddress: UInt32] = [:]
  private var points: Set<UInt32> = []

  public init() {}

  /// Takes in what a task touched in one run.
  public mutating func add(_ accesses: [MemoryAccess], by task: ContextID, in space: AddressSpaceID) {
    for access in accesses {
      let index = index(of: access.pc)
      let last = (access.address.rawValue &+ UInt64(max(1, access.size)) - 1) >> 3
      var number = access.address.rawValue >> 3
      while number <= last {
        touch(Key(space: space.rawValue, word: number), index, access.isWrite, by: task)
        number += 1
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
