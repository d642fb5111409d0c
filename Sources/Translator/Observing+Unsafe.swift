// What stands before an instruction for those who search for schedules: the probe of a scheduling point, and the code that logs
// accesses. Both leave flags, stack and the guest's registers alone at every fault that is the guest's, and spoil r11.
//
// A point counts down like a tick: the slot `points` holds the address of a byte, and the byte of count 0 cannot be read. It lies
// in memory, as there is no register to spare: a few cycles of store forwarding each. Then it reads by way of its word in the
// table of watches: who wants a stop at certain points only puts an address there that cannot be read.
//
// An entry of the log is two words: the address; then the instruction's pc, with what its access is (`AccessLog`). Its first
// store faults where the log is full; then rax, which the guest needs, is in its slot.

/// The log's layout: two words for each access.
public enum AccessLog {
  /// Whose accesses are logged: nobody's, those of scheduling points, or all instructions'.
  public enum Mode: Sendable { case off, points, all }

  public static let entrySize = 16
  static let sizeShift: UInt64 = 48
  static let writeBit: UInt64 = 1 << 63
  static let secondBit: UInt64 = 1 << 62
  static let updateBit: UInt64 = 1 << 61

  static func describe(_ pc: UInt64, _ access: Access, isSecond: Bool, isUpdate: Bool) -> UInt64 {
    pc | UInt64(access.size) << sizeShift | (access.isWrite ? writeBit : 0) | (isSecond ? secondBit : 0)
      | (isUpdate ? updateBit : 0)
  }

  /// The second word: pc, bytes, whether it may store, whether it is the instruction's second access, and whether this is an update.
  public static func fields(_ word: UInt64) -> (pc: UInt64, size: UInt8, isWrite: Bool, isSecond: Bool, isUpdate: Bool) {
    (
      word & (1 << sizeShift - 1), UInt8(truncatingIfNeeded: word >> sizeShift & 0x7f), word & writeBit != 0,
      word & secondBit != 0, word & updateBit != 0
    )
  }

  /// Where to go on after the fault of a full log: so many bytes before it, where the pointer is loaded.
  public static let retryDistance: UInt64 = 7
}

extension Translator {
  /// Bytes of a point's probe, at whose start an instruction's code begins, and of the read that ends it.
  public static let pointProbeSize: UInt64 = 33
  /// Of either read of a probe, and the bytes of the probe up to the end of the first.
  public static let pointReadSize: UInt64 = 4
  /// An upper bound for what `observe` writes.
  static let observingBytesMax = 147

  /// Whether translations are other than usual.
  public var isObserving: Bool { logs != .off || !points.isEmpty }

  /// Whether the code of this instruction, when it is the guest's at `pc`, begins with a point's probe.
  public func isPoint(_ pc: UInt64, _ instruction: @autoclosure () -> Instruction) -> Bool {
    !points.isEmpty && points[pc] != nil && instruction().hasMemoryOperand
  }

  /// Writes what comes before an instruction. `mayLog`: its accesses, too, when they are logged at all.
  func observe(
    _ instruction: Instruction, at offset: UInt32, counts: Bool, mayLog: Bool, _ emitter: inout Emitter, _ state: inout BlockState
  ) {
    let image = emitter.image
    let pc = image.start + UInt64(offset)
    if counts && isPoint(pc, instruction) {
      emitter.countPoint(watch: RuntimeLayout.watch(points[pc]!))
      state.r11Holds = nil
    }
    guard mayLog, logsAccesses(of: instruction, at: pc) else { return }
    let bytes = image.source + Int(offset)
    let accesses = instruction.accesses(bytes)
    if accesses.isEmpty { return }
    var skip = -1
    if instruction.isRepeatedString {
      // None at all when the count is 0.
      if instruction.prefixes.contains(.addressSize) { emitter.byte(0x67) }
      emitter.bytes(0x00_e3, 2)  // jrcxz
      skip = emitter.offset
    }
    for (index, access) in accesses.enumerated() {
      log(access, isSecond: index > 0, instruction, bytes, pc, &emitter)
    }
    if skip >= 0 { image.code[skip - 1] = UInt8(emitter.offset - skip) }
    state.r11Holds = nil
  }

  private func logsAccesses(of instruction: Instruction, at pc: UInt64) -> Bool {
    switch logs {
    case .off: false
    case .points: isPoint(pc, instruction)
    case .all: true
    }
  }

  private func log(
    _ access: Access, isSecond: Bool, _ instruction: Instruction, _ bytes: UnsafePointer<UInt8>, _ pc: UInt64, _ emitter: inout Emitter
  ) {
    emitter.onSlot(0x05_89_48, .rax)  // movq %rax, slot
    loadAddress(access, instruction, bytes, pc, &emitter)
    emitter.loadR11(.log)
    emitter.bytes(0x03_89_49, 3)  // movq %rax, (%r11)
    emitter.bytes(0xb8_48, 2)  // movabsq $imm64, %rax
    emitter.int64(AccessLog.describe(pc, access, isSecond: isSecond, isUpdate: instruction.isUpdate))
    emitter.bytes(0x08_43_89_49, 4)  // movq %rax, 8(%r11)
    emitter.bytes(0x10_5b_8d_4d, 4)  // leaq 16(%r11), %r11
    emitter.storeR11(.log)
    emitter.onSlot(0x05_8b_48, .rax)  // movq slot, %rax
  }

