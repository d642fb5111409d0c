// Sample traces: what tests kill, measure and mutate.
import KeptFiles
import Platform
import Trace

/// Writes random records to a file.
func writeRecords(
  _ records: [Record], to path: String, end: TraceEnd = TraceEnd(), keeper: KeptFiles? = nil
) throws(TraceError) {
  let writer = try TraceWriter(path: path, header: sampleHeader, keeper: keeper)
  for record in records { try writer.append(record) }
  try writer.close(end)
}

let sampleHeader = TraceHeader(
  toolVersion: "0", seed: 7, epochNanoseconds: 1_700_000_000_000_000_000, scheduler: "round-robin",
  arguments: ["./program", "argument"], workingDirectory: "/tmp", environmentNames: ["PATH"], options: ["--cpus=4"])

/// What a guest that copies in a loop records: read, the bytes read, write, output, for two threads.
struct SyscallLoop {
  private var registers = [Registers(), Registers()]
  private var buffer = [UInt8](repeating: 0x61, count: 64)
  private(set) var syscalls: UInt64 = 0
  private let space = AddressSpaceID(rawValue: 1)

  /// One read and one write.
  mutating func turn(_ writer: TraceWriter) throws(TraceError) {
    let thread = Int(syscalls / 200) & 1
    let stack: UInt64 = 0x7ffd_0000_1000 + UInt64(thread) << 20
    buffer[0] = UInt8(truncatingIfNeeded: syscalls)
    try call(writer, thread, number: 0, pc: 0x7f00_0011_4a3d, stack: stack)
    try writer.memoryWrite(space, GuestAddress(stack &+ 64), buffer[...])
    try call(writer, thread, number: 1, pc: 0x7f00_0011_4ae0, stack: stack)
  }

  private mutating func call(
    _ writer: TraceWriter, _ thread: Int, number: UInt64, pc: UInt64, stack: UInt64
  ) throws(TraceError) {
    let before = registers[thread]
    var run = before
    run.rax = 64
    var stopped = run
    stopped.rip = pc
    stopped.rcx = pc
    stopped.r11 = 0x246
    stopped.rsp = stack
    stopped.origRax = number
    stopped.rax = ~37
    stopped.rdi = number
    stopped.rsi = stack + 64
    stopped.rdx = 64
    try writer.event(
      ContextID(rawValue: UInt32(thread + 1)), space: space, before: before, run: run, trap: .syscall,
      stopped: stopped, ticks: Ticks(rawValue: 0))
    registers[thread] = stopped
    syscalls += 1
  }
}
