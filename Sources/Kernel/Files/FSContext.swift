// Root, working directory and umask: shared by CLONE_FS, copied by fork.

import LinuxABI

public final class FSContext: DeepCopyable {
  var umask: UInt32 = 0o022
  /// Tasks that share it.
  var users = 1
  init() {}
  public func shallowCopy() -> FSContext {
    let new = FSContext()
    new.umask = umask
    new.users = users
    return new
  }
  public func copyReferences(_ context: CopyContext) {}

  /// fork(2): an independent copy for the child.
  func fork() -> FSContext {
    let new = shallowCopy()
    new.users = 1
    return new
  }
}

extension Kernel {
  /// The file system context of the first process: the host's root, the configured working directory and umask.
  func makeFSContext() throws(Errno) -> FSContext {
    let context = FSContext()
    context.umask = configuration.umask
    return context
  }

  /// The descriptor table of the first process: 0, 1 and 2.
  func makeStandardStreams() throws(Errno) -> FDTable { FDTable() }
}
