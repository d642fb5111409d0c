// Writes machine code into an image. Sound: every store is checked to stay inside the image.

/// The end of an image's code, where new code goes.
struct Emitter: ~Copyable {
  let image: CodeImage
  private let code: UnsafeMutablePointer<UInt8>
  private(set) var offset: Int
  /// Where the cold exits begin.
  private var end: Int

  init(_ image: CodeImage) {
    self.image = image
    code = image.code
    offset = image.hot
    end = image.exitsStart
  }

  /// Makes what was written part of the image.
  func commit() { image.hot = offset }

  @inline(__always) private func check(_ size: Int) {
    precondition(offset + size <= end, "translated code is out of room")
  }

  @inline(__always) mutating func byte(_ value: UInt8) {
    check(1)
    code[offset] = value
    offset += 1
  }

  /// `count` bytes of `value`, at most 8, lowest first. What is stored behind them is written over.
  @inline(__always) mutating func bytes(_ value: UInt64, _ count: Int) {
    check(8)
    UnsafeMutableRawPointer(code + offset).storeBytes(of: value, as: UInt64.self)
    offset += count
  }

  @inline(__always) mutating func copy(_ from: UnsafePointer<UInt8>, _ count: Int) {
    check(count)
    UnsafeMutableRawPointer(code + offset).copyMemory(from: from, byteCount: count)
    offset += count
  }

  @inline(__always) mutating func int32(_ value: Int32) {
    check(4)
    UnsafeMutableRawPointer(code + offset).storeBytes(of: value, as: Int32.self)
    offset += 4
  }

  @inline(__always) mutating func int64(_ value: UInt64) {
    check(8)
    UnsafeMutableRawPointer(code + offset).storeBytes(of: value, as: UInt64.self)
    offset += 8
  }

  /// An opcode (three bytes, lowest first, ending in a ModRM of the form rip + displacement) on a slot.
  @inline(__always) mutating func onSlot(_ opcode: UInt64, _ slot: RuntimeSlot) {
    onWord(opcode, RuntimeLayout.slots + UInt64(slot.rawValue))
  }

  /// The same on a word elsewhere among the slots.
  @inline(__always) mutating func onWord(_ opcode: UInt64, _ target: UInt64) {
    bytes(opcode, 3)
    image.relocations.append(UInt32(offset))
    int32(Int32(truncatingIfNeeded: Int64(bitPattern: target &- (image.address + UInt64(offset) + 4))))
  }

  /// A 32-bit displacement to be filled in; returns its offset.
  @inline(__always) mutating func displacement() -> Int {
    int32(0)
    return offset - 4
  }

  /// Points the displacement at `place` to the code at `target`.
  @inline(__always) func patch(_ place: Int, to target: Int) {
    image.write(Int32(target - place - 4), at: place)
  }

  /// A new cold exit; returns its offset in the code.
  @inline(__always) mutating func cold(_ kind: ColdKind, _ target: UInt64, patch: Int = 0) -> Int {
    image.exits.append(ColdExit(target: target, patch: UInt32(patch), kind: kind.rawValue))
    end -= CodeImage.exitSize
    precondition(end >= offset, "translated code is out of room")
    if kind == .stretchedIndirect {
      code[end] = 0xcc
    } else {
      let place = UnsafeMutableRawPointer(code + end)
      place.storeBytes(of: 0xe9ff_ffff_f91d_8d4c, as: UInt64.self)  // leaq -7(%rip), %r11; jmp
      place.storeBytes(of: distanceToGate(from: end + CodeImage.exitSize), toByteOffset: 8, as: Int32.self)
    }
    return end
  }

  // MARK: Pieces

  /// Bytes of a count before the read that ends it, and of that.
  static let countSize = 4
  static let probeSize = 4

  /// Counts a tick and stops when none is left, without touching the flags: r10 is the address of a byte, which is read, and
  /// where no tick is left it cannot be. Spoils r11. (As short as this it costs nothing in most code; with a displacement it
  /// did.)
  mutating func countTick() {
    bytes(0xff_52_8d_4d, 4)  // leaq -1(%r10), %r10
    bytes(0x1a_b6_0f_45, 4)  // movzbl (%r10), %r11d
  }

  /// Stops before an update when that is wanted. Spoils r11.
  mutating func probeUpdates() {
    onSlot(0x1d_8b_4c, .updates)  // movq updates, %r11
    bytes(0x1b_b6_0f_45, 4)  // movzbl (%r11), %r11d
  }

