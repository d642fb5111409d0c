// Records as lines for `dump`. Names of syscalls and errors belong to whoever prints for people; here numbers stand.
import Platform

private func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

private func bytes(_ bytes: [UInt8]) -> String {
  var text = "\""
  for byte in bytes.prefix(32) {
    switch byte {
    case 0x0A: text += "\\n"
    case 0x22, 0x5C: text += "\\" + String(UnicodeScalar(byte))
    case 0x20..<0x7F: text += String(UnicodeScalar(byte))
    default: text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
  }
  return text + (bytes.count > 32 ? "\"..., " : "\", ") + "\(bytes.count)"
}

extension Protection {
  /// As /proc/pid/maps has it: "r-x".
  var letters: String {
    (contains(.read) ? "r" : "-") + (contains(.write) ? "w" : "-") + (contains(.execute) ? "x" : "-")
  }
}

extension Record: CustomStringConvertible {
  /// One line.
  public var description: String {
    switch self {
    case .createContext(let id, .initial): "context \(id.rawValue) created"
    case .createContext(let id, .copy(let of)): "context \(id.rawValue) created from \(of.rawValue)"
    case .destroyContext(let id): "context \(id.rawValue) destroyed"
    case .setExtendedState(let id, let state): "context \(id.rawValue) extended state, \(state.count) bytes"
    case .createAddressSpace(let id): "space \(id.rawValue) created"
    case .forkAddressSpace(let parent, let id): "space \(id.rawValue) forked from \(parent.rawValue)"
    case .destroyAddressSpace(let id, let hash): "space \(id.rawValue) destroyed, memory \(hex(hash))"
    case .map(let id, let range, let protection, let source):
      "space \(id.rawValue) map \(range) \(protection.letters) \(source.line)"
    case .unmap(let id, let range): "space \(id.rawValue) unmap \(range)"
    case .protect(let id, let range, let protection): "space \(id.rawValue) protect \(range) \(protection.letters)"
    case .remap(let id, let range, let target): "space \(id.rawValue) remap \(range) to \(target)"
    case .discard(let id, let range): "space \(id.rawValue) discard \(range)"
    case .memoryWrite(let id, let address, let content): "space \(id.rawValue) write \(address) \(bytes(content))"
    case .createObject(let id, let size): "object \(id.rawValue) created, \(size) bytes"
    case .destroyObject(let id): "object \(id.rawValue) destroyed"
    case .resizeObject(let id, let size): "object \(id.rawValue) resized to \(size) bytes"
    case .objectWrite(let id, let offset, let content): "object \(id.rawValue) write \(offset) \(bytes(content))"
    case .event(let event): event.description
    case .localEvent(let event): "local \(event.kind) \(event.words.map(hex).joined(separator: " "))"
    case .clock(let nanoseconds): "clock " + (nanoseconds.map { "\($0) ns" } ?? "traps")
    case .processorAnswers(let answers): "processor answers for \(answers.count) leaves"
    case .registerHash(let number, let hash): "registers up to \(number): \(hex(hash))"
    case .output(let stream, let id, let pieces):
      "output \(stream.rawValue) from space \(id.rawValue) "
        + pieces.map { "\($0.start)+\($0.length)" }.joined(separator: " ")
    case .outputBytes(let stream, let content): "output \(stream.rawValue) \(bytes(content))"
    case .annotation(let annotation): annotation.line
    case .fileEmbedded(let path, let object, let size):
      "file \(path), \(size) bytes" + (object.map { ", object \($0.rawValue)" } ?? "")
    case .end(let end):
      "end: status \(end.status)\(end.verdict.isEmpty ? "" : ", " + end.verdict), \(end.eventCount) events"
    }
  }
}

extension Event: CustomStringConvertible {
  public var description: String {
    var text = "#\(number) context \(context.rawValue) "
    if !changes.isEmpty {
      var parts: [String] = []
      for i in 0..<Registers.wordCount where changes.mask & (1 << UInt32(i)) != 0 {
        parts.append("\(Registers.names[i])=\(hex(changes.words[i]))")
      }
      text += "[" + parts.joined(separator: " ") + "] "
    }
    return text + "-> \(trap.line(syscall)) at \(pc)"
  }
}

extension Trap {
  fileprivate func line(_ words: SyscallWords) -> String {
    switch self {
    case .syscall:
      let arguments = [words.a0, words.a1, words.a2, words.a3, words.a4, words.a5].map(hex).joined(separator: ", ")
      return "syscall_\(words.number)(\(arguments))"
    case .foreignSyscall: return "32-bit syscall"
    case .vsyscall: return "vsyscall"
    case .fault(let fault): return "fault signal \(fault.signal) code \(fault.code) address \(fault.address)"
    case .instruction(let instruction, _): return "\(instruction)"
    case .budget(let point):
      if point.updates > 0 { return "limit reached inside update \(point.updates), loaded 0x\(String(point.loadedValue, radix: 16))" }
      return point.instructions == 0 ? "limit reached" : "limit reached, \(point.instructions) instructions on"
    case .unresponsive: return "unresponsive"
    case .interrupted: return "interrupted"
    }
  }
}

extension MappingSource {
  fileprivate var line: String {
    switch self {
    case .anonymous: "anonymous"
    case .privateObject(let id, let offset): "private object \(id.rawValue) offset \(hex(offset))"
    case .sharedObject(let id, let offset): "shared object \(id.rawValue) offset \(hex(offset))"
    }
  }
}

extension Annotation {
  fileprivate var line: String {
    switch self {
    case .taskStarted(let task, let context, let process, let parent, let name):
      "task \(task) starts: process \(process), parent \(parent), context \(context.rawValue), name \(name)"
    case .executed(let task, let path, let arguments): "task \(task) executes \(path) \(arguments)"
    case .taskExited(let task, let status): "task \(task) ends with status \(status)"
    case .signalDelivered(let task, let signal, let code, let sender, let handler):
      "task \(task) gets signal \(signal) code \(code) from \(sender), handler \(handler)"
    case .syscallResumed(let task, let number, let result): "task \(task) finishes syscall_\(number) = \(result)"
    case .scheduled(let task, let reason): "task \(task) runs: \(reason)"
    case .timeJumped(let nanoseconds): "time jumps to \(nanoseconds) ns"
    case .randomBytes(let random): "random bytes \(bytes(random))"
    case .hostInput(let stream, let count): "host input \(stream): \(count) bytes"
    case .unknownSyscall(let task, let number): "task \(task): unknown syscall_\(number)"
    case .runEnded(let status, let verdict): "run ends with status \(status) \(verdict)"
    }
  }
}
