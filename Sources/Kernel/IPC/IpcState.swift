// What the kernel keeps for the families of this folder, beside the objects that files own.

/// Kernel-wide state of futexes, clocks and sockets.
struct IpcState {
  var futexes = FutexTable()
  /// Waits and timers whose deadline is absolute on CLOCK_REALTIME: woken when that clock is set.
  var realtimeChanges = WaitQueue()
  /// Unix sockets with abstract names. Never iterated but to copy it.
  var abstractSockets: [[UInt8]: UnixSocket] = [:]
  private var lastAutomaticName = 0
  /// Inode numbers of pipefs, sockfs and anonymous inodes: counted up, so that traces repeat.
  private var lastInode: UInt64 = 0x1000

  mutating func nextInode() -> UInt64 {
    lastInode += 1
    return lastInode
  }

  /// The next of the names that the kernel gives: five hexadecimal digits.
  mutating func nextAutomaticName() -> [UInt8] {
    lastAutomaticName = (lastAutomaticName + 1) & 0xf_ffff
    let digits = String(lastAutomaticName, radix: 16)
    return Array((String(repeating: "0", count: 5 - digits.count) + digits).utf8)
  }

  mutating func copyReferences(_ context: CopyContext) {
    futexes.copyReferences(context)
    realtimeChanges = context.copy(realtimeChanges)
    abstractSockets = abstractSockets.mapValues { context.copy($0) }
  }
}
