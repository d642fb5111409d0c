// Guest code to code that runs in its place. A region is translated at a time: what direct branches reach from an entry, up
// to a number of instructions. First it is decoded and its heads are found (Region+Unsafe.swift), then code is written in
// the order of guest addresses (Instructions+Unsafe.swift has what is not copied as it is).
//
// The rules that code keeps, so that a stop anywhere can be told in the guest's terms:
// - r11 is scratch, and r10 counts ticks. The slots `r10` and `r11` hold the guest's values at every instruction boundary.
// - All other registers, the flags and the stack are the guest's at every instruction boundary.
// - A branch that is a tick (`TickDefinition`) arrives at a counted entry, every other one at a body.
// - The mirror holds counted entries only: an indirect branch is always a tick.

/// What a translation needs to know beyond the bytes.
public final class Translator {
  public enum Outcome: Equatable, Sendable {
    /// The entry's address for guests.
    case entry(UInt64)
    /// The instruction's bytes are cut off at the end of what can be read.
    case cutOff
    /// No room: the image must be flushed first.
    case full
  }

  /// Instructions that one translation takes at most.
  public var regionInstructionsMax = 384
  /// Guest instructions translated so far.
  public private(set) var instructionsTranslated = 0

  /// Otherwise instructions with an EVEX prefix are undefined: they stop in the machine.
  public var allowsAVX512 = false

  /// Guest addresses of scheduling points, with their places in the table of watches, and which accesses are logged. Who changes
  /// them flushes all images: what was translated before does neither.
  public var points: [UInt64: Int] = [:]
  public var logs = AccessLog.Mode.off

  var region = Region()
  /// Branches of this region whose target is known only when all is written.
  var fixups: [Fixup] = []

  struct Fixup {
    /// Offset of the displacement.
    var patch: Int
    /// Offset of the target in the image.
    var target: UInt32
    var counted: Bool
  }

  public init() {}

  /// An upper bound for the code of one instruction with its counting, and of what a region adds to it.
  private static let plainBytesMax = 112
  /// Of most instructions, with their share of counting.
  private static let codeBytesTypical = 8
  private var codeBytesMax: Int { Self.plainBytesMax + (isObserving ? Self.observingBytesMax : 0) }
  /// Observing code is long, and images should not be full of one region.
  private static let observingInstructionsMax = 128

  /// The entry for `guest`, translating what is needed. `counted`: the one that counts a tick.
  public func entry(_ image: CodeImage, _ guest: UInt64, counted: Bool) -> Outcome {
    precondition(image.contains(guest))
    let offset = UInt32(guest - image.start)
    if image.head(offset) == nil {
      let most = isObserving ? min(regionInstructionsMax, Self.observingInstructionsMax) : regionInstructionsMax
      if image.room < (most + 8) * codeBytesMax { return .full }
      region.decode(image, from: offset, counted: counted, limit: most)
      if region.isEmpty { return .cutOff }
      write(image)
      instructionsTranslated += region.instructions.count
    }
    if !counted { return .entry(image.entry(guest)!) }
    if let entry = image.countedEntry(guest) { return .entry(entry) }
    if image.room < 4 * codeBytesMax { return .full }
    addCountedEntry(image, Int(image.head(offset)!))
    return .entry(image.countedEntry(guest)!)
  }

  /// Gives a block that has none an entry that counts.
  func addCountedEntry(_ image: CodeImage, _ index: Int) {
    var block = image.blocks[index]
    var emitter = Emitter(image)
    block.counted = UInt32(emitter.offset)
    emitter.countTick()
    emitter.byte(0xe9)
    let place = emitter.displacement()
    emitter.patch(place, to: Int(block.body))
    emitter.commit()
    image.blocks[index] = block
    publish(image, block)
  }

  private func publish(_ image: CodeImage, _ block: Block) {
    if block.counted == 0 { return }
    image.entries.append(MirrorEntry(guest: block.guest, counted: block.counted))
    if let mirror = image.mirror { mirror[Int(block.guest)] = image.address + UInt64(block.counted) }
  }

  // MARK: Writing a region

