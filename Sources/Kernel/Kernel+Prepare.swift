// What the first kernel of a process makes for all, and a thread with nothing else to do may make before.

import Platform

extension Kernel {
  /// Makes the table of syscalls, the processor models' features, and the run-time's descriptions of the collections that every run uses.
  /// From any thread; a kernel does without.
  public static func prepare() {
    _ = SyscallTable.standard
    _ = ProcessorFeature.all
    let file = HostFileIdentity(device: 0, inode: 0)
    let entry = DirectoryEntry(inode: nil, isOnHost: false, isHostInode: false)
    use([FileName([]): entry])
    use([file: 0 as UInt64])
    use(Set([[0 as UInt8]]))
  }

  /// Keeps the compiler from leaving a value out.
  @inline(never) private static func use<Value>(_ value: Value) {}
}
