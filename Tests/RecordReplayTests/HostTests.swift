// The host view, hidden paths, the environment's sieve and the search for programs.
import CLinux
import Foundation
import KeptFiles
import Kernel
import LinuxABI
import Platform
import Synchronization
import Testing

@testable import RecordReplay

@Suite struct HostTests {
  private let directory: String
  private var bytes: [UInt8] { Array(directory.utf8) }

  init() throws {
    directory = "/tmp/replaysb-host-\(rsb_host_process())-\(UInt32.random(in: 0 ... .max))"
    _ = rsb_host_mkdir(directory, 0o755)
  }

  private func make(_ name: String, _ content: String, mode: UInt32 = 0o644) {
    let file = Int32(rsb_host_open(directory + "/" + name, 0o1101, mode))
    let bytes = Array(content.utf8)
    _ = rsb_host_write(file, bytes, bytes.count)
    _ = rsb_host_close(file)
  }

  @Test func listsSortedWithoutHidden() throws {
    for name in ["b", "a", "trace.zst", "trace-2.zst", "trace-x.zst", "secret", "own.zst"] { make(name, "x") }
    var hidden = HiddenPaths()
    hidden.hide(directory + "/secret")
    hidden.hideOwn(directory + "/own.zst")
    hidden.hideTraces(in: directory)
    let view = PosixHostView(hidden: hidden)
    let names = try view.list(bytes).map { String(decoding: $0.name, as: UTF8.self) }
    #expect(names == ["a", "b", "trace-x.zst"])
    #expect(throws: Errno.ENOENT) { try view.status(bytes + Array("/secret".utf8)) }
    #expect(throws: Errno.ENOENT) { try view.content(bytes + Array("/secret/below".utf8)) }
    #expect(throws: Errno.ENOENT) { try view.status(bytes + Array("/trace.zst".utf8)) }
    #expect(try view.content(bytes + Array("/a".utf8)) == Array("x".utf8))
    // Our own files do not show in their directory's status either.
    let before = try PosixHostView(hidden: hidden).status(bytes)
    make("trace-3.zst", "y")
    #expect(try PosixHostView(hidden: hidden).status(bytes) == before)
  }

  @Test func listingsAgreeWithStatus() throws {
    make("file", "x")
    _ = rsb_host_mkdir(directory + "/directory", 0o755)
    _ = rsb_host_symlink("file", directory + "/link")
    let view = PosixHostView(hidden: HiddenPaths())
    let entries = try view.list(bytes)
    #expect(entries.map(\.type) == [4, 8, 10])
    for entry in entries {
      let status = try view.status(bytes + [0x2f] + entry.name)
      #expect(status.identity == entry.identity && status.mode >> 12 == UInt32(entry.type))
    }
  }

  @Test func readsLinksAndParts() throws {
    make("file", "0123456789")
    _ = rsb_host_symlink("file", directory + "/link")
    let view = PosixHostView(hidden: HiddenPaths())
    #expect(try view.readLink(bytes + Array("/link".utf8)) == Array("file".utf8))
    #expect(try view.status(bytes + Array("/link".utf8)).mode & 0o170000 == 0o120000)
    #expect(try view.content(bytes + Array("/file".utf8), offset: 3, count: 4) == Array("3456".utf8))
    #expect(try view.content(bytes + Array("/file".utf8), offset: 8, count: 4) == Array("89".utf8))
    #expect(throws: Errno.ENOENT) { try view.content(bytes + Array("/none".utf8)) }
  }

  @Test func contentThatIsMapped() throws {
    make("program", "\u{7f}ELF and more")
    make("text", "no program")
    make("empty", "")
    var hidden = HiddenPaths()
    hidden.hide(directory + "/hidden")
    make("hidden", "\u{7f}ELF")
    let view = PosixHostView(hidden: hidden)
    let program = try #require(try view.mappableContent(bytes + Array("/program".utf8), ifProgram: true))
    #expect(program.bytes(0..<program.count) == Array("\u{7f}ELF and more".utf8))
    #expect(program.bytes(5..<8) == Array("and".utf8))
    #expect(program.withBytes(9..<13) { Array($0) } == Array("more".utf8))
    #expect(try view.mappableContent(bytes + Array("/text".utf8), ifProgram: true) == nil)
    #expect(try view.mappableContent(bytes + Array("/text".utf8), ifProgram: false)?.count == 10)
    #expect(try view.mappableContent(bytes + Array("/empty".utf8), ifProgram: false) == nil)
    #expect(try view.mappableContent(bytes, ifProgram: false) == nil)
    #expect(throws: Errno.ENOENT) { try view.mappableContent(bytes + Array("/hidden".utf8), ifProgram: true) }
    #expect(throws: Errno.ENOENT) { try view.mappableContent(bytes + Array("/none".utf8), ifProgram: false) }
    // What was read stays, whatever becomes of the file.
    make("program", "short")
    #expect(program.bytes(0..<4) == Array("\u{7f}ELF".utf8))
  }

