// What turns cost, for comparison with Tools/bench/floor.c. Runs when REPLAYSB_MEASURE is set; meant for release
// builds.
import CLinux
import Glibc
import Platform
import PtracePlatform
import Testing

@Suite(.serialized, .enabled(if: getenv("REPLAYSB_MEASURE") != nil), .timeLimit(.minutes(2))) struct CostTests {
  /// Median and least microseconds of one `body`, over batches.
  private func measure(_ name: String, _ count: Int = 1000, _ body: (Int) throws -> Void) rethrows {
    var batches: [Double] = []
    for _ in 0..<21 {
      let start = rsb_clock_ns(1)
      for index in 0..<count { try body(index) }
      batches.append(Double(rsb_clock_ns(1) - start) / 1000 / Double(count))
    }
    batches.sort()
    func decimal(_ value: Double) -> String { String(Double(Int(value * 100)) / 100) }
    print("\(name): \(decimal(batches[10])) us median, \(decimal(batches[0])) least")
  }

  @Test func turns() {
    withBench { bench in
      let machine = bench.machine
      let first = try bench.space(Asm.getppidLoop), second = try bench.space(Asm.getppidLoop)
      let a = try bench.context(first), b = try bench.context(first), c = try bench.context(second)
      func turn(_ task: ExecutionContext, _ index: Int) throws {
        task.registers.rax = UInt64(index)
        guard try machine.run(task, limit: .unlimited) == .syscall else { return bench.checks.check(false, "trap") }
      }
      try measure("turn, rax set") { try turn(a, $0) }
      try measure("turn, more registers set") {
        a.registers.rbx = UInt64($0)
        try turn(a, $0)
      }
      try measure("turn, 64 bytes read") {
        try turn(a, $0)
        _ = try machine.read(first, GuestAddress(data), 64)
      }
      try measure("turn, two tasks of one space in turn") { try turn($0 % 2 == 0 ? a : b, $0) }
      try measure("turn, two spaces in turn") { try turn($0 % 2 == 0 ? a : c, $0) }
      try measure("turn with one protect", 200) {
        try machine.protect(first, range(data), $0 % 2 == 0 ? [.read] : [.read, .write])
        try turn(a, $0)
      }
      let object = MemoryObjectID(rawValue: 1)
      try machine.createObject(object, size: 16 * page)
      try measure("turn with ten maps, five of an object", 100) {
        for index in 0..<10 {
          let source: MappingSource = index % 2 == 0 ? .anonymous : .privateObject(object, offset: 0)
          try machine.map(first, range(data + UInt64(2 * index) * page), [.read], source)
        }
        try turn(a, $0)
      }
      try measure("space made and destroyed", 50) { _ in
        let id = bench.nextSpace()
        try machine.createAddressSpace(id)
        machine.destroyAddressSpace(id)
      }
      try measure("space forked and destroyed", 50) { _ in
        let id = bench.nextSpace()
        try machine.forkAddressSpace(first, as: id)
        machine.destroyAddressSpace(id)
      }
    }
    measure("machine made and shut down", 10) { _ in withBench { _ in } }
  }
}
