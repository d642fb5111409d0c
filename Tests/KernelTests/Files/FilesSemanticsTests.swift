// The fine print: permissions, links, renames, locks, FIFOs, standard input, deep copies.

import LinuxABI
import Platform
import Testing

@testable import Kernel

@Suite struct FilesSemanticsTests {
  let host = FakeHostView()
  let fixture: KernelFixture

  init() {
    host.addDirectory("/home/me")
    host.addFile("/home/me/file", "content")
    host.addDirectory("/root", mode: 0o700)
    host.change("/root") { $0.user = 0 }
    host.addFile("/root/key", "secret")
    host.addFile("/home/me/hidden", "x")
    host.addDirectory("/home/me/tree")
    host.addFile("/home/me/tree/leaf", "leaf")
    fixture = KernelFixture(host: host) {
      $0.workingDirectory = Array("/home/me".utf8)
      $0.hiddenPaths = [Array("/home/me/hidden".utf8)]
    }
  }

  func open(_ path: String, _ flags: UInt32 = 0, mode: UInt64 = 0o644) -> Int64? {
    fixture.call(SyscallNumber.open, fixture.put(path), UInt64(flags), mode)
  }
  func path(_ number: UInt64, _ paths: String..., flags: UInt64 = 0) -> Int64? {
    var arguments = paths.map { fixture.put($0) }
    arguments.append(flags)
    return fixture.call(number, of: fixture.task, arguments)
  }
  func stat(_ path: String) -> (inode: UInt64, links: UInt64, mode: UInt32, size: UInt64)? {
    let buffer = fixture.allocate(144)
    guard fixture.call(SyscallNumber.lstat, fixture.put(path), buffer) == 0 else { return nil }
    return (fixture.word(buffer + 8), fixture.word(buffer + 16), fixture.word(buffer + 24), fixture.word(buffer + 48))
  }
  func second() -> Task {
    let task = fixture.task
    let context = ExecutionContext(id: fixture.kernel.identifiers.nextContext(), space: task.memory.space)
    try! fixture.machine.createContext(context.id, extendedState: .initial)
    let id = fixture.kernel.tasks.allocateID()
    let group = ThreadGroup(
      id: id, parent: task.group, processGroup: task.group.processGroup, handlers: SignalHandlers(),
      limits: ResourceLimits())
    let other = Task(
      id: id, context: context, group: group, memory: task.memory, files: task.files.fork(), fs: task.fs.fork(),
      credentials: task.credentials, name: "second")
    fixture.kernel.add(other, as: group)
    return other
  }

  @Test func permissions() {
    #expect(open("/root/key") == failure(.EACCES))
    #expect(path(SyscallNumber.unlink, "/etc/passwd") == failure(.ENOENT))
    #expect(path(SyscallNumber.access, "file", flags: 4) == 0)
    #expect(path(SyscallNumber.access, "file", flags: 1) == failure(.EACCES))
    #expect(path(SyscallNumber.chmod, "file", flags: 0) == 0)
    #expect(open("file") == failure(.EACCES))
    #expect(path(SyscallNumber.chmod, "/root", flags: 0o777) == failure(.EPERM))
    host.addFile("/home/me/later", "x")
    host.change("/home/me/later") { $0.readable = false }
    #expect(open("later") == failure(.EACCES))
  }

  @Test func hiddenNamesAreNotThere() {
    #expect(open("hidden") == failure(.ENOENT))
    let names = try! fixture.task.fs.workingDirectory.list(
      FileAccess(kernel: fixture.kernel, task: nil, fs: fixture.task.fs, credentials: fixture.task.credentials))
    #expect(names.map { String(decoding: $0.name, as: UTF8.self) } == ["file", "tree"])
    let buffer = fixture.allocate(144)
    fixture.call(SyscallNumber.stat, fixture.put("."), buffer)
    #expect(fixture.word(buffer + 88, as: UInt64.self) == 1_700_000_000)
  }

