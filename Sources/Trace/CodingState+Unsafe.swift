// What the coding of events predicts from: the same tables on both sides, empty at the start of every block so that
// blocks stay independent.
//
// An event is predicted from the last event at the same rip in the same context (a "site"), or, the first time there,
// from the last event at that rip in any context: a forked child repeats its sibling's calls. A loop of syscalls then
// costs a byte an event before compression.
//
// Unsafe because the tables are plain memory: an encoder touches them for every event and must not pay for arrays
// (exclusivity checks, retains). Sound because every index is masked to its table's size by construction (`siteIndex`,
// `contextIndex`), word offsets are constants below the stride, and the memory lives as long as the object.

final class CodingState {
  static let siteBits: UInt64 = 9
  static let siteCount = 1 << 9
  /// The site of contexts that have not trapped yet in this block.
  static let freshSite = siteCount
  static let contextCount = 64
  static let sharedCount = 256

  /// Words of a site: rip of the event that followed, trap words, mask and values of the registers changed after it.
  static let nextPC = 0
  static let trapWords = 1
  static let trapWordCount = 13
  static let runMask = 14
  static let runWords = 15
  static let siteStride = 42
  /// Words of a context slot.
  static let contextID = 0
  static let contextSpace = 1
  static let contextSite = 2
  static let contextTicks = 3
  static let contextStride = 4

  private let memory: UnsafeMutablePointer<UInt64>
  private let tags: UnsafeMutablePointer<UInt64>
  private let shared: UnsafeMutablePointer<UInt64>
  private let contexts: UnsafeMutablePointer<UInt64>
  private let resetWords: Int
  private let sites: UnsafeMutablePointer<UInt64>

  var lastContext: UInt32 = 0
  var lastSpace: UInt32 = 0
  var lastAddress: UInt64 = 0
  var lastObject: UInt32 = 0

  init() {
    resetWords = Self.siteCount + Self.sharedCount + Self.contextCount * Self.contextStride
    let total = resetWords + (Self.siteCount + 1) * Self.siteStride
    memory = UnsafeMutablePointer<UInt64>.allocate(capacity: total)
    // Trivial words: `reset` sets those that are read before they are written.
    tags = memory
    shared = tags + Self.siteCount
    contexts = shared + Self.sharedCount
    sites = memory + resetWords
    reset()
  }

  deinit { memory.deallocate() }

  /// Forgets everything. Sites need no clearing: one is copied from another, in the end the fresh one, when first used.
  func reset() {
    memory.update(repeating: 0, count: resetWords)
    shared.update(repeating: UInt64(Self.freshSite), count: Self.sharedCount)
    site(Self.freshSite).update(repeating: 0, count: Self.siteStride)
    lastContext = 0
    lastSpace = 0
    lastAddress = 0
    lastObject = 0
  }

  @inline(__always) func site(_ index: Int) -> UnsafeMutablePointer<UInt64> { sites + index &* Self.siteStride }

  /// The slot of a context; another context's memory of the slot is forgotten.
  @inline(__always) func contextSlot(_ id: UInt32) -> UnsafeMutablePointer<UInt64> {
    let slot = contexts + Int(id & UInt32(Self.contextCount - 1)) &* Self.contextStride
    let tag = UInt64(id) &+ 1
    if slot[Self.contextID] != tag {
      slot[Self.contextID] = tag
      slot[Self.contextSpace] = UInt64(lastSpace)
      slot[Self.contextSite] = UInt64(Self.freshSite)
      slot[Self.contextTicks] = 0
    }
    return slot
  }

  /// The site of a pc in a context, made from the pc's last site when it is new.
  @inline(__always) func siteIndex(pc: UInt64, context: UInt32) -> Int {
    let factor: UInt64 = 0x9E37_79B9_7F4A_7C15
    let key = pc ^ (UInt64(context) &+ 1) &* 0xD6E8_FEB8_6659_FD93
    let index = Int(truncatingIfNeeded: (key &* factor) &>> (64 &- Self.siteBits))
    let sharedIndex = Int(truncatingIfNeeded: (pc &* factor) &>> 56)
    // Zero means empty; a key that is zero by chance shares the tag of key one, which costs a wrong prediction only.
    let tag = key == 0 ? 1 : key
    if tags[index] != tag {
      let model = Int(shared[sharedIndex])
      if model != index { site(index).update(from: site(model), count: Self.siteStride) }
      tags[index] = tag
    }
    shared[sharedIndex] = UInt64(index)
    return index
  }
}
