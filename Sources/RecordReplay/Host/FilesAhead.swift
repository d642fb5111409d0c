// A thread that makes ready, while the machine is made and the guest starts, what a run is going to map: its program, and the files that
// the last run of the same program mapped after it. Where it guesses wrong, its work was for nothing, and nothing else.
import CLinux
import HostThreads
import Kernel
import KeptFiles
import PtracePlatform

final class FilesAhead: Sendable {
  private enum State { case waiting, atWork, ready(FileMemory), done }
  private struct Entry {
    let descriptor: Int32
    let status: rsb_host_status
    var state = State.waiting
  }
  /// Sound: a copy is the thread's until its entry says that it is ready, and then the taker's.
  private struct Work: @unchecked Sendable {
    var thread: HostThread?
    /// nil until the thread knows what there is.
    var entries: [Entry]?
    var isEnding = false
    /// What the last run mapped beside its program, and what this one did, by path in order.
    var expected: [[UInt8]] = []
    var mapped: [[UInt8]] = []
  }

  private let program: [UInt8]
  private let copies: FileCopies
  private let lists: KeptFiles?
  private let listKey: KeptFiles.Key
  private let work = Monitor(Work())

  /// Files of a list at most.
  private static let filesMax = 64

  /// `lists`: of the files that runs mapped, by program; nil for none. `place`: of the machine that the thread works beside. It has the caller's
  /// clock.
  init(_ program: [UInt8], _ copies: FileCopies, lists: KeptFiles?, place: ProcessorPlace? = nil) {
    self.program = program
    self.copies = copies
    self.lists = lists
    listKey = KeptFiles.Key(program.map { UInt64($0) })
    let way = place?.rightOfWay
    way?.take()
    let thread = try? HostThread(of: self, processors: place?.beside ?? []) {
      $0.run()
      way?.leave()
      // It has nothing else to do, and the kernel is made about now.
      Kernel.prepare()
    }
    if thread == nil { way?.leave() }
    work.change {
      $0.thread = thread
      if thread == nil { $0.entries = [] }
    }
  }

  deinit {
    let thread = work.change { work in
      work.isEnding = true
      return work.thread
    }
    thread?.join()
    for entry in work.change({ $0.entries ?? [] }) { _ = rsb_host_close(entry.descriptor) }
  }

  // MARK: The caller

  /// The content of the file at this path if it is ready, or is being made so, and the file has this status now. Notes that it is mapped.
  func take(_ path: [UInt8], _ status: rsb_host_status) -> FileMemory? {
    let found: (FileMemory?) = work.wait { work -> FileMemory?? in
      guard let entries = work.entries else { return nil }
      guard let index = entries.firstIndex(where: { $0.status.isOfSameContent(as: status) }) else { return .some(nil) }
      if case .atWork = entries[index].state { return nil }
      defer { work.entries![index].state = .done }
      if case .ready(let memory) = entries[index].state { return .some(memory) }
      return .some(nil)
    }
    work.change { work in
      if path != program && work.mapped.count < Self.filesMax { work.mapped.append(path) }
    }
    return found
  }

  /// Keeps the list of what was mapped for the next run.
  func keepList() {
    let (mapped, expected) = work.change { ($0.mapped, $0.expected) }
    guard let lists, mapped != expected else { return }
    let text = Array(mapped.joined(separator: [0]))
    if text.isEmpty { lists.remove(listKey) } else if text.withUnsafeBytes({ lists.save(listKey, $0) }) { lists.trim() }
  }

  // MARK: The thread

  private func run() {
    rsb_thread_settle()
    let expected = lists?.read(listKey) { $0.split(separator: 0).prefix(Self.filesMax).map { Array($0) } } ?? []
    var entries: [Entry] = []
    for path in [program] + expected {
      guard let entry = Self.open(path) else { continue }
      // The program's name may be a link, and the file is in the list.
      if entries.contains(where: { $0.status.isOfSameContent(as: entry.status) }) {
        _ = rsb_host_close(entry.descriptor)
      } else {
        entries.append(entry)
      }
    }
    work.change { work in
      work.expected = expected
      work.entries = entries
    }
    for index in entries.indices {
      let isMine = work.change { work in
        guard !work.isEnding, case .waiting = work.entries![index].state else { return false }
        work.entries![index].state = .atWork
        return true
      }
      if !isMine { continue }
      let copy = copies.copy(of: entries[index].descriptor, entries[index].status)
      work.change { $0.entries![index].state = copy.map { .ready($0) } ?? .done }
    }
  }

  private static func open(_ path: [UInt8]) -> Entry? {
    let opened = withPath(path) { rsb_host_open($0, OpenFlags.readOnly | OpenFlags.nonblocking, 0) }
    if opened < 0 { return nil }
    var status = rsb_host_status()
    let isFile = rsb_host_status_get(Int32(opened), nil, &status) >= 0 && status.mode & 0o170000 == 0o100000
    if isFile && FileCopies.sizes ~= status.size { return Entry(descriptor: Int32(opened), status: status) }
    _ = rsb_host_close(Int32(opened))
    return nil
  }
}
