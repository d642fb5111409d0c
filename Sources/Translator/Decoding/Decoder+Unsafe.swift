// Decodes one instruction of 64-bit mode: prefixes, opcode, ModRM, SIB, displacement, immediate, then what they mean together.
//
// Unsafe because it reads the guest's bytes and the tables without bounds checks. It is sound: `decodeAhead` reads at most `readAhead` bytes
// and is given that many (the end of the bytes is copied into a longer buffer), and every index into the tables is a byte plus a plane.

/// The longest instruction; a longer one raises #GP.
let lengthLimit = 15
/// Bytes that may be looked at: 15 prefixes, EVEX's 4, opcode, ModRM, SIB, displacement, the first byte of an immediate.
let readAhead = 32

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

/// Preconditions: `readAhead` bytes can be read.
@inline(__always) private func decodeAhead(_ bytes: UnsafePointer<UInt8>) -> Instruction {
  let tables = OpcodeTables.shared
  var instruction = Instruction()
  // REX alone is by far the most frequent prefix, so it takes no branch.
  let first = bytes[0]
  instruction.rex = first & 0xf0 == 0x40 ? first : 0
  var at = instruction.rex == 0 ? 0 : 1
  var byte = bytes[at]
  var opcode = tables.opcodes[Int(byte)]
  var plane = 0
  if opcode.has(.prefix) {
    plane = scanPrefixes(bytes, &instruction)
    at = Int(instruction.prefixLength) + (instruction.rex == 0 ? 0 : 1)
    byte = bytes[at]
    opcode = tables.opcodes[Int(byte)]
  }
  if opcode.has(.escape) {
    if byte == 0x0f {
      at += 1
      byte = bytes[at]
      instruction.map = 1
      if byte & 0xfd == 0x38 {
        instruction.map = byte == 0x38 ? 2 : 3
        at += 1
        byte = bytes[at]
      }
      opcode = tables.opcodes[OpcodeTables.plane(map: Int(instruction.map), plane) + Int(byte)]
    } else if byte != 0x8f || bytes[at + 1] & 0x1f >= 8 {
      decodeVector(bytes, at, &instruction)
      return instruction
    } else {
      opcode = .group(.pop)
    }
  }
  instruction.opcode = byte
  instruction.opcodeOffset = UInt8(truncatingIfNeeded: at)
  at += 1

  let rex = Int(instruction.rex)
  var uses = EncodedRegisters(low: byte, rex: rex)
  if opcode.has(.modrm) {
    let modrm = bytes[at]
    if opcode.group != 0 {
      opcode = tables.opcodes[OpcodeTables.group(opcode.group) + Int(modrm >> 3 & 7) + (modrm >= 0xc0 ? 8 : 0)]
    }
    if opcode.has(.special) { opcode = resolve(opcode, instruction, plane: plane, modrm: modrm) }
    at = decodeOperand(bytes, at, &instruction, &uses, rex: rex, isRegister: opcode.has(.alwaysRegister), isVector: false)
    if opcode.has(.memoryOnly + .registerOnly) && opcode.has(modrm < 0xc0 ? .registerOnly : .memoryOnly) { instruction.flow = .undefined }
  }
  let operandState = rex >> 1 & 4 | Int(instruction.prefixes.rawValue & 1) << 1 | Int(instruction.prefixes.rawValue >> 1 & 1)
  let size = tables.immediateSizes[opcode.immediate * 8 + operandState]
  if size != 0 {
    instruction.immediateOffset = UInt8(truncatingIfNeeded: at)
    instruction.immediateSize = size
    at += Int(size)
  }
  instruction.length = UInt8(truncatingIfNeeded: at)
  instruction.flagsRead = opcode.flagsRead
  instruction.flagsWritten = opcode.flagsWritten
  if instruction.flow != .undefined { instruction.flow = opcode.flow }

  // Registers. A write of one or two bytes keeps, and so reads, the others.
  let isNarrow = opcode.has(.byte) || operandState & 6 == 2
  instruction.setR11(opcode, uses, isNarrow: isNarrow)
  if opcode.has(.update) { instruction.setUpdate() }
  if !instruction.prefixes.isEmpty || opcode.has(.countedByImmediate) || opcode.immediate >= Int(Immediate.address.rawValue) {
    finish(bytes, &instruction, opcode)
  }
  if at > lengthLimit { instruction.refuse() }
  return instruction
}

/// The rarer rules: lock prefixes, repeat counts and shift counts that may be 0, and two odd encodings.
@inline(never) private func finish(_ bytes: UnsafePointer<UInt8>, _ instruction: inout Instruction, _ opcode: Opcode) {
  if instruction.prefixes.contains(.lock) && (!opcode.has(.lockable) || !instruction.hasMemoryForm) { instruction.flow = .undefined }
  if opcode.has(.repeated) && !instruction.prefixes.isDisjoint(with: [.rep, .repne]) { instruction.keepFlags() }
  if opcode.has(.countedByImmediate) {
    let count = bytes[Int(instruction.immediateOffset)] & (instruction.rex & 8 != 0 ? 0x3f : 0x1f)
    if count == 0 { instruction.keepFlags() }
  }
  if opcode.immediate == Int(Immediate.address.rawValue) {
    instruction.displacementOffset = instruction.immediateOffset
    instruction.displacementSize = instruction.immediateSize
    instruction.immediateOffset = 0
    instruction.immediateSize = 0
  } else if opcode.immediate == Int(Immediate.suffix.rawValue) {
    if !isAMD3DNow(bytes[Int(instruction.immediateOffset)]) { instruction.flow = .unknown }
  }
}

