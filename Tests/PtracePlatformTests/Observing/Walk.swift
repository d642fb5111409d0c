// A guest instruction by instruction, as the stepped machine executes it, and what that says about scheduling points and
// accesses: the expectation for the translated engine.
import Platform
import PtracePlatform
import Translator

/// An access without its size, and where the instruction is.
struct Touched: Equatable, CustomStringConvertible {
  var pc: UInt64
  var address: UInt64
  var size: UInt8
  var isWrite: Bool

  init(pc: UInt64, address: UInt64, size: UInt8, isWrite: Bool) {
    (self.pc, self.address, self.size, self.isWrite) = (pc, address, size, isWrite)
  }
  init(_ access: MemoryAccess) {
    self.init(pc: access.pc.rawValue, address: access.address.rawValue, size: access.size, isWrite: access.isWrite)
  }
  var description: String {
    "\(isWrite ? "store" : "load") of \(size) at 0x\(String(address, radix: 16)) by 0x\(String(pc, radix: 16))"
  }
}

/// The machine before an instruction.
struct WalkStep {
  var registers: Registers
  /// Since the guest's beginning.
  var ticks: UInt64
  var code: [UInt8]

  var instruction: Instruction { code.withUnsafeBufferPointer { decode($0.baseAddress!, available: $0.count) } }
  var hasMemoryOperand: Bool { !code.isEmpty && instruction.hasMemoryOperand }
  var hasTrapFlag: Bool { registers.eflags & 0x100 != 0 }

  /// A locked access over two cache lines: hosts that trap these may never come to the end of a single step over one.
  var mayBeSplitLock: Bool {
    if code.isEmpty { return false }
    let instruction = instruction
    let isExchange = instruction.map == 0 && instruction.opcode | 1 == 0x87 && !instruction.prefixes.contains(.vex)
    guard instruction.hasMemoryForm, isExchange || instruction.prefixes.contains(.lock) else { return false }
    return touched.isEmpty || touched.contains { $0.address & 63 + UInt64($0.size) > 64 }
  }

  /// What the instruction touches, if it is logged.
  var touched: [Touched] {
    if code.isEmpty { return [] }
    let instruction = instruction
    let isRepeated = instruction.map == 0 && (0xa4...0xaf).contains(instruction.opcode) && ![0xa8, 0xa9].contains(instruction.opcode)
      && !instruction.prefixes.isDisjoint(with: [.rep, .repne]) && !instruction.prefixes.contains(.vex)
    if isRepeated {
      let count = instruction.prefixes.contains(.addressSize) ? registers.rcx & 0xffff_ffff : registers.rcx
      if count == 0 || hasTrapFlag { return [] }
    }
    let accesses = code.withUnsafeBufferPointer { instruction.accesses($0.baseAddress!) }
    return accesses.map {
      Touched(pc: registers.rip, address: address($0, instruction), size: $0.size, isWrite: $0.isWrite)
    }
  }

  /// docs: Intel SDM 2A, 2.1.3 to 2.1.5, 2.3.5.
  private func address(_ access: Access, _ instruction: Instruction) -> UInt64 {
    var sum: UInt64
    switch access.place {
    case .source: sum = registers.rsi
    case .destination: sum = registers.rdi
    case .table: sum = registers.rbx &+ registers.rax & 0xff
    case .operand: sum = operand(instruction)
    }
    return instruction.prefixes.contains(.addressSize) ? sum & 0xffff_ffff : sum
  }

  private func operand(_ instruction: Instruction) -> UInt64 {
    let size = Int(instruction.displacementSize), start = Int(instruction.displacementOffset)
    var displacement: UInt64 = 0
    for index in 0..<size { displacement |= UInt64(code[start + index]) << UInt64(8 * index) }
    if size == 1 { displacement = UInt64(bitPattern: Int64(Int8(truncatingIfNeeded: displacement))) }
    if size == 4 && instruction.hasModRM { displacement = UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: displacement))) }
    guard instruction.hasModRM else { return displacement }
    var extendsBase = instruction.rex & 1 != 0, extendsIndex = instruction.rex & 2 != 0
    if instruction.prefixes.contains(.vex) {
      let prefix = Int(instruction.prefixLength)
      extendsBase = code[prefix] == 0xc4 && code[prefix + 1] & 0x20 == 0
      extendsIndex = code[prefix] == 0xc4 && code[prefix + 1] & 0x40 == 0
    }
    func register(_ number: UInt8, _ isExtended: Bool) -> UInt64 { general[Int(number) + (isExtended ? 8 : 0)] }
    if !instruction.hasSIB {
      if instruction.isRIPRelative { return registers.rip &+ UInt64(instruction.length) &+ displacement }
      return register(instruction.modrm & 7, extendsBase) &+ displacement
    }
    let base = instruction.sib & 7, index = instruction.sib >> 3 & 7
    if base != 5 || instruction.modrm >> 6 != 0 { displacement &+= register(base, extendsBase) }
    if index != 4 || extendsIndex { displacement &+= register(index, extendsIndex) << UInt64(instruction.sib >> 6) }
    return displacement
  }

  private var general: [UInt64] {
    let r = registers
    return [r.rax, r.rcx, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15]
  }
}

