// What the loader reads of an ELF64 file: elf(5). Every number comes from the guest and is checked before use.

import LinuxABI
import Platform

/// Why a file cannot be executed, where the errno alone does not say.
public enum ExecutableProblem: Hashable, Sendable, CustomStringConvertible {
  case notAProgram
  case elf32
  case otherMachine(UInt16)
  case bigEndian
  /// Neither ET_EXEC nor ET_DYN.
  case wrongType(UInt16)
  case malformed(String)
  /// The script's interpreter or the dynamic linker of this path cannot be opened; the errno says why.
  case interpreter(String)

  public var description: String {
    switch self {
    case .notAProgram: "neither an ELF program nor a script that begins with #!"
    case .elf32: "a 32-bit program; only 64-bit x86 programs can run"
    case .otherMachine(let number): "a program for another processor (ELF machine \(number))"
    case .bigEndian: "a big-endian program"
    case .wrongType(let type): "an ELF file that is no executable (type \(type))"
    case .malformed(let what): "a malformed ELF file: \(what)"
    case .interpreter(let path): "its interpreter \(path) cannot be opened"
    }
  }
}

/// One PT_LOAD.
struct ElfSegment: Hashable {
  var protection: Protection
  var offset: UInt64
  var address: UInt64
  var fileSize: UInt64
  var memorySize: UInt64
  /// Pages that the segment covers, before the bias is added.
  var pages: Range<UInt64> { (address & ~4095)..<((address + memorySize + 4095) & ~4095) }
}

/// The checked header and program headers of an x86-64 executable or shared object.
struct ElfImage {
  var isPositionIndependent: Bool
  var entry: UInt64
  var headersOffset: UInt64
  var headersCount: UInt16
  var segments: [ElfSegment] = []
  /// Where PT_INTERP's string lies in the file.
  var interpreter: (offset: UInt64, size: UInt64)?
  var executableStack = false
  /// The largest p_align of a PT_LOAD.
  var alignment: UInt64 = 4096

  static let headerSize = 64
  static let programHeaderSize = 56

  /// All pages of all segments, before the bias is added.
  var span: Range<UInt64> {
    let low = segments.map(\.pages.lowerBound).min() ?? 0
    let high = segments.map(\.pages.upperBound).max() ?? 0
    return low..<high
  }

  /// AT_PHDR before the bias: the segment that holds the program headers says where they are in memory.
  var headersAddress: UInt64 {
    for segment in segments
    where segment.offset <= headersOffset && headersOffset - segment.offset < segment.fileSize {
      return headersOffset - segment.offset + segment.address
    }
    return 0
  }

  /// nil when the first bytes of a file belong to an x86-64 program.
  static func problem(ofHeader bytes: [UInt8]) -> ExecutableProblem? {
    guard bytes.count >= 4, bytes[0..<4] == [0x7f, 0x45, 0x4c, 0x46] else { return .notAProgram }
    guard bytes.count >= headerSize else { return .malformed("no whole header") }
    if bytes[5] == 2 { return .bigEndian }
    let machine: UInt16 = bytes.integer(at: 18)
    if machine != 62 { return bytes[4] == 1 && machine == 3 ? .elf32 : .otherMachine(machine) }
    // x32 is the 32-bit class with this machine.
    if bytes[4] != 2 { return .elf32 }
    let type: UInt16 = bytes.integer(at: 16)
    if type != 2 && type != 3 { return .wrongType(type) }
    let entrySize: UInt16 = bytes.integer(at: 54)
    if entrySize != UInt16(programHeaderSize) { return .malformed("program headers of \(entrySize) bytes") }
    let count: UInt16 = bytes.integer(at: 56)
    if count == 0 || Int(count) > 65536 / programHeaderSize { return .malformed("\(count) program headers") }
    return nil
  }

  /// Checks a file's headers. `read` gives up to that many bytes at an offset.
  static func parse(
    _ read: (_ offset: UInt64, _ count: Int) throws(Errno) -> [UInt8]
  ) throws(Errno) -> Result<ElfImage, ExecutableProblemError> {
    let header = try read(0, headerSize)
    if let problem = problem(ofHeader: header) { return .failure(ExecutableProblemError(problem)) }
    var image = ElfImage(
      isPositionIndependent: header.integer(at: 16, as: UInt16.self) == 3, entry: header.integer(at: 24),
      headersOffset: header.integer(at: 32), headersCount: header.integer(at: 56))
    let size = Int(image.headersCount) * programHeaderSize
    if image.headersOffset > UInt64(Int64.max) - 65536 { return .malformed("program headers out of the file") }
    let table = try read(image.headersOffset, size)
    if table.count < size { return .malformed("program headers out of the file") }
    for index in 0..<Int(image.headersCount) {
      if let what = image.add(table, at: index * programHeaderSize) { return .malformed(what) }
    }
    if image.segments.isEmpty { return .malformed("nothing to load") }
    return .success(image)
  }

  /// Takes one program header in; says what is wrong with it.
  private mutating func add(_ fields: [UInt8], at base: Int) -> String? {
    let type: UInt32 = fields.integer(at: base)
    let flags: UInt32 = fields.integer(at: base + 4)
    let offset: UInt64 = fields.integer(at: base + 8)
    let fileSize: UInt64 = fields.integer(at: base + 32)
    switch type {
    case 1: return addSegment(fields, at: base, flags: flags, offset: offset, fileSize: fileSize)
    case 3:
      if interpreter != nil { return nil }
      if fileSize < 2 || fileSize > 4096 { return "an interpreter's name of \(fileSize) bytes" }
      if offset > UInt64(Int64.max) - 4096 { return "an interpreter's name out of the file" }
      interpreter = (offset, fileSize)
    case 0x6474_e551:
      executableStack = flags & 1 != 0
    default:
      break
    }
    return nil
  }

  private mutating func addSegment(
    _ fields: [UInt8], at base: Int, flags: UInt32, offset: UInt64, fileSize: UInt64
  ) -> String? {
    let address: UInt64 = fields.integer(at: base + 16)
    let memorySize: UInt64 = fields.integer(at: base + 40)
    let align: UInt64 = fields.integer(at: base + 48)
    if memorySize == 0 { return nil }
    if fileSize > memorySize { return "a segment with more bytes in the file than in memory" }
    if address % 4096 != offset % 4096 { return "a segment whose offset and address differ within the page" }
    let (end, wraps) = address.addingReportingOverflow(memorySize)
    if wraps || end > AddressLayout.end.rawValue { return "a segment beyond the address space" }
    if offset > UInt64(Int64.max) - fileSize - 4096 { return "a segment beyond the file" }
    // PF_X 1, PF_W 2, PF_R 4.
    var protection: Protection = []
    if flags & 4 != 0 { protection.insert(.read) }
    if flags & 2 != 0 { protection.insert(.write) }
    if flags & 1 != 0 { protection.insert(.execute) }
    if align.nonzeroBitCount == 1 && align <= 1 << 30 { alignment = max(alignment, align) }
    segments.append(
      ElfSegment(protection: protection, offset: offset, address: address, fileSize: fileSize, memorySize: memorySize))
    return nil
  }
}

struct ExecutableProblemError: Error {
  var problem: ExecutableProblem
  init(_ problem: ExecutableProblem) { self.problem = problem }
}

extension Result where Success == ElfImage, Failure == ExecutableProblemError {
  fileprivate static func malformed(_ what: String) -> Self { .failure(ExecutableProblemError(.malformed(what))) }
}
