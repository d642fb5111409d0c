// Keeping a folder below its bound.
import CLinux

extension KeptFiles {
  /// Removes the files of this kind that were written longest ago, until the rest is within the bound, and temporary files
  /// that killed writers left. To be called at the end of a run that saved something: it looks at every file.
  public func trim() {
    var files: [(name: String, size: Int64, written: Int64, isTemporary: Bool)] = []
    for name in names() {
      let isTemporary = name.hasSuffix(Self.temporarySuffix) && name.contains(suffix + ".")
      if !isTemporary && !name.hasSuffix(suffix) { continue }
      var status = rsb_host_status()
      guard rsb_host_status_follow(directory + "/" + name, &status) >= 0 else { continue }
      files.append((name, status.size, status.modified_ns, isTemporary))
    }
    // By the files' own clock: a writer that is at work has written lately.
    let newest = files.map(\.written).max() ?? 0
    let hour: Int64 = 3_600_000_000_000
    var total = files.reduce(0) { $0 + $1.size }
    var count = files.count
    for file in files.sorted(by: { ($0.written, $0.name) < ($1.written, $1.name) }) {
      let isLeft = file.isTemporary && newest - file.written > hour
      if total <= bytesMax && count <= filesMax && !isLeft { continue }
      if rsb_host_unlink(directory + "/" + file.name) >= 0 {
        total -= file.size
        count -= 1
      }
    }
  }

  private func names() -> [String] {
    let folder = rsb_host_open(directory, 0o2200000, 0)  // O_DIRECTORY | O_CLOEXEC
    if folder < 0 { return [] }
    defer { _ = rsb_host_close(Int32(folder)) }
    var names: [String] = []
    var buffer = [UInt8](repeating: 0, count: 32 << 10)
    while true {
      let count = rsb_host_entries(Int32(folder), &buffer, buffer.count)
      if count <= 0 { return names }
      // struct linux_dirent64: inode 8, offset 8, record length 2, type 1, name.
      var offset = 0
      while offset < count {
        let length = Int(buffer[offset + 16]) | Int(buffer[offset + 17]) << 8
        let name = buffer[offset + 19..<offset + length].prefix { $0 != 0 }
        names.append(String(decoding: name, as: UTF8.self))
        offset += length
      }
    }
  }
}
