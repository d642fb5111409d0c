// Objects that are files nobody changes: whatever a guest or a kernel does to such an object, spaces show what they would if it had been
// in memory from the start, and the file stays as it was.
import CLinux
import Foundation
import Platform
@testable import PtracePlatform
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct ThawTests {
  private static let object = MemoryObjectID(rawValue: 1)
  private static let first = AddressSpaceID(rawValue: 1), child = AddressSpaceID(rawValue: 2)
  private static let pages: UInt64 = 6
  private static let copy = data + 16 * page, moved = data + 32 * page, shared = data + 48 * page

  /// Code that ends with 7 in rax, then pages that tell their numbers.
  private static func content() -> [UInt8] {
    var bytes: [UInt8] = [0xb8, 7, 0, 0, 0] + Asm.syscall
    for index in UInt64(bytes.count)..<(pages * page - 100) { bytes.append(UInt8(truncatingIfNeeded: index / page &+ index)) }
    return bytes
  }

  /// One machine, with the object frozen or not.
  private final class Guest {
    let machine: TranslatedMachine
    private var contexts: UInt32 = 0

    init(_ memory: FileMemory?) throws {
      machine = try TranslatedMachine()
      if let memory {
        try machine.createObject(ThawTests.object, content: memory)
      } else {
        try machine.createObject(ThawTests.object, content: ThawTests.content())
      }
      let (first, pages) = (ThawTests.first, ThawTests.pages)
      try machine.createAddressSpace(first)
      let source = MappingSource.privateObject(ThawTests.object, offset: 0)
      try machine.map(first, range(code, pages: pages), [.read, .execute], source)
      try machine.map(first, range(data, pages: pages), [.read, .write], source)
      try machine.map(first, range(ThawTests.copy, pages: pages - 1), [.read], .privateObject(ThawTests.object, offset: page))
      _ = try machine.write(first, GuestAddress(data + page + 9), [1, 2, 3])
      _ = try run(first)
      try machine.forkAddressSpace(first, as: ThawTests.child)
      _ = try machine.write(ThawTests.child, GuestAddress(data + 2 * page), [4])
      try machine.remap(ThawTests.child, range(data + 3 * page, pages: 2), to: range(ThawTests.moved, pages: 2))
      try machine.protect(first, range(data + 4 * page), [.read])
    }

    func run(_ space: AddressSpaceID) throws -> UInt64 {
      contexts += 1
      var registers = Registers()
      registers.rip = code
      let context = ExecutionContext(id: ContextID(rawValue: contexts), space: space, registers: registers)
      try machine.createContext(context.id, extendedState: .initial)
      let trap = try machine.run(context, limit: .unlimited)
      machine.destroyContext(context.id)
      return trap == .syscall ? context.registers.rax : .max
    }

    /// All that can be seen.
    func view() throws -> [[UInt8]] {
      var seen: [[UInt8]] = []
      for space in [ThawTests.first, ThawTests.child] {
        seen.append([UInt8(truncatingIfNeeded: try run(space))])
        for start in [code, data, ThawTests.copy, ThawTests.moved, ThawTests.shared] {
          for index in 0..<ThawTests.pages { seen.append(try machine.read(space, GuestAddress(start + index * page), Int(page))) }
        }
        seen.append(try machine.memoryHash(space).description.utf8.map { $0 })
      }
      return seen + [try machine.readObject(ThawTests.object, offset: 0, Int(ThawTests.pages * page))]
    }
  }

  /// Does the same to both, and compares.
  private static func compare(_ what: String, _ change: @escaping @Sendable (TranslatedMachine) throws -> Void) throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("replaysb-thaw-\(UInt64.random(in: .min ... .max))").path
    try Data(content()).write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    withChecks { checks in
      var views: [[[UInt8]]] = []
      for isFrozen in [true, false] {
        let descriptor = Int32(rsb_host_open(path, 0, 0))
        let guest = try Guest(isFrozen ? FileMemory(unchanging: descriptor, size: content().count) : nil)
        defer { guest.machine.shutdown() }
        let before = try guest.view()
        checks.equal(try guest.machine.host.object(object).isFrozen, isFrozen, "frozen")
        try change(guest.machine)
        let after = try guest.view()
        checks.check(before != after, "\(what): changes something")
        checks.check(try !guest.machine.host.object(object).isFrozen, "thawed")
        views += [before, after]
        if !isFrozen { _ = rsb_host_close(descriptor) }
      }
      checks.check(views[0] == views[2], "\(what): before")
      for (index, pair) in zip(views[1], views[3]).enumerated() { checks.check(pair.0 == pair.1, "\(what): part \(index)") }
    }
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(content()))
  }

  @Test func writes() throws {
    try Self.compare("code and data") { machine in
      try machine.writeObject(Self.object, offset: 1, [9])
      try machine.writeObject(Self.object, offset: 2 * page - 1, [1, 1])
      try machine.writeObject(Self.object, offset: 3 * page + 5, [2])
      try machine.writeObject(Self.object, offset: 5 * page + 5, [3])
    }
    try Self.compare("behind the end") { try $0.writeObject(Self.object, offset: 6 * page - 50, [5, 5]) }
  }

  @Test func sizes() throws {
    try Self.compare("shorter") { try $0.resizeObject(Self.object, size: 2 * page + 10) }
    try Self.compare("longer") { machine in
      try machine.resizeObject(Self.object, size: 8 * page)
      try machine.writeObject(Self.object, offset: 6 * page - 20, [7])
    }
  }

  @Test func sharedMappings() throws {
    try Self.compare("written by the guest") { machine in
      try machine.map(Self.first, range(Self.shared, pages: Self.pages), [.read, .write], .sharedObject(Self.object, offset: 0))
      _ = try machine.write(Self.first, GuestAddress(Self.shared + 1), [11])
      _ = try machine.write(Self.first, GuestAddress(Self.shared + page + 1), [12])
      _ = try machine.write(Self.first, GuestAddress(Self.shared + 3 * page + 1), [13])
    }
    try Self.compare("made writable later") { machine in
      try machine.map(Self.first, range(Self.shared, pages: Self.pages), [.read], .sharedObject(Self.object, offset: 0))
      try machine.protect(Self.first, range(Self.shared, pages: Self.pages), [.read, .write])
      _ = try machine.write(Self.first, GuestAddress(Self.shared + 4 * page), [14])
    }
  }

  /// Other machines take such content, too.
  @Test func directMachine() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("replaysb-thaw-\(UInt64.random(in: .min ... .max))").path
    try Data(Self.content()).write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    let read = onTracerThread { () -> [UInt8] in
      guard let machine = try? PtraceMachine(), let memory = FileMemory(unchanging: Int32(rsb_host_open(path, 0, 0)), size: 4 * Int(page))
      else { return [] }
      defer { machine.shutdown() }
      try? machine.createObject(Self.object, content: memory)
      try? machine.writeObject(Self.object, offset: 2, [99])
      return (try? machine.readObject(Self.object, offset: 0, 4)) ?? []
    }
    #expect(read == [0xb8, 7, 99, 0])
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(Self.content()))
  }
}
