// One range of guest code and what it was translated to so far: the code, in the arena; where blocks begin; which piece of
// code belongs to which instruction; the exits that stop in the machine.
//
// Sound: `code`, `mirror` and `source` are memory that the owner keeps mapped while the image lives, of the sizes given at
// `init`; every index is checked against those.

/// A run of guest instructions that code was made for, entered at its head.
struct Block: BitwiseCopyable {
  /// Offset of the head in the image.
  var guest: UInt32
  /// Offset in the code: the entry that counts no tick.
  var body: UInt32
  /// Offset in the code: the entry that counts one; 0 for none yet.
  var counted: UInt32
  /// First entry of the instruction map.
  var map: UInt32
  var mapCount: UInt32
}

/// Why a cold exit stops.
public enum ColdKind: UInt8, Sendable {
  /// A direct branch to `target` whose translation was not known.
  case link
  /// The same, counting a tick.
  case countedLink
  /// The end of a stretch, at `target`.
  case stretched
  /// The same by a branch that is a tick.
  case stretchedTick
  /// The same by an indirect branch; the target is in r11.
  case stretchedIndirect
}

/// A cold exit: code that goes to the gate of the dispatch blob with its own address in r11, or an int3 where r11 is needed or the image came
/// from the disk. Told apart by its place.
struct ColdExit: BitwiseCopyable {
  /// Guest address.
  var target: UInt64
  /// For links, the offset in the code of the branch's displacement.
  var patch: UInt32
  var kind: UInt8
}

public final class CodeImage {
  /// First guest address and bytes of guest code.
  public let start: UInt64
  public let length: Int
  /// Guest bytes that can be read at `source`: `length`, and what follows where code may go on.
  public var available: Int
  public var source: UnsafePointer<UInt8>
  /// Where the code lies for guests, and for us.
  public let address: UInt64
  public let reserve: Int
  let code: UnsafeMutablePointer<UInt8>
  /// Entries for `start` and on, which we store; nil above the window, and while spaces that use the image have pieces of their own.
  public var mirror: UnsafeMutablePointer<UInt64>?
  /// What a mirror of this image holds, in the order in which it came to be.
  var entries = GrowingBuffer<MirrorEntry>()
  /// Makes pages that are about to be written, where that takes less than a fault for each.
  public var populate: ((UnsafeMutableRawPointer, Int) -> Void)?
  /// Bytes of code that have their pages.
  private var populated = 0
  /// Set when decoding went past `length`: the image also depends on what follows it.
  public internal(set) var readsBeyond = false
  /// Guest pages (offset from `start`, in pages) that decoding has read, for those who must watch them.
  public var pagesRead: [Bool] = []

  var hot = 0
  var blocks = GrowingBuffer<Block>()
  /// A guest length in the low four bits, the length of its code above, and in the highest bit that r10 holds the guest's
  /// value where the instruction can fault.
  var map = GrowingBuffer<UInt16>(capacity: 256)
  /// Blocks by the guest offset where they begin: those that were translated here.
  private var heads = OffsetTable()
  /// Those that came from the disk, by rising offset: it costs less to look for one of them now and then than to enter all into a table.
  private var restoredHeads = GrowingBuffer<UInt32>(capacity: 1)
  /// A bit for each guest byte where a block begins: what follows each other in the guest lies together here, and in `heads` nowhere. nil before
  /// the first: who makes an image does not wait for this memory, who fills it does.
  private var headBits: UnsafeMutablePointer<UInt64>?
  var exits = GrowingBuffer<ColdExit>()
  /// Links whose target has no code yet: by its offset, the first of them, from 1, and after each the next.
  private var waiting = OffsetTable()
  private var waits = GrowingBuffer<(exit: UInt32, next: UInt32)>()
  /// Offsets in the code of displacements that reach out of the image, to slots.
  var relocations = GrowingBuffer<UInt32>()
  /// Indirect branches that were turned into calls of the dispatch blob.
  var dispatched = GrowingBuffer<UInt32>(capacity: 8)
  /// Counts up when everything is thrown away.
  public internal(set) var generation: UInt32 = 0

