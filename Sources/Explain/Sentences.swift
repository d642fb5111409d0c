// Plain English for what was found.

import LinuxABI
import Platform

enum Sentences {
  /// The last part of a path.
  static func last(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }

  /// Where a stack stands for a developer: the innermost frame of the program's own code, else the innermost one of all.
  static func location(_ stack: [Frame]) -> String {
    guard let frame = stack.first(where: { $0.isOfProgram && $0.line != nil }) ?? stack.first(where: \.isOfProgram) ?? stack.first
    else { return "an unknown place" }
    return location(frame) + caller(of: frame, in: stack)
  }

  /// A helper of another file says little without who called it.
  private static func caller(of frame: Frame, in stack: [Frame]) -> String {
    guard let file = frame.file, frame.line != nil, let index = stack.firstIndex(of: frame),
      let next = stack[(index + 1)...].first(where: { $0.isOfProgram && $0.line != nil && $0.file != nil }), next.file != file
    else { return "" }
    return " (called at \(location(next)))"
  }

  static func location(_ frame: Frame) -> String {
    if let file = frame.file, let line = frame.line {
      // Two statements that begin with the same instruction, as they stand in the file.
      let lines = frame.alsoLine.map { [$0, line].sorted().map(String.init).joined(separator: "/") } ?? String(line)
      return "\(last(file)):\(lines)"
    }
    if let function = frame.function { return "\(function)" + (frame.module.map { " in \($0)" } ?? "") }
    if let module = frame.module, let address = frame.moduleAddress { return "\(module)+\(address)" }
    return frame.address
  }

  static func place(_ place: SharedPlace) -> String {
    if place.size == 0 { return place.name }
    let bytes = place.size == 1 ? "1 byte" : "\(place.size) bytes"
    return "\(place.name) (\(bytes))"
  }

  private static func past(_ access: AccessReport, _ object: String = "it") -> String {
    if let call = access.systemCall { return "called \(call)" }
    return switch access.operation {
    case .read: "read \(object)"
    case .write: "wrote \(object)"
    case .atomicUpdate: "atomically updated \(object)"
    }
  }

  private static func noun(_ access: AccessReport) -> String {
    if let call = access.systemCall { return call }
    return switch access.operation {
    case .read: "read"
    case .write: "write"
    case .atomicUpdate: "atomic update"
    }
  }

  private static func who(_ access: AccessReport) -> String {
    access.isInHandler ? "a signal handler of task \(access.task)" : "task \(access.task)"
  }

  /// A search's or an end's words for a failure, with the signal's name.
  static func failure(_ words: String) -> String {
    if words == "exit status 0" { return "no failure (exit status 0)" }
    guard words.hasPrefix("signal "), let number = Int(words.dropFirst(7)) else { return words }
    return "\(words) (\(SignalNumber.name(number)))"
  }

  /// What raced, in one sentence.
  static func summary(of race: Race) -> String {
    let start = "race on \(place(race.place)): "
    let unreached = ", which the run did not get to"
    let before = race.accesses.first { $0.role == .before }
    let after = race.accesses.last { $0.role == .after }
    guard let other = race.accesses.first(where: { $0.role == .meanwhile }) else { return start + "one task only" }
    let lastOther = race.accesses.last { $0.role == .meanwhile } ?? other
    switch (before, after) {
    case (let before?, let after?):
      // The first and the last of them, where they say different things.
      let isOne = other.task == lastOther.task && (other.operation, at(other)) == (lastOther.operation, at(lastOther))
      let also = isOne ? "" : " and " + (other.task == lastOther.task ? "" : who(lastOther) + " ") + "\(past(lastOther)) \(at(lastOther)),"
      return start + "\(who(other)) \(past(other)) \(at(other))\(also) between task \(before.task)'s "
        + "\(noun(before)) \(at(before)) and its \(noun(after)) \(at(after))" + (after.happened ? "" : unreached)
    case (let before?, nil):
      return start + "\(who(other)) \(past(other)) \(at(other)) after task \(before.task)'s "
        + "\(noun(before)) \(at(before)), before that task went on"
    case (nil, let after?):
      return start + "\(who(lastOther)) \(past(lastOther)) \(at(lastOther)) before task \(after.task)'s "
        + "\(noun(after)) \(at(after))" + (after.happened ? "" : unreached)
    case (nil, nil): return start + "\(who(other)) \(past(other)) \(at(other))"
    }
  }

