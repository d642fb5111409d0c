// Root, working directory and umask: shared by CLONE_FS, copied by fork.

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
}