  public init(
    start: UInt64, length: Int, source: UnsafePointer<UInt8>, available: Int, address: UInt64,
    code: UnsafeMutablePointer<UInt8>, reserve: Int, mirror: UnsafeMutablePointer<UInt64>?
  ) {
    precondition(length > 0 && length <= 1 << 30)
    self.start = start
    self.length = length
    self.source = source
    self.available = available
    self.address = address
    self.code = code
    self.reserve = reserve
    self.mirror = mirror
    pagesRead = [Bool](repeating: false, count: (length + 4095) / 4096 + 1)
  }

  deinit { headBits?.deallocate() }

  private func makeHeadBits() -> UnsafeMutablePointer<UInt64> {
    if let headBits { return headBits }
    let words = length / 64 + 1
    let bits = UnsafeMutablePointer<UInt64>.allocate(capacity: words)
    populate?(bits, words * 8)
    bits.initialize(repeating: 0, count: words)
    headBits = bits
    return bits
  }

  /// Whether a block begins at an offset below `length`.
  @inline(__always) func isHead(_ offset: UInt32) -> Bool {
    precondition(Int(offset) < length)
    guard let headBits else { return false }
    return headBits[Int(offset) / 64] >> UInt64(offset % 64) & 1 != 0
  }

  @inline(__always) func setHead(_ offset: UInt32, _ index: UInt32) {
    precondition(Int(offset) < length)
    heads.set(offset, index)
    makeHeadBits()[Int(offset) / 64] |= 1 << UInt64(offset % 64)
  }

  /// The block that begins at an offset; nil when none does.
  @inline(__always) func head(_ offset: UInt32) -> UInt32? {
    guard Int(offset) < length, isHead(offset) else { return nil }
    return heads.value(offset) ?? restoredHead(offset)
  }

  private func restoredHead(_ offset: UInt32) -> UInt32? {
    var low = 0, high = restoredHeads.count
    while low < high {
      let middle = (low + high) / 2
      if blocks[Int(restoredHeads[middle])].guest < offset { low = middle + 1 } else { high = middle }
    }
    guard low < restoredHeads.count, blocks[Int(restoredHeads[low])].guest == offset else { return nil }
    return restoredHeads[low]
  }

  /// All blocks that are heads, by rising offset.
  func sortedHeads() -> [UInt32] {
    guard let headBits else { return [] }
    var result: [UInt32] = []
    for word in 0..<length / 64 + 1 {
      var bits = headBits[word]
      while bits != 0 {
        result.append(head(UInt32(word * 64 + bits.trailingZeroBitCount))!)
        bits &= bits - 1
      }
    }
    return result
  }

  /// Takes such blocks of an image that had none; false, and nothing is taken, when they are not by rising offset.
  func takeHeads(_ bytes: UnsafeRawPointer, count: Int) -> Bool {
    restoredHeads.append(bytes: bytes, elements: count)
    let headBits = makeHeadBits()
    var last = -1
    for index in 0..<count {
      let block = Int(restoredHeads[index])
      guard block < blocks.count, Int(blocks[block].guest) > last else { return false }
      last = Int(blocks[block].guest)
      headBits[last / 64] |= 1 << UInt64(last % 64)
    }
    return true
  }

  /// Bytes of arena that an image of so much guest code gets.
  public static func reserve(for length: Int) -> Int { (length * 4 + (96 << 10) + 4095) & ~4095 }

