// The host's own list of a stub's mappings: /proc/PID/maps, proc_pid_maps(5).
import CLinux
import Platform

struct HostMapping {
  var start: UInt64
  var end: UInt64
  var isWritable: Bool

  static func all(of pid: Int32) throws(MachineError) -> [HostMapping] {
    let text = try readHostFile("/proc/\(pid)/maps")
    var mappings: [HostMapping] = []
    for line in text.split(separator: UInt8(ascii: "\n")) {
      let field = line.prefix { $0 != UInt8(ascii: " ") }
      let parts = field.split(separator: UInt8(ascii: "-"))
      guard parts.count == 2, let start = hexadecimal(parts[0]), let end = hexadecimal(parts[1]) else { continue }
      let isWritable = line.dropFirst(field.count + 2).first == UInt8(ascii: "w")
      mappings.append(HostMapping(start: start, end: end, isWritable: isWritable))
    }
    return mappings
  }

  private static func hexadecimal(_ digits: ArraySlice<UInt8>) -> UInt64? {
    UInt64(String(decoding: digits, as: UTF8.self), radix: 16)
  }
}

/// A file of /proc, whole.
func readHostFile(_ path: String) throws(MachineError) -> [UInt8] {
  let descriptor = try checked(rsb_proc_open(path), "open \(path)")
  defer { _ = rsb_descriptor_close(Int32(descriptor)) }
  var bytes: [UInt8] = []
  while true {
    let offset = UInt64(bytes.count)
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    let count = try checked(rsb_memfd_pread(Int32(descriptor), &chunk, chunk.count, offset), "read \(path)")
    if count == 0 { return bytes }
    bytes += chunk.prefix(count)
  }
}
