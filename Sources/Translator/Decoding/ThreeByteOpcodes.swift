// The opcodes behind 0F38 and 0F3A without VEX: Intel SDM volume 2, appendix A, tables.

extension OpcodeSpecification {
  mutating func addThreeByteOpcodes() {
    func vectors(_ ranges: [ClosedRange<Int>], _ planes: Planes, _ opcode: Opcode) { for range in ranges { add(2, range, planes, opcode) } }
    vectors([0x00...0x0b, 0x1c...0x1e], .packed, .modrm)
    vectors([0x10...0x10, 0x14...0x15, 0x20...0x25, 0x28...0x29, 0x2b...0x2b, 0x30...0x35, 0x37...0x41], .p66, .modrm)
    add(2, 0x17...0x17, .p66, .modrm + .writesAll)
    add(2, 0x2a...0x2a, .p66, .modrm + .memoryOnly)
    // invept, invvpid and invpcid.
    add(2, 0x80...0x81, .p66, .modrm + .regRead + .memoryOnly + .writesAll)
    add(2, 0x82...0x82, .p66, .modrm + .regRead + .memoryOnly)
    vectors([0xc8...0xcd], .np, .modrm)
    vectors([0xcf...0xcf, 0xdb...0xdf], .p66, .modrm)
    // Key Locker.
    add(2, 0xd8...0xd8, .pF3, .group(.wideKey))
    add(2, 0xdc...0xdc, .pF3, .group(.loadKey))
    add(2, 0xdd...0xdf, .pF3, .modrm + .memoryOnly + .writesAll)
    add(2, 0xfa...0xfb, .pF3, .modrm + .regWrite + .rmRead + .registerOnly + .writesAll)
    // movbe, crc32.
    add(2, 0xf0...0xf0, .packed, .modrm + .regWrite + .memoryOnly)
    add(2, 0xf1...0xf1, .packed, .modrm + .regRead + .memoryOnly)
    add(2, 0xf0...0xf1, .pF2, .modrm + .regUpdate + .rmRead)
    add(2, 0xf5...0xf5, .p66, .modrm + .regRead + .memoryOnly)
    add(2, 0xf6...0xf6, .np, .modrm + .regRead + .memoryOnly)
    add(2, 0xf6...0xf6, .p66, .modrm + .regUpdate + .rmRead + .readsCarry + .writesCarry)
    add(2, 0xf6...0xf6, .pF3, .modrm + .regUpdate + .rmRead + .reads(.overflow) + .writes(.overflow))
    // movdir64b, enqcmd and enqcmds have an address in the register.
    add(2, 0xf8...0xf8, .p66, .modrm + .regRead + .memoryOnly)
    add(2, 0xf8...0xf8, [.pF3, .pF2], .modrm + .regRead + .memoryOnly + .writesAll)
    add(2, 0xf9...0xf9, .np, .modrm + .regRead + .memoryOnly)

    add(3, 0x08...0x0e, .p66, .modrm + Opcode(.byte))
    add(3, 0x0f...0x0f, .packed, .modrm + Opcode(.byte))
    add(3, 0x14...0x17, .p66, .modrm + .rmWrite + Opcode(.byte))
    add(3, 0x20...0x20, .p66, .modrm + .rmRead + Opcode(.byte))
    add(3, 0x21...0x21, .p66, .modrm + Opcode(.byte))
    add(3, 0x22...0x22, .p66, .modrm + .rmRead + Opcode(.byte))
    add(3, 0x40...0x42, .p66, .modrm + Opcode(.byte))
    add(3, 0x44...0x44, .p66, .modrm + Opcode(.byte))
    add(3, 0x60...0x63, .p66, .modrm + .writesAll + Opcode(.byte))
    add(3, 0xcc...0xcc, .np, .modrm + Opcode(.byte))
    add(3, 0xce...0xcf, .p66, .modrm + Opcode(.byte))
    add(3, 0xdf...0xdf, .p66, .modrm + Opcode(.byte))
    add(3, 0xf0...0xf0, .pF3, .modrm + .special + Opcode(.byte))
  }
}
