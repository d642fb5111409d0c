// Where indirect branches find their targets: a space's own pieces of the mirror, filled by the dispatch blob, and those that spaces
// share. Code of many functions, each of which ends with an indirect jump to the next, must come through all of them: by what
// was translated, by what the cache on disk has (more entries than one list holds), after a fork on both sides, in a second
// space, and after the code has changed. The count of stops tells that a branch found its target by itself.
import CLinux
import Foundation
import Platform
@testable import PtracePlatform
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct MirrorTests {
  private static let functions = 24_000
  /// Bytes of a function.
  private static let stride: UInt64 = 12
  private static let object = MemoryObjectID(rawValue: 1)

  /// Functions that add rdx to rbx and go on 12 bytes later, where rax says; a system call ends them.
  private static func program() -> [UInt8] {
    var bytes: [UInt8] = []
    for _ in 0..<functions {
      bytes += [0x48, 0x8d, 0x40, UInt8(stride)]  // lea 12(%rax), %rax
      bytes += [0x48, 0x01, 0xd3]  // add %rdx, %rbx
      bytes += [0xff, 0xe0]  // jmp *%rax
      bytes += [0x90, 0x90, 0x90]
    }
    bytes += Asm.syscall + Asm.jump(-4)
    return bytes + [UInt8](repeating: 0xcc, count: Int(page) - bytes.count % Int(page))
  }

  /// A machine with the program in an object, and what to do with it.
  private final class Guest {
    let machine: TranslatedMachine
    let bytes = MirrorTests.program()
    private var last: UInt32 = 0
    init(cache: String?) throws {
      var configuration = TranslatedMachine.Configuration()
      configuration.cacheDirectory = cache
      machine = try TranslatedMachine(configuration)
      try machine.createObject(MirrorTests.object, content: bytes)
    }

    private var all: GuestRange { GuestRange(GuestAddress(code), GuestAddress(code + UInt64(bytes.count))) }

    func space(_ number: UInt32) throws -> AddressSpaceID {
      let id = AddressSpaceID(rawValue: number)
      try machine.createAddressSpace(id)
      try machine.map(id, all, [.read, .execute], .privateObject(MirrorTests.object, offset: 0))
      return id
    }

    /// Runs all functions with this step. Returns rbx, where it ended, and the stops that it took.
    func run(_ space: AddressSpaceID, step: UInt64) throws -> (sum: UInt64, trap: Trap, stops: UInt64) {
      last += 1
      var registers = Registers()
      (registers.rip, registers.rax, registers.rdx) = (code, code, step)
      let context = ExecutionContext(id: ContextID(rawValue: last), space: space, registers: registers)
      try machine.createContext(context.id, extendedState: .initial)
      let before = machine.counters.stops
      let trap = try machine.run(context, limit: .unlimited)
      machine.destroyContext(context.id)
      return (context.registers.rbx, trap, machine.counters.stops - before)
    }
  }

  private static func onThread(_ body: @escaping () throws -> [String]) {
    let failures = onTracerThread { () -> [String] in
      do { return try body() } catch { return ["threw \(error)"] }
    }
    for failure in failures { Issue.record("\(failure)") }
  }

  /// All functions ran; beyond the last stop there were at most so many.
  private static func check(_ guest: Guest, _ space: AddressSpaceID, _ step: UInt64, stopsMost: UInt64, _ what: String) throws -> [String] {
    let result = try guest.run(space, step: step)
    var failures: [String] = []
    if result.trap != .syscall { failures.append("\(what): ended with \(result.trap)") }
    if result.sum != step &* UInt64(functions) { failures.append("\(what): \(result.sum) added up") }
    if result.stops > stopsMost { failures.append("\(what): \(result.stops) stops") }
    return failures
  }

  @Test func branchesFindWhatWasTranslated() {
    Self.onThread {
      let guest = try Guest(cache: nil)
      defer { guest.machine.shutdown() }
      let first = try guest.space(1)
      // Each target is translated when it is first met.
      var failures = try Self.check(guest, first, 3, stopsMost: UInt64(Self.functions) + 1, "first run")
      failures += try Self.check(guest, first, 5, stopsMost: 1, "second run")
      return failures
    }
  }

  @Test func forksAndOtherSpacesShare() {
    Self.onThread {
      let guest = try Guest(cache: nil)
      defer { guest.machine.shutdown() }
      let first = try guest.space(1)
      var failures = try Self.check(guest, first, 3, stopsMost: UInt64(Self.functions) + 1, "first run")
      let child = AddressSpaceID(rawValue: 2)
      try guest.machine.forkAddressSpace(first, as: child)
      failures += try Self.check(guest, child, 5, stopsMost: 1, "child")
      failures += try Self.check(guest, first, 7, stopsMost: 1, "parent")
      let other = try guest.space(3)
      failures += try Self.check(guest, other, 9, stopsMost: 1, "another space")
      guest.machine.destroyAddressSpace(first)
      failures += try Self.check(guest, other, 11, stopsMost: 1, "after the first is gone")
      return failures
    }
  }

  @Test func whatTheCacheHasIsPublishedInSeveralLists() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("replaysb-mirror-\(UInt64.random(in: .min ... .max))").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    Self.onThread {
      let guest = try Guest(cache: folder)
      let failures = try Self.check(guest, try guest.space(1), 3, stopsMost: UInt64(Self.functions) + 1, "fills the cache")
      guest.machine.shutdown()
      return failures
    }
    Self.onThread {
      let guest = try Guest(cache: folder)
      defer { guest.machine.shutdown() }
      let first = try guest.space(1)
      var failures = try Self.check(guest, first, 5, stopsMost: 1, "from the cache")
      if guest.machine.counters.instructionsTranslated > 0 { failures.append("translated again") }
      let child = AddressSpaceID(rawValue: 2)
      try guest.machine.forkAddressSpace(first, as: child)
      // Filled by another thread: what is missing yet costs a stop, and nothing else.
      failures += try Self.check(guest, child, 7, stopsMost: UInt64(Self.functions) + 1, "child of the cache's")
      return failures
    }
  }

  @Test func changedCodeIsFoundNoMore() {
    Self.onThread {
      let guest = try Guest(cache: nil)
      defer { guest.machine.shutdown() }
      let first = try guest.space(1)
      var failures = try Self.check(guest, first, 3, stopsMost: UInt64(Self.functions) + 1, "first run")
      // The third function subtracts.
      let third = 2 * Self.stride + 5
      try guest.machine.writeObject(Self.object, offset: third, [0x29][...])
      let result = try guest.run(first, step: 5)
      let sum = 5 * UInt64(Self.functions - 2)
      if result.trap != .syscall || result.sum != sum { failures.append("after the change: \(result.sum), not \(sum)") }
      // Unmapped and mapped again, now with the pieces that spaces share.
      let all = GuestRange(GuestAddress(code), GuestAddress(code + UInt64(guest.bytes.count)))
      try guest.machine.unmap(first, all)
      let gone = try guest.run(first, step: 5)
      if gone.trap != .fault(Fault(signal: 11, code: 1, address: GuestAddress(code))) { failures.append("unmapped: \(gone.trap)") }
      try guest.machine.map(first, all, [.read, .execute], .privateObject(Self.object, offset: 0))
      let again = try guest.run(first, step: 7)
      if again.trap != .syscall || again.sum != 7 * UInt64(Self.functions - 2) { failures.append("mapped again: \(again.sum)") }
      return failures
    }
  }
}
