// A search between two groups of trials, as a file holds it: all that it learnt and cannot be had again by executing the program once.
// Everything else follows from the options.

import FoundationEssentials
import Kernel
import Platform
import RecordReplay

/// What a search goes on from. JSON; what would be long is in numbers (`Packed`).
public struct SavedSearch: Codable, Equatable, Sendable {
  /// Of this format. Another one is not read.
  public static let currentVersion = 2
  public var version = SavedSearch.currentVersion
  public var toolVersion = Tool.version
  /// The guest's time at its start, in nanoseconds since 1970.
  public var epochNanoseconds: Int64
  /// Schedules that it was to try at most.
  public var schedulesMax: UInt64
  public var schedulesTried: UInt64
  public var failures: UInt64
  /// The first failure, not shrunk.
  public var first: Failure?
  /// The file that this failure was recorded in.
  public var trace: TraceFile?
  var distinct: [Distinct]
  var uncounted: UInt64
  /// Of the execution without preemptions: when it comes out differently, this is another program.
  var fingerprint: UInt64
  var traps: UInt64
  var stepsExpected: UInt64
  var searchNanoseconds: Int64
  var passesThoughRefused: Bool
  /// Scheduling points, `SharedMemory`, `Corpus`, and of a search that enumerates `BoundedSchedules`.
  var points: Data
  var memory: Data
  var corpus: Data
  var schedules: Data?

  public struct Failure: Codable, Equatable, Sendable {
    public var number: UInt64
    public var kind: String
    /// A `Schedule`.
    var schedule: Data
  }

  struct Distinct: Codable, Equatable, Sendable {
    var kind: String
    var place: String?
    var count: UInt64
    var first: UInt64
  }

  /// A file as it was left: any other one is somebody else's.
  public struct TraceFile: Codable, Equatable, Sendable {
    public var path: String
    public var device: UInt64
    public var inode: UInt64
    public var size: Int64
    public var modifiedNanoseconds: Int64
    public init(path: String, device: UInt64, inode: UInt64, size: Int64, modifiedNanoseconds: Int64) {
      self.path = path
      self.device = device
      self.inode = inode
      self.size = size
      self.modifiedNanoseconds = modifiedNanoseconds
    }
  }

  public var json: [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Nothing here can fail to be JSON: there is no floating-point number.
    return [UInt8](try! encoder.encode(self))
  }

  private struct Head: Decodable {
    var version: Int
    var toolVersion: String
  }

  /// Why this cannot be used is an error in words.
  public init(json: [UInt8]) throws(SessionError) {
    let data = Data(json)
    guard let head = try? JSONDecoder().decode(Head.self, from: data) else {
      throw SessionError("the saved search is broken")
    }
    if head.version != Self.currentVersion || head.toolVersion != Tool.version {
      throw SessionError("the saved search is of another version (\(head.toolVersion), format \(head.version))")
    }
    guard let saved = try? JSONDecoder().decode(Self.self, from: data) else {
      throw SessionError("the saved search is broken")
    }
    self = saved
  }

  init(_ hunt: Hunt, first outcome: Outcome, epochNanoseconds: Int64) {
    let result = hunt.result
    self.epochNanoseconds = epochNanoseconds
    schedulesMax = hunt.options.schedulesMax
    schedulesTried = result.schedulesTried
    failures = result.failures
    first = result.first.map { Failure(number: $0.number, kind: $0.kind, schedule: Data($0.schedule.packed)) }
    distinct = result.distinct.all.map {
      Distinct(kind: $0.key.kind, place: $0.key.place, count: $0.count, first: $0.first)
    }
    uncounted = result.distinct.uncounted
    fingerprint = outcome.fingerprint.value
    traps = outcome.traps
    stepsExpected = hunt.stepsExpected
    searchNanoseconds = result.searchNanoseconds
    passesThoughRefused = result.passesThoughRefused
    points = Data(Points(all: hunt.setting.points).packed)
    memory = Data(hunt.memory.packed)
    corpus = Data(hunt.corpus.packed)
    schedules = hunt.schedules.map { Data($0.packed) }
  }

  /// Whether it began as this first execution.
  func isOf(_ outcome: Outcome) -> Bool { fingerprint == outcome.fingerprint.value && traps == outcome.traps }
}

/// Scheduling points, by rising address.
private struct Points: Packed {
  var all: [GuestAddress]
  init(all: [GuestAddress]) { self.all = all }
  func write(to writer: inout NumberWriter) {
    writer.add(all.count)
    for point in all { writer.add(point) }
  }
  init(from reader: inout NumberReader) throws(BrokenSearch) {
    all = []
    for _ in 0..<(try reader.count()) { all.append(try reader.address()) }
  }
}

extension Hunt {
  /// Takes up what was saved, behind the first execution. False when it cannot be used, and then nothing is changed.
  func restore(_ saved: SavedSearch) throws(SessionError) -> Bool {
    guard let firstOutcome, saved.isOf(firstOutcome) else { return false }
    let (points, memory, corpus, failing): ([GuestAddress], SharedMemory, Corpus, Schedule?)
    var schedules: BoundedSchedules?
    do throws(BrokenSearch) {
      points = try Points(packed: [UInt8](saved.points)).all
      memory = try SharedMemory(packed: [UInt8](saved.memory))
      corpus = try Corpus(packed: [UInt8](saved.corpus))
      if let bytes = saved.schedules { schedules = try BoundedSchedules(packed: [UInt8](bytes)) }
      if let first = saved.first { failing = try Schedule(packed: [UInt8](first.schedule)) } else { failing = nil }
    } catch { return false }
    if (schedules != nil) != (options.strategy == .bounded) { return false }
    if let known = schedules {
      // Counted from where the enumeration began; it may have begun anew on the way.
      let most = Int(clamping: options.schedulesMax) - Int(clamping: saved.schedulesMax) + known.limits.schedulesMax
      schedules = known.with(schedulesMax: most)
      if schedules == nil { return false }
    }
    var first: FoundFailure?
    if let failing, let known = saved.first {
      // What came of it is executed again: it is much, and this is once.
      var again = Trial(manner: .follow(failing), trapsMax: trapsMax)
      again.number = known.number
      let tried = try executor.execute([again], TrialSetting(points: points, log: .off))[0]
      if case .interrupted = tried.outcome.verdict { throw .interruption }
      guard options.predicate.failure(tried.outcome, first: firstOutcome) == known.kind else { return false }
      first = FoundFailure(number: known.number, kind: known.kind, schedule: failing, outcome: tried.outcome)
    }
    self.memory = memory
    self.corpus = corpus
    self.schedules = schedules
    usePoints()
    setting.points = points
    stepsExpected = saved.stepsExpected
    var result = HuntResult()
    result.schedulesTried = saved.schedulesTried
    result.failures = saved.failures
    result.first = first
    result.distinct = DistinctFailures(
      saved.distinct.map {
        DistinctFailure(key: FailureKey(kind: $0.kind, place: $0.place), count: $0.count, first: $0.first)
      }, uncounted: saved.uncounted)
    result.schedulingPoints = memory.schedulingPoints.count
    result.steps = stepsExpected
    result.searchNanoseconds = saved.searchNanoseconds
    result.passesThoughRefused = saved.passesThoughRefused
    result.resumedFrom = saved.schedulesTried
    self.result = result
    return true
  }
}
