// Instructions that ask the processor, answered by its model. The machine stopped before them.

import Platform

extension Kernel {
  /// Sets the results and goes on behind the instruction, or raises what a processor of this model would raise.
  func emulate(_ instruction: SpecialInstruction, length: UInt8, on model: ProcessorModel, in task: Task) {
    switch instruction {
    case .cpuid: answerCPUID(model, task)
    case .xgetbv:
      guard model.has(ProcessorFeature.osxsave) else { return raiseInvalidOpcode(task) }
      // XCR0 is the only register: ecx 1 needs a bit of CPUID leaf 0xD, which no model has.
      guard UInt32(truncatingIfNeeded: task.context.registers.rcx) == 0 else { return raiseGeneralProtection(task) }
      task.context.registers.rax = model.extendedStateComponents & 0xffff_ffff
      task.context.registers.rdx = model.extendedStateComponents >> 32
    case .rdrand, .rdseed:
      guard model.has(instruction == .rdrand ? "rdrand" : "rdseed"), let operand = operand(length, task) else {
        return raiseInvalidOpcode(task)
      }
      let bytes = decisions.randomBytes(8)
      observer.note(.randomBytes(bytes))
      task.context.registers.set(operand, bytes.integer(at: 0))
      // CF: there is a number. OF, SF, ZF, AF, PF are cleared.
      task.context.registers.eflags = task.context.registers.eflags & ~0x8d4 | 1
    case .rdpid:
      // IA32_TSC_AUX: node and CPU number; one node, CPU 0. No model shows RDPID, but all answer it.
      guard var operand = operand(length, task) else { return raiseInvalidOpcode(task) }
      operand.bytes = 8
      task.context.registers.set(operand, 0)
    case .rdtsc, .rdtscp: preconditionFailure("the counter does not depend on the model")
    }
    task.context.registers.rip &+= UInt64(length)
  }

  /// The answer's upper halves are zero: a write of a 32-bit register.
  private func answerCPUID(_ model: ProcessorModel, _ task: Task) {
    let registers = task.context.registers
    let answer = model.cpuid(
      leaf: UInt32(truncatingIfNeeded: registers.rax), subleaf: UInt32(truncatingIfNeeded: registers.rcx),
      cpuCount: configuration.cpuCount)
    task.context.registers.rax = UInt64(answer.eax)
    task.context.registers.rbx = UInt64(answer.ebx)
    task.context.registers.rcx = UInt64(answer.ecx)
    task.context.registers.rdx = UInt64(answer.edx)
  }

  /// #UD: SIGILL with ILL_ILLOPN (exc_invalid_op of arch/x86/kernel/traps.c).
  private func raiseInvalidOpcode(_ task: Task) {
    raiseFault(Fault(signal: 4, code: 2, address: GuestAddress(task.context.registers.rip)), in: task)
  }

  /// #GP: SIGSEGV from the kernel, without an address (exc_general_protection).
  private func raiseGeneralProtection(_ task: Task) {
    raiseFault(Fault(signal: 11, code: 128, address: GuestAddress(0)), in: task)
  }

  private func operand(_ length: UInt8, _ task: Task) -> RegisterOperand? {
    guard let bytes = try? task.memory.copyIn(GuestAddress(task.context.registers.rip), Int(length)) else { return nil }
    return RegisterOperand(decoding: bytes)
  }
}

/// A general register that an instruction writes, and how much of it.
struct RegisterOperand: Hashable, Sendable {
  /// Its number in ModRM with the REX bit: rax rcx rdx rbx rsp rbp rsi rdi r8...r15.
  var number: UInt8
  /// 2, 4 or 8.
  var bytes: Int

  init(number: UInt8, bytes: Int) {
    self.number = number
    self.bytes = bytes
  }

  /// From the bytes of RDRAND, RDSEED or RDPID: prefixes, REX, 0F C7, ModRM with mod 3. Nil for other bytes.
  init?(decoding instruction: [UInt8]) {
    guard instruction.count >= 3 else { return nil }
    let opcode = instruction.count - 3
    let modRM = instruction[opcode + 2]
    guard instruction[opcode] == 0x0f, instruction[opcode + 1] == 0xc7, modRM >= 0xf0 else { return nil }
    // REX counts only where it stands last, directly before the opcode.
    let prefixes = instruction[..<opcode]
    let rex = prefixes.last.flatMap { $0 & 0xf0 == 0x40 ? $0 : nil } ?? 0
    number = modRM & 7 | (rex & 1) << 3
    bytes = rex & 8 != 0 ? 8 : prefixes.contains(0x66) ? 2 : 4
  }
}

extension Registers {
  /// Writes a register as the processor does: 4 bytes clear the upper half, 2 keep the rest.
  mutating func set(_ operand: RegisterOperand, _ value: UInt64) {
    let path = Self.general[Int(operand.number)]
    switch operand.bytes {
    case 8: self[keyPath: path] = value
    case 4: self[keyPath: path] = value & 0xffff_ffff
    default: self[keyPath: path] = self[keyPath: path] & ~0xffff | value & 0xffff
    }
  }

  private static let general: [any WritableKeyPath<Registers, UInt64> & Sendable] = [
    \.rax, \.rcx, \.rdx, \.rbx, \.rsp, \.rbp, \.rsi, \.rdi, \.r8, \.r9, \.r10, \.r11, \.r12, \.r13, \.r14, \.r15,
  ]
}
