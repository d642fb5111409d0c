// `--export-changes DIR`: what the guest changed, written into a directory as a tree of the changed paths, with a list
// of the names that it removed.

import CLinux
import Kernel
import LinuxABI

struct ChangeExport {
  let kernel: Kernel
  let directory: String
  /// Where the removed paths are listed, one a line.
  static let removedList = "removed.txt"

  /// Writes all changes. Throws at the first that cannot be written.
  func write(_ changes: [FileChange]) throws(SessionError) {
    try make(directory)
    let tree = directory + "/files"
    try make(tree)
    var removed: [UInt8] = []
    for change in changes {
      let path = tree + String(decoding: change.path, as: UTF8.self)
      if change.kind == .removed {
        removed += change.path + [0x0a]
        continue
      }
      try makeParents(of: path, below: tree)
      try write(change, to: path)
    }
    if !removed.isEmpty { try writeFile(directory + "/" + Self.removedList, mode: 0o644) { $0 == 0 ? removed : [] } }
  }

  private func write(_ change: FileChange, to path: String) throws(SessionError) {
    switch change.kind {
    case .directory: try make(path)
    case .symbolicLink(let target):
      let result = rsb_host_symlink(String(decoding: target, as: UTF8.self), path)
      if result < 0 { throw failure(path, result) }
    case .regular:
      try writeFile(path, mode: change.mode & 0o777 | 0o200) { offset in
        (try? kernel.content(of: change, offset: offset, count: 1 << 20)) ?? []
      }
      _ = rsb_host_chmod(path, change.mode & 0o777)
    case .special, .removed: break
    }
  }

  private func writeFile(_ path: String, mode: UInt32, _ piece: (Int64) -> [UInt8]) throws(SessionError) {
    let descriptor = rsb_host_open(path, Self.createFlags, mode)
    if descriptor < 0 { throw failure(path, descriptor) }
    defer { _ = rsb_host_close(Int32(descriptor)) }
    var offset: Int64 = 0
    while true {
      let bytes = piece(offset)
      if bytes.isEmpty { return }
      let written = rsb_host_pwrite(Int32(descriptor), bytes, bytes.count, offset)
      if written < 0 { throw failure(path, written) }
      offset += Int64(written)
    }
  }

  /// O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW
  private static let createFlags: Int32 = 0o1 | 0o100 | 0o1000 | 0o2000000 | 0o400000

  private func makeParents(of path: String, below tree: String) throws(SessionError) {
    var at = tree
    for piece in path.dropFirst(tree.count).split(separator: "/").dropLast() {
      at += "/" + piece
      try make(at)
    }
  }

  private func make(_ path: String) throws(SessionError) {
    let result = rsb_host_mkdir(path, 0o755)
    if result < 0 && result != -17 { throw failure(path, result) }
  }

  private func failure(_ path: String, _ result: Int) -> SessionError {
    SessionError("cannot export changes to \(path): errno \(-result)")
  }
}
