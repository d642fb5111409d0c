// Decodes one instruction of 64-bit mode: prefixes, opcode, ModRM, SIB, displacement, immediate, then what they mean together.
//
// Unsafe because it reads the guest's bytes and the tables without bounds checks. It is sound: `decodeAhead` reads at most `readAhead` bytes
// and is given that many (the end of the bytes is copied into a longer buffer), and every index into the tables is a byte plus a plane.

/// The longest instruction; a longer one raises #GP.
let lengthLimit = 15
/// Bytes that may be looked at: 15 prefixes, EVEX's 4, opcode, ModRM, SIB, displacement, the first byte of an immediate.
let readAhead = 32

/// Makes the tables, which the first `decode` would: for who has a thread to spare.
public func prepareDecoder() { _ = OpcodeTables.shared }

/// Decodes the instruction at `bytes`, of which `available` may be read. A length of 0 means that they end before the instruction does.
@inline(__always) public func decode(_ bytes: UnsafePointer<UInt8>, available: Int) -> Instruction {
  if available >= readAhead { return decodeAhead(bytes) }
  return decodeNearEnd(bytes, available)
}

/// The same with fewer bytes than the decoder looks at: a copy, with zeros behind it. What it says holds if its length is within the bytes.
@inline(never) private func decodeNearEnd(_ bytes: UnsafePointer<UInt8>, _ available: Int) -> Instruction {
  var copy: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
  var instruction = withUnsafeMutableBytes(of: &copy) { buffer in
    for index in 0..<max(available, 0) { buffer[index] = bytes[index] }
    return decodeAhead(buffer.baseAddress!.assumingMemoryBound(to: UInt8.self))
  }
  if Int(instruction.length) > available { instruction.length = 0 }
  return instruction
}

/// One-byte opcodes, without and with REX, which most instructions are; `decodeLong` does the others. Two copies of the code, so that the
/// processor guesses whether there is a REX instead of waiting for it, and so that the first leaves out what only REX can name.
///
/// Preconditions: `readAhead` bytes can be read.
@inline(__always) private func decodeAhead(_ bytes: UnsafePointer<UInt8>) -> Instruction {
  let tables = OpcodeTables.shared
  let isLong = OpcodeTables.isPrefix | OpcodeTables.isEscape
  let first = tables.number(bytes[0])
  if first & isLong == 0 { return decodeOpcode(bytes, 0, first, map: 0, ScannedPrefixes(), tables) }
  if bytes[0] & 0xf0 == 0x40 {
    let second = tables.number(bytes[1])
    if second & isLong == 0 { return decodeOpcode(bytes, 1, second, map: 0, ScannedPrefixes(rex: bytes[0]), tables) }
  }
  return decodeLong(bytes)
}

/// Prefixes in any number, and all maps.
@inline(never) private func decodeLong(_ bytes: UnsafePointer<UInt8>) -> Instruction {
  let tables = OpcodeTables.shared
  let before = scanPrefixes(bytes)
  var at = Int(before.length) &+ (before.rex == 0 ? 0 : 1)
  var byte = bytes[at]
  var number = tables.number(byte)
  var map = 0
  if byte == 0x0f {
    at &+= 1
    byte = bytes[at]
    map = 1
    if byte & 0xfd == 0x38 {
      map = byte == 0x38 ? 2 : 3
      at &+= 1
      byte = bytes[at]
    }
    number = tables.number(map: map, plane: before.plane, byte)
  } else if number & OpcodeTables.isEscape != 0 && (byte != 0x8f || bytes[at + 1] & 0x1f >= 8) {
    return decodeVector(bytes, at, prefixes: before.prefixes, rex: before.rex)
  }
  let instruction = decodeOpcode(bytes, at, number, map: map, before, tables)
  return Int(instruction.length) > lengthLimit ? instruction.refused() : instruction
}

