// One turn of a guest task, and what its stop means. docs: ptrace(2), siginfo in sigaction(2), arch/x86/kernel/traps.c.
import CLinux
import Platform

enum HostSignal {
  static let illegal = 4
  static let trap = 5
  static let bus = 7
  static let arithmetic = 8
  static let segmentation = 11
  static let badSystemCall = 31
  /// SIGTRAP with the bit of PTRACE_O_TRACESYSGOOD.
  static let systemCall = 5 | 0x80
}

private let eventStop = 128  // PTRACE_EVENT_STOP
private let fromKernel: Int32 = 128  // SI_KERNEL

/// The vsyscall page (arch/x86/include/uapi/asm/vsyscall.h) and the calls its three entries stand for.
enum VsyscallPage {
  static let start: UInt64 = 0xffff_ffff_ff60_0000
  static let entries: [(offset: UInt64, number: UInt64)] = [(0, 96), (0x400, 201), (0x800, 309)]
  /// Elsewhere in it no code lies: emulate_vsyscall sends a SIGSEGV without an address.
  static func contains(_ address: UInt64) -> Bool { address & ~0xfff == start }
  static func number(at address: UInt64) -> UInt64? {
    entries.first { start + $0.offset == address }?.number
  }
}

extension Registers {
  /// The blob's code is 64-bit, and single steps in it would show.
  fileprivate var allowDetour: Bool {
    let trapFlag: UInt64 = 0x100
    return cs == 0x33 && eflags & trapFlag == 0
  }
}

extension PtraceMachine {
  public func run(_ context: ExecutionContext, limit: RunLimit) throws(MachineError) -> Trap {
    precondition(limit.ticks == nil && limit.updates == 0 && limit.points == 0, "the direct engine has no ticks and no points")
    let stub = try stub(context.space)
    if !stub.queue.isEmpty { try stub.flush() }
    let state = try state(context.id)
    guard var status = try turn(stub, state, context.registers, wallSeconds: limit.wallSeconds) else {
      return .interrupted
    }
    while true {
      try checkStopped(stub, status)
      if let trap = try trap(stub, status) {
        context.registers = stub.held
        stub.heldIsKnown = true
        if trap != .syscall { try settle(trap, context, stub) }
        return trap
      }
      status = resume(stub)
    }
  }

  /// One turn of a stub: loads registers and the task's extended state, lets it run to its next stop, and returns the wait
  /// status, or nil when an interruption was asked for. `stub.held` are the registers at the stop. `gate`: of code that makes its
  /// system calls there.
  func turn(
    _ stub: Stub, _ state: ContextState, _ registers: Registers, wallSeconds: UInt32,
    gate: UnsafeMutablePointer<rsb_gate>? = nil
  ) throws(MachineError) -> Int? {
    var detour = rsb_detour()
    if stub.loaded !== state {
      detour = try state.prepare(in: stub, mayDetour: registers.allowDetour)
    }
    let ticks = wallSeconds == 0 ? 0 : wallSeconds * 2 + 1
    let held = stub.heldIsKnown
    stub.heldIsKnown = false
    let status = withRegisters(registers, stub) { registers, heldWords in
      rsb_stub_run(watch, stub.pid, ticks, registers, held ? heldWords : nil, &detour, gate, &stub.isAtGate)
    }
    if status == RSB_RUN_INTERRUPTED {
      stub.heldIsKnown = held
      return nil
    }
    if detour.entry != 0 { state.arrived() }
    return status
  }

  /// Lets a stub go on after a stop that was no concern of the guest.
  func resume(_ stub: Stub, gate: UnsafeMutablePointer<rsb_gate>? = nil) -> Int {
    withRegisters(stub.held, stub) { registers, _ in rsb_stub_rerun(watch, stub.pid, registers, gate, &stub.isAtGate) }
  }

  /// One instruction with these registers. `stub.held` are those after it.
  func step(_ stub: Stub, _ registers: Registers) -> Int {
    stub.heldIsKnown = false
    stub.isAtGate = 0
    return withRegisters(registers, stub) { registers, _ in rsb_stub_step(stub.pid, registers) }
  }

  func checkStopped(_ stub: Stub, _ status: Int) throws(MachineError) {
    guard status >= 0, status & 0xff == 0x7f else { throw ended(stub, status) }
  }

  /// Lends the wanted registers and the held ones as words; afterwards the stub's `held` is what the call left in the
  /// first.
  private func withRegisters(
    _ wanted: Registers, _ stub: Stub, _ body: (UnsafeMutablePointer<UInt64>, UnsafePointer<UInt64>) -> Int
  ) -> Int {
    // Sound: Registers is 27 words in user_regs_struct's order (asserted in CLinux), and both live for the call.
    var registers = wanted
    let result = withUnsafeMutablePointer(to: &registers) { pointer in
      withUnsafePointer(to: &stub.held) { held in
        pointer.withMemoryRebound(to: UInt64.self, capacity: Registers.wordCount) { words in
          held.withMemoryRebound(to: UInt64.self, capacity: Registers.wordCount) { body(words, $0) }
        }
      }
    }
    stub.held = registers
    return result
  }

  private func ended(_ stub: Stub, _ status: Int) -> MachineError {
    if status < 0 { return MachineError("stub \(stub.pid) cannot run: \(describe(errno: -status))") }
    return MachineError("stub \(stub.pid) ended under the guest: \(describe(waitStatus: status))")
  }

  /// Why a stub stopped.
  enum Stop {
    case systemCall
    /// A fault of its own.
    case fault(rsb_signal_info)
    case interrupted
    case unresponsive
    /// No concern of the guest: the stub should go on.
    case other
  }

