// An explanation for a terminal, about 100 columns wide.

extension Explanation {
  public var text: String {
    var lines = Self.wrapped(headline, indent: "")
    for (index, race) in races.enumerated() {
      lines.append("")
      lines += Self.wrapped("\(index + 1). \(race.summary)", indent: "   ")
      if index < Self.racesInFull { for access in race.accesses { lines += Self.lines(access) } }
    }
    if !blocked.isEmpty {
      lines += ["", "Tasks that wait:"]
      for task in blocked { lines += Self.lines(task) }
    }
    if !switches.isEmpty {
      lines += ["", "Changes of turn that matter:"]
      for entry in switches { lines += Self.lines(entry) }
    }
    if !timeline.isEmpty {
      lines += ["", "Turns, from the first created task on:"]
      lines += timelineLines
    }
    if !remarks.isEmpty {
      lines.append("")
      for remark in remarks { lines += Self.wrapped("note: \(remark)", indent: "  ") }
    }
    return lines.joined(separator: "\n")
  }

  private static let width = 100
  /// Of the others only the sentence.
  private static let racesInFull = 3

  private static func wrapped(_ text: String, indent: String) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      if !line.isEmpty && line.count + 1 + word.count > width {
        lines.append(line)
        line = indent + word
      } else {
        line += line.isEmpty ? String(word) : " " + word
      }
    }
    return lines + [line]
  }

  private static func lines(_ access: AccessReport) -> [String] {
    let values: String
    switch (access.valueBefore, access.valueAfter) {
    case (let before?, let after?): values = access.operation == .read ? ": \(before)" : ": \(before) -> \(after)"
    case (let before?, nil): values = access.operation == .read ? ": \(before)" : ", over \(before)"
    default: values = ""
    }
    let who = access.isInHandler ? "a signal handler of task \(access.task)" : "task \(access.task)"
    let time = access.event.map { "event \($0)" } ?? "did not happen"
    let what = access.systemCall ?? access.operation.rawValue + values
    return ["     \(who) (\(access.taskName)), \(what)  [\(time)]"] + access.locks.map(line) + lines(access.stack)
  }

  private static func line(_ held: HeldLock) -> String {
    let released = held.releasedAt.map { " and let go at \(Sentences.location($0))" } ?? ""
    return "         holding \(held.lock.name), taken at \(Sentences.location(held.takenAt))\(released)"
  }

  /// Without the library code that called the program's own.
  private static func lines(_ stack: [Frame]) -> [String] {
    let last = stack.lastIndex { $0.isOfProgram && $0.function != "_start" } ?? stack.count - 1
    return stack.prefix(last + 1).prefix(12).map { frame in
      let place = frame.file == nil || frame.line == nil ? frame.module ?? "" : Sentences.location(frame)
      guard let name = frame.function else { return "         " + Sentences.location(frame) }
      return "         \(name)\(frame.isInlined ? " (inlined)" : "")  \(place)"
    }
  }

  private static func lines(_ task: BlockedTask) -> [String] {
    var text = "  task \(task.task) (\(task.taskName)): \(task.systemCall)"
    if let lock = task.lock, !task.isJoin { text += ", on \(lock.name)" }
    var lines = wrapped(text, indent: "     ")
    if let holder = task.holder, task.isJoin {
      lines.append("     waits for task \(holder) to end")
    } else if let holder = task.holder {
      let since = task.heldSince.map { ", taken at \(Sentences.location($0))" } ?? ""
      lines.append("     held by " + (holder == task.task ? "itself" : "task \(holder)") + since)
    }
    if task.isCopyOfLock {
      let place = task.forkedAt.map { " at \(Sentences.location($0))" } ?? ""
      lines.append("     which is of another process: the lock was copied, held, when this one was forked" + place)
    }
    if let user = task.lastUsedBy, let place = task.lastUsedAt {
      lines.append("     last used by task \(user) at \(Sentences.location(place))")
    }
    return lines + Self.lines(task.stack)
  }

  private static func lines(_ entry: SwitchReport) -> [String] {
    var text = "  event \(entry.event): \(entry.kind) of task \(entry.task) (\(entry.taskName)) at \(Sentences.location(entry.stack))"
    if let call = entry.systemCall { text += ", \(call)" }
    text += "; task \(entry.next) is next, and it "
    text += entry.resumedAtEvent.map { "goes on at event \($0)" } ?? "never goes on"
    return wrapped(text, indent: "     ") + Self.lines(entry.stack)
  }

  /// At most so many turns on a terminal: the first and the last ones.
  private static let turnsShown = 30

  private var timelineLines: [String] {
    let lines = timeline.map { turn in
      "  \(turn.firstEvent)-\(turn.lastEvent)  task \(turn.task) (\(turn.taskName)): \(turn.end)"
        + (turn.switchIndex == nil ? "" : "  <-- matters")
    }
    if lines.count <= Self.turnsShown { return lines }
    let half = Self.turnsShown / 2
    return lines.prefix(half) + ["  ... \(lines.count - 2 * half) turns"] + lines.suffix(half)
  }
}