/// What follows the prefixes: the opcode at `at`, which has the number `number` in the tables, and its operands.
///
/// What differs from one instruction to the next without a pattern (ModRM, SIB, immediate) is computed without branches: a branch that is
/// predicted wrongly costs as much as everything else.
@inline(__always) private func decodeOpcode(
  _ bytes: UnsafePointer<UInt8>, _ opcodeOffset: Int, _ number: Int, map: Int, _ before: ScannedPrefixes, _ tables: OpcodeTables
) -> Instruction {
  var instruction = Instruction()
  var at = opcodeOffset
  let byte = bytes[at]
  let rex = Int(before.rex)
  instruction.prefixes = before.prefixes
  instruction.prefixLength = before.length
  instruction.rex = before.rex
  instruction.map = UInt8(truncatingIfNeeded: map)
  instruction.opcode = byte
  instruction.opcodeOffset = UInt8(truncatingIfNeeded: at)
  at &+= 1

  let modrm = Int(bytes[at])
  var facts = tables.facts(modrm: modrm)
  let selector = facts >> OperandFact.selectorShift
  var kind = tables.kind(number & OpcodeTables.numberMask &+ selector & (0 &- (number >> OpcodeTables.extendedShift)))
  if kind.opcode.has(.special) {
    kind = OpcodeKind(resolve(kind.opcode, map: map, byte: byte, plane: Int(before.plane), rex: rex, modrm: UInt8(modrm)))
    if kind.opcode.has(.alwaysRegister) { facts = tables.facts(modrm: modrm | 0xc0) }
  }
  let opcode = kind.opcode
  facts = decodeOperand(bytes, &at, &instruction, opcode, modrm: modrm, facts: facts, rex: rex, tables)
  let state = rex >> 1 & 4 | Int(before.prefixes.rawValue & 1) << 1 | Int(before.prefixes.rawValue >> 1 & 1)
  let size = kind.size(state)
  instruction.immediateOffset = UInt8(truncatingIfNeeded: at)
  instruction.immediateSize = UInt8(truncatingIfNeeded: size)
  at &+= size
  instruction.length = UInt8(truncatingIfNeeded: at)
  instruction.setMeaning(opcode)
  // A write of one or two bytes keeps, and so reads, the others.
  let narrow = opcode.bit(.byte) | (state >> 1 & ~(state >> 2))
  instruction.setTraits(opcode, facts: facts, reads: kind.reads, writes: kind.writes, narrow: narrow)
  if !before.prefixes.isEmpty || opcode.has(.countedByImmediate + .oddImmediate) { return finish(bytes, instruction, opcode) }
  return instruction
}

/// The rarer rules: lock prefixes, repeat counts and shift counts that may be 0, updates that do not count, and two odd immediates.
@inline(never) private func finish(_ bytes: UnsafePointer<UInt8>, _ unfinished: Instruction, _ opcode: Opcode) -> Instruction {
  var instruction = unfinished
  if instruction.prefixes.contains(.lock) && (!opcode.has(.lockable) || !instruction.hasMemoryForm) { instruction.flow = .undefined }
  if !instruction.prefixes.isDisjoint(with: [.lock, .gs]) { instruction.traits.remove(.update) }
  if opcode.has(.repeated) && !instruction.prefixes.isDisjoint(with: [.rep, .repne]) { instruction.keepFlags() }
  if opcode.has(.countedByImmediate) {
    let count = bytes[Int(instruction.immediateOffset)] & (instruction.rex & 8 != 0 ? 0x3f : 0x1f)
    if count == 0 { instruction.keepFlags() }
  }
  if opcode.immediate == Int(Immediate.address.rawValue) {
    instruction.displacementOffset = instruction.immediateOffset
    instruction.displacementSize = instruction.immediateSize
    instruction.immediateSize = 0
  } else if opcode.immediate == Int(Immediate.suffix.rawValue) {
    // The suffix is the opcode proper.
    instruction.opcode = bytes[Int(instruction.immediateOffset)]
    instruction.opcodeOffset = instruction.immediateOffset
    instruction.immediateSize = 0
    if !isAMD3DNow(instruction.opcode) { instruction.flow = .unknown }
  }
  return instruction
}

/// What stands before an opcode or its escape.
private struct ScannedPrefixes {
  var rex: UInt8 = 0
  var prefixes: Prefixes = []
  /// Without the REX that counts.
  var length: UInt8 = 0
  /// The plane of the opcode tables: 0 without, 1 for 66, 2 for F3, 3 for F2. The last of F2 and F3 counts, and 66 only without them.
  var plane: UInt8 = 0
}

