// Consecutive numbers for words of memory, instructions, pairs of them. A dictionary would do, but most of the time of a search would
// go into its hash function, which withstands attackers.

import Kernel
import Platform

/// What gets a number.
protocol Numbered: Hashable, Sendable {
  /// Different for most different values, in any bits.
  var mixture: UInt64 { get }
}

/// Numbers from 0 on, in the order in which values were first asked for.
struct Numbering<Key: Numbered>: Sendable, Equatable {
  /// By number.
  private(set) var keys: [Key] = []
  /// Open addressing with linear probing: numbers plus 1; 0 for free. A power of two, at most half full.
  private var slots: [UInt32] = Array(repeating: 0, count: 64)

  var count: Int { keys.count }

  /// The number of this value; a new one is `count` of before.
  mutating func number(of key: Key) -> Int {
    if keys.count * 2 >= slots.count { grow() }
    let place = place(of: key)
    if slots[place] == 0 {
      keys.append(key)
      slots[place] = UInt32(keys.count)
    }
    return Int(slots[place]) - 1
  }

  /// The number of this value if it has one.
  func find(_ key: Key) -> Int? {
    let number = slots[place(of: key)]
    return number == 0 ? nil : Int(number) - 1
  }

  /// Keeps its memory.
  mutating func removeAll() {
    keys.removeAll(keepingCapacity: true)
    for place in slots.indices { slots[place] = 0 }
  }

  /// Where it is, or would be.
  private func place(of key: Key) -> Int {
    var place = Int((key.mixture &* 0x9e37_79b9_7f4a_7c15) >> 32) & (slots.count - 1)
    while slots[place] != 0 && keys[Int(slots[place]) - 1] != key { place = (place + 1) & (slots.count - 1) }
    return place
  }

  private mutating func grow() {
    slots = Array(repeating: 0, count: slots.count * 2)
    for (number, key) in keys.enumerated() { slots[place(of: key)] = UInt32(number) + 1 }
  }
}

/// A word of eight bytes in a space.
struct WordKey: Numbered {
  var space: UInt32
  var word: UInt64
  var mixture: UInt64 { word ^ UInt64(space) << 40 }
}

extension GuestAddress: Numbered {
  var mixture: UInt64 { rawValue }
}

extension UInt64: Numbered {
  var mixture: UInt64 { self }
}

extension Arrival: Numbered {
  var mixture: UInt64 { pc.rawValue ^ UInt64(occurrence) << 48 }
}

extension InstructionPair: Numbered {
  var mixture: UInt64 { first.rawValue &* 0xff51_afd7_ed55_8ccd ^ second.rawValue }
}
