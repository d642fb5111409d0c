// The instructions that random guests are made of, as forms with a ModRM byte.

struct InstructionForm {
  enum Register { case general, vector, digit(Int) }
  enum Size { case byte, any, word32, vector }
  var opcode: UInt8
  var map = 0
  var prefix: UInt8 = 0
  var register = Register.general
  /// Of the operand in a register; forms of vectors can have a general one.
  var operand = Register.general
  var size = Size.any
  /// Bytes; -1: as wide as the operand, up to four.
  var immediate = 0
  var memory = true
  var inRegister = true
  var lockable = false
  /// With VEX: whether it takes a second register, and which lengths.
  var vex = false
  var second = Register.digit(0)
  var lengths: [Bool] = [false]
  var aligned = false
}

extension InstructionForm {
  static let all: [InstructionForm] = arithmetic + groups + twoBytes + vectors + x87 + vexGeneral + vexVectors

  private static var arithmetic: [InstructionForm] {
    var forms: [InstructionForm] = []
    for operation in 0..<8 {
      let first = UInt8(operation) << 3
      forms.append(InstructionForm(opcode: first, size: .byte, lockable: operation != 7))
      forms.append(InstructionForm(opcode: first + 1, lockable: operation != 7))
      forms.append(InstructionForm(opcode: first + 2, size: .byte))
      forms.append(InstructionForm(opcode: first + 3))
    }
    for opcode in [0x84, 0x86, 0x88, 0x8a] as [UInt8] {
      forms.append(InstructionForm(opcode: opcode, size: .byte))
      forms.append(InstructionForm(opcode: opcode + 1))
    }
    forms.append(InstructionForm(opcode: 0x69, immediate: -1))
    forms.append(InstructionForm(opcode: 0x6b, immediate: 1))
    forms.append(InstructionForm(opcode: 0x63))
    forms.append(InstructionForm(opcode: 0x8d, inRegister: false))
    return forms
  }

  private static var groups: [InstructionForm] {
    var forms: [InstructionForm] = []
    for digit in 0..<8 {
      let register = Register.digit(digit)
      let locks = digit != 7
      forms.append(InstructionForm(opcode: 0x80, register: register, size: .byte, immediate: 1, lockable: locks))
      forms.append(InstructionForm(opcode: 0x81, register: register, immediate: -1, lockable: locks))
      forms.append(InstructionForm(opcode: 0x83, register: register, immediate: 1, lockable: locks))
      if digit != 6 {
        forms.append(InstructionForm(opcode: 0xc0, register: register, size: .byte, immediate: 1))
        forms.append(InstructionForm(opcode: 0xc1, register: register, immediate: 1))
        for opcode in [0xd0, 0xd2] as [UInt8] {
          forms.append(InstructionForm(opcode: opcode, register: register, size: .byte))
          forms.append(InstructionForm(opcode: opcode + 1, register: register))
        }
      }
      if (2...5).contains(digit) {
        forms.append(InstructionForm(opcode: 0xf6, register: register, size: .byte, lockable: digit < 4))
        forms.append(InstructionForm(opcode: 0xf7, register: register, lockable: digit < 4))
      }
      if digit < 2 {
        forms.append(InstructionForm(opcode: 0xfe, register: register, size: .byte, lockable: true))
        for _ in 0..<3 { forms.append(InstructionForm(opcode: 0xff, register: register, lockable: true)) }
      }
    }
    forms.append(InstructionForm(opcode: 0xf6, register: .digit(0), size: .byte, immediate: 1))
    forms.append(InstructionForm(opcode: 0xf7, register: .digit(0), immediate: -1))
    forms.append(InstructionForm(opcode: 0xf7, register: .digit(6)))
    forms.append(InstructionForm(opcode: 0xc6, register: .digit(0), size: .byte, immediate: 1))
    forms.append(InstructionForm(opcode: 0xc7, register: .digit(0), immediate: -1))
    for _ in 0..<3 {
      forms.append(InstructionForm(opcode: 0xff, register: .digit(6)))
      forms.append(InstructionForm(opcode: 0x8f, register: .digit(0)))
    }
    return forms
  }

