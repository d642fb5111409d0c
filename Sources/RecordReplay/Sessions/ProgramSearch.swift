// Finding the program as execvp(3) does, and refusing what cannot run with one clear line.

import CLinux
import LinuxABI

public enum ProgramSearch {
  /// The absolute path of a program. `path` is the PATH to search when the name has no slash. Throws with exit status
  /// 127 (nothing of that name) or 126 (there, but not executable here).
  public static func find(_ name: String, path: String, workingDirectory: [UInt8]) throws(SessionError) -> [UInt8] {
    if name.isEmpty { throw SessionError("no program given", exitStatus: 127) }
    if name.utf8.contains(UInt8(ascii: "/")) {
      let full = absolute(name, workingDirectory)
      try check(full, name: name)
      return full
    }
    var refused: SessionError?
    for directory in path.split(separator: ":", omittingEmptySubsequences: false) {
      let full = absolute((directory.isEmpty ? "." : String(directory)) + "/" + name, workingDirectory)
      var status = rsb_host_status()
      if withPath(full, { rsb_host_status_follow($0, &status) }) < 0 { continue }
      do throws(SessionError) {
        try check(full, name: String(decoding: full, as: UTF8.self))
        return full
      } catch { if refused == nil { refused = error } }
    }
    throw refused ?? SessionError("\(name): command not found", exitStatus: 127)
  }

  private static func absolute(_ name: String, _ workingDirectory: [UInt8]) -> [UInt8] {
    if name.utf8.first == UInt8(ascii: "/") { return Array(name.utf8) }
    return (workingDirectory == [UInt8(ascii: "/")] ? [] : workingDirectory) + [UInt8(ascii: "/")] + Array(name.utf8)
  }

  /// What execve(2) would refuse, said in words.
  private static func check(_ path: [UInt8], name: String) throws(SessionError) {
    var status = rsb_host_status()
    let found = withPath(path) { rsb_host_status_follow($0, &status) }
    if found < 0 {
      let missing = found == -2 || found == -20
      throw SessionError("\(name): \(describeHostError(Int32(-found)))", exitStatus: missing ? 127 : 126)
    }
    func refuse(_ why: String) throws(SessionError) { throw SessionError("\(name): \(why)", exitStatus: 126) }
    switch status.mode & 0o170000 {
    case 0o100000: break
    case 0o040000: try refuse("is a directory")
    default: try refuse("is not a regular file")
    }
    if withPath(path, { rsb_host_access($0, 1) }) < 0 { try refuse("permission denied (not executable)") }
    let descriptor = Int32(withPath(path) { rsb_host_open($0, OpenFlags.readOnly, 0) })
    if descriptor < 0 { try refuse("cannot be read: \(describeHostError(-descriptor))") }
    defer { _ = rsb_host_close(descriptor) }
    var head = [UInt8](repeating: 0, count: 20)
    let count = rsb_host_pread(descriptor, &head, head.count, 0)
    if count >= 2, head[0] == UInt8(ascii: "#"), head[1] == UInt8(ascii: "!") { return }
    guard count == 20, head.starts(with: [0x7f, 0x45, 0x4c, 0x46]) else {
      return try refuse("is neither an ELF program nor a script with #!")
    }
    if head[4] != 2 { try refuse("is a 32-bit ELF program; only x86-64 runs here") }
    if head[18] != 62 || head[19] != 0 { try refuse("is an ELF program for another processor; only x86-64 runs here") }
    if head[16] != 2 && head[16] != 3 { try refuse("is an ELF file but not a program") }
  }
}