  @inline(__always) public func contains(_ guest: UInt64) -> Bool { guest &- start < UInt64(length) }
  /// Whether `pc` lies in this image's code.
  @inline(__always) public func ownsCode(_ pc: UInt64) -> Bool { pc &- address < UInt64(reserve) }
  public var isEmpty: Bool { blocks.count == 0 }
  public var blockCount: Int { blocks.count }
  var room: Int { exitsStart - hot }
  /// Bytes of code of a cold exit.
  static let exitSize = 12
  /// Where they begin: the first is the last.
  var exitsStart: Int { reserve - exits.count * Self.exitSize }

  /// Before some `size` bytes of code are added.
  func prepare(_ size: Int) {
    let end = hot + size
    guard let populate, end > populated else { return }
    let start = max(populated, hot) & ~4095
    let more = min(max(hot / 4, 16 << 10), 256 << 10)
    populated = min((end + more + 4095) & ~4095, reserve)
    if populated > start { populate(code + start, populated - start) }
  }

  /// Forgets all translations. Nobody may be inside the code.
  public func flush() {
    if let mirror {
      for index in 0..<blocks.count { mirror[Int(blocks[index].guest)] = 0 }
    }
    forget()
    readsBeyond = false
    for index in pagesRead.indices { pagesRead[index] = false }
    generation &+= 1
  }

  /// Empties the tables.
  func forget() {
    if blocks.count > 0 { headBits?.update(repeating: 0, count: length / 64 + 1) }
    hot = 0
    blocks.removeAll()
    entries.removeAll()
    map.removeAll()
    heads.removeAll()
    restoredHeads.removeAll()
    exits.removeAll()
    waiting.removeAll()
    waits.removeAll()
    relocations.removeAll()
    dispatched.removeAll()
  }

  // MARK: Entries

  /// The entry for a guest address that counts no tick, as an address for guests; nil when it is not a head yet.
  public func entry(_ guest: UInt64) -> UInt64? {
    guard contains(guest), let index = head(UInt32(guest - start)) else { return nil }
    return address + UInt64(blocks[Int(index)].body)
  }

  /// The counted entry; nil when there is none yet.
  public func countedEntry(_ guest: UInt64) -> UInt64? {
    guard contains(guest), let index = head(UInt32(guest - start)) else { return nil }
    let counted = blocks[Int(index)].counted
    return counted == 0 ? nil : address + UInt64(counted)
  }

  // MARK: Entries of the mirror

  public var mirrorEntryCount: Int { entries.count }

  /// Puts entries from the `first` on, at most `most`, as the words of the list of publications. Returns how many.
  public func putMirrorEntries(from first: Int, most: Int, at words: UnsafeMutablePointer<UInt64>) -> Int {
    precondition(first >= 0 && first <= entries.count)
    let count = min(most, entries.count - first), place = address - RuntimeLayout.arena
    for index in 0..<count {
      let entry = entries.storage[first + index]
      words[index] = start + UInt64(entry.guest) | (place + UInt64(entry.counted)) << 32
    }
    return count
  }

  /// Stores them all in a new mirror, of `length` words.
  public func fillMirror(_ mirror: UnsafeMutablePointer<UInt64>) {
    for index in 0..<entries.count { mirror[Int(entries[index].guest)] = address + UInt64(entries[index].counted) }
  }

