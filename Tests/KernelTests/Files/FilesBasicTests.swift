// Opening, reading, writing, listing and naming files over a fake host.

import LinuxABI
import Platform
import Testing

@testable import Kernel

@Suite struct FilesBasicTests {
  let host = FakeHostView()
  let fixture: KernelFixture

  init() {
    host.addFile("/etc/motd", "hello world\n")
    host.addFile("/etc/secret", "s", mode: 0o600)
    host.change("/etc/secret") { $0.user = 0 }
    host.addLink("/etc/link", to: "motd")
    host.addLink("/etc/loop", to: "loop")
    host.addDirectory("/home/me")
    fixture = KernelFixture(host: host) { $0.workingDirectory = Array("/home/me".utf8) }
  }

  func open(_ path: String, _ flags: UInt32 = 0, mode: UInt64 = 0o644) -> Int64 {
    fixture.call(SyscallNumber.open, fixture.put(path), UInt64(flags), mode)!
  }
  func read(_ descriptor: Int64, _ count: Int) -> String {
    let buffer = fixture.allocate(count)
    let got = fixture.call(SyscallNumber.read, UInt64(descriptor), buffer, UInt64(count))!
    return got < 0 ? "error \(got)" : fixture.text(buffer, Int(got))
  }
  func write(_ descriptor: Int64, _ text: String) -> Int64 {
    fixture.call(SyscallNumber.write, UInt64(descriptor), fixture.put(text), UInt64(text.utf8.count))!
  }
  func names(_ path: String) -> [String] {
    let descriptor = open(path, OpenFlags.directory)
    let buffer = fixture.allocate(4096)
    var result: [String] = []
    while true {
      let got = fixture.call(SyscallNumber.getdents64, UInt64(descriptor), buffer, 4096)!
      if got <= 0 { break }
      var at = buffer
      while at < buffer + UInt64(got) {
        let length = fixture.word(at + 16, as: UInt16.self)
        let name = fixture.bytes(at + 19, Int(length) - 19)
        result.append(String(decoding: name[..<name.firstIndex(of: 0)!], as: UTF8.self))
        at += UInt64(length)
      }
    }
    fixture.call(SyscallNumber.close, UInt64(descriptor))
    return result
  }

  @Test func readsAHostFile() {
    let descriptor = open("/etc/motd")
    #expect(descriptor == 3)
    #expect(read(descriptor, 5) == "hello")
    #expect(read(descriptor, 100) == " world\n")
    #expect(read(descriptor, 100) == "")
    #expect(fixture.call(SyscallNumber.lseek, 3, 6, 0) == 6)
    #expect(read(descriptor, 5) == "world")
    #expect(fixture.call(SyscallNumber.close, 3) == 0)
    #expect(fixture.call(SyscallNumber.close, 3) == failure(.EBADF))
  }

  @Test func pathErrors() {
    #expect(open("/nope") == failure(.ENOENT))
    #expect(open("") == failure(.ENOENT))
    #expect(open("/etc/motd/x") == failure(.ENOTDIR))
    #expect(open("/etc/motd/") == failure(.ENOTDIR))
    #expect(open("/etc/loop") == failure(.ELOOP))
    #expect(open("/etc/link", OpenFlags.noFollow) == failure(.ELOOP))
    #expect(open("/etc/secret") == failure(.EACCES))
    #expect(open("/etc", OpenFlags.writeOnly) == failure(.EISDIR))
    #expect(open("/" + String(repeating: "a", count: 256)) == failure(.ENAMETOOLONG))
    #expect(open(String(repeating: "a/", count: 2048)) == failure(.ENAMETOOLONG))
    #expect(open("/etc/../../etc/./link") == 3)
  }

  @Test func writesStayInTheOverlay() {
    host.addFile("/home/me/data", "0123456789", mode: 0o666)
    let descriptor = open("data", OpenFlags.readWrite)
    #expect(fixture.call(SyscallNumber.pwrite64, UInt64(descriptor), fixture.put("xy"), 2, 4) == 2)
    #expect(read(descriptor, 20) == "0123xy6789")
    #expect(host.files[Array("/home/me/data".utf8)]!.content == Array("0123456789".utf8))
    #expect(fixture.call(SyscallNumber.ftruncate, UInt64(descriptor), 3) == 0)
    #expect(fixture.call(SyscallNumber.lseek, UInt64(descriptor), 0, 2) == 3)
    #expect(write(descriptor, "!") == 1)
    #expect(fixture.call(SyscallNumber.lseek, UInt64(descriptor), 100_000, 0) == 100_000)
    #expect(write(descriptor, "end") == 3)
    #expect(fixture.call(SyscallNumber.lseek, UInt64(descriptor), 0, 0) == 0)
    #expect(read(descriptor, 5) == "012!\0")
  }

