// Root, working directory and umask: shared by CLONE_FS, copied by fork.

import LinuxABI

public final class FSContext: DeepCopyable {
  var root: DirectoryInode
  var workingDirectory: DirectoryInode
  var umask: UInt32 = 0o022
  /// Tasks that share it.
  var users = 1

  init(root: DirectoryInode, workingDirectory: DirectoryInode) {
    self.root = root
    self.workingDirectory = workingDirectory
  }

  public func shallowCopy() -> FSContext {
    let new = FSContext(root: root, workingDirectory: workingDirectory)
    new.umask = umask
    new.users = users
    return new
  }
  public func copyReferences(_ context: CopyContext) {
    root = context.copy(root)
    workingDirectory = context.copy(workingDirectory)
  }

  /// fork(2): an independent copy for the child.
  func fork() -> FSContext {
    let new = shallowCopy()
    new.users = 1
    return new
  }
}

extension Kernel {
  /// The file system context of the first process: the host's root, the configured working directory and umask.
  /// ENOENT, ENOTDIR, EACCES for the directory.
  func makeFSContext() throws(Errno) -> FSContext {
    let context = FSContext(root: files.root, workingDirectory: files.root)
    context.umask = configuration.umask
    let credentials = Credentials(
      user: configuration.user, group: configuration.group, supplementaryGroups: configuration.supplementaryGroups)
    let access = FileAccess(kernel: self, task: nil, fs: context, credentials: credentials)
    let (inode, _) = try access.find(configuration.workingDirectory)
    guard let directory = inode as? DirectoryInode else { throw .ENOTDIR }
    context.workingDirectory = directory
    return context
  }

  /// Whether the guest would find the directory that it is to start in.
  public var hasWorkingDirectory: Bool { (try? makeFSContext()) != nil }
}