  private func write(_ image: CodeImage) {
    fixups.removeAll(keepingCapacity: true)
    image.prepare(region.instructions.count * Self.codeBytesTypical)
    let firstBlock = image.blocks.count
    var emitter = Emitter(image)
    region.sortSegments()
    var flowsIn = false
    for index in region.segments.indices {
      let next = index + 1 < region.segments.count ? region.segments[index + 1].start : nil
      flowsIn = write(region.segments[index], flowsIn: flowsIn, next: next, &emitter)
    }
    emitter.commit()
    for fixup in fixups { resolve(fixup, image) }
    for index in firstBlock..<image.blocks.count { linkWaiting(image, index) }
  }

  /// Returns whether execution goes on at the end of what was written, where the segment at `next` follows.
  private func write(_ segment: Segment, flowsIn: Bool, next: UInt32?, _ emitter: inout Emitter) -> Bool {
    let image = emitter.image
    var blockIndex = -1
    var mapCount: UInt32 = 0
    var state = BlockState()
    var flowsIn = flowsIn
    for index in segment.first..<segment.first + segment.count {
      let (offset, instruction) = region.instructions[index]
      let mark = region.marks[offset]
      if blockIndex < 0 || mark.contains(.head) {
        var counted = 0
        if mark.contains(.counted) {
          var over = -1
          if flowsIn {
            emitter.byte(0xeb)
            emitter.byte(0)
            over = emitter.offset
          }
          counted = emitter.offset
          emitter.countTick()
          if over >= 0 { image.code[over - 1] = UInt8(emitter.offset - over) }
        }
        if blockIndex >= 0 { image.blocks[blockIndex].mapCount = mapCount }
        mapCount = 0
        blockIndex = image.blocks.count
        image.blocks.append(
          Block(
            guest: offset, body: UInt32(emitter.offset), counted: UInt32(counted), map: UInt32(image.map.count), mapCount: 0))
        image.setHead(offset, UInt32(blockIndex))
        publish(image, image.blocks[blockIndex])
        state = BlockState()
      }
      let before = emitter.offset
      if isObserving { observe(instruction, at: offset, counts: true, mayLog: true, &emitter, &state) }
      let isLast = index == segment.first + segment.count - 1
      flowsIn = write(instruction, at: offset, followedBy: isLast ? next : nil, &emitter, &state)
      image.map.append(
        UInt16((emitter.offset - before) << 4) | UInt16(instruction.length) | (state.heldR10 ? 1 << 15 : 0))
      state.heldR10 = false
      mapCount += 1
    }
    image.blocks[blockIndex].mapCount = mapCount
    guard let on = segment.continues else { return flowsIn }
    if on == next { return true }
    jump(to: image.start + UInt64(on), counted: false, &emitter)
    return false
  }

  private func resolve(_ fixup: Fixup, _ image: CodeImage) {
    guard let index = image.head(fixup.target) else {
      var emitter = Emitter(image)
      let kind = fixup.counted ? ColdKind.countedLink : .link
      emitter.patch(fixup.patch, to: emitter.cold(kind, image.start + UInt64(fixup.target), patch: fixup.patch))
      image.wait(for: fixup.target)
      return
    }
    link(image, fixup.patch, counted: fixup.counted, Int(index))
  }

  private func link(_ image: CodeImage, _ patch: Int, counted: Bool, _ index: Int) {
    if counted && image.blocks[index].counted == 0 { addCountedEntry(image, index) }
    let block = image.blocks[index]
    image.write(Int32((counted ? Int(block.counted) : Int(block.body)) - patch - 4), at: patch)
  }

  /// Branches of earlier regions to a new block go there now: each would stop once to find it.
  private func linkWaiting(_ image: CodeImage, _ index: Int) {
    image.takeWaiting(image.blocks[index].guest) { exit in
      if image.room < 4 * codeBytesMax { return }
      link(image, Int(exit.patch), counted: exit.kind == ColdKind.countedLink.rawValue, index)
    }
  }
}

/// What is known while the instructions of one block are written.
struct BlockState {
  /// The guest's register that r11 holds: its slot.
  var r11Holds: RuntimeSlot?
  /// The present instruction was written so that r10 holds the guest's value where it can fault.
  var heldR10 = false
}
