// The translated engine against the stepped one, on short sequences by hand: the same code under the same limits must stop in
// the same places with the same registers, extended state and memory.
import Platform
import Testing

@Suite(.serialized, .timeLimit(.minutes(3))) struct OracleTests {
  static let codeLow: UInt64 = 0x40_0000, codeHigh: UInt64 = 0x1_8000_0000
  static let stopsMax = 400

  /// Every tick; every instruction; every third tick and some instructions; every update.
  private static let standardLimits: [[RunLimit]] = [
    [.unlimited], [RunLimit(ticks: 1)], [RunLimit(ticks: 0, instructions: 1)],
    [RunLimit(ticks: 3, instructions: 2), RunLimit(ticks: 1, instructions: 5)], [RunLimit(updates: 1)],
    [RunLimit(ticks: 2, updates: 2), RunLimit(ticks: 0, instructions: 1), RunLimit(updates: 3)],
  ]
  private static let end: [UInt8] = [0xf4]  // hlt: a fault.

  @Test func strings() {
    let directions: [[UInt8]] = [[0xfc], [0xfd]]  // cld, std
    var sequences: [OracleSequence] = []
    for direction in directions {
      for prefix: [UInt8] in [[], [0xf3], [0xf2]] {
        for operation: [UInt8] in [[0xa4], [0x48, 0xa5], [0xa6], [0x66, 0xa7], [0xaa], [0xac], [0xae], [0x48, 0xaf]] {
          for count: UInt32 in [0, 1, 5] {
            sequences.append(
              OracleSequence(code: [0xb9] + littleEndian(count) + direction + prefix + operation + [0xfc] + Self.end))
          }
        }
      }
    }
    // Into a page that is not there, and with the trap flag.
    sequences.append(OracleSequence(code: [0xb9] + littleEndian(UInt32(5000)) + [0xf3, 0xa4] + Self.end))
    sequences.append(OracleSequence(code: [0xb9] + littleEndian(UInt32(9)) + [0xf3, 0xa4] + Self.end) { $0.eflags |= 0x100 })
    compare(sequences, Self.standardLimits)
  }

  @Test func branches() {
    var sequences: [OracleSequence] = []
    // mov ecx, 7; dec [rbx]; loop, loope, loopne, jrcxz, jecxz back
    for loop: [UInt8] in [[0xe2], [0xe1], [0xe0], [0xe3], [0x67, 0xe2], [0x67, 0xe3]] {
      let distance = UInt8(bitPattern: Int8(-2 - loop.count - 0))
      sequences.append(OracleSequence(code: [0xb9] + littleEndian(UInt32(7)) + [0xff, 0x0b] + loop + [distance &- 1] + Self.end))
      sequences.append(OracleSequence(code: [0x31, 0xc9, 0xff, 0x0b] + loop + [0] + loop + [1, 0x90] + Self.end))
    }
    // A loop on each condition: add r11d, -111; lea ecx, [rcx-1]; jrcxz out; jcc back.
    for condition in 0..<16 {
      sequences.append(
        OracleSequence(code: [0x41, 0x83, 0xc3, 0x91, 0x8d, 0x49, 0xff, 0xe3, 2, 0x70 + UInt8(condition), 0xf5] + Self.end) {
          $0.rcx = 6
          $0.r11 = [0x8000_0020, 0x100, 0x6f, 0xffff_fff0][condition / 4]
        })
    }
    // call over; ret n; with and without pushed words.
    let callOver: [UInt8] = [0xe8, 1, 0, 0, 0, 0xf4]
    sequences.append(OracleSequence(code: callOver + [0xc3]))
    sequences.append(OracleSequence(code: [0x6a, 1, 0x6a, 2] + callOver + [0xc2, 16, 0]))
    sequences.append(OracleSequence(code: callOver + [0xc2, 0xf8, 0xff]))
    // call back and forth: jmp over; f: inc r11; ret; over: call f; call f
    sequences.append(OracleSequence(code: [0xeb, 4, 0x49, 0xff, 0xc3, 0xc3, 0xe8, 0xf7, 0xff, 0xff, 0xff, 0xe8, 0xf2, 0xff, 0xff, 0xff] + Self.end))
    // Indirect ones through every register, to the address that lea gave: lea reg, [rip+n]; jmp reg, call reg.
    for register: UInt8 in 0..<16 where register != 4 {
      let lea: [UInt8] = [0x48 | (register >> 3) << 2, 0x8d, (register & 7) << 3 | 5]
      let branch: [UInt8] = register > 7 ? [0x41] : []
      for field: UInt8 in [0xe0, 0xd0] {
        let code: [UInt8] = branch + [0xff, field | register & 7]
        sequences.append(OracleSequence(code: lea + littleEndian(UInt32(code.count + 1)) + code + [0xf4, 0x90] + Self.end))
      }
    }
    // Through memory with every base, and rsp itself.
    for register: UInt8 in 0..<16 {
      let rex: [UInt8] = register > 7 ? [0x41] : []
      let sib: [UInt8] = register & 7 == 4 ? [0x24] : []
      for field: UInt8 in [0x60, 0x50] {
        // mov [reg+8], target; jmp or call [reg+8]
        let store: [UInt8] = [0x48 | (register >> 3), 0xc7, 0x40 | register & 7] + sib + [8] + littleEndian(UInt32(Self.codeLow + 64))
        let code = store + rex + [0xff, field | register & 7] + sib + [8]
        sequences.append(
          OracleSequence(code: code + [UInt8](repeating: 0xf4, count: 64 - code.count) + [0x90] + Self.end) { registers in
            let keep = registers.rsp
            (registers.rax, registers.rcx, registers.rdx, registers.rbx) = (data, data, data, data)
            (registers.rbp, registers.rsi, registers.rdi, registers.r8, registers.r9) = (data, data, data, data, data)
            (registers.r10, registers.r11, registers.r12, registers.r13, registers.r14, registers.r15) = (data, data, data, data, data, data)
            registers.rsp = keep
          })
      }
    }
    compare(sequences, Self.standardLimits)
  }

  @Test func wildBranches() {
    var sequences: [OracleSequence] = []
    for target: UInt64 in [0, 0x1000, data, 0x8000_0000_0000, 0x7fff_ffff_f000, 0xffff_ffff_ff60_0000, 0xffff_ffff_ff60_0400, 0xffff_8000_0000_0000] {
      for code: [UInt8] in [[0xff, 0xe0], [0xff, 0xd0], [0x50, 0xc3], [0x50, 0xc2, 8, 0]] {
        sequences.append(OracleSequence(code: code) { $0.rax = target })
      }
    }
    // Faults of the branch itself: the stack is not there, or its operand is not.
    for code: [UInt8] in [[0xe8, 0, 0, 0, 0], [0xff, 0xd0], [0xc3], [0xc2, 8, 0], [0xff, 0x13], [0x50], [0x58], [0x9c], [0x9d], [0xc9]] {
      sequences.append(OracleSequence(code: code + Self.end) { $0.rsp = 0x1000; $0.rax = Self.codeLow; $0.rbp = 0x1000 })
    }
    for code: [UInt8] in [[0xff, 0x20], [0xff, 0x10]] {
      sequences.append(OracleSequence(code: code + Self.end) { $0.rax = 0x1000 })
    }
    compare(sequences, Self.standardLimits)
  }

  @Test func stack() {
    var sequences: [OracleSequence] = []
    for code: [UInt8] in [
      [0x54, 0x5c], [0x54, 0x58], [0xff, 0x34, 0x24, 0x8f, 0x04, 0x24], [0xff, 0x74, 0x24, 8, 0x8f, 0x44, 0x24, 16],
      [0x41, 0x53, 0x41, 0x5a, 0x41, 0x52, 0x41, 0x5b], [0x66, 0x50, 0x66, 0x59], [0xc8, 16, 0, 0, 0xc9], [0xc8, 16, 0, 2, 0xc9],
      [0x9c, 0x58, 0x9c, 0x9d], [0x66, 0x9c, 0x66, 0x9d], [0x68, 0xff, 0xff, 0xdf, 0xff, 0x9d, 0x90, 0x90], [0x6a, 0x41, 0x9d, 0x90],
      [0x68, 0, 1, 0, 0, 0x9d, 0x9c, 0x58, 0x90], [0x66, 0x68, 0, 1, 0x66, 0x9d, 0x90],
    ] {
      sequences.append(OracleSequence(code: code + Self.end))
      sequences.append(OracleSequence(code: code + Self.end) { $0.eflags |= 0x100 })
    }
    compare(sequences, Self.standardLimits)
  }

  @Test func specialInstructions() {
    var sequences: [OracleSequence] = []
    for code: [UInt8] in [
      [0x0f, 0xa2], [0x0f, 0x31], [0x66, 0x0f, 0x31], [0x0f, 0x01, 0xf9], [0x0f, 0xc7, 0xf0], [0x48, 0x0f, 0xc7, 0xfb],
      [0xf3, 0x0f, 0xc7, 0xf9], [0x0f, 0x01, 0xd0], [0xcc], [0xcd, 0x80], [0xcd, 3], [0xcd, 4], [0xcd, 0x20], [0xf1], [0x0f, 0x0b],
      [0x06], [0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc0], [0xf0, 0x90], [0xf4], [0xfa], [0xe4, 1], [0x0f, 0x05], [0x0f, 0x34],
      [0xcf], [0xcb], [0xc7, 0xf8, 0, 0, 0, 0], [0xf3, 0x48, 0x0f, 0xae, 0xd8], [0x0f, 0x32], [0x31, 0xd2, 0xf7, 0xf2],
      [UInt8](repeating: 0x66, count: 15) + [0x90], [UInt8](repeating: 0x2e, count: 11) + [0x48, 0xc7, 0xc0, 1, 0, 0, 0],
      [0xfc, 0xfd, 0x9c, 0xfc, 0x58], [0x0f, 0xae, 0x03], [0xd9, 0x33, 0x9b], [0x66, 0xd9, 0x33], [0xdd, 0x33], [0x43, 0x0f, 0xae, 0x04, 0x13],
      [0x31, 0xc0, 0x8e, 0xe0, 0x8c, 0xe2, 0xe8, 0, 0, 0, 0, 0x58], [0x31, 0xc0, 0x8e, 0xe8, 0x8c, 0xea, 0xe8, 1, 0, 0, 0, 0xf4, 0xc3],
      [0x6a, 0, 0x0f, 0xa9, 0xe8, 1, 0, 0, 0, 0xf4, 0xc3],
    ] {
      sequences.append(OracleSequence(code: [0x90] + code + Self.end))
      sequences.append(OracleSequence(code: code + Self.end) { $0.eflags |= 0x100 })
    }
    for index in sequences.indices where sequences[index].code.contains(0x8e) || sequences[index].code.contains(0xa9) {
      sequences[index].prepare = { ($0.fsBase, $0.gsBase) = (data, data) }
    }
    for index in sequences.indices where sequences[index].code.contains(0x43) {
      sequences[index].prepare = { ($0.r10, $0.r11) = (data, 0) }
    }
    compare(sequences, Self.standardLimits)
  }

  /// Flags that live over a back edge, or that the tick finds set: lahf, setcc, adc behind loops.
  @Test func flagsOverBackEdges() {
    var sequences: [OracleSequence] = []
    for reader: [UInt8] in [[0x9f], [0x0f, 0x92, 0xc2], [0x11, 0xd2], [0xd1, 0xd2], [0x9c, 0x5a], [0x0f, 0x4a, 0xd0], [0x0f, 0x90, 0xc2]] {
      // mov ecx, 6; L: reader; add dl, 0x77; loop L
      let body = reader + [0x80, 0xc2, 0x77]
      sequences.append(
        OracleSequence(code: [0xb9] + littleEndian(UInt32(6)) + body + [0xe2, UInt8(bitPattern: Int8(-2 - body.count))] + reader + Self.end))
      // The same by lea and jrcxz: jrcxz out; reader; lea rcx, [rcx-1]; jmp L
      let inner = reader + [0x48, 0x8d, 0x49, 0xff]
      sequences.append(
        OracleSequence(
          code: [0xb9] + littleEndian(UInt32(6)) + [0xf9, 0xe3, UInt8(inner.count + 2)] + inner
            + [0xeb, UInt8(bitPattern: Int8(-4 - inner.count))] + Self.end))
    }
    compare(sequences, Self.standardLimits)
  }

  // MARK: Updates

  /// All kinds in all sizes, on [rdi], with what each needs beside the operand in eax and cl.
  private static let updates: [[UInt8]] = {
    var all: [[UInt8]] = []
    for size: [UInt8] in [[], [0x66], [0x48]] {
      for number: UInt8 in 0..<7 {
        let immediate: [UInt8] = size == [0x66] ? [0x34, 0x92] : [0x34, 0x12, 0x80, 0x71]
        all.append(size + [number * 8 + 1, 0x07])
        all.append(size + [0x81, number << 3 | 7] + immediate)
        all.append(size + [0x83, number << 3 | 7, 0xf3])
      }
      for number: UInt8 in 0..<8 {
        all.append(size + [0xd1, number << 3 | 7])
        all.append(size + [0xd3, number << 3 | 7])
        all.append(size + [0xc1, number << 3 | 7, 5])
        all.append(size + [0xc1, number << 3 | 7, 0])
      }
      all += [size + [0xf7, 0x17], size + [0xf7, 0x1f], size + [0xff, 0x07], size + [0xff, 0x0f]]
    }
    for number: UInt8 in 0..<7 {
      all.append([number * 8, 0x07])
      all.append([number * 8, 0x27])  // ah: not split.
      all.append([0x40, number * 8, 0x27])  // spl.
      all.append([0x80, number << 3 | 7, 0x77])
    }
    for number: UInt8 in 0..<8 {
      all.append([0xd0, number << 3 | 7])
      all.append([0xd2, number << 3 | 7])
      all.append([0xc0, number << 3 | 7, 3])
    }
    all += [[0xf6, 0x17], [0xf6, 0x1f], [0xfe, 0x07], [0xfe, 0x0f]]
    // Other operands: SIB, displacements, fs, rip, absolute, r12 and r13, rsp and rbp (do not count), r10 and r11, lock, gs, 32 bits.
    all += [
      [0x01, 0x44, 0x57, 4], [0x01, 0x87, 8, 0, 0, 0], [0x64, 0x01, 0x07], [0x41, 0x01, 0x04, 0x24], [0x41, 0x01, 0x45, 0],
      [0x01, 0x04, 0x25, 0, 0, 0x50, 0], [0x01, 0x04, 0x24], [0x01, 0x45, 0], [0x44, 0x01, 0x17], [0x44, 0x01, 0x1f], [0x41, 0x01, 0x03],
      [0x41, 0x01, 0x02], [0xf0, 0x01, 0x07], [0x65, 0x01, 0x07], [0x67, 0x01, 0x07], [0x42, 0x01, 0x04, 0x2f], [0x39, 0x07], [0x83, 0x3f, 1],
      [0x48, 0x01, 0x3f], [0x48, 0x01, 0x7f, 8], [0x01, 0x3c, 0x3f], [0x87, 0x07], [0x0f, 0xc1, 0x07], [0x0f, 0xb1, 0x07], [0x0f, 0xbb, 0x07],
    ]
    return all
  }()

  private static func prepareUpdates(_ registers: inout Registers) {
    registers.rax = 0x8123_4567_89ab_cdef
    registers.rcx = 0x4d
    registers.eflags |= 1
    (registers.r12, registers.r13, registers.r10, registers.r11) = (data + 16, data + 24, data + 32, data + 40)
    registers.rbp = data + 48
    registers.rdx = 2
  }

  @Test func splitUpdates() {
    var sequences: [OracleSequence] = []
    for update in Self.updates {
      var prepare = Self.prepareUpdates
      if update == [0x01, 0x3c, 0x3f] { prepare = { $0.rdi = data / 2 } }
      if update == [0x42, 0x01, 0x04, 0x2f] { prepare = { Self.prepareUpdates(&$0); $0.r13 = 8 } }
      var sequence = OracleSequence(code: update + update + [0x9f] + Self.end, prepare: prepare, dataChanges: true)
      let opcode = update.first { $0 != 0x66 && $0 != 0x48 }!
      // OF after a shift or rotation by more than one.
      if [0xc0, 0xc1, 0xd2, 0xd3].contains(opcode) { sequence.undefinedFlags = 0x800 }
      sequences.append(sequence)
    }
    let limits: [[RunLimit]] =
      (1...3).map { [RunLimit(updates: $0)] }
      + [[RunLimit(updates: 1), .unlimited], [RunLimit(updates: 1), RunLimit(ticks: 0, instructions: 1)]]
    compare(sequences, limits)
  }

  /// A store that faults leaves flags and memory alone: the page can be read only.
  @Test func splitUpdatesThatFault() {
    let sequences = Self.updates.map {
      OracleSequence(code: $0 + $0 + Self.end, dataProtection: [.read], prepare: Self.prepareUpdates)
    }
    compare(sequences, [[.unlimited], [RunLimit(updates: 1)], [RunLimit(ticks: 0, instructions: 1)]])
    // At an address that is not there, or whose second half is not.
    let absent = Self.updates.flatMap { update in
      [0x1000, data + page - 1].map { address in
        OracleSequence(code: update + update + Self.end) {
          Self.prepareUpdates(&$0)
          $0.rdi = address
        }
      }
    }
    compare(absent, [[.unlimited], [RunLimit(updates: 1)]])
  }

  /// In loops, at every n, and with the trap flag.
  @Test func splitUpdatesInLoops() {
    // mov ecx, 5; L: add [rdi], eax; adc [rdi+8], al; loop L
    let body: [UInt8] = [0x01, 0x07, 0x10, 0x47, 8]
    let loop: [UInt8] = [0xb9] + littleEndian(UInt32(5)) + body + [0xe2, UInt8(bitPattern: Int8(-2 - body.count))] + Self.end
    let sequences = [
      OracleSequence(code: loop) { $0.rax = 0x8123_4567_89ab_cdef },
      OracleSequence(code: loop, prepare: { $0.rax = 0x8123_4567_89ab_cdef }, dataChanges: true),
      OracleSequence(code: loop, prepare: { $0.eflags |= 0x100 }, dataChanges: true),
    ]
    let limits = (1...12).map { [RunLimit(updates: $0)] } + (1...12).map { [RunLimit(ticks: 1, updates: $0), RunLimit(ticks: 2)] }
    compare(sequences, limits)
  }

  /// Above 2 GiB, relative to rip: inc, add and adc on what lies behind the code.
  @Test func highCode() {
    var sequences: [OracleSequence] = []
    for update: [UInt8] in [[0xff, 0x05], [0x48, 0x01, 0x05], [0x10, 0x05], [0xf6, 0x1d], [0x66, 0xd3, 0x05], [0x00, 0x25], [0x44, 0x01, 0x1d]] {
      for codeAddress in [Self.codeLow, Self.codeHigh] {
        // Twice, then a load of it.
        let one = update + littleEndian(UInt32(2048))
        sequences.append(
          OracleSequence(
            code: [0xb1, 3] + one + one + [0x48, 0x8b, 0x05] + littleEndian(UInt32(2048 - one.count)) + [0xe8, 0, 0, 0, 0, 0x5a] + Self.end,
            codeAddress: codeAddress, prepare: { $0.rax = 0x1234_5678_9abc_def1 }))
      }
    }
    compare(sequences, Self.standardLimits)
  }
}