  /// The address of an access into rax, whose slot holds the guest's.
  private func loadAddress(
    _ access: Access, _ instruction: Instruction, _ bytes: UnsafePointer<UInt8>, _ pc: UInt64, _ emitter: inout Emitter
  ) {
    let usesLowAddress = instruction.prefixes.contains(.addressSize)
    switch access.place {
    case .operand:
      if instruction.hasModRM {
        loadOperandAddress(instruction, bytes, pc + UInt64(instruction.length), &emitter)
      } else {
        let place = UnsafeRawPointer(bytes + Int(instruction.displacementOffset))
        emitter.setRAX(usesLowAddress ? UInt64(place.loadUnaligned(as: UInt32.self)) : place.loadUnaligned(as: UInt64.self))
      }
    case .table:
      emitter.bytes(0xc0_b6_0f, 3)  // movzbl %al, %eax
      if usesLowAddress { emitter.byte(0x67) }
      emitter.bytes(0x0304_8d48, 4)  // leaq (%rbx, %rax), %rax
    case .source, .destination:
      if usesLowAddress { emitter.byte(0x67) }
      emitter.bytes(access.place == .source ? 0x06_8d_48 : 0x07_8d_48, 3)  // leaq (%rsi), %rax; leaq (%rdi), %rax
    }
  }

  /// `lea` of the operand into rax. The guest's r10 and r11 come from their slots: into r11, and when both are there r10 into
  /// rax, which then is no part of the operand.
  private func loadOperandAddress(
    _ instruction: Instruction, _ bytes: UnsafePointer<UInt8>, _ next: UInt64, _ emitter: inout Emitter
  ) {
    if instruction.isRIPRelative { return emitter.setRAX(ripTarget(instruction, bytes, next)) }
    let isVector = !instruction.prefixes.isDisjoint(with: [.vex, .xop])
    let rex = isVector ? VectorPrefix(instruction, bytes).extensions : instruction.rex
    let mode = instruction.modrm >> 6
    let field = instruction.hasSIB ? instruction.sib & 7 : instruction.modrm & 7
    var base: UInt8? = field | (rex & 1) << 3
    if instruction.hasSIB && mode == 0 && field == 5 { base = nil }
    var index: UInt8?
    if instruction.hasSIB {
      let number = instruction.sib >> 3 & 7 | (rex & 2) << 2
      if number != 4 { index = number }
    }
    let usesTen = base == 10 || index == 10, usesEleven = base == 11 || index == 11
    if usesEleven { emitter.loadR11() } else if usesTen { emitter.loadR11(.r10) }
    if usesTen && usesEleven { emitter.onSlot(0x05_8b_48, .r10) }  // movq slot, %rax
    let standIn: UInt8 = usesEleven ? 0 : 11
    if base == 10 { base = standIn }
    if index == 10 { index = standIn }

    if instruction.prefixes.contains(.addressSize) { emitter.byte(0x67) }
    emitter.byte(0x48 | (index ?? 0) >> 2 & 2 | (base ?? 0) >> 3)
    emitter.byte(0x8d)
    if instruction.hasSIB {
      emitter.byte(mode << 6 | 4)
      emitter.byte(instruction.sib & 0xc0 | ((index ?? 4) & 7) << 3 | (base ?? 5) & 7)
    } else {
      emitter.byte(mode << 6 | base! & 7)
    }
    emitter.copy(bytes + Int(instruction.displacementOffset), Int(instruction.displacementSize))
  }
}

extension Emitter {
  /// Counts a scheduling point and stops when none is left, or when the word at `watch` says so. Spoils r11.
  mutating func countPoint(watch: UInt64) {
    onSlot(0x1d_8b_4c, .points)  // movq points, %r11
    bytes(0xff_5b_8d_4d, 4)  // leaq -1(%r11), %r11
    onSlot(0x1d_89_4c, .points)  // movq %r11, points
    bytes(0x1b_b6_0f_45, 4)  // movzbl (%r11), %r11d
    onWord(0x1d_8b_4c, watch)  // movq watch, %r11
    bytes(0x1b_b6_0f_45, 4)  // movzbl (%r11), %r11d
  }

  /// The constant in rax.
  mutating func setRAX(_ value: UInt64) {
    if value <= UInt64(UInt32.max) {
      byte(0xb8)  // movl $imm32, %eax
      int32(Int32(truncatingIfNeeded: value))
    } else {
      bytes(0xb8_48, 2)  // movabsq $imm64, %rax
      int64(value)
    }
  }
}
