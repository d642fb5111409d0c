// process_vm_readv(2) and process_vm_writev(2): copies between guest processes.

import LinuxABI
import Platform

extension SyscallTable {
  static var processMemorySyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.process_vm_readv, .full) { call throws(Errno) in
        try ProcessMemorySyscalls.copy(call, reading: true)
      },
      SyscallEntry(SyscallNumber.process_vm_writev, .full) { call throws(Errno) in
        try ProcessMemorySyscalls.copy(call, reading: false)
      },
    ]
  }
}

enum ProcessMemorySyscalls {
  private static let chunkBytesMax: UInt64 = 1 << 20

  /// process_vm_rw of mm/process_vm_access.c. A fault after the first byte gives a short count.
  static func copy(_ call: Syscall, reading: Bool) throws(Errno) -> SyscallOutcome {
    if call[5] != 0 || call[2] > 1024 || call[4] > 1024 { throw .EINVAL }
    let local = try call.memory.copyInIovecs(call.address(1), Int(call[2]))
    if local.allSatisfy(\.isEmpty) { return .success }
    let remote = try call.memory.copyInIovecs(call.address(3), Int(call[4]))
    if remote.allSatisfy(\.isEmpty) { return .success }
    guard call.int32(0) > 0, let target = call.kernel.tasks[TaskID(call.int32(0))] else { throw .ESRCH }
    if !mayAccess(target, by: call.task) { throw .EPERM }
    let (from, to) = reading ? (target.memory, call.memory) : (call.memory, target.memory)
    var sources = Cursor(reading ? remote : local)
    var targets = Cursor(reading ? local : remote)
    var total = 0
    while let source = sources.current, let target = targets.current {
      let count = min(source.length, target.length, chunkBytesMax)
      let bytes = try from.copyInPartial(source.start, Int(count))
      let stored = try to.copyOutPartial(target.start, bytes[...])
      total += stored
      if stored < Int(count) {
        if total == 0 { throw .EFAULT }
        break
      }
      sources.advance(count)
      targets.advance(count)
    }
    return .value(total)
  }

  /// ptrace_may_access with PTRACE_MODE_ATTACH_REALCREDS.
  private static func mayAccess(_ target: Task, by task: Task) -> Bool {
    if target.group === task.group || task.credentials.hasCapability(19) { return true }
    let theirs = target.credentials
    let own = task.credentials
    let sameUser = [theirs.realUser, theirs.effectiveUser, theirs.savedUser].allSatisfy { $0 == own.realUser }
    let sameGroup = [theirs.realGroup, theirs.effectiveGroup, theirs.savedGroup].allSatisfy { $0 == own.realGroup }
    return sameUser && sameGroup && target.group.dumpable == 1
  }

  /// A place in a list of ranges.
  private struct Cursor {
    private var ranges: [GuestRange]
    private var index = 0
    private var offset: UInt64 = 0
    init(_ ranges: [GuestRange]) { self.ranges = ranges.filter { !$0.isEmpty } }
    var current: GuestRange? {
      index < ranges.count ? GuestRange(ranges[index].start + offset, ranges[index].end) : nil
    }
    mutating func advance(_ count: UInt64) {
      offset += count
      if offset == ranges[index].length {
        index += 1
        offset = 0
      }
    }
  }
}
