// A kernel by hand: effects and turns on a real machine, recorded by the tee and played back by the player.
import CLinux
import Platform
import PtracePlatform
import Testing

@testable import RecordReplay
@testable import Trace

private let code = GuestAddress(0x40_0000)
private let data = GuestAddress(0x50_0000)
private let stack = GuestAddress(0x60_0000)
private let page: UInt64 = 4096

/// mov eax, imm32; mov rdi, rdi...; syscall; jmp back: makes syscalls for ever, with rbx counted up at each.
private let loop: [UInt8] = [
  0x48, 0xff, 0xc3,  // inc rbx
  0x48, 0x89, 0x1c, 0x25, 0x00, 0x00, 0x50, 0x00,  // mov [0x500000], rbx
  0xb8, 0x01, 0x00, 0x00, 0x00,  // mov eax, 1
  0xbe, 0x00, 0x00, 0x50, 0x00,  // mov esi, 0x500000
  0x0f, 0x05,  // syscall
  0xeb, 0xe7,  // jmp back to inc
]

private func range(_ start: GuestAddress, _ pages: UInt64 = 1) -> GuestRange { GuestRange(start, start + pages * page) }

/// Records `turns` turns of the loop, with output every second one.
private func recordLoop(to path: String, turns: Int) throws {
  let writer = try TraceWriter(path: path, header: TraceHeader(toolVersion: "test"))
  let machine = try PtraceMachine()
  defer { machine.shutdown() }
  let recording = RecordingMachine(machine, writer: writer)
  let observer = RecordingObserver(recording)
  let space = AddressSpaceID(rawValue: 1)
  try recording.createAddressSpace(space)
  let object = MemoryObjectID(rawValue: 1)
  var content = [UInt8](repeating: 0x90, count: 4096)
  content.replaceSubrange(0..<loop.count, with: loop)
  try recording.createObject(object, content: content)
  try recording.map(space, range(code), [.read, .execute], .privateObject(object, offset: 0))
  try recording.map(space, range(data), [.read, .write], .anonymous)
  try recording.map(space, range(stack), [.read, .write], .anonymous)
  let context = ExecutionContext(id: ContextID(rawValue: 1), space: space)
  context.registers.rip = code.rawValue
  context.registers.rsp = stack.rawValue + 4096
  try recording.createContext(context.id, extendedState: .initial)
  observer.note(.taskStarted(task: 2, context: context.id, process: 2, parent: 1, name: "loop"))
  for turn in 0..<turns {
    let trap = try recording.run(context, limit: .unlimited)
    #expect(trap == .syscall)
    if turn % 2 == 1 {
      let piece = GuestRange(data, data + 1)
      observer.output(.standardOutput, space: space, pieces: [piece], bytes: [UInt8(truncatingIfNeeded: turn + 1)][...])
    }
    _ = try recording.write(space, data + 8, [UInt8(truncatingIfNeeded: turn)][...])
    context.registers.rax = 1
  }
  observer.note(.taskExited(task: 2, status: 3 << 8))
  recording.destroyAddressSpace(space)
  recording.destroyContext(context.id)
  recording.destroyObject(object)
  #expect(recording.failure == nil)
  try writer.close(TraceEnd(status: 3 << 8))
}

private func temporary(_ name: String) -> String { "/tmp/replaysb-test-\(rsb_host_process())-\(name).zst" }

private func onTracer(_ body: () throws -> Void) throws {
  let failure: (any Error)? = onTracerThread {
    do {
      try body()
      return nil
    } catch { return error }
  }
  if let failure { throw failure }
}

@Suite(.serialized) struct TeeTests {
  @Test func replayRepeatsARecording() throws {
    let path = temporary("tee")
    defer { _ = rsb_host_unlink(path) }
    try onTracer {
      try recordLoop(to: path, turns: 200)
      let kept = KeptOutput()
      let result = try ReplaySession.replay(ReplayOptions(path: path), outputs: .keep(kept))
      #expect(result.divergence == nil)
      #expect(result.events == 200)
      #expect(result.status == 3 << 8)
      #expect(!result.isTruncated)
      #expect(kept.standardOutput == (1...100).map { UInt8($0 * 2) })
    }
  }

  @Test func recordingsAreIdentical() throws {
    let paths = [temporary("one"), temporary("two")]
    defer { for path in paths { _ = rsb_host_unlink(path) } }
    try onTracer {
      for path in paths { try recordLoop(to: path, turns: 100) }
      let one = try readAll(paths[0])
      #expect(one == (try readAll(paths[1])))
      #expect(!one.isEmpty)
    }
  }

  /// One byte of executed code changed in the trace: the replay says where it left the recording.
  @Test func alteredCodeDiverges() throws {
    let path = temporary("good")
    let altered = temporary("altered")
    defer { for path in [path, altered] { _ = rsb_host_unlink(path) } }
    try onTracer {
      try recordLoop(to: path, turns: 10)
      let reader = try TraceReader(path: path)
      let writer = try TraceWriter(path: altered, header: reader.header)
      while let record = try reader.next() {
        if case .end(let end) = record { try writer.close(end); break }
        if case .objectWrite(let id, let offset, var bytes) = record {
          bytes[12] = 2  // mov eax, 2 instead of 1.
          try writer.append(.objectWrite(id, offset: offset, bytes))
        } else {
          try writer.append(record)
        }
      }
      let result = try ReplaySession.replay(ReplayOptions(path: altered), outputs: .keep(KeptOutput()))
      let divergence = try #require(result.divergence)
      #expect(divergence.event == 1)
      #expect(divergence.task == 2)
      #expect(divergence.program == "loop")
      #expect(divergence.pc == "0x400017")
      #expect(divergence.differences == [Difference(what: "syscall", expected: "write", actual: "open")])
    }
  }

  @Test func stopsAtAnEventAndWritesACore() throws {
    let path = temporary("core")
    let core = "/tmp/replaysb-test-\(rsb_host_process()).core"
    defer { for path in [path, core] { _ = rsb_host_unlink(path) } }
    try onTracer {
      try recordLoop(to: path, turns: 50)
      var options = ReplayOptions(path: path)
      options.stopAt = 20
      options.corePath = core
      let result = try ReplaySession.replay(options, outputs: .keep(KeptOutput()))
      #expect(result.stoppedAt == 20)
      #expect(result.events == 20)
      var status = rsb_host_status()
      #expect(rsb_host_status_follow(core, &status) == 0)
      #expect(status.mode & 0o777 == 0o600)
      #expect(status.size > 3 * 4096)
    }
  }

  @Test func refusesAnotherProcessor() throws {
    let path = temporary("cpu")
    defer { _ = rsb_host_unlink(path) }
    let writer = try TraceWriter(path: path, header: TraceHeader(cpuFingerprint: "SomeoneElse family 1"))
    try writer.close(TraceEnd())
    #expect(throws: SessionError.self) { try ReplaySession.replay(ReplayOptions(path: path)) }
  }

  private func readAll(_ path: String) throws -> [Record] {
    let reader = try TraceReader(path: path)
    var records: [Record] = []
    while let record = try reader.next() { records.append(record) }
    return records
  }
}