  /// Goes through what a new mirror would hold of the first so many entries, in runs of whole pages: the offset in the mirror, in bytes, and what
  /// is there. Ascending.
  public func forEachMirrorRun(ofFirst count: Int, _ body: (Int, UnsafeRawBufferPointer) -> Void) {
    precondition(count <= entries.count)
    let pageWords = 512, runPages = 16
    let runs = (length + pageWords * runPages - 1) / (pageWords * runPages)
    // A counting sort by run.
    var starts = [Int](repeating: 0, count: runs + 1)
    for index in 0..<count { starts[Int(entries[index].guest) / (pageWords * runPages) + 1] += 1 }
    for run in 0..<runs { starts[run + 1] += starts[run] }
    var order = [Int](repeating: 0, count: count)
    var next = starts
    for index in 0..<count {
      let run = Int(entries[index].guest) / (pageWords * runPages)
      order[next[run]] = index
      next[run] += 1
    }
    var words = [UInt64](repeating: 0, count: pageWords * runPages)
    for run in 0..<runs where starts[run] < starts[run + 1] {
      let first = run * pageWords * runPages
      var pages = 0
      for index in order[starts[run]..<starts[run + 1]] {
        let word = Int(entries[index].guest) - first
        words[word] = address + UInt64(entries[index].counted)
        pages |= 1 << (word / pageWords)
      }
      words.withUnsafeBytes { bytes in
        for page in 0..<runPages where pages >> page & 1 != 0 {
          let part = page * pageWords * 8..<(page + 1) * pageWords * 8
          body(first * 8 + part.lowerBound, UnsafeRawBufferPointer(rebasing: bytes[part]))
        }
      }
      for index in order[starts[run]..<starts[run + 1]] { words[Int(entries[index].guest) - first] = 0 }
    }
  }

  public func allMirrorEntries() -> [MirrorEntry] { Array(UnsafeBufferPointer(start: entries.storage, count: entries.count)) }

  // MARK: From code back to the guest

  /// Whether `pc` lies in a cold exit.
  public func isExit(_ pc: UInt64) -> Bool { ownsCode(pc) && Int(pc - address) >= exitsStart }

  /// What `Emitter.stopThroughGate` begins with, the first byte lowest.
  static let stopThroughGate: UInt64 = 0xff_ffff_fa1d_8d4c

  /// Where an instruction's code begins that stopped through the gate with this place in r11; nil when it was something else.
  public func stopped(at place: UInt64) -> UInt64? {
    let offset = Int(place &- address) - 1
    guard offset >= 0, offset + 8 <= reserve else { return nil }
    let found = UnsafeRawPointer(code + offset).loadUnaligned(as: UInt64.self)
    // Behind a call of the kernel the first byte would be the last of the distance to the gate, which is negative.
    return found & (1 << 56 - 1) == Self.stopThroughGate ? place - 1 : nil
  }

  /// What the byte at `pc` (an address in the code) belongs to.
  public enum Place: Equatable, Sendable {
    case cold(ColdKind, target: UInt64, exit: Int)
    /// In the code of this guest instruction, of so many bytes, the `index`-th of its block. `holdsR10`: r10 has the guest's
    /// value, and its slot `ticks` the count.
    case instruction(UInt64, length: Int, index: Int, holdsR10: Bool)
    /// In the code that counts a tick for the block at this guest address.
    case counting(UInt64)
    case nothing
  }

  public func place(of pc: UInt64) -> Place {
    let offset = Int(pc &- address)
    if offset >= exitsStart {
      guard (reserve - offset) % Self.exitSize == 0 else { return .nothing }
      let index = (reserve - offset) / Self.exitSize - 1
      let exit = exits[index]
      return .cold(ColdKind(rawValue: exit.kind)!, target: exit.target, exit: index)
    }
    var low = 0, high = blocks.count
    while low < high {
      let middle = (low + high) / 2
      if Int(blocks[middle].body) <= offset { low = middle + 1 } else { high = middle }
    }
    if low == 0 { return .nothing }
    let block = blocks[low - 1]
    var code = Int(block.body), guest = start + UInt64(block.guest)
    for index in Int(block.map)..<Int(block.map) + Int(block.mapCount) {
      let entry = map[index]
      let size = Int(entry >> 4 & 0x7ff)
      if offset < code + size {
        return .instruction(
          guest, length: Int(entry & 15), index: index - Int(block.map), holdsR10: entry >> 15 == 1)
      }
      code += size
      guest += UInt64(entry & 15)
    }
    return counting(offset)
  }

