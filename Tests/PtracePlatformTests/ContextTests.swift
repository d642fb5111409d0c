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

  /// More tasks than the bank has areas, all with live vectors; some end in between, one moves, one forks.
  @Test func moreTasksThanAreas() {
    withBench { bench in
      let machine = bench.machine
      let space = try bench.space(Self.vectorGuest)
      let count = 300
      try machine.map(space, range(0x70_0000, pages: 8), [.read, .write], .anonymous)
      var tasks: [ExecutionContext] = []
      for index in 0..<count {
        let task = try bench.context(space)
        task.registers.rdi = 0x70_0000 + UInt64(index) * 32
        task.registers.rsi = 0x70_4000 + UInt64(index) * 32
        _ = try machine.write(space, GuestAddress(task.registers.rdi), littleEndian(UInt64(index + 1))[...])
        tasks.append(task)
      }
      for round in 0..<3 {
        for task in tasks { bench.checks.equal(try bench.run(task), .syscall) }
        if round == 0 {
          for task in tasks[100..<120] { machine.destroyContext(task.id) }
          tasks.removeSubrange(100..<120)
        }
      }
      let fork = bench.nextSpace()
      try machine.forkAddressSpace(space, as: fork)
      let child = try bench.context(fork, copy: tasks[7])
      child.registers = tasks[7].registers
      bench.checks.equal(try bench.run(child), .syscall)
      bench.checks.equal(
        try machine.read(fork, GuestAddress(child.registers.rsi), 8), littleEndian(UInt64(8) << 3), "child")
      for task in tasks {
        let start = (task.registers.rdi - 0x70_0000) / 32 + 1
        let bytes = try machine.read(space, GuestAddress(task.registers.rsi), 8)
        bench.checks.equal(bytes, littleEndian(start << 2), "task \(start - 1)")
      }
      // A state that is parked can be read and set.
      let parked = try machine.extendedState(of: tasks[3])
      bench.checks.equal(Array(parked[160 + 240..<160 + 248]), littleEndian(UInt64(4) << 2), "xmm15")
      try machine.setExtendedState(of: tasks[3], [])
      bench.checks.equal(try bench.run(tasks[3]), .syscall)
      bench.checks.equal(try machine.read(space, GuestAddress(tasks[3].registers.rsi), 8), littleEndian(UInt64(0)))
    }
  }
}
