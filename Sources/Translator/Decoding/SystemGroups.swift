// Groups of the two-byte map (Intel SDM volume 2, table A-6), and what only the whole ModRM byte tells.

extension OpcodeSpecification {
  mutating func addSystemGroups() {
    for number in 0...1 { member(.descriptor, number, .rmWrite) }
    for number in 2...3 { member(.descriptor, number, .rmRead) }
    for number in 4...5 { member(.descriptor, number, .rmRead + .writes(.zero)) }

    for group in [Group.system, .systemF3] {
      for number in [0, 1, 2, 3, 7] { member(group, number, memory: Opcode.none, register: .special) }
      member(group, 4, .rmWrite)
      member(group, 5, register: .special)
      member(group, 6, .rmRead)
    }
    member(.systemF3, 5, memory: .readsAll)
    for number in 0..<8 {
      member(.prefetch, number, .regRead + .rmRead)
      member(.hint, number, .rmRead)
      member(.hintF3, number, .regRead + .rmRead)
    }
    member(.hintF3, 1, register: .rmUpdate)

    let bit = Opcode.writes([.carry, .parity, .auxiliary, .sign, .overflow]) + Opcode(.byte)
    member(.bitTest, 4, bit + .rmRead)
    for number in 5...7 { member(.bitTest, number, bit + .rmUpdate + .lockable) }

    let shift = Opcode(.byte)
    for number in [2, 4, 6] {
      member(.vectorWord, number, register: shift)
      member(.vectorDouble, number, register: shift)
    }
    for number in [2, 6] { member(.vectorQuad, number, register: shift) }
    for number in [2, 3, 6, 7] { member(.vectorQuad66, number, register: shift) }
    member(.extract, 0, register: Opcode(.twoBytes))
    addState()
    for number in 0...3 { member(.wideKey, number, memory: .writesAll) }
    for number in 0..<8 { member(.loadKey, number, memory: .writesAll, register: .writesAll) }
  }

  /// 0FAE and 0FC7.
  private mutating func addState() {
    for number in 0..<8 { member(.state, number, memory: Opcode.none) }
    for number in 5...7 { member(.state, number, register: Opcode.none) }
    for number in 6...7 { member(.state66, number, memory: Opcode.none) }
    // tpause; umwait; umonitor.
    member(.state66, 6, register: .rmRead + .writesAll)
    member(.stateF2, 6, register: .rmRead + .writesAll)
    member(.stateF3, 6, memory: .readsAll, register: .rmRead)
    member(.stateF3, 0, register: .rmWrite)
    member(.stateF3, 1, register: .rmWrite + Opcode(.gsBase))
    member(.stateF3, 2, register: .rmRead)
    member(.stateF3, 3, register: .rmRead + Opcode(.gsBase))
    member(.stateF3, 4, .rmRead)
    member(.stateF3, 5, register: .rmRead)

    for group in [Group.exchange, .exchange66, .exchangeF3, .exchangeF2] { member(group, 1, memory: .writes(.zero) + .lockable) }
    for number in 3...5 { member(.exchange, number, memory: Opcode.none) }
    for group in [Group.exchange, .exchange66, .exchangeF3] { member(group, 6, memory: .writesAll) }
    member(.exchange, 7, memory: .writesAll)
    for group in [Group.exchange, .exchange66] {
      member(group, 6, register: .rmWrite + .writesAll + Opcode(.rdrand))
      member(group, 7, register: .rmWrite + .writesAll + Opcode(.rdseed))
    }
    // senduipi; rdpid.
    member(.exchangeF3, 6, register: .rmRead)
    member(.exchangeF3, 7, register: .rmWrite + Opcode(.rdpid))
  }
}

/// What an opcode with the fact `special` is with this ModRM. `plane` as in `ScannedPrefixes`.
@inline(never) func resolve(_ opcode: Opcode, map: Int, byte: UInt8, plane: Int, rex: Int, modrm: UInt8) -> Opcode {
  let reg = Int(modrm >> 3 & 7)
  switch (map, byte) {
  case (0, 0x8c): return reg < 6 ? opcode : .undefined + .modrm
  case (0, 0x8e): return reg < 6 && reg != 1 ? opcode : .undefined + .modrm
  case (0, 0xc6), (0, 0xc7): return modrm == 0xf8 ? opcode : .undefined + .modrm
  case (0, 0xd8...0xdf): return floatingPoint(byte, modrm)
  case (1, 0x01): return systemRegister(modrm, plane: plane)
  case (1, 0x20), (1, 0x22): return [0, 2, 3, 4, 8].contains(reg | (rex & 4) << 1) ? opcode : .undefined + .modrm
  case (1, 0x21), (1, 0x23): return rex & 4 == 0 ? opcode : .undefined + .modrm
  default: return modrm == 0xc0 ? opcode : .unknown + .modrm
  }
}