/// All of a guest's execution.
struct Walk {
  private(set) var steps: [WalkStep] = []
  /// Traps by the number of the step that ended with one, with the registers there.
  private(set) var traps: [Int: (trap: Trap, registers: Registers)] = [:]
  static let stepsMax = 3000

  /// nil when the guest does not end soon, or cannot be stepped.
  init?(_ guest: RandomGuest, _ runner: Runner) throws {
    try runner.prepare(guest)
    defer { runner.end() }
    let before = runner.ticks
    while steps.count < Self.stepsMax {
      steps.append(
        WalkStep(
          registers: runner.context.registers, ticks: runner.ticks - before, code: try runner.code(at: runner.context.registers.rip)))
      if steps.last!.mayBeSplitLock { return nil }
      let trap = try runner.machine.run(runner.context, limit: RunLimit(ticks: 0, instructions: 1))
      if case .budget = trap { continue }
      traps[steps.count - 1] = (trap, runner.context.registers)
      if !runner.answer(trap) || traps.count > Runner.trapsMax { return }
    }
    return nil
  }

  var touched: [Touched] { steps.flatMap(\.touched) }
  var hasTrapFlag: Bool { steps.contains(where: \.hasTrapFlag) }

  /// How a run ends: before the step `position`, or in it with a trap.
  struct End: Equatable {
    var trap: Trap
    var position: Int
    var points: UInt32
  }

  /// The end of a run that begins at step `first`.
  func end(from first: Int, ticks: UInt64?, points limit: UInt32, in points: Set<UInt64>, watched: Set<UInt64> = []) -> End {
    var count: UInt32 = 0
    for position in first..<steps.count {
      if position > first {
        if let ticks, steps[position].ticks - steps[first].ticks == ticks {
          return End(trap: .budget(StopPoint()), position: position, points: count)
        }
        if points.contains(steps[position].registers.rip), steps[position].hasMemoryOperand {
          count += 1
          if count == limit || watched.contains(steps[position].registers.rip) { return End(trap: .budget(StopPoint(isAtPoint: true)), position: position, points: count) }
        }
      }
      if let trap = traps[position] { return End(trap: trap.trap, position: position, points: count) }
    }
    preconditionFailure("a walk ends with a trap")
  }

  /// The registers that a run with this end leaves.
  func registers(at end: End) -> Registers {
    if case .budget = end.trap { return steps[end.position].registers }
    return traps[end.position]!.registers
  }

  /// The end of a run from `first` that looks for `pc` after so many ticks.
  func end(from first: Int, ticks: UInt64, pc: UInt64) -> End {
    var instructions: UInt32 = 0
    for position in first..<steps.count {
      let passed = steps[position].ticks - steps[first].ticks
      if passed > ticks { return End(trap: .budget(StopPoint()), position: position, points: 0) }
      if passed == ticks && steps[position].registers.rip == pc {
        return End(trap: .budget(StopPoint(instructions: instructions)), position: position, points: 0)
      }
      if passed == ticks { instructions += 1 }
      if let trap = traps[position] { return End(trap: trap.trap, position: position, points: 0) }
    }
    preconditionFailure("a walk ends with a trap")
  }
}

extension Runner {
  var ticks: UInt64 { machine.ticks(of: context.id).rawValue }
}

extension Registers {
  /// In words, what is not as in the other one.
  func difference(from other: Registers) -> String {
    let (mine, its) = (words, other.words)
    return mine.indices.filter { mine[$0] != its[$0] }.map {
      "\(Registers.names[$0]) 0x\(String(mine[$0], radix: 16)), not 0x\(String(its[$0], radix: 16))"
    }.joined(separator: "; ")
  }
}
