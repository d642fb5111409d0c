// A stretch: a few instructions in a straight line that end in a cold exit wherever they lead, for stops between ticks, for
// single steps, and for code that cannot be kept.

extension Translator {
  public struct Stretch: Sendable {
    /// Where it begins, as an address for guests.
    public var entry: UInt64
    /// Instructions in it. All have been executed at each of its cold exits.
    public var count: Int
  }

  /// Writes at most `count` instructions from `pc` into an empty image; nil when the first one's bytes are cut off. Never the
  /// one at `before`, unless it is the first. Scheduling points do not count. Accesses are logged, but for the first
  /// instruction's when `logsFirst` is false.
  public func stretch(
    _ image: CodeImage, _ pc: UInt64, count: Int, before: UInt64? = nil, logsFirst: Bool = true
  ) -> Stretch? {
    precondition(image.isEmpty && image.contains(pc) && count > 0)
    var emitter = Emitter(image)
    var offset = Int(pc - image.start)
    var state = BlockState()
    var block = Block(guest: UInt32(offset), body: UInt32(emitter.offset), counted: 0, map: 0, mapCount: 0)
    var goesOn = true
    while goesOn, block.mapCount < count, offset < image.length {
      let instruction = decode(image.source + offset, available: image.available - offset)
      if instruction.length == 0 { break }
      let start = emitter.offset
      if logs != .off {
        observe(instruction, at: UInt32(offset), counts: false, mayLog: logsFirst || block.mapCount > 0, &emitter, &state)
      }
      goesOn = writeStep(instruction, UInt32(offset), &emitter, &state)
      image.map.append(
        UInt16((emitter.offset - start) << 4) | UInt16(instruction.length) | (state.heldR10 ? 1 << 15 : 0))
      state.heldR10 = false
      block.mapCount += 1
      offset += Int(instruction.length)
      if image.start + UInt64(offset) == before { break }
    }
    if block.mapCount == 0 { return nil }
    if goesOn { leave(.stretched, image.start + UInt64(offset), &emitter) }
    emitter.commit()
    image.blocks.append(block)
    return Stretch(entry: image.address + UInt64(block.body), count: Int(block.mapCount))
  }

  /// The second half of the split update at `pc`, into an empty image; nil when its address is out of reach.
  public func secondHalf(_ image: CodeImage, _ pc: UInt64) -> Stretch? {
    let offset = Int(pc - image.start)
    let bytes = image.source + offset
    let instruction = decode(bytes, available: image.available - offset)
    guard instruction.length > 0, instruction.isSplittable else { return nil }
    let next = pc + UInt64(instruction.length)
    if instruction.isRIPRelative, ripTarget(instruction, bytes, next) >= 1 << 31 { return nil }
    var emitter = Emitter(image)
    let start = emitter.offset
    writeSecondHalf(instruction, bytes, pc, &emitter)
    image.blocks.append(Block(guest: UInt32(offset), body: UInt32(start), counted: 0, map: 0, mapCount: 1))
    image.map.append(UInt16((emitter.offset - start) << 4) | UInt16(instruction.length))
    leave(.stretched, next, &emitter)
    emitter.commit()
    return Stretch(entry: image.address + UInt64(start), count: 1)
  }

  private func leave(_ kind: ColdKind, _ target: UInt64, _ emitter: inout Emitter) {
    emitter.byte(0xe9)
    let place = emitter.displacement()
    emitter.patch(place, to: emitter.cold(kind, target))
  }

  /// Returns whether the next instruction follows in the stretch.
  private func writeStep(
    _ instruction: Instruction, _ offset: UInt32, _ emitter: inout Emitter, _ state: inout BlockState
  ) -> Bool {
    let image = emitter.image
    let bytes = image.source + Int(offset)
    let pc = image.start + UInt64(offset)
    let next = pc + UInt64(instruction.length)
    switch instruction.flow {
    case .plain, .popFlags, .rdtsc, .cpuid:
      return write(instruction, at: offset, followedBy: nil, &emitter, &state)
    case .conditional, .counted, .jump, .call:
      let target = next &+ UInt64(bitPattern: Int64(instruction.branchDisplacement(bytes)))
      let kind: ColdKind = target <= pc ? .stretchedTick : .stretched
      switch instruction.flow {
      case .conditional:
        emitter.byte(0x0f)
        emitter.byte(0x80 | instruction.opcode & 15)
        let place = emitter.displacement()
        emitter.patch(place, to: emitter.cold(kind, target))
        leave(.stretched, next, &emitter)
      case .counted:
        if instruction.prefixes.contains(.addressSize) { emitter.byte(0x67) }
        emitter.byte(instruction.opcode)
        emitter.byte(2)
        emitter.bytes(0x05_eb, 2)
        leave(kind, target, &emitter)
        leave(.stretched, next, &emitter)
      case .call:
        emitter.push(next)
        leave(kind, target, &emitter)
      default: leave(kind, target, &emitter)
      }
      return false
    case .callIndirect, .jumpIndirect:
      writeIndirect(instruction, bytes, next, &emitter, &state)
      return false
    case .ret:
      writeReturn(instruction, bytes, &emitter)
      leave(.stretchedIndirect, next, &emitter)
      return false
    default:
      _ = write(instruction, at: offset, followedBy: nil, &emitter, &state)
      return false
    }
  }

  private func writeIndirect(
    _ instruction: Instruction, _ bytes: UnsafePointer<UInt8>, _ next: UInt64, _ emitter: inout Emitter,
    _ state: inout BlockState
  ) {
    var loaded = false
    if instruction.mayUseR10, let renamed = Self.renamed(instruction, bytes) {
      var copy = renamed.bytes
      loaded = !instruction.readsR11 && withUnsafeBytes(of: &copy) {
        loadTarget(
          renamed.instruction, $0.baseAddress!.assumingMemoryBound(to: UInt8.self), .r10, next, &emitter, &state)
      }
    } else {
      loaded = loadTarget(instruction, bytes, .r11, next, &emitter, &state)
    }
    if !loaded { return emitter.byte(0xcc) }
    if instruction.flow == .callIndirect { pushKeepingR11(next, &emitter) }
    leave(.stretchedIndirect, next, &emitter)
  }
}
