// `dump`: a trace as lines. The result of a call is known when its task runs again, so lines wait for it, in order, up
// to a limit; a call that blocks longer is shown unfinished and once more when it resumes.

import LinuxABI
import Platform
import Trace

/// One line of a dump.
public struct DumpLine: Encodable, Sendable {
  public var event: UInt64
  public var task: Int32?
  public var process: Int32?
  public var pc: String?
  /// "syscall", "fault", "annotation", ... or the kind of record.
  public var kind: String
  public var what: String
  public var result: String?
  public var isUnfinished: Bool?

  public var text: String {
    let number = String(event)
    var line = String(repeating: " ", count: max(0, 8 - number.count)) + number + "  "
    if let task { line += "[\(task)] " }
    line += what
    if let result { line += " = \(result)" }
    if isUnfinished == true { line += " <unfinished>" }
    return line
  }
}

public final class TraceDump {
  private let reader: TraceReader
  private let from: UInt64
  private let to: UInt64
  private let all: Bool
  private var tasks = ReplayedTasks()
  private var waiting: [(line: DumpLine, context: ContextID?, number: UInt64)] = []
  private var first = 0
  /// Calls whose line went out unfinished, by context.
  private var unfinished: [(context: ContextID, number: UInt64, event: UInt64)] = []
  private var isOver = false
  private static let waitingMax = 256

  public init(path: String, from: UInt64, to: UInt64?, all: Bool) throws(SessionError) {
    reader = try ReplaySession.opened(path)
    self.from = from
    self.to = to ?? .max
    self.all = all
  }

  public var isTruncated: Bool { reader.isTruncated }
  public var lastEvent: UInt64 { reader.lastEvent.rawValue }

  /// The next line; nil at the end.
  public func next() throws(SessionError) -> DumpLine? {
    while true {
      if first < waiting.count, isOver || waiting[first].context == nil || waiting.count - first > Self.waitingMax {
        return takeFirst()
      }
      if isOver { return nil }
      do throws(TraceError) {
        if let record = try reader.next(), reader.lastEvent.rawValue <= to || hasOpenCalls {
          take(record)
        } else {
          isOver = true
        }
      } catch { throw SessionError(error.description) }
    }
  }

  /// Past the last event wanted, reading goes on for results, but not for long.
  private var hasOpenCalls: Bool { first < waiting.count && reader.lastEvent.rawValue < to &+ 64 }

  private func takeFirst() -> DumpLine {
    var (line, context, number) = waiting[first]
    first += 1
    if first > 4096 {
      waiting.removeFirst(first)
      first = 0
    }
    if let context {
      line.isUnfinished = true
      unfinished.append((context, number, line.event))
    }
    return line
  }

  private func isWanted(_ event: UInt64) -> Bool { event >= from && event <= to }

  private func take(_ record: Record) {
    switch record {
    case .event(let event): take(event)
    case .annotation(let annotation):
      tasks.take(annotation)
      add("annotation", RecordText.line(record), isShown: all || Self.isInteresting(annotation))
    case .output, .outputBytes: add("output", RecordText.line(record), isShown: true)
    case .end: add("end", RecordText.line(record), isShown: true)
    default: add("effect", RecordText.line(record), isShown: all)
    }
  }

  private static func isInteresting(_ annotation: Annotation) -> Bool {
    switch annotation {
    case .scheduled, .syscallResumed, .randomBytes: false
    default: true
    }
  }

  private func add(_ kind: String, _ what: String, isShown: Bool) {
    let event = reader.lastEvent.rawValue
    guard isShown, isWanted(max(1, event)) else { return }
    waiting.append((DumpLine(event: event, kind: kind, what: (kind == "end" ? "" : "  ") + what), nil, 0))
  }

  private func take(_ event: Event) {
    resolve(event)
    guard isWanted(event.number.rawValue) else { return }
    let task = tasks.task(of: event.context)
    var line = DumpLine(event: event.number.rawValue, task: task?.task, process: task?.process, kind: "", what: "")
    line.pc = "0x" + String(event.pc.rawValue, radix: 16)
    if event.trap == .syscall {
      line.kind = "syscall"
      line.what = SyscallText.call(event.syscall)
      waiting.append((line, event.context, event.syscall.number))
    } else {
      line.kind = "trap"
      line.what = TrapText.describe(event.trap, ticks: event.ticks) + " at \(line.pc!)"
      waiting.append((line, nil, 0))
    }
  }

  /// The context runs again: rax is what its last call gave.
  private func resolve(_ event: Event) {
    let rax = event.changes.mask & (1 << 10) != 0 ? event.changes.words[10] : nil
    for index in first..<waiting.count where waiting[index].context == event.context {
      let number = waiting[index].number
      waiting[index].context = nil
      // Unchanged rax: the value equals the call's number, which rax held at the call.
      waiting[index].line.result = SyscallText.result(rax ?? number, of: number)
    }
    if let index = unfinished.firstIndex(where: { $0.context == event.context }) {
      let call = unfinished.remove(at: index)
      let task = tasks.task(of: event.context)
      var line = DumpLine(
        event: event.number.rawValue, task: task?.task, process: task?.process, kind: "resumed",
        what: "<\(SyscallNumber.name(call.number)) of event \(call.event) resumed>")
      line.result = SyscallText.result(rax ?? call.number, of: call.number)
      if isWanted(event.number.rawValue) { waiting.append((line, nil, 0)) }
    }
  }
}