  private static func at(_ access: AccessReport) -> String { "at \(location(access.stack, in: access.handler))" }

  /// With the place in a signal handler that called what stands there.
  private static func location(_ stack: [Frame], in handler: Frame?) -> String {
    let place = location(stack)
    guard let handler, location(handler) != place, !place.contains("(called at") else { return place }
    return "\(place) (called at \(location(handler)))"
  }

  /// Two variables of which a task had changed (or looked at) the first and not the second when another one came: the races on each.
  static func pair(_ first: Race, _ second: Race) -> String {
    guard let before = first.accesses.first, let early = first.accesses.first(where: { $0.role == .meanwhile }),
      let late = second.accesses.last(where: { $0.role == .meanwhile }), let after = second.accesses.last
    else { return second.summary }
    let (one, two) = (first.place.name, second.place.name)
    let done: String
    if early.operation == late.operation && early.systemCall == nil && late.systemCall == nil && at(early) == at(late) {
      done = "\(past(early, "both")) \(at(early))"
    } else {
      done = "\(past(early, one)) \(at(early)) and \(past(late, two)) \(at(late))"
    }
    return "race on \(one) and \(two): \(who(early)) came between task \(before.task)'s "
      + "\(noun(before))\(before.systemCall == nil ? " of \(one)" : "") \(at(before)) and its "
      + "\(noun(after))\(after.systemCall == nil ? " of \(two)" : "") \(at(after))"
      + (after.happened ? "" : ", which the run did not get to") + ": it \(done)"
  }

  /// Who waits where nobody holds what it waits for: a condition, a semaphore. Those who wait for a task's end say less.
  static func waiting(_ blocked: [BlockedTask]) -> String? {
    let parts = blocked.filter { !$0.isJoin && $0.lock != nil }.map { task in
      let used = task.lastUsedAt.map { ", last used by task \(task.lastUsedBy ?? 0) at \(location($0))" } ?? ""
      let who = task.handler == nil ? "task \(task.task)" : "a signal handler of task \(task.task)"
      return "\(who) waits at \(location(task.stack, in: task.handler)) for \(task.lock?.name ?? "")" + used
    }
    return parts.isEmpty ? nil : "deadlock: " + parts.joined(separator: "; ")
  }

  /// Who waits for whom; nil when nobody does.
  static func deadlock(_ blocked: [BlockedTask]) -> String? {
    let parts = blocked.compactMap { task -> String? in
      // Those who wait for a task's end wait for what that one waits for.
      guard let lock = task.lock, let holder = task.holder, !task.isJoin else { return nil }
      var since = task.heldSince.map { ", who took it at \(location($0))" } ?? ""
      if task.isCopyOfLock { since = " of another process when this one was forked" + (task.forkedAt.map { " at \(location($0))" } ?? "") }
      return "task \(task.task) waits at \(location(task.stack)) for \(lock.name), held by "
        + (holder == task.task ? "itself" : "task \(holder)") + since
    }
    return parts.isEmpty ? nil : "deadlock: " + parts.joined(separator: "; ")
  }

  /// How a turn ended.
  static func end(of turn: SurveyedTurn, isLast: Bool, _ history: SwitchHistory?) -> String {
    if turn.hasEnded { return "ended" }
    if isLast { return "the run's end" }
    if let history, !history.stack.isEmpty {
      if let call = history.call { return "stopped at \(call)" }
      return "stopped at \(location(history.stack))"
    }
    switch turn.trap {
    case .syscall: return turn.call.map { "in \(SyscallNumber.name($0))" } ?? "in a system call"
    case .budget: return "its time was up"
    case .fault(let fault): return "signal \(fault.signal)"
    default: return "stopped"
    }
  }
}
