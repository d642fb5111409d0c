// The annotated table of syscalls. Families list their own entries beside their handlers; this file joins them.

import LinuxABI

/// How far a syscall is there.
public enum SyscallSupport: Hashable, Sendable {
  case full
  /// What is missing or differs.
  case partial(String)
}

/// One row of the table.
public struct SyscallEntry: Sendable {
  public let number: UInt64
  public let support: SyscallSupport
  let handler: SyscallHandler
  public var name: String { SyscallNumber.name(number) }

  init(_ number: UInt64, _ support: SyscallSupport = .full, _ handler: @escaping SyscallHandler) {
    self.number = number
    self.support = support
    self.handler = handler
  }
}

public struct SyscallTable: Sendable {
  private var entries: [SyscallEntry?] = Array(repeating: nil, count: SyscallNumber.names.count)

  private static var families: [[SyscallEntry]] {
    [
      taskSyscalls, signalSyscalls, fileSyscalls, ipcSyscalls, timeSyscalls, memorySyscalls, systemSyscalls,
    ]
  }

  /// Made once for all kernels.
  public static let standard = make()

  private static func make() -> SyscallTable {
    var table = SyscallTable()
    for entry in families.joined() {
      precondition(table.entries[Int(entry.number)] == nil, "\(entry.name) stands twice in the syscall table")
      table.entries[Int(entry.number)] = entry
    }
    return table
  }

  /// nil: ENOSYS.
  subscript(_ number: UInt64) -> SyscallEntry? {
    number < UInt64(entries.count) ? entries[Int(number)] : nil
  }

  public var rows: [SyscallEntry] { entries.compactMap { $0 } }
}
