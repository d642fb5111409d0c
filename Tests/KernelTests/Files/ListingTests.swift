// What getdents(2) shows of directories of the host, whose names nobody looked at yet, and that looking agrees with it.

import LinuxABI
import Platform
import Testing

@testable import Kernel

@Suite struct ListingTests {
  let host = FakeHostView()
  let fixture: KernelFixture

  init() {
    fixture = KernelFixture(host: host) { $0.workingDirectory = Array("/home".utf8) }
    host.change("/home") { $0.mode = 0o40777 }
  }

  struct Listed: Equatable {
    var number: UInt64
    var type: UInt8
  }

  func list(_ descriptor: Int64, room: UInt64 = 4096) -> [(String, Listed)] {
    let buffer = fixture.allocate(4096)
    let got = fixture.call(SyscallNumber.getdents64, UInt64(descriptor), buffer, room)!
    var result: [(String, Listed)] = []
    var at = buffer
    while got > 0 && at < buffer + UInt64(got) {
      let length = fixture.word(at + 16, as: UInt16.self)
      let name = fixture.bytes(at + 19, Int(length) - 19)
      let listed = Listed(number: fixture.word(at, as: UInt64.self), type: fixture.bytes(at + 18, 1)[0])
      result.append((String(decoding: name[..<name.firstIndex(of: 0)!], as: UTF8.self), listed))
      at += UInt64(length)
    }
    return result
  }
  func open(_ path: String) -> Int64 { fixture.call(SyscallNumber.open, fixture.put(path), UInt64(OpenFlags.directory), 0)! }
  func list(_ path: String) -> [String: Listed] {
    let listed = list(open(path)).filter { $0.0 != "." && $0.0 != ".." }
    #expect(listed.map(\.0) == listed.map(\.0).sorted())
    return Dictionary(uniqueKeysWithValues: listed)
  }
  /// What lstat says of a path, or the error.
  func status(_ path: String) -> Result<Listed, Failure> {
    let buffer = fixture.allocate(144)
    let result = fixture.call(SyscallNumber.lstat, fixture.put(path), buffer)!
    if result < 0 { return .failure(Failure(value: result)) }
    return .success(
      Listed(number: fixture.word(buffer + 8, as: UInt64.self), type: UInt8(fixture.word(buffer + 24, as: UInt32.self) >> 12)))
  }
  struct Failure: Error, Equatable { var value: Int64 }

  func addLinks(_ identity: UInt64, _ paths: String...) {
    for path in paths { host.add(path, .init(mode: 0o100644, links: UInt32(paths.count), identity: identity)) }
  }

  @Test(arguments: [true, false]) func looksAgreeWithListings(tellsTypes: Bool) {
    host.tellsTypes = tellsTypes
    host.addFile("/home/file", "x")
    host.addDirectory("/home/directory")
    host.addLink("/home/link", to: "file")
    host.add("/home/pipe", .init(mode: 0o010644, identity: 900))
    _ = open("/home")
    let before = host.questions
    let listed = list("/home")
    #expect(listed.mapValues(\.type) == ["file": 8, "directory": 4, "link": 10, "pipe": 1])
    // The listing, and every name only where that tells no types (and what the link leads to).
    #expect(host.questions - before == (tellsTypes ? 1 : 6))
    for (name, listed) in listed { #expect(status("/home/" + name) == .success(listed)) }
    #expect(list("/home") == listed)
    #expect(Set(listed.values.map(\.number)).count == 4)
  }

  @Test func hardLinksHaveOneNumber() {
    host.addDirectory("/home/a")
    host.addDirectory("/home/b")
    addLinks(700, "/home/a/x", "/home/b/y", "/home/z")
    let x = list("/home/a")["x"], y = list("/home/b")["y"]
    #expect(x != nil && x == y)
    #expect(status("/home/b/y") == .success(y!))
    #expect(status("/home/z") == .success(y!))
    #expect(status("/home/a/x") == .success(y!))
    #expect(list("/home")["z"] == y)
  }

  @Test func hardLinksThatWereLookedAtFirst() {
    host.addDirectory("/home/a")
    addLinks(700, "/home/a/x", "/home/z")
    guard case .success(let z) = status("/home/z") else { return #expect(Bool(false)) }
    #expect(list("/home/a") == ["x": z])
  }

  @Test func listingsThatSpeakOfAnotherFile() {
    // Something is mounted on one name, and the file below has other names.
    host.add("/home/covered", .init(mode: 0o100644, identity: 500, listedIdentity: 600))
    addLinks(600, "/home/first", "/home/second")
    let listed = list("/home")
    #expect(listed["first"] == listed["second"])
    guard case .success(let covered) = status("/home/covered") else { return #expect(Bool(false)) }
    #expect(status("/home/first") == .success(listed["first"]!))
    #expect(status("/home/second") == .success(listed["first"]!))
    #expect(covered != listed["first"])
    // From now on listings say what is there.
    #expect(list("/home")["covered"] == covered)
  }

  @Test func fileSystemsWithoutLastingNumbers() {
    for name in ["a", "b"] {
      host.add("/home/" + name, .init(mode: 0o100644, identity: UInt64(name.utf8.first!), listedIdentity: 0xffff_ffff))
    }
    _ = list("/home")
    guard case .success(let a) = status("/home/a"), case .success(let b) = status("/home/b") else { return #expect(Bool(false)) }
    #expect(a != b)
  }

  @Test func namesThatGoMeanwhile() {
    for name in ["a", "b", "c"] { host.addFile("/home/" + name, name) }
    let descriptor = open("/home")
    // Room for ".", ".." and one name.
    #expect(list(descriptor, room: 72).map(\.0) == [".", "..", "a"])
    host.remove("/home/b")
    #expect(status("/home/b") == .failure(Failure(value: failure(.ENOENT))))
    #expect(fixture.call(SyscallNumber.unlink, fixture.put("/home/c")) == 0)
    #expect(list(descriptor).isEmpty)
    #expect(list("/home").keys.sorted() == ["a"])
  }

  @Test func whatWasListedOnlyIsThereAsBefore() {
    host.addDirectory("/home/full")
    host.addFile("/home/full/file", "content")
    host.change("/home/full") { $0.mode = 0o40777 }
    _ = list("/home/full")
    #expect(fixture.call(SyscallNumber.rmdir, fixture.put("/home/full")) == failure(.ENOTEMPTY))
    #expect(fixture.kernel.fileChanges().isEmpty)
    #expect(fixture.call(SyscallNumber.rename, fixture.put("/home/full"), fixture.put("/home/moved")) == 0)
    let changes = fixture.kernel.fileChanges().map { String(decoding: $0.path, as: UTF8.self) }
    #expect(changes == ["/home/full", "/home/moved", "/home/moved/file"])
    #expect(list("/home/moved").keys.sorted() == ["file"])
    #expect(fixture.call(SyscallNumber.unlink, fixture.put("/home/moved/file")) == 0)
    #expect(list("/home/moved").isEmpty)
    #expect(fixture.call(SyscallNumber.rmdir, fixture.put("/home/moved")) == 0)
  }
}