  /// The block that the probe of a count at `offset` belongs to: its body follows at once, or by a jump.
  private func counting(_ offset: Int) -> Place {
    let behind = offset + Emitter.probeSize
    let entry = offset - Emitter.countSize
    if let block = block(bodyAt: behind, countedAt: entry) { return .counting(start + UInt64(block.guest)) }
    guard behind + 5 <= hot, code[behind] == 0xe9 else { return .nothing }
    let distance = UnsafeRawPointer(code + behind + 1).loadUnaligned(as: Int32.self)
    guard let block = block(bodyAt: behind + 5 + Int(distance), countedAt: entry) else { return .nothing }
    return .counting(start + UInt64(block.guest))
  }

  /// Several blocks can have the same body: a jump to what follows it has no code.
  private func block(bodyAt offset: Int, countedAt entry: Int) -> Block? {
    var low = 0, high = blocks.count
    while low < high {
      let middle = (low + high) / 2
      if Int(blocks[middle].body) < offset { low = middle + 1 } else { high = middle }
    }
    while low < blocks.count, Int(blocks[low].body) == offset {
      if Int(blocks[low].counted) == entry { return blocks[low] }
      low += 1
    }
    return nil
  }

  // MARK: The guest's bytes

  public func instruction(at guest: UInt64) -> Instruction {
    precondition(contains(guest))
    let offset = Int(guest - start)
    return decode(source + offset, available: available - offset)
  }

  /// At most `count` bytes from `guest` on.
  public func bytes(at guest: UInt64, _ count: Int) -> [UInt8] {
    let offset = Int(guest - start)
    precondition(offset >= 0 && offset <= available)
    return Array(UnsafeBufferPointer(start: source + offset, count: min(count, available - offset)))
  }

  // MARK: Indirect branches that miss

  /// `jmp *%gs:(,%r11,8)`, but for the displacement of four zeros: bytes, the first lowest.
  static let mirrorJump: UInt64 = 0xdd24_ff42_65
  static let mirrorJumpSize = 9

  /// Whether `pc` is at an indirect branch through the mirror.
  public func isMirrorJump(_ pc: UInt64) -> Bool {
    let offset = Int(pc &- address)
    guard offset >= 0, offset + Self.mirrorJumpSize <= hot else { return false }
    return UnsafeRawPointer(code + offset).loadUnaligned(as: UInt64.self) == Self.mirrorJump
  }

  /// Sends the indirect branch at `pc` through the dispatch blob from now on: its target lay outside the window.
  public func useDispatch(at pc: UInt64) {
    precondition(isMirrorJump(pc))
    let offset = Int(pc - address)
    code[offset] = 0xe9
    let displacement = Int64(bitPattern: RuntimeLayout.arena &- (pc + 5))
    write(Int32(displacement), at: offset + 1)
    dispatched.append(UInt32(offset))
  }

  /// Lets the branch of a link exit go straight to `target` (an address for guests, in this image).
  public func link(exit: Int, to target: UInt64) {
    precondition(ownsCode(target))
    let patch = Int(exits[exit].patch)
    write(Int32(Int64(bitPattern: target &- (address + UInt64(patch) + 4))), at: patch)
  }

  /// The last exit waits for code for the guest offset that it leads to.
  func wait(for target: UInt32) {
    waits.append((UInt32(exits.count - 1), waiting.value(target) ?? 0))
    waiting.set(target, UInt32(waits.count))
  }

  /// The exits that wait for a guest offset, and do so no longer.
  func takeWaiting(_ target: UInt32, _ body: (ColdExit) -> Void) {
    guard let first = waiting.value(target), first != 0 else { return }
    waiting.set(target, 0)
    var place = first
    while place != 0 {
      let wait = waits[Int(place) - 1]
      body(exits[Int(wait.exit)])
      place = wait.next
    }
  }

  @inline(__always) func write(_ value: Int32, at offset: Int) {
    precondition(offset >= 0 && offset + 4 <= reserve)
    UnsafeMutableRawPointer(code + offset).storeBytes(of: value, as: Int32.self)
  }
}