  @Test func renameMovesHostDirectories() {
    let before = stat("tree/leaf")
    #expect(path(SyscallNumber.rename, "tree", "moved") == 0)
    #expect(stat("tree") == nil)
    #expect(stat("moved/leaf")?.inode == before?.inode)
    #expect(path(SyscallNumber.rename, "moved", "moved/inside") == failure(.EINVAL))
    #expect(path(SyscallNumber.rename, "file", "moved") == failure(.EISDIR))
    #expect(path(SyscallNumber.rename, "moved", "file") == failure(.ENOTDIR))
    #expect(path(SyscallNumber.mkdir, "empty", flags: 0o755) == 0)
    #expect(path(SyscallNumber.rename, "empty", "moved") == failure(.ENOTEMPTY))
    #expect(path(SyscallNumber.rename, "moved", "empty") == 0)
    #expect(stat("empty/leaf")?.size == 4)
    let changes = fixture.kernel.fileChanges().map {
      "\($0.kind == .removed ? "-" : "+")" + String(decoding: $0.path, as: UTF8.self)
    }
    #expect(changes == ["+/home/me/empty", "+/home/me/empty/leaf", "-/home/me/tree"])
  }

  @Test func renameat2Flags() {
    let (here, file, tree) = (UInt64(bitPattern: -100), fixture.put("file"), fixture.put("tree"))
    #expect(fixture.call(SyscallNumber.renameat2, here, file, here, tree, 1) == failure(.EEXIST))
    #expect(fixture.call(SyscallNumber.renameat2, here, file, here, tree, 2) == 0)
    #expect(stat("file/leaf")?.size == 4)
    #expect(stat("tree")?.size == 7)
  }

  @Test func removedFilesLiveUntilClosed() {
    let descriptor = open("file", OpenFlags.readWrite)!
    #expect(path(SyscallNumber.unlink, "file") == 0)
    let buffer = fixture.allocate(16)
    #expect(fixture.call(SyscallNumber.read, UInt64(descriptor), buffer, 16) == 7)
    #expect(fixture.call(SyscallNumber.fstat, UInt64(descriptor), fixture.allocate(144)) == 0)
    let link = fixture.allocate(64)
    let length = fixture.call(SyscallNumber.readlink, fixture.put("/proc/self/fd/\(descriptor)"), link, 64)!
    #expect(fixture.text(link, Int(length)) == "/home/me/file (deleted)")
    #expect(open("file", OpenFlags.create | OpenFlags.exclusive | OpenFlags.writeOnly)! > descriptor)
  }

  @Test func hardLinksOfTheHostAreOneInode() {
    host.add("/home/me/one", FakeHostView.File(mode: 0o100644, links: 2, content: [1], identity: 77))
    host.add("/home/me/two", FakeHostView.File(mode: 0o100644, links: 2, content: [1], identity: 77))
    #expect(stat("one")?.inode == stat("two")?.inode)
    #expect(path(SyscallNumber.unlink, "one") == 0)
    #expect(stat("two")?.links == 1)
  }

