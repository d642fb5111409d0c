// Who touched which word last: what locks are, and who used them.

import Platform
import RecordReplay

/// Which task touched a word last, for each word: of short runs.
struct LastTouches {
  private struct Key: Hashable {
    var home: UInt64
    var word: UInt64
  }
  private var touches: [Key: [Touch]] = [:]
  private static let wordsMax = 1 << 20
  private static let tasksMax = 4

  mutating func add(_ new: [Touch]) {
    for touch in new where touches.count < Self.wordsMax {
      let key = Key(home: touch.home, word: touch.homeAddress >> 3)
      var list = touches[key] ?? []
      list.removeAll { $0.context == touch.context }
      list.append(touch)
      touches[key] = list.suffix(Self.tasksMax)
    }
  }

  /// The last touch of other tasks to this memory.
  func last(in range: ClosedRange<UInt64>, home: UInt64, butOf context: ContextID) -> Touch? {
    // Of a large array the part that matters is not known.
    let words = range.lowerBound >> 3...min(range.upperBound >> 3, (range.lowerBound >> 3) + 512)
    return words.flatMap { touches[Key(home: home, word: $0)] ?? [] }.filter { $0.context != context }
      .max { ($0.event, $0.index) < ($1.event, $1.index) }
  }
}

/// A lock that a task may hold at an access.
struct LockUse: Hashable {
  var taken: Touch
  var released: Touch?
}

/// Words that locks are made of: those that atomic instructions touch.
struct LockWords {
  private struct Key: Hashable {
    var home: UInt64
    var word: UInt64
  }
  private var touchedBy: [Key: [Touch]] = [:]
  private var isAtomic: [UInt64: Bool] = [:]
  /// What lies less than this many bytes behind such a word belongs to the same lock: pthread_mutex_t has 40, the atomic word first.
  private static let lockSize: UInt64 = 40

  mutating func add(_ touches: [Touch], _ replay: InspectedReplay) {
    for touch in touches where isAtomicUpdate(touch, replay) {
      let key = Key(home: touch.home, word: touch.homeAddress >> 2)
      var list = touchedBy[key] ?? []
      list.removeAll { $0.context == touch.context }
      list.append(touch)
      touchedBy[key] = list
    }
  }

  private mutating func isAtomicUpdate(_ touch: Touch, _ replay: InspectedReplay) -> Bool {
    let pc = touch.access.pc.rawValue
    if let known = isAtomic[pc] { return known }
    let answer = Self.isAtomic(replay.read(touch.space, touch.access.pc, 4))
    isAtomic[pc] = answer
    return answer
  }

  /// A lock prefix, or an exchange with memory, which locks by itself. Intel SDM 2B, XCHG.
  private static func isAtomic(_ code: [UInt8]) -> Bool {
    for byte in code {
      switch byte {
      case 0xf0: return true
      // Other prefixes.
      case 0x66, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0xf2, 0xf3, 0x40...0x4f: continue
      case 0x86, 0x87: return true
      default: return false
      }
    }
    return false
  }

  func isAtomicUpdate(_ touch: Touch) -> Bool { isAtomic[touch.access.pc.rawValue] ?? false }

  /// Whether an access may be to a part of a lock.
  func isNearLock(_ touch: Touch) -> Bool {
    let address = touch.homeAddress & ~3
    let first = (address - min(address, Self.lockSize - 4)) >> 2
    let last = address >> 2
    return (first...last).contains { touchedBy[Key(home: touch.home, word: $0)] != nil }
  }

  /// Locks that a task may hold at an access: words that libraries touched atomically for it before, with the last such touch and the first one
  /// behind the access. `touches`: what was done around it, in order.
  func uses(around access: Touch, in touches: [Touch], _ images: Images) -> [LockUse] {
    var found: [LockUse] = []
    for touch in touches
    where touch.context == access.context && touch.handlerDepth == access.handlerDepth && isAtomicUpdate(touch)
      && !images.isProgram(touch.access.pc.rawValue)
    {
      let index = found.firstIndex { $0.taken.overlaps(touch) }
      if touch.isBefore(access) {
        if let index { found.remove(at: index) }
        found.append(LockUse(taken: touch))
      } else if let index, found[index].released == nil, access.isBefore(touch) {
        found[index].released = touch
      }
    }
    return found.suffix(Self.usesMax)
  }
  private static let usesMax = 4

  func lastTouch(of address: UInt64, in space: AddressSpaceID, by context: ContextID) -> Touch? {
    touchedBy[Key(home: UInt64(space.rawValue), word: address >> 2)]?.last { $0.context == context }
  }
}
