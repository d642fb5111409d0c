// Each trapped instruction: results, operand sizes, flags, and the faults of a processor that lacks it.

import LinuxABI
import Platform
import Testing

@testable import Kernel

private final class NoteKeeper: Observer {
  var random: [[UInt8]] = []
  func note(_ annotation: Annotation) { if case .randomBytes(let bytes) = annotation { random.append(bytes) } }
  func output(_ stream: OutputStream, space: AddressSpaceID, pieces: [GuestRange], bytes: ArraySlice<UInt8>) {}
  func output(_ stream: OutputStream, bytes: ArraySlice<UInt8>) {}
}

@Suite struct ProcessorInstructionTests {
  private static let handler: UInt64 = 0x7777_0000
  private let notes = NoteKeeper()

  private func makeFixture(_ model: ProcessorModel = .v3) -> KernelFixture {
    let fixture = KernelFixture(observer: notes) { $0.processor = model }
    var registers = Registers()
    registers.eflags = 0x202
    registers.rsp = fixture.allocate(1 << 16) + (1 << 16)
    fixture.task.context.registers = registers
    return fixture
  }

  /// Runs one instruction; every register is all ones before, but those that `prepare` sets.
  @discardableResult
  private func run(
    _ fixture: KernelFixture, _ instruction: SpecialInstruction, _ bytes: [UInt8],
    _ prepare: (inout Registers) -> Void = { _ in }
  ) -> Registers {
    var registers = fixture.task.context.registers
    for number in 0..<16 where number != 4 {
      registers.set(RegisterOperand(number: UInt8(number), bytes: 8), ~0)
    }
    prepare(&registers)
    registers.rip = fixture.put(bytes)
    fixture.task.context.registers = registers
    fixture.kernel.emulate(instruction, length: UInt8(bytes.count), in: fixture.task)
    var after = fixture.task.context.registers
    after.rip &-= registers.rip
    return after
  }

  @Test func cpuidZeroExtends() {
    let after = run(makeFixture(), .cpuid, [0x0f, 0xa2]) { $0.rax = 0xffff_ffff_0000_0001; $0.rcx = 0xffff_ffff_0000_0000 }
    let answer = ProcessorModel.v3.cpuid(leaf: 1, subleaf: 0, cpuCount: 4)
    #expect(after.rax == UInt64(answer.eax) && after.rbx == UInt64(answer.ebx))
    #expect(after.rcx == UInt64(answer.ecx) && after.rdx == UInt64(answer.edx))
    #expect(after.rip == 2 && after.eflags == 0x202)
    let cache = run(makeFixture(), .cpuid, [0x0f, 0xa2]) { $0.rax = 4; $0.rcx = 3 }
    #expect(cache.rcx == 24575)
  }

  @Test(arguments: [(ProcessorModel.v3, 7 as UInt64), (.v4, 0xe7)])
  func xgetbvSaysXCR0(_ model: ProcessorModel, _ value: UInt64) {
    let after = run(makeFixture(model), .xgetbv, [0x0f, 0x01, 0xd0]) { $0.rcx = 0xffff_ffff_0000_0000 }
    #expect(after.rax == value && after.rdx == 0 && after.rip == 3)
  }

  /// Signal, code, address and exception number that a handler sees; the frame's rip is the instruction's.
  private func fault(
    _ model: ProcessorModel, _ signal: Int, _ instruction: SpecialInstruction, _ bytes: [UInt8],
    _ prepare: (inout Registers) -> Void = { _ in }
  ) -> [UInt64] {
    let fixture = makeFixture(model)
    fixture.setHandler(signal, Self.handler, flags: SignalActionFlag.info)
    run(fixture, instruction, bytes, prepare)
    let pc = fixture.task.context.registers.rip
    fixture.settle(fixture.task)
    let registers = fixture.task.context.registers
    guard registers.rip == Self.handler else { return [] }
    let frame = registers.rsp, context = frame + 48
    #expect(fixture.word(context + 128, as: UInt64.self) == pc)
    return [
      UInt64(fixture.word(frame + 312, as: UInt32.self)), UInt64(fixture.word(frame + 320, as: UInt32.self)),
      fixture.word(frame + 328, as: UInt64.self) &- pc, fixture.word(context + 160, as: UInt64.self),
      fixture.word(frame + 328, as: UInt64.self),
    ]
  }

