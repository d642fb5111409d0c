// The guest's vdso: a small ELF shared object whose functions are plain syscalls, or read the clock. Programs look for it through
// AT_SYSINFO_EHDR (vdso(7)), and would otherwise fall back to the same syscalls with more code. The image is built here
// from its parts, so that there is no binary to trust: one page, mapped read and execute as [vdso].

import LinuxABI

/// Builds the images.
enum VdsoImage {
  /// One whose functions make system calls.
  static let calling = build(functions.map { call($0.number) })
  /// One that reads its clocks, of machines that answer RDTSC by virtual time: monotonic nanoseconds. The page in front of it begins with what the
  /// realtime clock is ahead. As Linux's own, it faults where it cannot store (a call would give EFAULT).
  static let readingClock = build(
    functions.map { function in
      switch function.number {
      case SyscallNumber.clock_gettime: clockGetTime
      case SyscallNumber.gettimeofday: getTimeOfDay
      case SyscallNumber.time: time
      default: call(function.number)
      }
    })

  /// Symbol, and the number of the syscall that it is.
  static let functions: [(name: String, number: UInt64)] = [
    ("__vdso_clock_gettime", SyscallNumber.clock_gettime), ("__vdso_gettimeofday", SyscallNumber.gettimeofday),
    ("__vdso_time", SyscallNumber.time), ("__vdso_getcpu", SyscallNumber.getcpu), ("__vdso_clock_getres", SyscallNumber.clock_getres),
  ]
  static let libraryName = "linux-vdso.so.1"
  static let version = "LINUX_2.6"

  /// A byte string that grows by little-endian fields.
  private struct Writer {
    var bytes: [UInt8] = []
    mutating func put<T: FixedWidthInteger>(_ value: T) { bytes.appendInteger(value) }
    mutating func align(_ step: Int, filler: UInt8 = 0) {
      while bytes.count % step != 0 { bytes.append(filler) }
    }
    /// Puts the next thing on a boundary and says where it begins.
    mutating func begin(_ step: Int = 8, filler: UInt8 = 0) -> UInt64 {
      align(step, filler: filler)
      return UInt64(bytes.count)
    }
    mutating func patch<T: FixedWidthInteger>(_ value: T, at offset: Int) { bytes.setInteger(value, at: offset) }
  }

  /// String table with the offset of each string.
  private struct Strings {
    var bytes: [UInt8] = [0]
    mutating func add(_ text: String) -> UInt32 {
      let offset = UInt32(bytes.count)
      bytes += Array(text.utf8) + [0]
      return offset
    }
  }

  /// The hash of DT_HASH and of versions (System V ABI, "Hash Table").
  static func systemVHash(_ text: String) -> UInt32 {
    var hash: UInt32 = 0
    for byte in text.utf8 {
      hash = hash << 4 &+ UInt32(byte)
      let high = hash & 0xf000_0000
      if high != 0 { hash ^= high >> 24 }
      hash &= ~high
    }
    return hash
  }

  private static func build(_ codes: [Code]) -> [UInt8] {
    let programHeaders = 3
    var strings = Strings()
    let symbolNames = functions.map { strings.add($0.name) }
    let libraryNameOffset = strings.add(libraryName)
    let versionOffset = strings.add(version)

    var image = Writer(bytes: [UInt8](repeating: 0, count: 64 + 56 * programHeaders))
    let hashAt = putHash(&image)
    let symbolsAt = image.begin()
    image.bytes += [UInt8](repeating: 0, count: 24 * (functions.count + 1))
    let stringsAt = image.begin()
    image.bytes += strings.bytes
    let versionSymbolsAt = image.begin(2)
    image.put(0 as UInt16)
    for _ in functions { image.put(2 as UInt16) }
    let definitionsAt = putVersions(&image, libraryName: libraryNameOffset, version: versionOffset)
    let dynamicAt = image.begin()
    let dynamic: [(tag: UInt64, value: UInt64)] = [
      (14, UInt64(libraryNameOffset)),  // DT_SONAME
      (4, hashAt), (5, stringsAt), (6, symbolsAt),  // DT_HASH, DT_STRTAB, DT_SYMTAB
      (10, UInt64(strings.bytes.count)), (11, 24),  // DT_STRSZ, DT_SYMENT
      (0x6fff_fff0, versionSymbolsAt), (0x6fff_fffc, definitionsAt), (0x6fff_fffd, 2),  // DT_VERSYM, VERDEF, VERDEFNUM
      (0, 0),
    ]
    for entry in dynamic {
      image.put(entry.tag)
      image.put(entry.value)
    }
    let dynamicEnd = UInt64(image.bytes.count)
    let code = putCode(&image, codes, symbolsAt: Int(symbolsAt), names: symbolNames)
    let unwind = putUnwindTables(&image, code: code)
    precondition(image.bytes.count <= 4096, "the vdso has outgrown its page")
    image.bytes += [UInt8](repeating: 0, count: 4096 - image.bytes.count)
    putHeaders(&image, dynamic: dynamicAt..<dynamicEnd, unwind: unwind)
    return image.bytes
  }

