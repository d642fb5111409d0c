// Traps: what stops a guest, and what the registers say then.
import CLinux
import LinuxABI
import Platform
import PtracePlatform
import Testing

@Suite(.serialized, .timeLimit(.minutes(1))) struct RunTests {
  @Test func syscallLoopIsTrapped() {
    withBench { bench in
      let context = try bench.context(try bench.space(Asm.getppidLoop))
      for turn in 0..<100 {
        bench.checks.equal(try bench.run(context), .syscall)
        bench.checks.equal(context.registers.origRax, 110)
        bench.checks.equal(context.registers.rip, code + 7)
        context.registers.rax = UInt64(turn)
        if turn % 3 == 0 { context.registers.rbx = UInt64(turn) }
      }
      bench.checks.equal(context.registers.rbx, 99)
    }
  }

  @Test func resultReachesGuest() {
    withBench { bench in
      // syscall; mov rbx, rax; syscall
      let context = try bench.context(try bench.space(Asm.syscall + [0x48, 0x89, 0xc3] + Asm.syscall))
      bench.checks.equal(try bench.run(context), .syscall)
      context.registers.rax = 0x1234_5678_9abc
      bench.checks.equal(try bench.run(context), .syscall)
      bench.checks.equal(context.registers.rbx, 0x1234_5678_9abc)
      bench.checks.equal(context.registers.origRax, 0x1234_5678_9abc)
    }
  }

  @Test func memoryFaults() {
    withBench { bench in
      let (read, context) = try bench.firstTrap(Asm.rdi(0x1234_5000) + Asm.loadRax)
      bench.checks.equal(read, .fault(Fault(signal: 11, code: 1, address: GuestAddress(0x1234_5000))))
      bench.checks.equal(context.registers.rip, code + 10)
      bench.checks.equal(context.registers.origRax, ~0)

      let id = try bench.space(Asm.rdi(data) + Asm.storeRsi)
      try bench.machine.protect(id, range(data), [.read])
      bench.checks.equal(
        try bench.run(try bench.context(id)), .fault(Fault(signal: 11, code: 2, address: GuestAddress(data))))

      let (execute, jumped) = try bench.firstTrap([0xff, 0xe7]) { $0.rdi = data }  // jmp rdi
      bench.checks.equal(execute, .fault(Fault(signal: 11, code: 2, address: GuestAddress(data))))
      bench.checks.equal(jumped.registers.rip, data)

      let (nonCanonical, _) = try bench.firstTrap(Asm.rdi(0x8000_0000_0000_0000) + Asm.loadRax)
      bench.checks.equal(nonCanonical, .fault(Fault(signal: 11, code: 128, address: GuestAddress(0))))
    }
  }

  @Test func exceptions() {
    withBench { bench in
      // xor ecx, ecx; div ecx
      let (divide, _) = try bench.firstTrap([0x31, 0xc9, 0xf7, 0xf1])
      bench.checks.equal(divide, .fault(Fault(signal: 8, code: 1, address: GuestAddress(code + 2))))
      let (undefined, at) = try bench.firstTrap([0x90, 0x0f, 0x0b])
      bench.checks.equal(undefined, .fault(Fault(signal: 4, code: 2, address: GuestAddress(code + 1))))
      bench.checks.equal(at.registers.rip, code + 1)
      let (breakpoint, after) = try bench.firstTrap([0xcc])
      bench.checks.equal(breakpoint, .fault(Fault(signal: 5, code: 128, address: GuestAddress(0))))
      bench.checks.equal(after.registers.rip, code + 1)
      let (halt, stays) = try bench.firstTrap([0xf4])
      bench.checks.equal(halt, .fault(Fault(signal: 11, code: 128, address: GuestAddress(0))))
      bench.checks.equal(stays.registers.rip, code)
    }
  }

  @Test func busErrorBeyondObject() {
    withBench { bench in
      let id = try bench.space(Asm.rdi(data + page) + Asm.loadRax)
      let object = MemoryObjectID(rawValue: 1)
      try bench.machine.createObject(object, size: 10)
      try bench.machine.map(id, range(data, pages: 2), [.read, .write], .sharedObject(object, offset: 0))
      bench.checks.equal(
        try bench.run(try bench.context(id)), .fault(Fault(signal: 7, code: 2, address: GuestAddress(data + page))))
    }
  }

  @Test func timeStampCounterIsTrapped() {
    withBench { bench in
      let (plain, context) = try bench.firstTrap([0x0f, 0x31] + Asm.syscall)
      bench.checks.equal(plain, .instruction(.rdtsc, length: 2))
      bench.checks.equal(context.registers.rip, code)
      context.registers.rip += 2
      context.registers.rax = 7
      context.registers.rdx = 8
      bench.checks.equal(try bench.run(context), .syscall)
      bench.checks.equal(context.registers.rdx, 8)
      bench.checks.equal(try bench.firstTrap([0x0f, 0x01, 0xf9]).0, .instruction(.rdtscp, length: 3))
      bench.checks.equal(try bench.firstTrap([0x48, 0x0f, 0x31]).0, .instruction(.rdtsc, length: 3))
    }
  }

  @Test func vsyscallIsTrapped() {
    withBench { bench in
      for (entry, number) in [(UInt64(0), UInt64(96)), (0x400, 201), (0x800, 309)] {
        // mov rcx, entry; xor edi, edi; xor esi, esi; call rcx; syscall
        let bytes = Asm.rcx(0xffff_ffff_ff60_0000 + entry) + [0x31, 0xff, 0x31, 0xf6, 0xff, 0xd1] + Asm.syscall
        let (trap, context) = try bench.firstTrap(bytes)
        bench.checks.equal(trap, .vsyscall)
        bench.checks.equal(context.registers.rip, 0xffff_ffff_ff60_0000 + entry)
        bench.checks.equal(context.registers.rsp, stackTop - 72)
        bench.checks.equal(context.registers.rax, number)
        let stack = try bench.machine.read(context.space, GuestAddress(context.registers.rsp), 8)
        bench.checks.equal(stack, littleEndian(code + 16))
        context.registers.rip = code + 16
        context.registers.rsp += 8
        context.registers.rax = 99
        bench.checks.equal(try bench.run(context), .syscall)
        bench.checks.equal(context.registers.origRax, 99)
      }
    }
  }

  @Test func foreignEntries() {
    withBench { bench in
      // getpid of the 32-bit table, then exit: neither may reach the host.
      let (trap, context) = try bench.firstTrap(Asm.rax(20) + [0xcd, 0x80])
      bench.checks.equal(trap, .foreignSyscall)
      bench.checks.equal(context.registers.rip, code + 5)
      bench.checks.equal(context.registers.rax, 20)
      bench.checks.equal(context.registers.origRax, ~0)
      let (sysenter, _) = try bench.firstTrap(Asm.rax(20) + [0x0f, 0x34])
      switch sysenter {
      case .foreignSyscall: break
      case .fault(let fault): bench.checks.check(fault.signal == 4 || fault.signal == 11, "sysenter: \(fault)")
      default: bench.checks.check(false, "sysenter: \(sysenter)")
      }
      // A 32-bit code segment: far return to a page with `mov eax, 20; int 0x80` and one with a compat `syscall`.
      for (bytes, expected) in [(Asm.rax(20) + [0xcd, 0x80], data + 5), (Asm.rax(20) + Asm.syscall, 0)] {
        // push 0x23; push data; retfq
        let id = try bench.space([0x6a, 0x23, 0x68] + littleEndian(UInt32(data)) + [0x48, 0xcb])
        try bench.machine.protect(id, range(data), [.read, .write, .execute])
        _ = try bench.machine.write(id, GuestAddress(data), bytes[...])
        let context = try bench.context(id)
        let trap = try bench.run(context)
        // Intel's processors have no `syscall` outside 64-bit code.
        if case .fault(let fault) = trap, expected == 0 {
          bench.checks.equal(fault.signal, 4)
          continue
        }
        bench.checks.equal(trap, .foreignSyscall)
        bench.checks.equal(context.registers.rip, expected)
        bench.checks.equal(context.registers.rax, 20)
      }
    }
  }

  /// The blob's own `syscall` instructions serve nobody but the tracer.
  @Test func jumpIntoBlobIsTrapped() {
    withBench { bench in
      let blob = PtraceMachine.reservedRange.end.rawValue - 2 * page
      for offset in [UInt64(5), 16] {
        // munmap(code) by the blob's instruction would really happen if it were let through.
        let (trap, context) = try bench.firstTrap([0xff, 0xe3]) {  // jmp rbx
          $0.rbx = blob + offset
          $0.rax = 11
          $0.rdi = code
          $0.rsi = page
        }
        bench.checks.equal(trap, .syscall)
        bench.checks.equal(context.registers.rip, blob + offset + 2)
        bench.checks.equal(context.registers.origRax, 11)
        bench.checks.equal(try bench.machine.read(context.space, GuestAddress(code), 2), [0xff, 0xe3])
      }
    }
  }

  @Test func spinningGuestIsUnresponsive() {
    withBench { bench in
      let context = try bench.context(try bench.space(Asm.jump(-2)))
      bench.checks.equal(try bench.machine.run(context, limit: RunLimit(wallSeconds: 1)), .unresponsive)
      bench.checks.equal(context.registers.rip, code)
      // The space can still be used, and a pending interrupt does not spoil other guests.
      bench.checks.equal(try bench.machine.write(context.space, GuestAddress(code), Asm.syscall[...]), 2)
      bench.checks.equal(try bench.run(context), .syscall)
    }
  }
}
