// VEX, EVEX and XOP: another way to write prefixes and map, and tables of their own.
//
// Unsafe for the reasons of Decoder+Unsafe.swift.

/// Decodes the instruction whose VEX, EVEX or XOP prefix stands at `start`, behind `prefixes` and `rex`.
@inline(never) func decodeVector(_ bytes: UnsafePointer<UInt8>, _ start: Int, prefixes: Prefixes, rex: UInt8) -> Instruction {
  var instruction = Instruction()
  instruction.prefixes = prefixes
  // They carry REX and the mandatory prefixes themselves, and refuse others: #UD.
  let isRefused = rex != 0 || !prefixes.isDisjoint(with: [.operandSize, .rep, .repne, .lock])
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
  let tables = OpcodeTables.shared
  let vvvv = ~p1 >> 3 & 15
  let isEVEX = first == 0x62
  let modrm = Int(bytes[at])
  // Opcodes that ModRM.reg extends have several kinds.
  var kind = tables.vectorKind(plane: plane < 0 ? plane : plane + (p1 & 3) << 8, byte)
  let form = isEVEX ? p2 & 0x10 | p1 >> 4 & 8 | p2 >> 4 & 6 : p1 >> 5 & 4 | p1 >> 1 & 2
  while !kind.allows(form: form, modrm: modrm) {
    if kind.next == 0 {
      isMalformed = true
      break
    }
    kind = tables.vectorKind(kind.next)
  }
  let opcode = kind.opcode
  var facts = tables.facts(modrm: modrm)
  facts = decodeOperand(bytes, &at, &instruction, opcode, modrm: modrm, facts: facts, rex: ~p0 >> 5 & 7, tables)
  if vvvv == 11 { facts |= OperandFact.vvvv }
  let isUnused = opcode.has(.vvvvUnused) || (opcode.has(.vvvvUnusedWithMemory) && modrm < 0xc0)
  // EVEX adds a bit to vvvv, or to a vector as index; and a bit to ModRM.reg.
  if isUnused && (vvvv != 0 || (isEVEX && p2 & 8 == 0 && !opcode.has(.vectorIndex))) { isMalformed = true }
  if isEVEX && p0 & 0x10 == 0 && opcode.has(.regRead + .regWrite) { isMalformed = true }
  if opcode.has(.sibNeeded) && modrm < 0xc0 && !instruction.hasSIB { isMalformed = true }
  if opcode.has(.rmIsZero) && modrm >= 0xc0 && modrm & 7 != 0 { isMalformed = true }
  let size = kind.immediateSize
  instruction.immediateOffset = UInt8(truncatingIfNeeded: at)
  instruction.immediateSize = size
  at += Int(size)
  instruction.length = UInt8(truncatingIfNeeded: at)
  instruction.setMeaning(opcode)
  if isMalformed { instruction.flow = .unknown }
  if isRefused { instruction.flow = .undefined }
  instruction.setTraits(opcode, facts: facts, reads: kind.reads, writes: kind.writes, narrow: 0)
  return at > lengthLimit ? instruction.refused() : instruction
}