  /// The clock in edx:eax, or a stop. Keeps the flags, as RDTSC does. Spoils r11.
  mutating func readClock() {
    loadR11(.clockGate)
    bytes(0x1b_b6_0f_45, 4)  // movzbl (%r11), %r11d
    loadR11(.clockReadings)
    bytes(0x01_5b_8d_4d, 4)  // leaq 1(%r11), %r11
    storeR11(.clockReadings)
    onSlot(0x05_8b_48, .clock)  // movq clock, %rax
    bytes(0xd8_04_8d_4a, 4)  // leaq (%rax,%r11,8), %rax
    bytes(0xd3_89_4d, 3)  // movq %r10, %r11
    bytes(0xd3_f7_49, 3)  // notq %r11
    bytes(0x98_04_8d_4a, 4)  // leaq (%rax,%r11,4), %rax
    onSlot(0x05_89_48, .clockRead)  // movq %rax, clockRead
    onWord(0x15_8b_40, RuntimeLayout.slots + UInt64(RuntimeSlot.clockRead.rawValue) + 4)  // movl clockRead + 4, %edx
    onSlot(0x05_8b_40, .clockRead)  // movl clockRead, %eax
  }

  mutating func loadR11(_ slot: RuntimeSlot = .r11) { onSlot(0x1d_8b_4c, slot) }  // movq slot, %r11
  mutating func storeR11(_ slot: RuntimeSlot = .r11) { onSlot(0x1d_89_4c, slot) }  // movq %r11, slot
  mutating func loadR10(_ slot: RuntimeSlot) { onSlot(0x15_8b_4c, slot) }  // movq slot, %r10
  mutating func storeR10(_ slot: RuntimeSlot) { onSlot(0x15_89_4c, slot) }  // movq %r10, slot

  /// The constant in r11.
  mutating func setR11(_ value: UInt64) {
    if value <= UInt64(UInt32.max) {
      bytes(0xbb_41, 2)  // movl $imm32, %r11d
      int32(Int32(truncatingIfNeeded: value))
    } else {
      bytes(0xbb_49, 2)  // movabsq $imm64, %r11
      int64(value)
    }
  }

  /// Calls the kernel: through the gate, which goes on behind this. Spoils r11.
  mutating func callGate() {
    bytes(0x5_1d_8d_4c, 7)  // leaq 5(%rip), %r11
    byte(0xe9)
    image.relocations.append(UInt32(offset))
    int32(distanceToGate(from: offset + 4))
  }

  /// Stops in the machine at this instruction, as an int3 does, in less time. Spoils r11: one byte into this code, where nothing goes on
  /// that the machine could take it for.
  ///
  /// `orAt`: goes there in the dispatch blob, which may go on behind this instead.
  mutating func stopThroughGate(orAt place: Int = RuntimeLayout.gateOffset) {
    bytes(CodeImage.stopThroughGate, 7)  // leaq -6(%rip), %r11
    byte(0xe9)
    image.relocations.append(UInt32(offset))
    int32(distanceToBlob(place, from: offset + 4))
  }

  private func distanceToGate(from offset: Int) -> Int32 { distanceToBlob(RuntimeLayout.gateOffset, from: offset) }

  /// From an offset in the code to a place in the dispatch blob.
  private func distanceToBlob(_ place: Int, from offset: Int) -> Int32 {
    Int32(truncatingIfNeeded: Int64(bitPattern: RuntimeLayout.arena + UInt64(place) &- (image.address + UInt64(offset))))
  }

  /// Asks for the mirror's entry of a guest address below the window, which somebody will need soon, and the first time is not near the
  /// processor. Leaves the address in r11.
  mutating func prefetchEntry(_ guest: UInt64) {
    setR11(guest)
    bytes(0xdd0c_180f_4265, 8)  // prefetcht0 %gs:(,%r11,8)
    bytes(0, 2)
  }

  /// Goes to the counted entry of the guest address in r11.
  mutating func jumpThroughMirror() {
    bytes(CodeImage.mirrorJump, 8)
    byte(0)
  }

  /// Pushes where a call's return goes, with its entry asked for. Spoils r11.
  mutating func pushReturn(_ guest: UInt64) {
    if guest >= RuntimeLayout.window { return push(guest) }
    prefetchEntry(guest)
    bytes(0x53_41, 2)  // pushq %r11
  }

  /// Pushes a guest address. Spoils r11 when it is above 2 GiB.
  mutating func push(_ value: UInt64) {
    if value < 1 << 31 {
      byte(0x68)
      int32(Int32(value))
    } else {
      setR11(value)
      bytes(0x53_41, 2)  // pushq %r11
    }
  }
}