  @Test func makesListsAndRemoves() {
    host.change("/home/me") { $0.mode = 0o40755 }
    host.addFile("/home/me/b", "")
    host.addFile("/home/me/a", "")
    #expect(names("/home/me") == [".", "..", "a", "b"])
    #expect(fixture.call(SyscallNumber.mkdir, fixture.put("dir"), 0o777) == 0)
    let file = open("dir/new", OpenFlags.create | OpenFlags.writeOnly)
    #expect(write(file, "content") == 7)
    #expect(fixture.call(SyscallNumber.unlink, fixture.put("a")) == 0)
    #expect(names("/home/me") == [".", "..", "b", "dir"])
    #expect(open("a") == failure(.ENOENT))
    #expect(fixture.call(SyscallNumber.rmdir, fixture.put("dir")) == failure(.ENOTEMPTY))
    #expect(fixture.call(SyscallNumber.rename, fixture.put("dir/new"), fixture.put("b")) == 0)
    #expect(read(open("b"), 10) == "content")
    #expect(fixture.call(SyscallNumber.rmdir, fixture.put("dir")) == 0)
    #expect(fixture.call(SyscallNumber.link, fixture.put("b"), fixture.put("c")) == 0)
    #expect(fixture.call(SyscallNumber.symlink, fixture.put("c"), fixture.put("s")) == 0)
    #expect(read(open("s"), 10) == "content")
    #expect(names("/home/me") == [".", "..", "b", "c", "s"])
  }

  @Test func statsAreFixed() {
    let buffer = fixture.allocate(144)
    #expect(fixture.call(SyscallNumber.stat, fixture.put("/etc/motd"), buffer) == 0)
    #expect(fixture.word(buffer, as: UInt64.self) == FileSystemKind.root.device)
    #expect(fixture.word(buffer + 24, as: UInt32.self) == 0o100644)
    #expect(fixture.word(buffer + 48, as: UInt64.self) == 12)
    #expect(fixture.word(buffer + 88, as: UInt64.self) == 1_600_000_000)
    #expect(fixture.call(SyscallNumber.fstat, 1, buffer) == 0)
    #expect(fixture.word(buffer + 24, as: UInt32.self) == 0o010600)
  }

  @Test func currentDirectory() {
    let buffer = fixture.allocate(100)
    #expect(fixture.call(SyscallNumber.getcwd, buffer, 100) == 9)
    #expect(fixture.text(buffer, 8) == "/home/me")
    #expect(fixture.call(SyscallNumber.chdir, fixture.put("..")) == 0)
    #expect(fixture.call(SyscallNumber.getcwd, buffer, 3) == failure(.ERANGE))
    #expect(fixture.call(SyscallNumber.getcwd, buffer, 100) == 6)
  }

  @Test func hostIsAskedOnce() {
    _ = open("/etc/motd")
    let before = host.questions
    for _ in 0..<10 { #expect(open("/etc/motd") > 0) }
    for _ in 0..<10 { #expect(open("/etc/nope") < 0) }
    #expect(host.questions == before + 1)
  }

  @Test func outputGoesToTheHost() {
    #expect(write(1, "out") == 3)
    #expect(write(2, "err") == 3)
    #expect(host.output[1] == Array("out".utf8))
    #expect(host.output[2] == Array("err".utf8))
  }

  @Test func devices() {
    let null = open("/dev/null", OpenFlags.readWrite)
    #expect(write(null, "abc") == 3)
    #expect(read(null, 10) == "")
    #expect(read(open("/dev/zero"), 3) == "\0\0\0")
    #expect(write(open("/dev/full", OpenFlags.writeOnly), "x") == failure(.ENOSPC))
    #expect(open("/dev/tty") == failure(.ENXIO))
  }

  @Test func mappedFilesShareOneObject() throws {
    let fs = fixture.task.fs
    host.addFile("/usr/bin/tool", "#!/bin/sh\n", mode: 0o755)
    let kernel = fixture.kernel
    let first = try kernel.openProgram(Array("/usr/bin/tool".utf8), fs: fs, credentials: fixture.task.credentials)
    let second = try kernel.openProgram(Array("/usr/bin/tool".utf8), fs: fs, credentials: fixture.task.credentials)
    let object = try first.memoryObject(kernel)
    #expect(try second.memoryObject(kernel) === object)
    #expect(fixture.machine.objectsCreated == 1)
    #expect(fixture.machine.objects[object.id] == Array("#!/bin/sh\n".utf8))
    #expect(throws: Errno.EACCES) {
      try kernel.openProgram(Array("/etc/motd".utf8), fs: fs, credentials: fixture.task.credentials)
    }
  }

  @Test func sharedWritableMappingIsTheFile() throws {
    let descriptor = open("m", OpenFlags.create | OpenFlags.readWrite)
    _ = write(descriptor, "abcdef")
    let file = try fixture.task.files.file(Int32(descriptor))
    let object = try file.memoryObject(fixture.kernel)
    try fixture.machine.writeObject(object.id, offset: 1, [0x58])
    _ = fixture.call(SyscallNumber.lseek, UInt64(descriptor), 0, 0)
    #expect(read(descriptor, 10) == "aXcdef")
    _ = write(descriptor, "ghi")
    #expect(fixture.machine.objects[object.id] == Array("aXcdefghi".utf8))
  }
}