  private static var twoBytes: [InstructionForm] {
    var forms: [InstructionForm] = []
    for opcode in [0xaf, 0xb6, 0xb7, 0xbe, 0xbf, 0xbc, 0xbd, 0xa5, 0xad] as [UInt8] {
      forms.append(InstructionForm(opcode: opcode, map: 1))
    }
    for opcode in [0xa4, 0xac] as [UInt8] { forms.append(InstructionForm(opcode: opcode, map: 1, immediate: 1)) }
    for opcode in [0xa3, 0xab, 0xb3, 0xbb] as [UInt8] { forms.append(InstructionForm(opcode: opcode, map: 1, memory: false)) }
    for digit in 4..<8 { forms.append(InstructionForm(opcode: 0xba, map: 1, register: .digit(digit), immediate: 1)) }
    for opcode in [0xb0, 0xc0] as [UInt8] {
      forms.append(InstructionForm(opcode: opcode, map: 1, size: .byte, lockable: true))
      forms.append(InstructionForm(opcode: opcode + 1, map: 1, lockable: true))
    }
    for condition in 0..<16 {
      forms.append(InstructionForm(opcode: 0x40 | UInt8(condition), map: 1))
      forms.append(InstructionForm(opcode: 0x90 | UInt8(condition), map: 1, register: .digit(condition & 7), size: .byte))
    }
    for opcode in [0xb8, 0xbc, 0xbd] as [UInt8] { forms.append(InstructionForm(opcode: opcode, map: 1, prefix: 0xf3)) }
    forms.append(InstructionForm(opcode: 0xc7, map: 1, register: .digit(1), inRegister: false, aligned: true))
    forms.append(InstructionForm(opcode: 0xc3, map: 1, size: .word32, inRegister: false))
    forms.append(InstructionForm(opcode: 0x1f, map: 1, register: .digit(0)))
    forms.append(InstructionForm(opcode: 0x18, map: 1, register: .digit(1), inRegister: false))
    for opcode in [0xf0, 0xf1] as [UInt8] { forms.append(InstructionForm(opcode: opcode, map: 2, inRegister: false)) }
    forms.append(InstructionForm(opcode: 0xf0, map: 2, prefix: 0xf2, size: .byte))
    forms.append(InstructionForm(opcode: 0xf1, map: 2, prefix: 0xf2))
    forms.append(InstructionForm(opcode: 0xf6, map: 2, prefix: 0x66, size: .word32))
    forms.append(InstructionForm(opcode: 0xf6, map: 2, prefix: 0xf3, size: .word32))
    return forms
  }

  private static func vector(
    _ opcode: UInt8, map: Int = 1, prefix: UInt8 = 0, operand: Register = .vector, register: Register = .vector,
    immediate: Int = 0, memory: Bool = true, aligned: Bool = false
  ) -> InstructionForm {
    InstructionForm(
      opcode: opcode, map: map, prefix: prefix, register: register, operand: operand, size: .vector, immediate: immediate,
      memory: memory, aligned: aligned)
  }