/// Reads all prefixes before the opcode. Returns the plane of the opcode tables: 0 without, 1 for 66, 2 for F3, 3 for F2 (the last of F2 and F3
/// counts, and 66 only without them).
@inline(never) private func scanPrefixes(_ bytes: UnsafePointer<UInt8>, _ instruction: inout Instruction) -> Int {
  var at = 0
  var rex: UInt8 = 0
  var repeatPlane = 0
  var prefixes: Prefixes = []
  scan: while at < lengthLimit {
    let byte = bytes[at]
    switch byte {
    case 0x66: prefixes.insert(.operandSize)
    case 0x67: prefixes.insert(.addressSize)
    case 0xf0: prefixes.insert(.lock)
    case 0xf2:
      prefixes.insert(.repne)
      repeatPlane = 3
    case 0xf3:
      prefixes.insert(.rep)
      repeatPlane = 2
    case 0x64:
      prefixes.subtract([.fs, .gs])
      prefixes.insert(.fs)
    case 0x65:
      prefixes.subtract([.fs, .gs])
      prefixes.insert(.gs)
    case 0x26, 0x2e, 0x36, 0x3e: break
    case 0x40...0x4f:
      // Counts only if the opcode follows.
      rex = byte
      at += 1
      continue scan
    default: break scan
    }
    rex = 0
    at += 1
  }
  instruction.prefixes = prefixes
  instruction.rex = rex
  instruction.prefixLength = UInt8(truncatingIfNeeded: rex == 0 ? at : at - 1)
  return repeatPlane != 0 ? repeatPlane : prefixes.contains(.operandSize) ? 1 : 0
}

/// Which of the encoded register numbers are r11.
struct EncodedRegisters {
  var isReg = false
  var isRM = false
  var isAddress = false
  var isEmbedded: Bool
  var isVVVV = false

  /// An opcode's low bits with REX.B.
  @inline(__always) init(low opcode: UInt8, rex: Int) { isEmbedded = Int(opcode & 7) | (rex & 1) << 3 == 11 }
}

/// Reads ModRM, SIB and displacement; returns the offset behind them. `rex` has the bits R, X and B of any encoding.
@inline(__always) func decodeOperand(
  _ bytes: UnsafePointer<UInt8>, _ start: Int, _ instruction: inout Instruction, _ uses: inout EncodedRegisters, rex: Int, isRegister: Bool,
  isVector: Bool
) -> Int {
  var at = start
  let modrm = bytes[at]
  instruction.modrm = modrm
  instruction.modrmOffset = UInt8(truncatingIfNeeded: at)
  instruction.traits.insert(.modrm)
  at += 1
  let base = (rex & 1) << 3
  uses.isReg = Int(modrm >> 3 & 7) | (rex & 4) << 1 == 11
  if modrm >= 0xc0 || isRegister {
    uses.isRM = Int(modrm & 7) | base == 11
    return at
  }
  var size: UInt8 = modrm < 0x40 ? (modrm & 7 == 5 ? 4 : 0) : modrm < 0x80 ? 1 : 4
  if modrm & 7 == 4 {
    let sib = bytes[at]
    instruction.sib = sib
    instruction.traits.insert(.sib)
    at += 1
    if modrm < 0x40 && sib & 7 == 5 { size = 4 }
    uses.isAddress = Int(sib & 7) | base == 11 || (!isVector && Int(sib >> 3 & 7) | (rex & 2) << 2 == 11)
  } else {
    uses.isAddress = Int(modrm & 7) | base == 11
  }
  if size != 0 {
    instruction.displacementOffset = UInt8(truncatingIfNeeded: at)
    instruction.displacementSize = size
    at += Int(size)
  }
  return at
}

extension Instruction {
  @inline(__always) mutating func setR11(_ opcode: Opcode, _ uses: EncodedRegisters, isNarrow: Bool) {
    let written =
      (uses.isReg && opcode.has(.regWrite)) || (uses.isRM && opcode.has(.rmWrite)) || (uses.isEmbedded && opcode.has(.embeddedWrite))
      || (uses.isVVVV && opcode.has(.vvvvWrite)) || opcode.has(.hiddenR11)
    let read =
      uses.isAddress || (uses.isReg && opcode.has(.regRead)) || (uses.isRM && opcode.has(.rmRead))
      || (uses.isEmbedded && opcode.has(.embeddedRead)) || (uses.isVVVV && opcode.has(.vvvvRead)) || (written && (isNarrow || opcode.has(.hiddenR11)))
    if written { traits.insert(.writesR11) }
    if read { traits.insert(.readsR11) }
  }

  /// Preconditions: an instruction that may be an update.
  @inline(__always) mutating func setUpdate() {
    if modrm >= 0xc0 || !prefixes.isDisjoint(with: [.lock, .gs]) { return }
    if rex & 1 == 0 {
      if traits.contains(.sib) {
        if sib & 7 == 4 || (sib & 7 == 5 && modrm >= 0x40) { return }
      } else if modrm & 7 == 5 && modrm >= 0x40 {
        return
      }
    }
    traits.insert(.update)
  }

  /// The flags may come through unchanged.
  mutating func keepFlags() {
    flagsRead = .all
    flagsWritten = []
  }

  /// Longer than any instruction can be.
  @inline(never) mutating func refuse() {
    length = UInt8(lengthLimit)
    flow = .undefined
    displacementSize = 0
    immediateSize = 0
    keepFlags()
  }
}
