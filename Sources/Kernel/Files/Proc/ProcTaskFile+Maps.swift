// /proc/PID/maps and smaps: show_map_vma of fs/proc/task_mmu.c.

import LinuxABI
import Platform

extension ProcTaskFile {
  static func maps(_ kernel: Kernel, _ task: Task, detailed: Bool) -> [UInt8] {
    var bytes: [UInt8] = []
    for mapping in task.memory.mappings {
      appendLine(mapping, to: &bytes)
      if detailed { bytes.append(contentsOf: details(mapping).utf8) }
    }
    return bytes
  }

  private static func appendLine(_ mapping: Mapping, to bytes: inout [UInt8]) {
    let protection = mapping.protection
    let permissions =
      (protection.contains(.read) ? "r" : "-") + (protection.contains(.write) ? "w" : "-")
      + (protection.contains(.execute) ? "x" : "-") + (mapping.isShared ? "s" : "p")
    let device = mapping.object?.device ?? 0
    let offset = mapping.object == nil ? 0 : mapping.offset
    let head =
      hexadecimal(mapping.range.start.rawValue, width: 8) + "-" + hexadecimal(mapping.range.end.rawValue, width: 8)
      + " \(permissions) \(hexadecimal(offset, width: 8)) \(hexadecimal(UInt64(deviceMajor(device)), width: 2)):"
      + "\(hexadecimal(UInt64(deviceMinor(device)), width: 2)) \(mapping.object?.inode ?? 0) "
    bytes.append(contentsOf: head.utf8)
    let name = mapping.displayName
    if !name.isEmpty {
      // seq_pad: names stand in column 73.
      bytes.append(contentsOf: repeatElement(0x20, count: max(0, 73 - head.utf8.count)))
      for byte in name {
        // A newline in a path is escaped.
        if byte == 0x0a { bytes.append(contentsOf: "\\012".utf8) } else { bytes.append(byte) }
      }
    }
    bytes.append(0x0a)
  }

  /// Sizes only: which pages are resident is the host's business and does not show.
  private static func details(_ mapping: Mapping) -> String {
    let size = mapping.range.length / 1024
    let resident = mapping.protection.isEmpty ? 0 : size
    let (dirty, clean) = mapping.isPrivateAnonymous ? (resident, 0) : (0, resident)
    let rows: [(String, UInt64)] = [
      ("Size", size), ("KernelPageSize", 4), ("MMUPageSize", 4), ("Rss", resident), ("Pss", resident),
      ("Shared_Clean", 0), ("Shared_Dirty", 0), ("Private_Clean", clean), ("Private_Dirty", dirty),
      ("Referenced", resident), ("Anonymous", dirty), ("LazyFree", 0), ("AnonHugePages", 0), ("Swap", 0),
      ("SwapPss", 0), ("Locked", mapping.flags.contains(.locked) ? size : 0),
    ]
    return rows.map { name, value in
      let number = String(value)
      return name + ":" + String(repeating: " ", count: max(1, 23 - name.count - number.count)) + number + " kB\n"
    }.joined() + "VmFlags: mr mw me \n"
  }
}
