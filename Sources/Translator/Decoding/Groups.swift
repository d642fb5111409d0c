// Opcodes that ModRM.reg extends, of the one-byte map: Intel SDM volume 2, appendix A, table A-6.

extension OpcodeSpecification {
  mutating func addGroups() {
    for number in 0..<8 {
      let operand = Opcode.arithmetic(number) + .rmRead + (number == 7 ? .none : .rmWrite + .lockable + .update)
      member(.arithmeticByte, number, operand + .byte + Opcode(.byte))
      member(.arithmetic, number, operand + Opcode(.doubleword))
      member(.arithmeticSigned, number, operand + Opcode(.byte))
    }
    for group in [Group.pop, .moveByte, .move, .incrementByte, .increment] { for number in 0..<8 { member(group, number, .undefined) } }
    member(.pop, 0, .rmWrite)
    addShifts()

    member(.moveByte, 0, .rmWrite + .byte + Opcode(.byte))
    member(.move, 0, .rmWrite + Opcode(.doubleword))
    // xabort; xbegin, whose distance follows the operand size.
    member(.moveByte, 7, register: .special + Opcode(.byte))
    member(.move, 7, register: .special + Opcode(.transaction) + Opcode(.doubleword))

    for isByte in [true, false] {
      let width: Opcode = isByte ? .byte : .none
      let unary: Group = isByte ? .unaryByte : .unary
      let test = .rmRead + .writesAll + width + Opcode(isByte ? Immediate.byte : .doubleword)
      member(unary, 0, test)
      member(unary, 1, test)
      member(unary, 2, .rmUpdate + .lockable + .update + width)
      member(unary, 3, .rmUpdate + .lockable + .update + width + .writesAll)
      // mul and imul, div and idiv: what they do not define is undefined.
      for number in 4...7 { member(unary, number, .rmRead + width + .writesAll) }
      // inc and dec keep the carry.
      let step = .rmUpdate + .lockable + .update + width + .writes([.parity, .auxiliary, .zero, .sign, .overflow])
      member(isByte ? .incrementByte : .increment, 0, step)
      member(isByte ? .incrementByte : .increment, 1, step)
    }
    member(.increment, 2, .rmRead + Opcode(.callIndirect))
    member(.increment, 3, memory: Opcode(.far))
    member(.increment, 4, .rmRead + Opcode(.jumpIndirect))
    member(.increment, 5, memory: Opcode(.far))
    member(.increment, 6, .rmRead)
  }

  /// C0, C1, D0-D3. Rotates write carry and overflow only; a count of 0 writes nothing, and rcl, rcr reduce it further.
  private mutating func addShifts() {
    for number in 0..<8 {
      let operand = .rmUpdate + .update
      let isThroughCarry = number == 2 || number == 3
      let flags: Opcode = number < 4 ? .writes([.carry, .overflow]) + (isThroughCarry ? .readsCarry : .none) : .writesAll
      let byImmediate = isThroughCarry ? Opcode.readsAll : flags + .countedByImmediate
      member(.shiftByteImmediate, number, operand + .byte + byImmediate + Opcode(.byte))
      member(.shiftImmediate, number, operand + byImmediate + Opcode(.byte))
      member(.shiftByteOne, number, operand + .byte + flags)
      member(.shiftOne, number, operand + flags)
      member(.shiftByteCL, number, operand + .byte + .readsAll)
      member(.shiftCL, number, operand + .readsAll)
    }
  }
}