/// Reads all prefixes, in any order and number.
@inline(never) private func scanPrefixes(_ bytes: UnsafePointer<UInt8>) -> ScannedPrefixes {
  var at = 0
  var scanned = ScannedPrefixes()
  scan: while at < lengthLimit {
    let byte = bytes[at]
    switch byte {
    case 0x66: scanned.prefixes.insert(.operandSize)
    case 0x67: scanned.prefixes.insert(.addressSize)
    case 0xf0: scanned.prefixes.insert(.lock)
    case 0xf2:
      scanned.prefixes.insert(.repne)
      scanned.plane = 3
    case 0xf3:
      scanned.prefixes.insert(.rep)
      scanned.plane = 2
    case 0x64:
      scanned.prefixes.remove(.gs)
      scanned.prefixes.insert(.fs)
    case 0x65:
      scanned.prefixes.remove(.fs)
      scanned.prefixes.insert(.gs)
    case 0x26, 0x2e, 0x36, 0x3e: break
    case 0x40...0x4f:
      // Counts only if the opcode follows.
      scanned.rex = byte
      at += 1
      continue scan
    default: break scan
    }
    scanned.rex = 0
    at += 1
  }
  scanned.length = UInt8(truncatingIfNeeded: scanned.rex == 0 ? at : at - 1)
  if scanned.plane == 0 && scanned.prefixes.contains(.operandSize) { scanned.plane = 1 }
  return scanned
}

/// Reads SIB and displacement of the ModRM byte at `at`, if the opcode has one, and moves `at` behind them. `rex` has the bits R, X and B of any
/// encoding; `facts` are those of the ModRM byte. Returns the facts about the whole operand.
@inline(__always) func decodeOperand(
  _ bytes: UnsafePointer<UInt8>, _ at: inout Int, _ instruction: inout Instruction, _ opcode: Opcode, modrm: Int, facts: Int, rex: Int,
  _ tables: OpcodeTables
) -> Int {
  let present = opcode.bit(.modrm)
  let mask = 0 &- present
  let sib = Int(bytes[at &+ 1])
  let hasSIB = facts >> 4 & present
  let sibMask = 0 &- hasSIB
  instruction.modrm = UInt8(truncatingIfNeeded: modrm & mask)
  instruction.modrmOffset = UInt8(truncatingIfNeeded: at & mask)
  instruction.sib = UInt8(truncatingIfNeeded: sib & sibMask)
  instruction.traits = Instruction.Traits(rawValue: UInt8(truncatingIfNeeded: present | hasSIB << 1))
  at &+= present &+ hasSIB
  let hasMod = (modrm &+ 0xc0) >> 8 & 1
  let ofSIB = tables.facts(sib: sib, hasMod: hasMod) & sibMask
  let all = (facts | ofSIB) & (rex == 0 ? OperandFact.mask(0) : tables.facts(rex: rex))
  let size = all & OperandFact.displacement & mask
  instruction.displacementOffset = UInt8(truncatingIfNeeded: at)
  instruction.displacementSize = UInt8(truncatingIfNeeded: size)
  at &+= size
  return all | OperandFact.embedded & (0 &- (rex & 1))
}

extension Instruction {
  @inline(__always) mutating func setMeaning(_ opcode: Opcode) {
    // Sound: the tables hold raw values of `Flow`, which has no gaps.
    flow = unsafeBitCast(UInt8(truncatingIfNeeded: opcode.bits & 31), to: Flow.self)
    flagsRead = opcode.flagsRead
    flagsWritten = opcode.flagsWritten
  }

  /// `reads` and `writes` say which of the facts mean that r11 is read and written.
  @inline(__always) mutating func setTraits(_ opcode: Opcode, facts: Int, reads: UInt16, writes: UInt16, narrow: Int) {
    let writesR11 = facts & Int(writes) != 0 ? 1 : 0
    let readsR11 = (facts & Int(reads) != 0 ? 1 : 0) | writesR11 & narrow
    let update = opcode.bit(.update) & (facts & (OperandFact.memory | OperandFact.stack) == OperandFact.memory ? 1 : 0)
    traits = Traits(rawValue: traits.rawValue | UInt8(truncatingIfNeeded: readsR11 << 2 | writesR11 << 3 | update << 4))
  }

  /// The flags may come through unchanged.
  mutating func keepFlags() {
    flagsRead = .all
    flagsWritten = []
  }

  /// Longer than any instruction can be.
  @inline(never) func refused() -> Instruction {
    var refused = self
    refused.length = UInt8(lengthLimit)
    refused.flow = .undefined
    refused.displacementSize = 0
    refused.immediateSize = 0
    refused.keepFlags()
    return refused
  }
}