  @Test func openFlags() {
    #expect(open("file", OpenFlags.create | OpenFlags.exclusive) == failure(.EEXIST))
    #expect(open("file", OpenFlags.directory) == failure(.ENOTDIR))
    #expect(open("tree", OpenFlags.create) == failure(.EISDIR))
    let pathOnly = open("file", OpenFlags.path)!
    #expect(fixture.call(SyscallNumber.read, UInt64(pathOnly), fixture.allocate(1), 1) == failure(.EBADF))
    #expect(fixture.call(SyscallNumber.fstat, UInt64(pathOnly), fixture.allocate(144)) == 0)
    let appending = open("file", OpenFlags.writeOnly | OpenFlags.append)!
    #expect(fixture.call(SyscallNumber.write, UInt64(appending), fixture.put("!"), 1) == 1)
    #expect(stat("file")?.size == 8)
    #expect(open("file", OpenFlags.writeOnly | OpenFlags.truncate)! > 0)
    #expect(stat("file")?.size == 0)
    #expect(
      fixture.call(SyscallNumber.fcntl, UInt64(appending), 3)
        == Int64(OpenFlags.writeOnly | OpenFlags.append | OpenFlags.largeFile))
    let temporary = open(".", OpenFlags.temporaryFile | OpenFlags.readWrite)!
    #expect(fixture.call(SyscallNumber.write, UInt64(temporary), fixture.put("t"), 1) == 1)
  }

  @Test func descriptorsGoUpToTheLimit() {
    #expect(fixture.call(SyscallNumber.dup2, 1, 1023) == 1023)
    #expect(fixture.call(SyscallNumber.dup2, 1, 1024) == failure(.EBADF))
    #expect(fixture.call(SyscallNumber.fcntl, 1, 0, 500) == 500)
    #expect(fixture.call(SyscallNumber.close_range, 100, 600, 0) == 0)
    #expect(fixture.call(SyscallNumber.close, 500) == failure(.EBADF))
    fixture.task.group.limits[ResourceLimits.files].current = 4
    #expect(open("file") == 3)
    #expect(open("file") == failure(.EMFILE))
  }

  func lock(_ task: Task, _ descriptor: Int64, _ command: UInt64, _ type: Int16, _ start: Int64, _ length: Int64)
    -> Int64?
  {
    var bytes: [UInt8] = []
    bytes.appendInteger(type)
    bytes.append(contentsOf: [0, 0, 0, 0, 0, 0])
    bytes.appendInteger(start)
    bytes.appendInteger(length)
    bytes.appendInteger(0 as Int64)
    return fixture.call(SyscallNumber.fcntl, of: task, [UInt64(descriptor), command, fixture.put(bytes)])
  }

  @Test func recordLocks() {
    let descriptor = open("file", OpenFlags.readWrite)!
    let other = second()
    let (set, wait): (UInt64, UInt64) = (6, 7)
    #expect(lock(fixture.task, descriptor, set, 1, 0, 10) == 0)
    #expect(lock(other, descriptor, set, 0, 9, 1) == failure(.EAGAIN))
    #expect(lock(other, descriptor, set, 1, 10, 10) == 0)
    #expect(lock(other, descriptor, wait, 1, 0, 1) == nil)
    #expect(lock(fixture.task, descriptor, wait, 1, 15, 1) == failure(.EDEADLK))
    #expect(lock(fixture.task, descriptor, set, 2, 0, 1) == 0)
    #expect(fixture.resume(other) == 0)
    #expect(lock(fixture.task, descriptor, set, 1, 0, 1) == failure(.EAGAIN))
    // Closing any descriptor of the file drops the process's locks.
    fixture.kernel.scheduler.current = other
    #expect(fixture.call(SyscallNumber.close, of: other, [UInt64(descriptor)]) == 0)
    #expect(lock(fixture.task, descriptor, set, 1, 0, 20) == 0)
  }

  @Test func flocksBelongToDescriptions() {
    let first = open("file")!
    let second = open("file")!
    #expect(fixture.call(SyscallNumber.flock, UInt64(first), 2) == 0)
    #expect(fixture.call(SyscallNumber.flock, UInt64(second), 5) == failure(.EAGAIN))
    #expect(fixture.call(SyscallNumber.close, UInt64(first)) == 0)
    #expect(fixture.call(SyscallNumber.flock, UInt64(second), 6) == 0)
  }

  @Test func fifoOpensMeet() {
    #expect(fixture.call(SyscallNumber.mknod, fixture.put("fifo"), 0o010666, 0) == 0)
    let other = second()
    #expect(open("fifo", OpenFlags.readOnly) == nil)
    fixture.kernel.scheduler.current = other
    let writer = fixture.call(SyscallNumber.open, of: other, [fixture.put("fifo"), 1])!
    #expect(writer == 3)
    let reader = fixture.resume(fixture.task)!
    #expect(reader == 3)
    #expect(fixture.call(SyscallNumber.write, of: other, [UInt64(writer), fixture.put("abc"), 3]) == 3)
    let buffer = fixture.allocate(8)
    #expect(fixture.call(SyscallNumber.read, UInt64(reader), buffer, 8) == 3)
    #expect(fixture.text(buffer, 3) == "abc")
  }

  @Test func standardInputWaits() {
    host.inputEnded = false
    let buffer = fixture.allocate(8)
    #expect(fixture.call(SyscallNumber.read, 0, buffer, 8) == nil)
    host.input = Array("typed".utf8)
    fixture.kernel.hostInputQueue.wakeAll(fixture.kernel)
    #expect(fixture.resume(fixture.task) == 5)
    #expect(fixture.text(buffer, 5) == "typed")
  }

  @Test func brokenOutputSendsSIGPIPE() {
    host.outputError = .EPIPE
    #expect(fixture.call(SyscallNumber.write, 1, fixture.put("x"), 1) == failure(.EPIPE))
    #expect(fixture.task.signals.pending.set.contains(13))
  }

  @Test func vectorsAndFaults() {
    let descriptor = open("v", OpenFlags.create | OpenFlags.readWrite)!
    let (a, b) = (fixture.put("ab"), fixture.put("cde"))
    var bytes: [UInt8] = []
    for value in [a, 2, 0, 0, b, 3] { bytes.appendInteger(value) }
    let vectors = fixture.put(bytes)
    #expect(fixture.call(SyscallNumber.writev, UInt64(descriptor), vectors, 3) == 5)
    #expect(fixture.call(SyscallNumber.preadv, UInt64(descriptor), vectors, 3, 2) == 3)
    #expect(fixture.text(a, 2) == "cd")
    #expect(fixture.call(SyscallNumber.write, UInt64(descriptor), 0x10, 4) == failure(.EFAULT))
    #expect(fixture.call(SyscallNumber.lseek, UInt64(descriptor), 0, 0) == 0)
    #expect(fixture.call(SyscallNumber.read, UInt64(descriptor), 0x10, 4) == failure(.EFAULT))
    #expect(fixture.call(SyscallNumber.lseek, UInt64(descriptor), 0, 1) == 0)
  }

  @Test func sparseFilesHaveHoles() {
    let descriptor = UInt64(open("sparse", OpenFlags.create | OpenFlags.readWrite)!)
    #expect(fixture.call(SyscallNumber.pwrite64, descriptor, fixture.put("x"), 1, 10 << 30) == 1)
    #expect(fixture.call(SyscallNumber.lseek, descriptor, 0, 3) == 10 << 30)
    #expect(fixture.call(SyscallNumber.lseek, descriptor, 0, 4) == 0)
    #expect(fixture.call(SyscallNumber.lseek, descriptor, 20 << 30, 3) == failure(.ENXIO))
    let buffer = fixture.put("####")
    #expect(fixture.call(SyscallNumber.pread64, descriptor, buffer, 4, 5 << 30) == 4)
    #expect(fixture.bytes(buffer, 4) == [0, 0, 0, 0])
    #expect(fixture.call(SyscallNumber.ftruncate, descriptor, 100) == 0)
    #expect(fixture.call(SyscallNumber.fallocate, descriptor, 3, 0, 50) == 0)
  }

  @Test func copiesShareNothing() {
    let descriptor = UInt64(open("file", OpenFlags.readWrite)!)
    _ = path(SyscallNumber.rename, "tree", "moved")
    _ = fixture.call(SyscallNumber.flock, descriptor, 2)
    _ = open("/proc/self/status")
    _ = open("/proc/self/fd", OpenFlags.directory)
    let kernel = fixture.kernel
    let copy = kernel.deepCopy(
      machine: fixture.machine, host: host, decisions: kernel.decisions, observer: kernel.observer)
    let (one, two) = (ObjectGraph(of: kernel), ObjectGraph(of: copy))
    #expect(one.text == two.text)
    #expect(one.objects.keys.filter { two.objects[$0] != nil }.map { one.objects[$0]! } == [])
    _ = fixture.call(SyscallNumber.pwrite64, descriptor, fixture.put("X"), 1, 0)
    let file = try! copy.tasks[fixture.task.id]!.files.file(Int32(descriptor))
    let content = (file.inode as! RegularInode).content
    #expect(try! content.read(copy, offset: 0, count: 9) == Array("content".utf8))
  }
}