  /// What was made ready is the file that the run finds, or it is copied again: with and without copies that are kept.
  @Test(arguments: [false, true]) func filesAreMadeReady(keeps: Bool) throws {
    let path = bytes + Array("/program".utf8)
    let copies = FileCopies(keeps ? MappableFiles(directory: directory + "/kept", suffix: ".copy", bytesMax: 1 << 30) : nil, ageMin: 0)
    let lists = KeptFiles(directory: directory + "/lists", suffix: ".files", bytesMax: 1 << 20)
    func ahead() -> FilesAhead { FilesAhead(path, copies, lists: lists) }
    func content(_ path: [UInt8], _ ahead: FilesAhead, ifProgram: Bool = true) throws -> [UInt8]? {
      let view = PosixHostView(
        hidden: HiddenPaths(), input: .descriptor, outputs: .passThrough, copies: copies, ahead: ahead)
      let found = try view.mappableContent(path, ifProgram: ifProgram)
      // What was taken is gone.
      #expect(try view.mappableContent(path, ifProgram: ifProgram).map { $0.bytes(0..<$0.count) } == found.map { $0.bytes(0..<$0.count) })
      return found.map { $0.bytes(0..<$0.count) }
    }
    let text = "\u{7f}ELF" + String(repeating: "0123456789abcde\n", count: 100_000)
    // None, a directory, a short one.
    #expect(throws: Errno.ENOENT) { try content(path, ahead()) }
    #expect(try content(bytes, FilesAhead(bytes, copies, lists: lists)) == nil)
    make("program", "\u{7f}ELF")
    #expect(try content(path, ahead()) == Array("\u{7f}ELF".utf8))
    make("program", text)
    for _ in 0..<2 {
      #expect(try content(path, ahead()) == Array(text.utf8))
      #expect(try content(path, ahead(), ifProgram: false) == Array(text.utf8))
    }
    let late = ahead()
    make("program", text + "more")
    #expect(try content(path, late) == Array((text + "more").utf8))
    // Another file of the same size in its place.
    let replaced = ahead()
    make("other", text + "MORE")
    #expect(rsb_host_rename(directory + "/other", directory + "/program") == 0)
    #expect(try content(path, replaced) == Array((text + "MORE").utf8))
    // Files that the last run mapped.
    let library = bytes + Array("/library".utf8)
    make("library", text + "library")
    let first = ahead()
    _ = try content(library, first)
    first.keepList()
    for _ in 0..<2 {
      let next = ahead()
      #expect(try content(library, next) == Array((text + "library").utf8))
      #expect(try content(path, next) == Array((text + "MORE").utf8))
      next.keepList()
    }
    // Nobody asks for it.
    _ = ahead()
    if !keeps { return }
    // A copy that something damages is made again.
    let kept = try FileManager.default.contentsOfDirectory(atPath: directory + "/kept").filter { $0.hasSuffix(".copy") }
    #expect(kept.count >= 3)
    for name in kept {
      let file = Int32(rsb_host_open(directory + "/kept/" + name, 1, 0))
      _ = rsb_host_pwrite(file, [0xff] as [UInt8], 1, 70_000)
      _ = rsb_host_close(file)
    }
    for _ in 0..<2 { #expect(try content(library, ahead()) == Array((text + "library").utf8)) }
  }

  /// A file that changed a moment ago is copied, and the copy is not kept.
  @Test func youngFilesAreNotKept() throws {
    make("program", "\u{7f}ELF" + String(repeating: "0123456789abcde\n", count: 10_000))
    let copies = FileCopies(MappableFiles(directory: directory + "/kept", suffix: ".copy", bytesMax: 1 << 30))
    let view = PosixHostView(hidden: HiddenPaths(), input: .descriptor, outputs: .passThrough, copies: copies, ahead: nil)
    #expect(try view.mappableContent(bytes + Array("/program".utf8), ifProgram: true)?.count == 160_004)
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory + "/kept").isEmpty)
  }

  /// Signals that the test below has caught.
  private static let signalsCaught = Atomic<Int>(0)
  private static let signalsWanted = 20_000

  /// poll(2) answers EINTR also when it was to wait for nothing: a signal at that instant was taken for input, for
  /// which the guest then waited in vain.
  @Test func signalsAreNoInput() {
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    var action = sigaction(), found = sigaction()
    action.__sigaction_handler.sa_handler = { _ in _ = HostTests.signalsCaught.add(1, ordering: .relaxed) }
    sigaction(SIGURG, &action, &found)
    var urgent = sigset_t(), mask = sigset_t()
    sigemptyset(&urgent)
    sigaddset(&urgent, SIGURG)
    pthread_sigmask(SIG_UNBLOCK, &urgent, &mask)
    let polls = pthread_self()
    let sender = Thread {
      while Self.signalsCaught.load(ordering: .relaxed) < Self.signalsWanted { pthread_kill(polls, SIGURG) }
    }
    sender.start()
    var answers: Set<Int> = []
    while !sender.isFinished { for _ in 0..<100 { answers.insert(rsb_host_poll(ends[0], 0, 0)) } }
    sigaction(SIGURG, &found, nil)
    pthread_sigmask(SIG_SETMASK, &mask, nil)
    for end in ends { close(end) }
    #expect(answers == [0])
  }

  @Test func siftsSecrets() {
    let filter = EnvironmentFilter(
      ["PATH=/bin", "GITHUB_TOKEN=x", "AWS_REGION=y", "DB_PASSWORD=z", "TOKENIZER=1", "MY_API_KEY=2"],
      allowing: ["AWS_REGION"])
    #expect(filter.names == ["PATH", "AWS_REGION", "TOKENIZER"])
    #expect(filter.withheld == ["GITHUB_TOKEN", "DB_PASSWORD", "MY_API_KEY"])
  }

  @Test func saysWhyAProgramCannotRun() throws {
    func status(_ name: String) -> (Int32, String)? {
      do throws(SessionError) {
        _ = try ProgramSearch.find(name, path: directory, workingDirectory: Array("/".utf8))
        return nil
      } catch { return (error.exitStatus, error.description) }
    }
    make("script", "#!/bin/sh\n", mode: 0o755)
    make("plain", "#!/bin/sh\n", mode: 0o644)
    make("text", "hello, this is no program at all\n", mode: 0o755)
    make("old", "\u{7f}ELF\u{1}\u{1}\u{1}" + String(repeating: "\0", count: 40), mode: 0o755)
    #expect(status("script") == nil)
    #expect(status("nosuch")?.0 == 127)
    #expect(status("plain")?.0 == 126)
    #expect(status("text")?.0 == 126)
    let old = try #require(status("old"))
    #expect(old.0 == 126 && old.1.contains("32-bit"))
    #expect(status("/tmp")?.0 == 126)
    #expect(status(directory + "/nosuch")?.0 == 127)
  }
}

@Suite struct MappingTableTests {
  private func range(_ start: UInt64, _ end: UInt64) -> GuestRange {
    GuestRange(GuestAddress(start << 12), GuestAddress(end << 12))
  }

  @Test func cutsAndMoves() {
    var table = MappingTable()
    let object = MemoryObjectID(rawValue: 7)
    table.map(range(10, 20), [.read], .privateObject(object, offset: 0))
    table.protect(range(12, 14), [.read, .write])
    table.unmap(range(15, 16))
    #expect(table.mappings.map(\.range) == [range(10, 12), range(12, 14), range(14, 15), range(16, 20)])
    #expect(table.at(GuestAddress(16 << 12))?.source == .privateObject(object, offset: 6 << 12))
    table.remap(range(16, 20), to: range(30, 36))
    #expect(table.mappings.last?.range == range(30, 36))
    #expect(table.at(GuestAddress(16 << 12)) == nil)
    table.map(range(0, 40), [], .anonymous)
    #expect(table.mappings.count == 1)
  }
}
