// Unix sockets in the file system: bind(2) makes an inode, connect(2) looks it up.

import LinuxABI
import Platform

extension Kernel {
  /// Makes the socket's inode. EADDRINUSE when the name exists.
  func bindPath(_ call: Syscall, _ socket: UnixSocket, _ path: [UInt8]) throws(Errno) { throw .EADDRNOTAVAIL }

  /// The socket that was bound at a path; nil for a name whose socket is gone.
  func socketAtPath(_ call: Syscall, _ path: [UInt8]) throws(Errno) -> UnixSocket? { throw .ENOENT }
}
