// Where indirect branches find their targets: a space's own pieces of the mirror, filled by the dispatch blob, and those that spaces
// share. Code of many functions, each of which ends with an indirect jump to the next, must come through all of them: by what
// was translated, by what the cache on disk has (more entries than one list holds), after a fork on both sides, in a second
// space, and after the code has changed. The count of stops tells that a branch found its target by itself.
import Foundation
import Platform
@testable import PtracePlatform
import Testing
import Translator

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

    var all: GuestRange { GuestRange(GuestAddress(code), GuestAddress(code + UInt64(bytes.count))) }

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

    /// Enters the second function behind its first instruction, which no other run does, again and again: a block and an entry more.
    func stray(_ space: AddressSpaceID, _ checks: Checks) throws {
      last += 1
      var registers = Registers()
      (registers.rip, registers.rax, registers.rdx) = (code, code + 4, 1)
      let context = ExecutionContext(id: ContextID(rawValue: last), space: space, registers: registers)
      try machine.createContext(context.id, extendedState: .initial)
      checks.equal(try machine.run(context, limit: RunLimit(ticks: 5)), .budget(StopPoint()), "stray")
      checks.equal(context.registers.rip, code + MirrorTests.stride + 4, "stray")
      machine.destroyContext(context.id)
    }

    /// All functions run, add `step` up so many times, and take at most so many stops, the last one included.
    func check(
      _ space: AddressSpaceID, step: UInt64, adding: Int = MirrorTests.functions, stopsMost: UInt64 = 1, _ what: String, _ checks: Checks
    ) throws {
      let result = try run(space, step: step)
      checks.equal(result.trap, .syscall, what)
      checks.equal(result.sum, step &* UInt64(adding), what)
      checks.check(result.stops <= stopsMost, "\(what): \(result.stops) stops")
    }
  }

  /// A machine with the program, in a thread of its own.
  private static func withGuest(cache: String? = nil, _ body: (Guest, Checks) throws -> Void) {
    withChecks { checks in
      let guest = try Guest(cache: cache)
      defer { guest.machine.shutdown() }
      try body(guest, checks)
    }
  }

  /// Stops when each target is translated as it is first met, or found missing, and the last one.
  private static let oneStopEach = UInt64(functions) + 1

  @Test func branchesFindWhatWasTranslated() {
    Self.withGuest { guest, checks in
      let first = try guest.space(1)
      try guest.check(first, step: 3, stopsMost: Self.oneStopEach, "first run", checks)
      try guest.check(first, step: 5, "second run", checks)
    }
  }

  @Test func forksAndOtherSpacesShare() {
    Self.withGuest { guest, checks in
      let first = try guest.space(1)
      try guest.check(first, step: 3, stopsMost: Self.oneStopEach, "first run", checks)
      let child = AddressSpaceID(rawValue: 2)
      try guest.machine.forkAddressSpace(first, as: child)
      try guest.check(child, step: 5, "child", checks)
      try guest.check(first, step: 7, "parent", checks)
      let other = try guest.space(3)
      try guest.check(other, step: 9, "another space", checks)
      guest.machine.destroyAddressSpace(first)
      try guest.check(other, step: 11, "after the first is gone", checks)
    }
  }

  @Test func whatTheCacheHasIsPublishedInSeveralLists() throws {
    #expect(Self.functions > RuntimeLayout.publicationsMax)
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("replaysb-mirror-\(UInt64.random(in: .min ... .max))").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    Self.withGuest(cache: folder) { guest, checks in
      try guest.check(try guest.space(1), step: 3, stopsMost: Self.oneStopEach, "fills the cache", checks)
    }
    Self.withGuest(cache: folder) { guest, checks in
      let first = try guest.space(1)
      try guest.check(first, step: 5, "from the cache", checks)
      checks.equal(guest.machine.counters.instructionsTranslated, 0, "translated again")
      let child = AddressSpaceID(rawValue: 2)
      try guest.machine.forkAddressSpace(first, as: child)
      // Filled by another thread: what is missing yet costs a stop, and nothing else.
      try guest.check(child, step: 7, stopsMost: Self.oneStopEach, "child of the cache's", checks)
    }
  }

  /// The second run that uses an image leaves the mirror that it began with, though it translated more; later ones map it, unless something touched it, and
  /// change what they map alone.
  @Test func keptMirrors() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("replaysb-mirror-\(UInt64.random(in: .min ... .max))").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func mirrors() throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".mirror") }.map { folder + "/" + $0 }
    }
    func keptMirror(_ guest: Guest) -> Bool { guest.machine.sharedImages.values.contains { $0.keptMirror != nil } }
    Self.withGuest(cache: folder) { guest, checks in
      try guest.check(try guest.space(1), step: 3, stopsMost: Self.oneStopEach, "fills the cache", checks)
    }
    #expect(try mirrors().isEmpty)
    Self.withGuest(cache: folder) { guest, checks in
      try guest.check(try guest.space(1), step: 5, "from the cache", checks)
      checks.check(!keptMirror(guest), "no mirror yet")
      try guest.stray(AddressSpaceID(rawValue: 1), checks)
    }
    #expect(try mirrors().count == 1)
    for _ in 0..<2 {
      Self.withGuest(cache: folder) { guest, checks in
        let first = try guest.space(1)
        try guest.check(first, step: 7, "with its mirror", checks)
        try guest.stray(first, checks)
        checks.check(keptMirror(guest), "uses the mirror")
        let child = AddressSpaceID(rawValue: 2)
        try guest.machine.forkAddressSpace(first, as: child)
        try guest.check(child, step: 9, stopsMost: Self.oneStopEach, "child", checks)
        try guest.check(first, step: 9, stopsMost: Self.oneStopEach, "parent", checks)
      }
    }
    // Code that changes: nothing of the file shows through.
    Self.withGuest(cache: folder) { guest, checks in
      let first = try guest.space(1)
      try guest.check(first, step: 7, "before the change", checks)
      try guest.machine.writeObject(Self.object, offset: 2 * Self.stride + 5, [0x29][...])
      try guest.check(first, step: 5, adding: Self.functions - 2, stopsMost: Self.oneStopEach, "after the change", checks)
    }
    // A touched one is not believed, and made again.
    for path in try mirrors() {
      let file = try #require(FileHandle(forUpdatingAtPath: path))
      try file.seek(toOffset: code % 4096 * 8)
      try file.write(contentsOf: Data(repeating: 0xcc, count: 64))
      try file.close()
    }
    Self.withGuest(cache: folder) { guest, checks in
      try guest.check(try guest.space(1), step: 5, "beside a damaged mirror", checks)
      checks.check(!keptMirror(guest), "does not use it")
    }
    Self.withGuest(cache: folder) { guest, checks in
      try guest.check(try guest.space(1), step: 7, "with a new mirror", checks)
      checks.check(keptMirror(guest), "uses the new one")
    }
  }

  @Test func changedCodeIsFoundNoMore() {
    Self.withGuest { guest, checks in
      let first = try guest.space(1)
      try guest.check(first, step: 3, stopsMost: Self.oneStopEach, "first run", checks)
      // The third function subtracts.
      try guest.machine.writeObject(Self.object, offset: 2 * Self.stride + 5, [0x29][...])
      try guest.check(first, step: 5, adding: Self.functions - 2, stopsMost: Self.oneStopEach, "after the change", checks)
      // Unmapped and mapped again, now with the pieces that spaces share.
      try guest.machine.unmap(first, guest.all)
      checks.equal(try guest.run(first, step: 5).trap, .fault(Fault(signal: 11, code: 1, address: GuestAddress(code))), "unmapped")
      try guest.machine.map(first, guest.all, [.read, .execute], .privateObject(Self.object, offset: 0))
      try guest.check(first, step: 7, adding: Self.functions - 2, stopsMost: Self.oneStopEach, "mapped again", checks)
    }
  }
}
