// What hunt leaves behind when it does not come to its end: the trace of what was found, and the state of the search.

import CLinux
import Explore
import Glibc
import KeptFiles
import PtracePlatform
import RecordReplay
import Trace

final class HuntKeeper {
  /// With the epoch of the search that is gone on with.
  private(set) var options: RunOptions
  private let input: CapturedInput
  private let output: String?
  private let isQuiet: Bool
  private let folder = SearchFolder()
  private let key: KeptFiles.Key
  /// What was saved last, or loaded.
  private var saved: SavedSearch?
  /// Whether there is something to go on from.
  private(set) var hasSaved = false
  private var nextSave: Int64
  /// Of what was found.
  private var path: String?
  private var isFailing = true
  private var isRecorded = false

  /// A search is saved this often, in nanoseconds of wall time, and a twentieth of the time at most.
  private static let period: Int64 = 2_000_000_000
  private static let share: Int64 = 20

  init(_ options: RunOptions, _ search: HuntOptions, _ input: CapturedInput, epoch: Int64?, output: String?, isQuiet: Bool) {
    self.options = options
    self.input = input
    self.output = output
    self.isQuiet = isQuiet
    key = SearchKey.key(options, search, input: input, epoch: epoch)
    nextSave = rsb_clock_ns(1) + Self.period
  }

  private func say(_ text: String) { if !isQuiet { Console.line(text) } }

  // MARK: Searches

  /// The search to go on with; nil, and a message, when there is none.
  func load() throws(SessionError) -> SavedSearch? {
    guard let folder else {
      throw SessionError("--resume: nothing can be kept: REPLAYSB_CACHE is off, or its folder cannot be used")
    }
    do throws(SessionError) { saved = try folder.load(key) } catch {
      Console.line("--resume: \(error): the search begins anew")
      return nil
    }
    guard let saved else {
      say("--resume: no search of this program with these arguments, options and environment is kept: it begins anew")
      return nil
    }
    options.epochNanoseconds = saved.epochNanoseconds
    hasSaved = true
    return saved
  }

  func watcher() -> HuntWatcher {
    rsb_endings_catch()
    rsb_endings_stop_machines(1)
    var watcher = HuntWatcher()
    watcher.isInterrupted = { rsb_endings_first() != 0 }
    watcher.resumed = { tried in
      guard let tried else {
        self.saved = nil
        self.hasSaved = false
        return Console.line("--resume: the program does otherwise than in the search that is kept: it begins anew")
      }
      self.say("goes on after \(tried) schedules")
    }
    watcher.found = { (found, hunt) throws(SessionError) in
      // A trace is recorded to its end, whatever comes.
      rsb_endings_stop_machines(0)
      defer { rsb_endings_stop_machines(1) }
      try self.record(unshrunk: found)
      self.save(hunt)
    }
    watcher.border = { hunt in if rsb_clock_ns(1) >= self.nextSave { self.save(hunt) } }
    watcher.ended = { hunt in
      // Also one that found nothing: it can go on with more schedules.
      if hunt.result.isThrough || hunt.result.first != nil && rsb_endings_first() == 0 { return }
      self.save(hunt)
      self.folder?.trim()
    }
    return watcher
  }

  private func save(_ hunt: Hunt) {
    guard let folder else { return }
    let start = rsb_clock_ns(1)
    if var search = hunt.saved(epochNanoseconds: options.epochNanoseconds) {
      search.trace = path.flatMap(Self.identity)
      saved = search
      hasSaved = folder.save(key, search)
    }
    let end = rsb_clock_ns(1)
    nextSave = end + max(Self.period, Self.share * (end - start))
  }

  /// The trace was recorded anew since the search was saved.
  func keepTrace() {
    guard let folder, hasSaved, var search = saved, let path else { return }
    search.trace = Self.identity(path)
    folder.save(key, search)
  }

  func remove() { folder?.remove(key) }

  // MARK: Traces

  /// Records what was found as it is. It is there when the tool is killed while it shrinks.
  private func record(unshrunk found: FoundFailure) throws(SessionError) {
    let known = saved?.trace
    let newest = output ?? TraceNaming.newest
    if let known, known == Self.identity(newest) {
      // The search that this one goes on with did it.
      path = newest
      return
    }
    if let output { path = output } else {
      do throws(TraceError) { path = try TraceNaming.makeRoom() } catch { throw SessionError(error.description) }
    }
    // On a thread of its own: the search's machines are at work, and the last recording needs this thread as it is.
    let (options, path) = (options, path!)
    let (bytes, kind) = (input.bytes, input.kind)
    nonisolated(unsafe) var result: Result<Bool, SessionError> = .success(false)
    let thread = startTracerThread {
      do throws(SessionError) {
        result = .success(
          try HuntSession.record(found, options, to: path, input: CapturedInput(bytes: bytes, kind: kind)))
      } catch { result = .failure(error) }
    }
    thread.join()
    isFailing = try result.get()
    isRecorded = true
  }

  /// Puts the trace of the shrunk schedule in the place of the first. Its path, and whether the recording fails as it should.
  func record(shrunk found: FoundFailure) throws(SessionError) -> (path: String, isFailing: Bool) {
    guard let path else { preconditionFailure("a failure that was not told when it was found") }
    if isRecorded && found.shrinking == nil && !found.isPartlyShrunk { return (path, isFailing) }
    let input = CapturedInput(bytes: input.bytes, kind: input.kind)
    return (path, try HuntSession.record(found, options, to: path, input: input))
  }

  private static func identity(_ path: String) -> SavedSearch.TraceFile? {
    var status = rsb_host_status()
    guard rsb_host_status_follow(path, &status) >= 0 else { return nil }
    return SavedSearch.TraceFile(
      path: String(decoding: HiddenPaths.canonical(path), as: UTF8.self), device: status.device, inode: status.inode,
      size: status.size, modifiedNanoseconds: status.modified_ns)
  }
}
