// `replay`: a whole trace from its first record to its end, to an event, or to the first difference.

import CLinux
import Glibc
import Kernel
import Platform
import PtracePlatform
import Trace

public struct ReplayOptions: Sendable {
  public var path: String
  /// Stop after this event.
  public var stopAt: UInt64?
  /// Write an ELF core of the current process where the replay stops.
  public var corePath: String?
  /// Another engine than the header's, with the same ticks: the stepped one for a translated trace.
  public var engine: Engine?
  /// Writes the registers at these events to a file, for the oracle test.
  public var registerLog: (path: String, events: ClosedRange<UInt64>)?
  public init(path: String) { self.path = path }
}

/// What a replay came to.
public struct ReplayResult: Sendable {
  public var events: UInt64 = 0
  /// The end record; nil when the trace was cut or the replay stopped before.
  public var end: TraceEnd?
  public var isTruncated = false
  public var stoppedAt: UInt64?
  public var divergence: Divergence?
  /// Wait status of the first process, when it ended.
  public var status: Int32?
}

public enum ReplaySession {
  /// Replays. `progress` is called now and then with the number of the event.
  public static func replay(
    _ options: ReplayOptions, outputs: OutputPolicy = .passThrough, progress: ((UInt64) -> Void)? = nil
  ) throws(SessionError) -> ReplayResult {
    let reader = try opened(options.path)
    var (engine, processor) = try checkReplayable(reader.header)
    if let other = options.engine {
      if other.traceName != engine.traceName { throw SessionError("the \(other.rawValue) engine cannot replay this trace") }
      engine = other
    }
    let stop = try stopEvent(options)
    let place = ProcessorPlace(seed: reader.header.seed, arguments: reader.header.arguments)
    place.enter()
    defer { place.leave() }
    reader.readAhead(processors: place.beside)
    let machine = try makeMachine(
      engine, seed: reader.header.seed, arguments: reader.header.arguments, processor: processor, at: place)
    defer { machine.shutdown() }
    let player = ReplayPlayer(machine, hasTicks: engine.hasTicks, formatVersion: reader.header.formatVersion)
    if let (path, events) = options.registerLog { player.registerLog = try RegisterLog(path, events) }
    defer { player.registerLog?.close() }
    let run = ReplayRun(reader, player, outputs)
    let result = try run.run(stop: stop, progress: progress)
    if let path = options.corePath { try run.writeCore(to: path) }
    return result
  }

  /// The number of events of a whole trace, for progress.
  public static func eventCount(_ path: String) -> UInt64? {
    (try? TraceReader(path: path))?.findEnd()?.eventCount
  }

  static func opened(_ path: String) throws(SessionError) -> TraceReader {
    do throws(TraceError) { return try TraceReader(path: path) } catch { throw SessionError(error.description) }
  }

  /// A trace needs its engine and that engine's ticks, and a processor that can show what the guest saw. Returns the
  /// engine and the processor to show; nil for the host's own.
  static func checkReplayable(_ header: TraceHeader) throws(SessionError) -> (Engine, ProcessorModel?) {
    (try Engine(of: header), try ProcessorCheck.check(header))
  }

  /// Where to stop: as asked; for a core without a place, the last event of the process that died of a signal, or of
  /// the first process.
  private static func stopEvent(_ options: ReplayOptions) throws(SessionError) -> UInt64? {
    if options.stopAt != nil || options.corePath == nil { return options.stopAt }
    let reader = try opened(options.path)
    do throws(TraceError) { return try lastInterestingEvent(reader) } catch { throw SessionError(error.description) }
  }

  private static func lastInterestingEvent(_ reader: TraceReader) throws(TraceError) -> UInt64 {
    var tasks = ReplayedTasks()
    var lastOfFirst: UInt64 = 0
    while let record = try reader.next() {
      switch record {
      case .event(let event):
        if tasks.tasks.isEmpty || tasks.task(of: event.context)?.process == tasks.tasks[0].process {
          lastOfFirst = event.number.rawValue
        }
      case .annotation(let annotation):
        if case .taskExited(_, let status) = annotation, status & 0x7f != 0 { return reader.lastEvent.rawValue }
        tasks.take(annotation)
      default: break
      }
    }
    if lastOfFirst == 0 { throw TraceError(.outOfRange, "the trace has no event to make a core of", path: reader.path) }
    return lastOfFirst
  }
}

/// One replay in progress.
final class ReplayRun {
  private let reader: TraceReader
  private let player: ReplayPlayer
  private let outputs: OutputPolicy

  init(_ reader: TraceReader, _ player: ReplayPlayer, _ outputs: OutputPolicy) {
    self.reader = reader
    self.player = player
    self.outputs = outputs
  }

  func run(stop: UInt64?, progress: ((UInt64) -> Void)?) throws(SessionError) -> ReplayResult {
    var result = ReplayResult()
    var sinceProgress = 0
    while true {
      let record: Record?
      do throws(TraceError) { record = try reader.next() } catch {
        throw SessionError("\(error); replayed to event \(result.events)")
      }
      guard let record else { break }
      let step: ReplayPlayer.Step
      do throws(MachineError) { step = try player.play(record) } catch {
        throw SessionError("the replay cannot go on after event \(result.events): \(error)")
      }
      switch step {
      case .done: noteStatus(record, &result)
      case .event:
        result.events = reader.lastEvent.rawValue
        if result.events == stop {
          result.stoppedAt = stop
          return result
        }
        sinceProgress += 1
        if sinceProgress >= 1024 {
          sinceProgress = 0
          progress?(result.events)
        }
      case .output(let stream, let bytes): try emit(stream, bytes)
      case .end(let end):
        result.end = end
        if end.verdict.isEmpty { result.status = end.status }
      case .diverged(let divergence):
        result.divergence = divergence
        return result
      }
    }
    result.isTruncated = reader.isTruncated
    if let stop { throw SessionError("the trace ends at event \(result.events), before event \(stop)") }
    return result
  }

  private func noteStatus(_ record: Record, _ result: inout ReplayResult) {
    if case .annotation(.taskExited(let task, let status)) = record, task == player.tasks.tasks.first?.task {
      result.status = status
    }
  }

  private func emit(_ stream: OutputStream, _ bytes: [UInt8]) throws(SessionError) {
    switch outputs {
    case .keep(let kept): kept.append(Int32(stream.rawValue), bytes[...])
    case .passThrough:
      let result = writeAll(Int32(stream.rawValue), bytes[...])
      // Nobody reads any more: the replay is about the guest, so it goes on.
      if result < 0 && result != -32 {
        throw SessionError("cannot write the guest's output: \(describeHostError(-result))")
      }
    }
  }

  func writeCore(to path: String) throws(SessionError) {
    do throws(MachineError) {
      let core = try CoreFile(player)
      let result = try core.write(to: path)
      if result < 0 { throw MachineError(describeHostError(-result)) }
    } catch { throw SessionError("cannot write the core \(path): \(error.description)") }
  }
}

/// An errno of the host in words.
public func describeHostError(_ error: Int32) -> String {
  guard let text = strerror(error) else { return "errno \(error)" }
  return String(cString: text)
}
