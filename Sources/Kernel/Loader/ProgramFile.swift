// What execve needs of the file system and of memory: a file to read and map, and an image that is ready to run.

import LinuxABI
import Platform

/// A regular file that the caller may execute. Made by the file system, read by the loader.
class ProgramFile {
  /// The path as it was resolved, for /proc/PID/exe.
  let path: [UInt8]
  let size: Int64
  /// Mode bits with set-user-id and kin; owner and group.
  let mode: UInt32
  let user: UInt32
  let group: UInt32

  init(path: [UInt8], size: Int64, mode: UInt32, user: UInt32, group: UInt32) {
    self.path = path
    self.size = size
    self.mode = mode
    self.user = user
    self.group = group
  }

  /// Up to `count` bytes at `offset`.
  func read(_ kernel: Kernel, offset: Int64, count: Int) throws(Errno) -> [UInt8] { throw .EIO }
  /// The object that its segments map.
  func memoryObject(_ kernel: Kernel) throws(Errno) -> MemoryObjectReference { throw .ENOEXEC }
}

/// A fresh address space with a program in it, before a task is put there.
struct LoadedProgram {
  var memory: MemoryManager
  /// rip, rsp and everything else as execve leaves them.
  var registers: Registers
  /// The file that runs (the interpreter for `#!` scripts), and the basename for comm.
  var path: [UInt8]
  var name: String
  /// The arguments as the program sees them (with those that a `#!` line adds).
  var arguments: [[UInt8]]
}
