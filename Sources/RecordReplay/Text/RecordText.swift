// A record as a line, for `dump` and for comparisons.

import LinuxABI
import Platform
import Trace

public enum RecordText {
  /// One record in words, without its number.
  public static func line(_ record: Record) -> String {
    switch record {
    case .event(let event): return self.event(event)
    case .localEvent(let event): return "local event \(event.kind) \(event.words)"
    case .registerHash(let number, let value): return "register hash at \(number): \(hex(value))"
    case .createContext(let id, let source):
      if case .copy(let original) = source { return "context \(id.rawValue) copies \(original.rawValue)" }
      return "context \(id.rawValue) new"
    case .destroyContext(let id): return "context \(id.rawValue) gone"
    case .setExtendedState(let id, let bytes): return "context \(id.rawValue) extended state, \(bytes.count) bytes"
    case .createAddressSpace(let id): return "space \(id.rawValue) new"
    case .forkAddressSpace(let parent, let id): return "space \(id.rawValue) forked from \(parent.rawValue)"
    case .destroyAddressSpace(let id, let hash): return "space \(id.rawValue) gone, memory hash \(hex(hash))"
    case .map(let id, let range, let protection, let source):
      return "space \(id.rawValue) map \(range) \(text(protection)) \(text(source))"
    case .unmap(let id, let range): return "space \(id.rawValue) unmap \(range)"
    case .protect(let id, let range, let protection): return "space \(id.rawValue) protect \(range) \(text(protection))"
    case .remap(let id, let range, let target): return "space \(id.rawValue) remap \(range) to \(target)"
    case .discard(let id, let range): return "space \(id.rawValue) discard \(range)"
    case .memoryWrite(let id, let address, let bytes):
      return "space \(id.rawValue) write \(address) \(bytes.count): \(preview(bytes))"
    case .createObject(let id, let size): return "object \(id.rawValue) new, \(size) bytes"
    case .destroyObject(let id): return "object \(id.rawValue) gone"
    case .resizeObject(let id, let size): return "object \(id.rawValue) resized to \(size)"
    case .objectWrite(let id, let offset, let bytes):
      return "object \(id.rawValue) write at \(offset), \(bytes.count) bytes: \(preview(bytes))"
    case .output(let stream, let id, let pieces):
      return "output \(stream.rawValue) of space \(id.rawValue): "
        + pieces.map { "\($0.length) bytes at \($0.start)" }.joined(separator: ", ")
    case .outputBytes(let stream, let bytes): return "output \(stream.rawValue): \(preview(bytes))"
    case .annotation(let annotation): return self.annotation(annotation)
    case .fileEmbedded(let path, let object, let size):
      return "file \(path), \(size) bytes" + (object.map { ", object \($0.rawValue)" } ?? "")
    case .end(let end):
      return "end: status \(end.status)" + (end.verdict.isEmpty ? "" : ", \(end.verdict)") + ", \(end.eventCount) events"
    }
  }

  private static func event(_ event: Event) -> String {
    let what = event.trap == .syscall ? SyscallText.call(event.syscall) : TrapText.describe(event.trap)
    return "context \(event.context.rawValue) \(what) at pc \(event.pc)"
  }

  private static func annotation(_ annotation: Annotation) -> String {
    switch annotation {
    case .taskStarted(let task, let context, let process, let parent, let name):
      return "task \(task) starts: context \(context.rawValue), process \(process), parent \(parent), name \(name)"
    case .executed(let task, let path, let arguments):
      return "task \(task) executes \(path) [\(arguments.map(SyscallText.quoted).joined(separator: ", "))]"
    case .taskExited(let task, let status): return "task \(task) ends: \(TrapText.ending(status))"
    case .signalDelivered(let task, let signal, let code, let sender, let handler):
      return "task \(task) gets \(TrapText.signalName(Int32(signal))) code \(code) from \(sender), handler \(handler)"
    case .syscallResumed(let task, let number, let result):
      let value = SyscallText.result(UInt64(bitPattern: result), of: number)
      return "task \(task) resumes \(SyscallNumber.name(number)) = \(value)"
    case .scheduled(let task, let reason): return "task \(task) runs: \(reason)"
    case .timeJumped(let nanoseconds): return "time jumps to \(nanoseconds) ns"
    case .randomBytes(let bytes): return "random bytes: \(bytes.count)"
    case .hostInput(let stream, let count): return "input \(stream): \(count) bytes"
    case .unknownSyscall(let task, let number): return "task \(task) makes the unknown syscall \(number)"
    case .runEnded(let status, let verdict): return "run ends: status \(status)" + (verdict.isEmpty ? "" : ", \(verdict)")
    }
  }

  private static func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

  static func text(_ protection: Protection) -> String {
    (protection.contains(.read) ? "r" : "-") + (protection.contains(.write) ? "w" : "-")
      + (protection.contains(.execute) ? "x" : "-")
  }

  private static func text(_ source: MappingSource) -> String {
    switch source {
    case .anonymous: "anonymous"
    case .privateObject(let id, let offset): "private object \(id.rawValue) at \(offset)"
    case .sharedObject(let id, let offset): "shared object \(id.rawValue) at \(offset)"
    }
  }

  /// The first bytes, as text when they are.
  private static func preview(_ bytes: [UInt8]) -> String {
    let head = bytes.prefix(32)
    if head.allSatisfy({ ($0 >= 0x20 && $0 < 0x7f) || $0 == 10 || $0 == 9 }) {
      return SyscallText.quoted(String(decoding: head, as: UTF8.self)) + (bytes.count > 32 ? "..." : "")
    }
    return head.prefix(16).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
      + (bytes.count > 16 ? " ..." : "")
  }
}
