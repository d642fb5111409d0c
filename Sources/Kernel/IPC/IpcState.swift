// What the kernel keeps for the families of this folder, beside the objects that files own.

/// Kernel-wide state of futexes, clocks and sockets.
struct IpcState {
  var futexes = FutexTable()
  /// Waits and timers whose deadline is absolute on CLOCK_REALTIME: woken when that clock is set.
  var realtimeChanges = WaitQueue()
  /// Inode numbers of pipefs, sockfs and anonymous inodes: counted up, so that traces repeat.
  private var lastInode: UInt64 = 0x1000

  mutating func nextInode() -> UInt64 {
    lastInode += 1
    return lastInode
  }

  mutating func copyReferences(_ context: CopyContext) {
    futexes.copyReferences(context)
    realtimeChanges = context.copy(realtimeChanges)
  }
}