  private static func putHash(_ image: inout Writer) -> UInt64 {
    let start = image.begin()
    let buckets = 3
    image.put(UInt32(buckets))
    image.put(UInt32(functions.count + 1))
    var heads = [UInt32](repeating: 0, count: buckets)
    var chain = [UInt32](repeating: 0, count: functions.count + 1)
    for (index, function) in functions.enumerated() {
      let bucket = Int(systemVHash(function.name)) % buckets
      chain[index + 1] = heads[bucket]
      heads[bucket] = UInt32(index + 1)
    }
    for value in heads + chain { image.put(value) }
    return start
  }

  /// Elf64_Verdef and Elf64_Verdaux: the base version, named as the library, and LINUX_2.6.
  private static func putVersions(_ image: inout Writer, libraryName name: UInt32, version text: UInt32) -> UInt64 {
    let start = image.begin()
    let definitions: [(flags: UInt16, hash: UInt32, name: UInt32)] = [
      (1, systemVHash(libraryName), name), (0, systemVHash(version), text),
    ]
    for (index, definition) in definitions.enumerated() {
      image.put(1 as UInt16)
      image.put(definition.flags)
      image.put(UInt16(index + 1))
      image.put(1 as UInt16)
      image.put(definition.hash)
      image.put(20 as UInt32)
      image.put(index + 1 < definitions.count ? 28 as UInt32 : 0)
      image.put(definition.name)
      image.put(0 as UInt32)
    }
    return start
  }

  /// Each function, and its symbol.
  private static func putCode(_ image: inout Writer, _ codes: [Code], symbolsAt: Int, names: [UInt32]) -> Range<UInt64> {
    let start = image.begin(64)
    for (index, code) in codes.enumerated() {
      let at = image.begin(16, filler: 0xcc)
      for part in code {
        switch part {
        case .bytes(let bytes): image.bytes += bytes
        // The page in front begins 4096 bytes before the image, and displacements count from their end.
        case .distanceToData: image.put(Int32(-4096 - (image.bytes.count + 4)))
        }
      }
      let symbol = symbolsAt + 24 * (index + 1)
      image.patch(names[index], at: symbol)
      image.patch(0x12 as UInt8, at: symbol + 4)  // STB_GLOBAL, STT_FUNC
      image.patch(5 as UInt16, at: symbol + 6)  // no section: any number but 0 and the reserved ones
      image.patch(at, at: symbol + 8)
      image.patch(UInt64(image.bytes.count) - at, at: symbol + 16)
    }
    image.align(16, filler: 0xcc)
    return start..<UInt64(image.bytes.count)
  }

  /// .eh_frame and .eh_frame_hdr: all the code has the return address on top of the stack.
  private static func putUnwindTables(_ image: inout Writer, code: Range<UInt64>) -> Range<UInt64> {
    let frame = image.begin()
    // CIE: version 1, "zR", code alignment 1, data alignment -8, return address in 16, pointers relative as sdata4,
    // CFA = rsp + 8, return address at CFA - 8.
    image.put(20 as UInt32)
    image.put(0 as UInt32)
    image.bytes += [1, 0x7a, 0x52, 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1, 0, 0]
    let description = UInt64(image.bytes.count)
    image.put(16 as UInt32)
    image.put(UInt32(description + 4 - frame))
    image.put(Int32(Int64(code.lowerBound) - Int64(image.bytes.count)))
    image.put(UInt32(code.count))
    image.bytes += [0, 0, 0, 0]
    image.put(0 as UInt32)
    let header = image.begin()
    image.bytes += [1, 0x1b, 0x03, 0x3b]
    image.put(Int32(Int64(frame) - Int64(image.bytes.count)))
    image.put(1 as UInt32)
    image.put(Int32(Int64(code.lowerBound) - Int64(header)))
    image.put(Int32(Int64(description) - Int64(header)))
    return header..<UInt64(image.bytes.count)
  }

  private static func putHeaders(_ image: inout Writer, dynamic: Range<UInt64>, unwind: Range<UInt64>) {
    var header = Writer(bytes: [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    header.put(3 as UInt16)  // ET_DYN
    header.put(62 as UInt16)  // EM_X86_64
    header.put(1 as UInt32)
    header.put(0 as UInt64)
    header.put(64 as UInt64)  // e_phoff
    header.put(0 as UInt64)
    header.put(0 as UInt32)
    for value: UInt16 in [64, 56, 3, 64, 0, 0] { header.put(value) }
    func segment(_ type: UInt32, _ flags: UInt32, _ range: Range<UInt64>, align: UInt64) {
      header.put(type)
      header.put(flags)
      for value in [range.lowerBound, range.lowerBound, range.lowerBound, UInt64(range.count), UInt64(range.count), align] {
        header.put(value)
      }
    }
    segment(1, 5, 0..<4096, align: 4096)  // PT_LOAD, read and execute
    segment(2, 4, dynamic, align: 8)  // PT_DYNAMIC
    segment(0x6474_e550, 4, unwind, align: 4)  // PT_GNU_EH_FRAME
    image.bytes.replaceSubrange(0..<header.bytes.count, with: header.bytes)
  }
}
