// VEX, EVEX and XOP: another way to write prefixes and map, and tables of their own.
//
// Unsafe for the reasons of Decoder+Unsafe.swift.

/// Decodes the instruction whose VEX, EVEX or XOP prefix stands at `start`.
@inline(never) func decodeVector(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ instruction: inout Instruction) {
  // These prefixes carry their own, and refuse others: #UD.
  let isRefused = instruction.rex != 0 || !instruction.prefixes.isDisjoint(with: [.operandSize, .rep, .repne, .lock])
  instruction.rex = 0
  instruction.prefixLength = UInt8(truncatingIfNeeded: start)
  var at = start
  let first = bytes[at]
  // P0 has R, X, B inverted and the map; P1 has W, vvvv and pp; P2 is EVEX's alone.
  var p0 = Int(bytes[at + 1])
  var p1 = Int(bytes[at + 2])
  var p2 = 0
  var plane: Int
  var isMalformed = false
  switch first {
  case 0xc5:
    p1 = p0 & 0x7f
    p0 = p0 & 0x80 | 0x61
    at += 2
    instruction.prefixes.insert(.vex)
    plane = VectorTables.vex(1)
  case 0xc4:
    at += 3
    instruction.prefixes.insert(.vex)
    plane = VectorTables.vex(p0 & 0x1f)
  case 0x62:
    p2 = Int(bytes[at + 3])
    at += 4
    instruction.prefixes.insert(.evex)
    isMalformed = p0 & 8 != 0 || p1 & 4 == 0
    plane = VectorTables.evex(p0 & 7)
  default:
    at += 3
    instruction.prefixes.insert(.xop)
    plane = VectorTables.xop(p0 & 0x1f)
  }
  instruction.map = UInt8(truncatingIfNeeded: first == 0x62 ? p0 & 7 : p0 & 0x1f)
  let byte = bytes[at]
  instruction.opcode = byte
  instruction.opcodeOffset = UInt8(truncatingIfNeeded: at)
  at += 1
  let entry = VectorTables.shared[plane < 0 ? plane : plane + (p1 & 3) << 8 + Int(byte)]
  let opcode = entry.opcode
  // vzeroupper and vzeroall are the only ones without ModRM.
  var uses = EncodedRegisters(low: 0, rex: 0)
  let vvvv = ~p1 >> 3 & 15
  if !entry.isBare {
    let modrm = bytes[at]
    at = decodeOperand(bytes, at, &instruction, &uses, rex: ~p0 >> 5 & 7, isRegister: false, isVector: opcode.has(.vectorIndex))
    isMalformed = isMalformed || !entry.allows(mod: modrm >= 0xc0, reg: modrm >> 3 & 7, p1: p1, p2: p2, isEVEX: first == 0x62)
  } else {
    isMalformed = isMalformed || !entry.allows(mod: false, reg: 0, p1: p1, p2: p2, isEVEX: false)
  }
  uses.isVVVV = vvvv == 11
  if opcode.has(.vvvvUnused) && (vvvv != 0 || (first == 0x62 && p2 & 8 == 0 && !opcode.has(.vectorIndex))) { isMalformed = true }
  if first == 0x62 && p0 & 0x10 == 0 && opcode.has(.regRead + .regWrite) { isMalformed = true }
  let size = OpcodeTables.shared.immediateSizes[opcode.immediate * 8]
  if size != 0 {
    instruction.immediateOffset = UInt8(truncatingIfNeeded: at)
    instruction.immediateSize = size
    at += Int(size)
  }
  instruction.length = UInt8(truncatingIfNeeded: at)
  instruction.flagsRead = opcode.flagsRead
  instruction.flagsWritten = opcode.flagsWritten
  instruction.setR11(opcode, uses, isNarrow: false)
  if isMalformed { instruction.flow = .unknown }
  if isRefused { instruction.flow = .undefined }
  if at > lengthLimit { instruction.refuse() }
}
