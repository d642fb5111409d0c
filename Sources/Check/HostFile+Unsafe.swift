// The program's own files on the host: a check runs it here, so here they are.
//
// Unsafe because pread(2) takes a pointer. Sound because it is to the array's spare room and goes with the room's own size.

import CLinux

enum HostFile {
  /// The bytes of a file; nil when it cannot be read whole or is larger than `sizeMax`.
  static func bytes(_ path: [UInt8], sizeMax: Int) -> [UInt8]? {
    let descriptor = Int32(truncatingIfNeeded: rsb_host_open(String(decoding: path, as: UTF8.self), 0, 0))
    if descriptor < 0 { return nil }
    defer { _ = rsb_host_close(descriptor) }
    var bytes: [UInt8] = []
    let piece = 1 << 20
    while bytes.count <= sizeMax {
      let offset = Int64(bytes.count)
      var result = 0
      bytes += [UInt8](unsafeUninitializedCapacity: piece) { buffer, initialized in
        result = Int(rsb_host_pread(descriptor, buffer.baseAddress!, piece, offset))
        initialized = max(0, result)
      }
      if result < 0 { return nil }
      if result == 0 { return bytes }
    }
    return nil
  }
}
