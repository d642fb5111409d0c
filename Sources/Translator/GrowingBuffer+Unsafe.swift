// Storage for the translator's tables: arrays without reference counts, bounds known by their users, whose content goes
// to disk and back as one block. Sound: `storage` has room for `capacity` elements, and every index is checked.

/// A growing array of trivial values.
struct GrowingBuffer<Element: BitwiseCopyable>: ~Copyable {
  private(set) var storage: UnsafeMutablePointer<Element>
  private(set) var count = 0
  private var capacity: Int

  init(capacity: Int = 64) {
    self.capacity = capacity
    storage = .allocate(capacity: capacity)
  }

  deinit { storage.deallocate() }

  @inline(__always) subscript(index: Int) -> Element {
    get {
      precondition(index >= 0 && index < count)
      return storage[index]
    }
    set {
      precondition(index >= 0 && index < count)
      storage[index] = newValue
    }
  }

  @inline(__always) mutating func append(_ element: Element) {
    if count == capacity { grow(to: capacity * 2) }
    storage[count] = element
    count += 1
  }

  /// Appends what lies at `bytes`, which need not be aligned.
  mutating func append(bytes: UnsafeRawPointer, elements: Int) {
    if count + elements > capacity { grow(to: max(capacity * 2, count + elements)) }
    UnsafeMutableRawPointer(storage + count).copyMemory(from: bytes, byteCount: elements * MemoryLayout<Element>.stride)
    count += elements
  }

  mutating func removeAll() { count = 0 }
  mutating func removeLast(_ elements: Int) {
    precondition(elements >= 0 && elements <= count)
    count -= elements
  }

  private mutating func grow(to size: Int) {
    let larger = UnsafeMutablePointer<Element>.allocate(capacity: size)
    larger.update(from: storage, count: count)
    storage.deallocate()
    storage = larger
    capacity = size
  }
}

/// From offsets (not all ones) to small numbers: open addressing, at most half full. Keys of the same 32 bytes begin to look in the
/// same eight slots, a line of the processor's cache: who stores or looks for one does so for its neighbours next.
struct OffsetTable: ~Copyable {
  private var slots: UnsafeMutablePointer<(key: UInt32, value: UInt32)>
  private var mask: Int
  private(set) var count = 0
  private static var empty: UInt32 { .max }

  var isEmpty: Bool { count == 0 }

  init(capacity: Int = 64) {
    var size = 64
    while size < capacity * 2 { size *= 2 }
    mask = size - 1
    slots = .allocate(capacity: size)
    slots.initialize(repeating: (Self.empty, 0), count: size)
  }

  deinit { slots.deallocate() }

  @inline(__always) private func slot(of key: UInt32) -> Int {
    var index = (Int(truncatingIfNeeded: ((key >> 5) &* 0x9e37_79b1) >> 7) << 3 | Int(key >> 2 & 7)) & mask
    while slots[index].key != key && slots[index].key != Self.empty { index = (index + 1) & mask }
    return index
  }

  @inline(__always) func value(_ key: UInt32) -> UInt32? {
    let index = slot(of: key)
    return slots[index].key == key ? slots[index].value : nil
  }

  mutating func set(_ key: UInt32, _ value: UInt32) {
    precondition(key != Self.empty)
    if (count + 1) * 2 > mask { grow() }
    let index = slot(of: key)
    if slots[index].key == Self.empty { count += 1 }
    slots[index] = (key, value)
  }

  /// Sets bits of a key's value, which is 0 when the key is new.
  mutating func add(_ key: UInt32, _ bits: UInt32) {
    if (count + 1) * 2 > mask { grow() }
    let index = slot(of: key)
    if slots[index].key == Self.empty {
      count += 1
      slots[index] = (key, bits)
    } else {
      slots[index].value |= bits
    }
  }

  /// Makes room for so many keys in all.
  mutating func reserve(_ keys: Int) {
    if (keys + 1) * 2 <= mask { return }
    if count == 0 { self = OffsetTable(capacity: keys + 1) }
    while (keys + 1) * 2 > mask { grow() }
  }

  mutating func removeAll() {
    if count == 0 { return }
    slots.update(repeating: (Self.empty, 0), count: mask + 1)
    count = 0
  }

  private mutating func grow() {
    let old = slots, oldSize = mask + 1
    mask = oldSize * 2 - 1
    slots = .allocate(capacity: oldSize * 2)
    slots.initialize(repeating: (Self.empty, 0), count: oldSize * 2)
    for index in 0..<oldSize where old[index].key != Self.empty { slots[slot(of: old[index].key)] = old[index] }
    old.deallocate()
  }
}
