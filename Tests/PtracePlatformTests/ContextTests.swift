// Register files: general and extended state stay with their task.
import Platform
import PtracePlatform
import Testing

@Suite(.serialized, .timeLimit(.minutes(1))) struct ContextTests {
  /// vmovdqu ymm15, [rdi]; L: syscall; vpaddq ymm15, ymm15, ymm15; vmovdqu [rsi], ymm15; jmp L
  static let vectorGuest: [UInt8] =
    [0xc5, 0x7e, 0x6f, 0x3f] + Asm.syscall + [0xc4, 0x41, 0x05, 0xd4, 0xff, 0xc5, 0x7e, 0x7f, 0x3e]
    + Asm.jump(-13)

  @Test func liveVectorsSurviveSwitches() {
    withBench { bench in
      let machine = bench.machine
      let first = try bench.space(Self.vectorGuest), second = try bench.space(Self.vectorGuest)
      var tasks: [ExecutionContext] = []
      for (index, space) in [first, first, second, second, first].enumerated() {
        let task = try bench.context(space)
        task.registers.rdi = data + UInt64(index) * 64
        task.registers.rsi = data + 2048 + UInt64(index) * 64
        let words = (0..<4).flatMap { littleEndian(UInt64(index * 10 + $0 + 1)) }
        _ = try machine.write(space, GuestAddress(task.registers.rdi), words[...])
        tasks.append(task)
      }
      for round in 0..<6 {
        for task in round % 2 == 0 ? tasks : tasks.reversed() { bench.checks.equal(try bench.run(task), .syscall) }
      }
      for (index, task) in tasks.enumerated() {
        let bytes = try machine.read(task.space, GuestAddress(task.registers.rsi), 32)
        bench.checks.equal(bytes, (0..<4).flatMap { littleEndian(UInt64(index * 10 + $0 + 1) << 5) }, "task \(index)")
      }
      // A clone has the vectors of its parent as they are now, from wherever they are.
      let clone = try bench.context(tasks[0].space, copy: tasks[0])
      clone.registers = tasks[0].registers
      clone.registers.rsi = data + 3072
      bench.checks.equal(try bench.run(clone), .syscall)
      bench.checks.equal(
        try machine.read(clone.space, GuestAddress(data + 3072), 8), littleEndian(UInt64(1) << 6))
    }
  }

  @Test func extendedStateRoundTrip() {
    withBench { bench in
      let machine = bench.machine
      let task = try bench.context(try bench.space(Self.vectorGuest))
      task.registers.rdi = data
      task.registers.rsi = data + 64
      let initial = try machine.extendedState(of: task)
      _ = try machine.write(task.space, GuestAddress(data), [UInt8](1...32)[...])
      bench.checks.equal(try bench.run(task), .syscall)
      let live = try machine.extendedState(of: task)
      bench.checks.check(live != initial, "vectors show")
      bench.checks.equal(Array(live[160 + 240..<160 + 256]), [UInt8](1...16), "xmm15")

      // Empty means initial: the guest's ymm15 is zero then.
      try machine.setExtendedState(of: task, [])
      bench.checks.equal(try bench.run(task), .syscall)
      bench.checks.equal(try machine.read(task.space, GuestAddress(data + 64), 32), [UInt8](repeating: 0, count: 32))
      bench.checks.equal(try machine.extendedState(of: task), initial, "initial again")

      // Reserved and unknown bits, as a hostile signal frame may hold them.
      var hostile = live
      for offset in 512..<576 { hostile[offset] = 0xff }
      for offset in 24..<32 { hostile[offset] = 0xff }
      try machine.setExtendedState(of: task, hostile)
      bench.checks.equal(try bench.run(task), .syscall)
      try machine.setExtendedState(of: task, live)
      bench.checks.equal(try machine.extendedState(of: task), live, "as it was")
      try machine.setExtendedState(of: task, Array(live.prefix(100)))
      bench.checks.equal(try bench.run(task), .syscall)
    }
  }

  /// execve: the task's next space is another stub, and the old one goes.
  @Test func contextMovesBetweenSpaces() {
    withBench { bench in
      let machine = bench.machine
      let old = try bench.space(Self.vectorGuest), new = try bench.space(Self.vectorGuest)
      let task = try bench.context(old)
      task.registers.rdi = data
      task.registers.rsi = data + 64
      _ = try machine.write(old, GuestAddress(data), littleEndian(UInt64(21))[...])
      bench.checks.equal(try bench.run(task), .syscall)
      task.space = new
      machine.destroyAddressSpace(old)
      bench.checks.equal(try bench.run(task), .syscall)
      bench.checks.equal(try machine.read(new, GuestAddress(data + 64), 8), littleEndian(UInt64(42)))
      machine.destroyContext(task.id)
    }
  }
}
