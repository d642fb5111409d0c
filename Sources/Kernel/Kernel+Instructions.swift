// Instructions that the machine traps because their results vary between machines, and the vsyscall page.

import LinuxABI
import Platform

extension Kernel {
  func emulate(_ instruction: SpecialInstruction, length: UInt8, in task: Task) {
    switch instruction {
    case .rdtsc, .rdtscp:
      clock.clockWasRead()
      let counter = clock.timestampCounter
      task.context.registers.rax = counter & 0xffff_ffff
      task.context.registers.rdx = counter >> 32
      // IA32_TSC_AUX: node and CPU number; one node, CPU 0.
      if instruction == .rdtscp { task.context.registers.rcx = 0 }
      task.context.registers.rip += UInt64(length)
    case .cpuid, .rdrand, .rdseed, .rdpid, .xgetbv:
      guard let model = configuration.processor else {
        preconditionFailure("the direct engine does not trap \(instruction)")
      }
      emulate(instruction, length: length, on: model, in: task)
    }
  }

  /// gettimeofday, time and getcpu at their fixed addresses (arch/x86/entry/vsyscall/vsyscall_64.c): the call becomes
  /// the syscall, and returns to the address on the stack.
  func emulateVsyscall(_ task: Task) {
    let numbers: [UInt64] = [SyscallNumber.gettimeofday, SyscallNumber.time, SyscallNumber.getcpu]
    let slot = Int((task.context.registers.rip &- 0xffff_ffff_ff60_0000) >> 10)
    guard slot < numbers.count, let back = try? task.memory.load(GuestAddress(task.context.registers.rsp), as: UInt64.self)
    else {
      let fault = Fault(signal: 11, code: 1, address: GuestAddress(task.context.registers.rip))
      return raiseFault(fault, in: task)
    }
    task.context.registers.rip = back
    task.context.registers.rsp &+= 8
    let registers = task.context.registers
    invoke(
      Syscall(
        kernel: self, task: task, number: numbers[slot], arguments: registers.syscallArguments, wake: nil, resume: nil))
  }
}
