// Unix sockets in the file system: bind(2) makes an inode, connect(2) looks it up.

import LinuxABI
import Platform

extension Kernel {
  /// unix_bind_bsd: makes the socket's inode. EADDRINUSE when the name exists.
  func bindPath(_ call: Syscall, _ socket: UnixSocket, _ path: [UInt8]) throws(Errno) {
    let access = call.fileAccess
    let location = try access.walk(path, WalkOptions(follow: false))
    let mode = FileMode.socket | 0o777 & ~call.task.fs.umask
    do throws(Errno) {
      let inode = try access.makeNode(location, mode: mode, device: 0)
      (inode as? SocketInode)?.endpoint = socket
    } catch {
      throw error == .EEXIST ? .EADDRINUSE : error
    }
  }

  /// unix_find_bsd: the socket that was bound at a path; nil for a name whose socket is gone. ECONNREFUSED for what is no
  /// socket, EACCES without the right to write.
  func socketAtPath(_ call: Syscall, _ path: [UInt8]) throws(Errno) -> UnixSocket? {
    let access = call.fileAccess
    let inode = try access.find(path).0
    try access.check(inode, 2)
    guard let socketInode = inode as? SocketInode else { throw .ECONNREFUSED }
    return socketInode.endpoint as? UnixSocket
  }
}
