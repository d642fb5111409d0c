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

  /// Makes room for so many more, and for a few behind them: who appends one to a large table need not copy it.
  mutating func reserve(_ elements: Int) {
    if count + elements > capacity { grow(to: max(capacity * 2, count + elements + elements / 8)) }
  }

  /// Appends what lies at `bytes`, which need not be aligned.
  mutating func append(bytes: UnsafeRawPointer, elements: Int) {
    reserve(elements)
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

/// What is known of an offset while a region is made.
struct OffsetMark: OptionSet, BitwiseCopyable {
  let rawValue: UInt8
  static let decoded = OffsetMark(rawValue: 1)
  static let head = OffsetMark(rawValue: 2)
  static let counted = OffsetMark(rawValue: 4)
  static let countedHead: OffsetMark = [.head, .counted]
}

/// Marks of offsets: a byte for each, in chunks that are there once one of theirs was marked, so that nothing is looked for.
struct OffsetMarks: ~Copyable {
  private static let chunkBits: UInt32 = 14
  private static let chunkSize = 1 << Int(chunkBits)
  private var chunks = GrowingBuffer<UnsafeMutablePointer<UInt8>?>()
  /// Those that have marks.
  private var marked = GrowingBuffer<UInt32>(capacity: 2048)

  deinit {
    for index in 0..<chunks.count { chunks[index]?.deallocate() }
  }

  @inline(__always) subscript(offset: UInt32) -> OffsetMark {
    let chunk = Int(offset >> Self.chunkBits)
    guard chunk < chunks.count, let bytes = chunks[chunk] else { return [] }
    return OffsetMark(rawValue: bytes[Int(offset) & (Self.chunkSize - 1)])
  }

  @inline(__always) mutating func add(_ offset: UInt32, _ mark: OffsetMark) {
    let chunk = Int(offset >> Self.chunkBits)
    if chunk >= chunks.count || chunks[chunk] == nil { makeChunk(chunk) }
    let place = chunks[chunk]! + (Int(offset) & (Self.chunkSize - 1))
    if place.pointee == 0 { marked.append(offset) }
    place.pointee |= mark.rawValue
  }

  mutating func removeAll() {
    for index in 0..<marked.count {
      let offset = marked[index]
      chunks[Int(offset >> Self.chunkBits)]![Int(offset) & (Self.chunkSize - 1)] = 0
    }
    marked.removeAll()
  }

  private mutating func makeChunk(_ chunk: Int) {
    while chunks.count <= chunk { chunks.append(nil) }
    let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: Self.chunkSize)
    bytes.initialize(repeating: 0, count: Self.chunkSize)
    chunks[chunk] = bytes
  }
}

/// From offsets (not all ones) to small numbers: open addressing, at most half full. Keys of the same 32 bytes begin to look in the
/// same eight slots, a line of the processor's cache: who stores or looks for one does so for its neighbours next.
struct OffsetTable: ~Copyable {
  private var slots: UnsafeMutablePointer<(key: UInt32, value: UInt32)>
  private var mask: Int
  private(set) var count = 0
  private static var empty: UInt32 { .max }

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