  @Test func xgetbvFaults() {
    let other = fault(.v3, 11, .xgetbv, [0x0f, 0x01, 0xd0]) { $0.rcx = 1 }
    #expect(other.count == 5 && Array(other[0...1]) == [11, 128] && other[3] == 13 && other[4] == 0)
    let absent = fault(.v2, 4, .xgetbv, [0x0f, 0x01, 0xd0]) { $0.rcx = 0 }
    #expect(absent.prefix(4) == [4, 2, 0, 6])
  }

  @Test func randomNumbersNeedTheModel() {
    #expect(fault(.v2, 4, .rdrand, [0x0f, 0xc7, 0xf0]).prefix(4) == [4, 2, 0, 6])
    #expect(fault(.v2, 4, .rdseed, [0x0f, 0xc7, 0xf8]).prefix(4) == [4, 2, 0, 6])
    #expect(notes.random.isEmpty)
    // Other bytes than the trap says: code changed under a stale translation.
    #expect(fault(.v3, 4, .rdrand, [0x90, 0x90, 0x90]).prefix(4) == [4, 2, 0, 6])
  }

  @Test(arguments: [SpecialInstruction.rdrand, .rdseed]) func randomNumbersHaveTheirSize(_ kind: SpecialInstruction) {
    let modRM: UInt8 = kind == .rdrand ? 0xf0 : 0xf8
    let fixture = makeFixture()
    // All arithmetic flags are set before.
    func number(_ bytes: [UInt8]) -> (Registers, UInt64) {
      let after = run(fixture, kind, bytes) { $0.eflags = 0xad7 }
      #expect(after.eflags == 0x203 && after.rip == bytes.count)
      return (after, notes.random.last!.integer(at: 0))
    }
    var (after, drawn) = number([0x0f, 0xc7, modRM])
    #expect(after.rax == drawn & 0xffff_ffff)
    (after, drawn) = number([0x66, 0x0f, 0xc7, modRM | 3])
    #expect(after.rbx == ~0xffff | drawn & 0xffff)
    (after, drawn) = number([0x48, 0x0f, 0xc7, modRM | 6])
    #expect(after.rsi == drawn)
    (after, drawn) = number([0x49, 0x0f, 0xc7, modRM | 7])
    #expect(after.r15 == drawn)
    (after, drawn) = number([0x66, 0x4d, 0x0f, 0xc7, modRM])
    #expect(after.r8 == drawn, "REX.W wins over the operand size prefix")
    (after, drawn) = number([0x66, 0x41, 0x0f, 0xc7, modRM | 4])
    #expect(after.r12 == ~0xffff | drawn & 0xffff)
    (after, drawn) = number([0x48, 0x66, 0x0f, 0xc7, modRM | 1])
    #expect(after.rcx == ~0xffff | drawn & 0xffff, "a REX that is not last counts for nothing")
    #expect(notes.random.count == 7 && Set(notes.random).count == 7 && notes.random.allSatisfy { $0.count == 8 })
  }

  @Test func rdpidIsProcessorZero() {
    let after = run(makeFixture(), .rdpid, [0xf3, 0x0f, 0xc7, 0xf9]) { $0.eflags = 0xad7 }
    #expect(after.rcx == 0 && after.rip == 4 && after.eflags == 0xad7)
    #expect(run(makeFixture(.v2), .rdpid, [0xf3, 0x41, 0x0f, 0xc7, 0xfd]).r13 == 0)
  }

  @Test func theCounterIsAsBefore() {
    let after = run(makeFixture(), .rdtscp, [0x0f, 0x01, 0xf9])
    #expect(after.rcx == 0 && after.rdx >> 32 == 0 && after.rax >> 32 == 0 && after.rip == 3)
  }

  @Test func everyRegisterHasItsNumber() {
    var registers = Registers()
    for number in 0..<16 { registers.set(RegisterOperand(number: UInt8(number), bytes: 8), UInt64(number) + 1) }
    let r = registers
    let inOrder = [
      r.rax, r.rcx, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15,
    ]
    #expect(inOrder == Array(1...16))
    #expect(RegisterOperand(decoding: [0xc7, 0xf0]) == nil)
    #expect(RegisterOperand(decoding: [0x0f, 0xc7, 0x30]) == nil, "an operand in memory is another instruction")
  }
}