  func stop(_ stub: Stub, _ status: Int) throws(MachineError) -> Stop {
    let signal = status >> 8 & 0xff
    if signal == HostSignal.systemCall { return .systemCall }
    if status >> 16 == eventStop {
      if rsb_interrupt_requested() != 0 { return .interrupted }
      return rsb_watch_expired(watch) != 0 ? .unresponsive : .other
    }
    switch signal {
    case HostSignal.illegal, HostSignal.trap, HostSignal.bus, HostSignal.arithmetic, HostSignal.segmentation, HostSignal.badSystemCall:
      break
    default:
      return .other
    }
    var info = rsb_signal_info()
    try checked(rsb_ptrace_get_signal(stub.pid, &info), "PTRACE_GETSIGINFO")
    // Sent by a process of the host: not the guest's.
    return info.code <= 0 ? .other : .fault(info)
  }

  private func trap(_ stub: Stub, _ status: Int) throws(MachineError) -> Trap? {
    switch try stop(stub, status) {
    case .systemCall: try systemCallTrap(stub)
    case .fault(let info): faultTrap(stub, info)
    case .interrupted: .interrupted
    case .unresponsive: .unresponsive
    case .other: nil
    }
  }

  private func systemCallTrap(_ stub: Stub) throws(MachineError) -> Trap {
    let registers = stub.held
    // What `syscall` leaves in rcx and r11. A guest that forges both before `int 0x80` only makes a 64-bit call of it.
    if registers.rcx == registers.rip, registers.r11 == registers.eflags, registers.cs == 0x33 { return .syscall }
    var arch: UInt32 = 0
    try checked(rsb_ptrace_syscall_arch(stub.pid, &arch), "PTRACE_GET_SYSCALL_INFO")
    return arch == RSB_ARCH_X86_64 ? .syscall : .foreignSyscall
  }

  private func faultTrap(_ stub: Stub, _ info: rsb_signal_info) -> Trap {
    let rip = stub.held.rip
    if info.signal == HostSignal.badSystemCall, VsyscallPage.number(at: info.call_address) != nil { return .vsyscall }
    if info.signal == HostSignal.segmentation {
      if info.address == rip, VsyscallPage.number(at: rip) != nil { return .vsyscall }
      if info.address == rip, isLandingPad(rip) { return .foreignSyscall }
      if info.code == fromKernel, info.address == 0, let trap = trappedInstruction(stub, at: rip) { return trap }
    }
    return .fault(
      Fault(signal: UInt8(truncatingIfNeeded: info.signal), code: info.code, address: GuestAddress(info.address)))
  }

  /// `sysenter` reads the guest's 32-bit stack before ptrace hears of it, and where that cannot be read the host returns at
  /// once to where its vdso was (arch/x86/entry, do_fast_syscall_32), cut to 32 bits.
  private func isLandingPad(_ rip: UInt64) -> Bool {
    vdso != 0 && rip <= UInt64(UInt32.max) && UInt32(truncatingIfNeeded: rip &- vdso) < Self.vdsoSizeMax
  }
  private static let vdsoSizeMax: UInt32 = 0x4000

  /// rdtsc and rdtscp under PR_SET_TSC raise a general protection fault like many others: only the opcode tells.
  private func trappedInstruction(_ stub: Stub, at rip: UInt64) -> Trap? {
    var bytes = [UInt8](repeating: 0, count: 15)
    let count = max(0, rsb_process_read(stub.pid, &bytes, rip, bytes.count))
    var index = 0
    while index < count, isPrefix(bytes[index]) { index += 1 }
    if index + 2 <= count, bytes[index] == 0x0f, bytes[index + 1] == 0x31 {
      return .instruction(.rdtsc, length: UInt8(index + 2))
    }
    if index + 3 <= count, bytes[index] == 0x0f, bytes[index + 1] == 0x01, bytes[index + 2] == 0xf9 {
      return .instruction(.rdtscp, length: UInt8(index + 3))
    }
    return nil
  }

  /// Prefixes that these instructions ignore: operand and address size, segments, repeat, REX.
  private func isPrefix(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0x40...0x4f: true
    default: false
    }
  }

  /// Makes the registers of a trap other than `syscall` what the seam promises.
  private func settle(_ trap: Trap, _ context: ExecutionContext, _ stub: Stub) throws(MachineError) {
    let number = context.registers.origRax
    context.registers.origRax = ~0
    switch trap {
    case .foreignSyscall:
      context.registers.rax = number
      var bytes: [UInt8] = [0, 0]
      let rip = context.registers.rip
      let count = rsb_process_read(stub.pid, &bytes, rip &- 2, 2)
      // After sysenter and a compat `syscall` rip is in the host's unmapped vdso, at an address that varies.
      let isInterrupt = count == 2 && bytes == [0xcd, 0x80]
      context.registers.rip = isInterrupt ? rip - 2 : 0
      if context.registers.rcx == rip && !isInterrupt { context.registers.rcx = 0 }
    case .vsyscall:
      let rip = context.registers.rip
      if let number = VsyscallPage.number(at: rip) {
        context.registers.rax = number  // Page not mapped: as where it is emulated, and rax is clobbered anyway.
        return
      }
      // The host has already returned from the page (emulate_vsyscall in arch/x86/entry/vsyscall): undo that.
      var info = rsb_signal_info()
      try checked(rsb_ptrace_get_signal(stub.pid, &info), "PTRACE_GETSIGINFO")
      context.registers.rip = info.call_address
      context.registers.rsp &-= 8
      context.registers.rax = VsyscallPage.number(at: info.call_address) ?? context.registers.rax
    default:
      break
    }
  }
}
