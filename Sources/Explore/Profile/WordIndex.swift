// Consecutive numbers for words of memory. A dictionary would do, but most of the time of a profiled execution would go into its hash
// function, which withstands attackers.

/// Numbers from 0 on, in the order in which words were first asked for.
struct WordIndex: Sendable, Equatable {
  struct Key: Hashable {
    var space: UInt32
    var word: UInt64
  }
  private(set) var keys: [Key] = []
  /// Open addressing with linear probing: numbers plus 1; 0 for free. A power of two, at most half full.
  private var slots: [UInt32] = Array(repeating: 0, count: 64)

  /// The number of this word; a new one is `keys.count` of before.
  mutating func number(of key: Key) -> Int {
    if keys.count * 2 >= slots.count { grow() }
    var place = home(of: key)
    while slots[place] != 0 {
      let number = Int(slots[place]) - 1
      if keys[number] == key { return number }
      place = (place + 1) & (slots.count - 1)
    }
    keys.append(key)
    slots[place] = UInt32(keys.count)
    return keys.count - 1
  }

  private func home(of key: Key) -> Int {
    let mixed = (key.word ^ UInt64(key.space) << 40) &* 0x9e37_79b9_7f4a_7c15
    return Int(mixed >> 32) & (slots.count - 1)
  }

  private mutating func grow() {
    slots = Array(repeating: 0, count: slots.count * 2)
    for (number, key) in keys.enumerated() {
      var place = home(of: key)
      while slots[place] != 0 { place = (place + 1) & (slots.count - 1) }
      slots[place] = UInt32(number) + 1
    }
  }
}
