// The executable sections of an ELF file, mapped.
// Unsafe because it maps the file and reads its headers by offset; every offset is checked against the file's size.
import Glibc

struct CodeFile {
  let sections: [UnsafeBufferPointer<UInt8>]

  /// Nil when the file cannot be read or is not an ELF file of 64 bits. The mapping stays for the life of the process.
  init?(path: String) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { return nil }
    defer { close(descriptor) }
    var status = stat()
    if fstat(descriptor, &status) != 0 || status.st_size < 64 { return nil }
    let size = Int(status.st_size)
    guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else { return nil }
    let file = UnsafeRawBufferPointer(start: base, count: size)
    func number<Number: FixedWidthInteger>(_ offset: Int, _ type: Number.Type) -> Int? {
      if offset < 0 || offset > size - MemoryLayout<Number>.size { return nil }
      return Int(exactly: file.loadUnaligned(fromByteOffset: offset, as: Number.self))
    }
    // \x7fELF, 64 bits, little-endian; then e_shoff, e_shentsize and e_shnum (elf(5)).
    if file.loadUnaligned(as: UInt32.self) != 0x464c_457f || file[4] != 2 || file[5] != 1 { return nil }
    guard let table = number(40, UInt64.self), let entry = number(58, UInt16.self), let count = number(60, UInt16.self) else { return nil }
    var sections: [UnsafeBufferPointer<UInt8>] = []
    for index in 0..<count {
      let header = table + index * entry
      guard let type = number(header + 4, UInt32.self), let flags = number(header + 8, UInt64.self),
        let offset = number(header + 24, UInt64.self), let length = number(header + 32, UInt64.self)
      else { return nil }
      // SHT_PROGBITS with SHF_EXECINSTR.
      if type != 1 || flags & 4 == 0 || offset > size || length > size - offset { continue }
      sections.append(UnsafeBufferPointer(rebasing: file.bindMemory(to: UInt8.self)[offset..<offset + length]))
    }
    self.sections = sections
  }

  /// Walks every section linearly with both decoders.
  func compare(exampleLimit: Int = 8) -> Comparison {
    var comparison = Comparison(exampleLimit: exampleLimit)
    for section in sections {
      guard let start = section.baseAddress else { continue }
      var at = 0
      while at < section.count { at += comparison.compare(start + at, available: section.count - at) }
    }
    return comparison
  }

  /// Nanoseconds of processor time for each instruction, walking with one decoder only; the best of five walks. `walk` returns how many
  /// instructions there are.
  func time(_ walk: (UnsafePointer<UInt8>, Int) -> Int) -> Double {
    var best = Double.infinity
    for _ in 0..<5 {
      var count = 0
      let start = processorTime()
      for section in sections { if let first = section.baseAddress { count += walk(first, section.count) } }
      best = min(best, Double(processorTime() - start) / Double(max(count, 1)))
    }
    return best
  }
}

/// Of this thread, in nanoseconds.
private func processorTime() -> Int {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return time.tv_sec * 1_000_000_000 + time.tv_nsec
}