/// 0F01 with a register form. Those that no program of ours runs may read and write what they like.
private func systemRegister(_ modrm: UInt8, plane: Int) -> Opcode {
  let rare = Opcode.modrm + .readsAll + .hiddenR11
  let known: Opcode
  // The planes in which it exists.
  let planes: Planes
  switch modrm {
  case 0xd0: (known, planes) = (.modrm + Opcode(.xgetbv), .np)
  case 0xf9: (known, planes) = (.modrm + Opcode(.rdtscp), .any)
  // xtest.
  case 0xd6: (known, planes) = (.modrm + .writesAll, .np)
  // monitor, mwait, clac, stac, rdpkru, wrpkru, swapgs, clzero.
  case 0xc8...0xcb: (known, planes) = (.modrm, .np)
  case 0xee, 0xef: (known, planes) = plane == 2 ? (rare, .pF3) : (.modrm, .np)
  case 0xf8, 0xfc: (known, planes) = (.modrm, .any)
  case 0xc0...0xc5, 0xd1, 0xd4, 0xd5, 0xd7: (known, planes) = (rare, .np)
  case 0xcc, 0xcd, 0xce: (known, planes) = (rare, .p66)
  case 0xcf: (known, planes) = (rare, .packed)
  case 0xfa, 0xfb: (known, planes) = (rare, modrm == 0xfa ? [.np, .pF3] : .np)
  case 0xd8...0xdf, 0xfd: (known, planes) = (rare, .any)
  case 0xfe, 0xff: (known, planes) = (rare, [.np, .pF3, .pF2])
  case 0xe8: (known, planes) = (rare, [.np, .pF3, .pF2])
  case 0xe9: (known, planes) = (rare, .pF2)
  case 0xea, 0xec, 0xed: (known, planes) = (rare, .pF3)
  default: return .unknown + .modrm
  }
  return planes.rawValue >> UInt8(plane) & 1 != 0 ? known : .unknown + .modrm
}

/// The x87: table. A byte for each of D8-DF, with a bit for each ModRM.reg that has memory operands.
private func floatingPoint(_ opcode: UInt8, _ modrm: UInt8) -> Opcode {
  let reg = Int(modrm >> 3 & 7)
  let number = Int(opcode & 7)
  if modrm < 0xc0 {
    let forms: [8 of UInt8] = [0xff, 0xfd, 0xff, 0xaf, 0xff, 0xdf, 0xff, 0xff]
    return forms[number] >> UInt8(reg) & 1 != 0 ? .modrm : .undefined + .modrm
  }
  let low = Int(modrm & 0x3f)
  // A bit for each of C0-FF.
  let forms: [8 of UInt64] = [
    0xffff_ffff_ffff_ffff, 0xffff_7f33_ff01_ffff, 0x0000_0200_ffff_ffff, 0x00ff_ff1f_ffff_ffff,
    0xffff_ffff_ffff_ffff, 0x0000_ffff_ffff_ffff, 0xffff_ffff_02ff_ffff, 0x00ff_ff01_ffff_ffff,
  ]
  if forms[number] >> UInt64(low) & 1 == 0 { return .undefined + .modrm }
  // fcmovcc; fcomi, fucomi and their pops.
  if number == 2 || number == 3, low < 0x20 {
    let conditions: [4 of Flags] = [.carry, .zero, [.carry, .zero], .parity]
    return .modrm + .reads(conditions[low >> 3])
  }
  if (number == 3 || number == 7) && (low >> 3 == 5 || low >> 3 == 6) { return .modrm + .writes([.carry, .parity, .zero]) }
  return .modrm
}

/// Whether a byte is the suffix of a 3DNow instruction (AMD APM volume 3, table A-10).
func isAMD3DNow(_ suffix: UInt8) -> Bool {
  switch suffix {
  case 0x0c, 0x0d, 0x1c, 0x1d, 0x8a, 0x8e, 0x90, 0x94, 0x96, 0x97, 0x9a, 0x9e, 0xa0, 0xa4, 0xa6, 0xa7, 0xaa, 0xae, 0xb0, 0xb4, 0xb6, 0xb7,
    0xbb, 0xbf:
    true
  default: false
  }
}