  private static var vectors: [InstructionForm] {
    [
      vector(0x10), vector(0x11), vector(0x6f, prefix: 0x66, aligned: true), vector(0x7f, prefix: 0x66, aligned: true),
      vector(0x6f, prefix: 0xf3), vector(0x7f, prefix: 0xf3), vector(0xfe, prefix: 0x66, aligned: true),
      vector(0xef, prefix: 0x66, aligned: true), vector(0x58, aligned: true), vector(0x58, prefix: 0xf2),
      vector(0x58, prefix: 0xf3), vector(0x2f, prefix: 0x66), vector(0x70, prefix: 0x66, immediate: 1, aligned: true),
      vector(0xc6, immediate: 1, aligned: true), vector(0x6e, prefix: 0x66, operand: .general),
      vector(0x7e, prefix: 0x66, operand: .general), vector(0x2a, prefix: 0xf2, operand: .general),
      vector(0x2c, prefix: 0xf2, register: .general), vector(0x2d, prefix: 0xf3, register: .general),
      vector(0xc4, prefix: 0x66, operand: .general, immediate: 1), vector(0xd7, prefix: 0x66, register: .general, memory: false),
      vector(0x50, register: .general, memory: false), vector(0x16, map: 3, prefix: 0x66, operand: .general, immediate: 1),
      vector(0x22, map: 3, prefix: 0x66, operand: .general, immediate: 1),
      vector(0x14, map: 3, prefix: 0x66, operand: .general, immediate: 1),
      vector(0x0f, map: 3, prefix: 0x66, immediate: 1, aligned: true), vector(0x00, map: 2, prefix: 0x66, aligned: true),
    ]
  }

  private static var x87: [InstructionForm] {
    let known: [(UInt8, Int)] = [
      (0xd9, 0), (0xdd, 0), (0xdd, 3), (0xd8, 0), (0xdc, 4), (0xdb, 5), (0xdb, 7), (0xd9, 7), (0xdd, 7), (0xdf, 5), (0xdf, 7),
      (0xdb, 1),
    ]
    return known.map {
      InstructionForm(opcode: $0.0, register: .digit($0.1), size: .vector, inRegister: false)
    }
  }

  private static func general(
    _ opcode: UInt8, map: Int = 2, prefix: UInt8 = 0, register: Register = .general, second: Register = .general,
    immediate: Int = 0
  ) -> InstructionForm {
    InstructionForm(
      opcode: opcode, map: map, prefix: prefix, register: register, size: .word32, immediate: immediate, vex: true,
      second: second)
  }

  private static var vexGeneral: [InstructionForm] {
    [
      general(0xf2), general(0xf7), general(0xf7, prefix: 0x66), general(0xf7, prefix: 0xf3), general(0xf7, prefix: 0xf2),
      general(0xf5), general(0xf5, prefix: 0xf3), general(0xf5, prefix: 0xf2), general(0xf6, prefix: 0xf2),
      general(0xf3, register: .digit(1)), general(0xf3, register: .digit(2)), general(0xf3, register: .digit(3)),
      general(0xf0, map: 3, prefix: 0xf2, second: .digit(0), immediate: 1),
    ]
  }

  private static func wide(
    _ opcode: UInt8, map: Int = 1, prefix: UInt8 = 0, operand: Register = .vector, second: Register = .vector,
    immediate: Int = 0, lengths: [Bool] = [false, true]
  ) -> InstructionForm {
    InstructionForm(
      opcode: opcode, map: map, prefix: prefix, register: .vector, operand: operand, size: .vector, immediate: immediate,
      vex: true, second: second, lengths: lengths)
  }

  private static var vexVectors: [InstructionForm] {
    let none = Register.digit(0)
    return [
      wide(0x10, second: none), wide(0x11, second: none), wide(0xfe, prefix: 0x66), wide(0x58), wide(0x00, map: 2, prefix: 0x66),
      wide(0x0f, map: 3, prefix: 0x66, immediate: 1), wide(0x70, prefix: 0x66, second: none, immediate: 1),
      wide(0x4a, map: 3, prefix: 0x66, immediate: 1),
      wide(0x6e, prefix: 0x66, operand: .general, second: none, lengths: [false]),
      wide(0x7e, prefix: 0x66, operand: .general, second: none, lengths: [false]),
      wide(0x16, map: 3, prefix: 0x66, operand: .general, second: none, immediate: 1, lengths: [false]),
      wide(0x2a, prefix: 0xf2, operand: .general, lengths: [false]), wide(0x18, map: 2, prefix: 0x66, second: none),
      wide(0x38, map: 3, prefix: 0x66, immediate: 1, lengths: [true]),
    ]
  }
}
