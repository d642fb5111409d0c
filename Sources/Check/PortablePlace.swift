// Something that a task did, told so that another build's doing can be compared with it, and how alike two of them are.

import Explore
import Platform

struct PortablePlace {
  var action: TrailEvent.Action
  var code: CodePlace
  var data: DataPlace
  var size: UInt8
  var isInHandler: Bool
  /// Of what a library does: the functions of the program where the task's last access was before.
  var caller: [String]
  /// How often the task had done the like, from 1: in the same function to the same variable in the same way.
  var ordinal: Int
  /// How often the task had come to this line of the function from elsewhere, from 1; 0 where no line is known. However many accesses a
  /// compiler makes of a line, it is the same.
  var round = 0
  /// A task stands between its load and its store.
  var isInside = false

  /// The program's functions that it belongs to.
  var programFunctions: [String] { code.isOfProgram ? code.functions : caller }

  var description: String {
    let what =
      switch action {
      case .load: "read"
      case .store: "write"
      case .update: "update"
      case .call(let number): "system call \(number)"
      }
    var text = "\(isInside ? "load and store of " : "")the \(ordinal). \(what)"
    if let symbol = data.symbol { text += " of \(symbol)\(data.offset == 0 ? "" : "+\(data.offset)")" }
    text += " in \(code.functions.first ?? "\(code.module)+0x\(String(code.moduleOffset, radix: 16))")"
    if let line = code.line, let file = code.file?.split(separator: "/").last { text += " (\(file):\(line))" }
    if !code.isOfProgram, let function = caller.first { text += ", from \(function)" }
    return text
  }
}

/// Tells what the tasks of one execution do, one event after the other.
struct Narrator {
  private struct Key: Hashable {
    var task: Int32
    var action: TrailEvent.Action
    var function: String
    var data: DataPlace
  }
  private var counts: [Key: Int] = [:]
  private var callers: [Int32: [String]] = [:]
  private struct Line: Hashable {
    var task: Int32
    var function: String
    var line: Int
  }
  private var rounds: [Line: Int] = [:]
  private var lines: [Int32: Line] = [:]
  /// The outermost function of the program that each task was seen in first.
  private(set) var roots: [Int32: String] = [:]

  mutating func tell(
    _ action: TrailEvent.Action, by task: Int32, pc: UInt64, address: UInt64, size: UInt8, isInHandler: Bool, _ names: CodeNames
  ) -> PortablePlace {
    let code = names.place(pc)
    let data = names.variable(address)
    if code.isOfProgram {
      callers[task] = code.functions
      if roots[task] == nil { roots[task] = code.functions.last }
    }
    let key = Key(task: task, action: action, function: code.functions.first ?? "", data: data)
    let ordinal = counts[key, default: 0] + 1
    counts[key] = ordinal
    return PortablePlace(
      action: action, code: code, data: data, size: size, isInHandler: isInHandler, caller: callers[task] ?? [], ordinal: ordinal,
      round: round(of: task, code))
  }

  private mutating func round(of task: Int32, _ code: CodePlace) -> Int {
    // What a library does belongs to the line that calls it.
    guard code.isOfProgram, let number = code.line, let function = code.functions.first else { return 0 }
    let line = Line(task: task, function: function, line: number)
    if lines[task] != line {
      lines[task] = line
      rounds[line, default: 0] += 1
    }
    return rounds[line]!
  }
}

extension PortablePlace {
  /// How far another build's event is from this one, 0 for the same; nil when it is something else.
  func distance(to other: PortablePlace) -> Int? {
    guard let kind = kindDistance(to: other), let place = functionDistance(to: other) else { return nil }
    var distance = kind + place + dataDistance(to: other)
    if code.isOfProgram == other.code.isOfProgram {
      if let a = code.relativeLine, let b = other.code.relativeLine, code.functions.last == other.code.functions.last {
        distance += min(12, abs(a - b))
      }
    } else {
      distance += 20
    }
    if code.functions.first == other.code.functions.first, code.symbolOffset != other.code.symbolOffset { distance += 1 }
    if size != other.size { distance += 2 }
    if isInHandler != other.isInHandler { distance += 20 }
    let times = abs(ordinal - other.ordinal)
    // Another compiler makes more accesses, or fewer, each time.
    if round > 0 && other.round > 0 { return distance + min(12, 2 * abs(round - other.round) + min(1, times)) }
    return distance + min(12, 2 * times)
  }

  private func kindDistance(to other: PortablePlace) -> Int? {
    switch (action, other.action) {
    case (.call(let a), .call(let b)): return a == b ? 0 : nil
    case (.call, _), (_, .call): return nil
    // Behind the load and before the store: there is no such place in front of a load, but there is one in front of the store of a
    // build that loads by an instruction of its own.
    case (.update, .load) where isInside: return nil
    case (.load, .store), (.store, .load): return 10
    // All of it is still to come, so also where it begins in a build of several instructions.
    case (.update, .store) where !isInside: return 5
    default: return action == other.action ? 0 : 3
    }
  }

  private func dataDistance(to other: PortablePlace) -> Int {
    if data.symbol != other.data.symbol { return 24 }
    return data.symbol != nil && data.offset != other.data.offset ? 12 : 0
  }

  /// Names that say nothing of what code does there.
  static let everywhere = ["main", "_start", "start_thread", "clone", "clone3", "__libc_start_main"]

  private func functionDistance(to other: PortablePlace) -> Int? {
    let isSameData = data.symbol != nil && data.symbol == other.data.symbol
    if code.isOfProgram && other.code.isOfProgram {
      guard let own = code.functions.first else { return isSameData || other.code == code ? 0 : nil }
      if own == other.code.functions.first { return 0 }
      let known = code.functions.filter { !Self.everywhere.contains($0) }
      if let index = known.firstIndex(where: { other.code.functions.contains($0) }) { return 4 + 2 * index }
      return isSameData ? 16 : nil
    }
    // A function of a library says what is done; the program's names say for whom.
    let isSameWork = code.functions.first != nil && code.functions.first == other.code.functions.first
    let isSameCaller = programFunctions.contains { !Self.everywhere.contains($0) && other.programFunctions.contains($0) }
    if !isSameWork && !isSameData && !(isSameCaller && code.functions.isEmpty) { return nil }
    if isSameCaller || isSameData { return isSameWork ? (programFunctions.first == other.programFunctions.first ? 0 : 4) : 16 }
    // A thread's own start, or a program without names.
    return programFunctions.allSatisfy { Self.everywhere.contains($0) } && isSameWork ? 12 : nil
  }
}
