// An ELF file as a trace holds it: whole, or only the pieces that were mapped. elf(5).
//
// Reads what is needed before libdw may see the bytes: whether it is a program for x86-64 at all, at which addresses its
// segments lie, and which sections are there. What is not there is taken out of the section table, so that libdw goes
// by what the program itself needs (dynamic symbols, unwind information) and not by zeros. Trusts nothing.

/// The bytes of an ELF file, made fit for `DebugImages`.
public struct ElfFile: Sendable {
  /// As they are given to libdw.
  public private(set) var bytes: [UInt8]
  private let segments: [Segment]

  private struct Segment {
    var isExecutable: Bool
    var offset: UInt64
    var address: UInt64
    var sizeInFile: UInt64
  }

  /// Larger files are not looked at.
  public static let sizeMax = 1 << 30
  private static let headerSize = 64, segmentSize = 56, sectionSize = 64

  /// nil when it is no 64-bit little-endian ELF file for x86-64. `present`: the ranges of the file that are there; nil for all.
  public init?(_ bytes: [UInt8], present: [Range<UInt64>]? = nil) {
    guard bytes.count >= Self.headerSize, bytes.count <= Self.sizeMax,
      bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]), Self.number(bytes, 18, 2) == 62
    else { return nil }
    let type = Self.number(bytes, 16, 2)
    guard type == 2 || type == 3, Self.number(bytes, 54, 2) == UInt64(Self.segmentSize) else { return nil }
    self.bytes = bytes
    var segments: [Segment] = []
    let start = Self.number(bytes, 32, 8)
    for index in 0..<Self.number(bytes, 56, 2) {
      guard let place = Self.place(start, index, Self.segmentSize, in: bytes) else { return nil }
      if Self.number(bytes, place, 4) != 1 { continue }
      segments.append(
        Segment(
          isExecutable: Self.number(bytes, place + 4, 4) & 1 != 0, offset: Self.number(bytes, place + 8, 8),
          address: Self.number(bytes, place + 16, 8), sizeInFile: Self.number(bytes, place + 32, 8)))
    }
    self.segments = segments
    takeOutMissingSections(present)
  }

  /// The bias (address in memory minus address in the file) of an executable mapping that shows the file from `offset` at
  /// `address`; nil when no executable segment lies there.
  public func bias(ofMappingAt address: UInt64, offset: UInt64) -> UInt64? {
    let page: UInt64 = 4095
    for segment in segments where segment.isExecutable {
      let (end, overflow) = segment.offset.addingReportingOverflow(segment.sizeInFile)
      if overflow || offset < segment.offset & ~page || offset >= end { continue }
      // Both wrap: the segment's file offset may lie before or behind the mapping's.
      return address &- (segment.address &+ (offset &- segment.offset))
    }
    return nil
  }

  // MARK: Sections

  /// Names of sections that would make libdw look for other files.
  private static let refused: [[UInt8]] = [
    Array(".gnu_debuglink".utf8), Array(".gnu_debugaltlink".utf8), Array(".debug_sup".utf8),
  ]

  /// Sections without all their bytes, and those that lead to other files, become empty entries; a table that is not there goes.
  private mutating func takeOutMissingSections(_ present: [Range<UInt64>]?) {
    let table = Self.number(bytes, 40, 8)
    let count = Self.number(bytes, 60, 2)
    let isTableThere =
      Self.number(bytes, 58, 2) == UInt64(Self.sectionSize) && count > 0
      && Self.place(table, count - 1, Self.sectionSize, in: bytes) != nil
      && Self.covers(present, table, count * UInt64(Self.sectionSize))
    if !isTableThere {
      for index in 40..<48 { bytes[index] = 0 }
      for index in 60..<64 { bytes[index] = 0 }
      return
    }
    let names = nameTable(table, count, present)
    for index in 0..<count {
      guard let place = Self.place(table, index, Self.sectionSize, in: bytes) else { return }
      let type = Self.number(bytes, place + 4, 4)
      // SHT_NULL and SHT_NOBITS have no bytes.
      if type == 0 || type == 8 { continue }
      let offset = Self.number(bytes, place + 24, 8)
      let size = Self.number(bytes, place + 32, 8)
      let (end, overflow) = offset.addingReportingOverflow(size)
      let isThere = !overflow && end <= UInt64(bytes.count) && Self.covers(present, offset, size)
      let isRefused = names.map { isName(Self.number(bytes, place, 4), in: $0) } ?? false
      if !isThere || isRefused { for byte in place + 4..<place + 8 { bytes[byte] = 0 } }
    }
  }

  private func nameTable(_ table: UInt64, _ count: UInt64, _ present: [Range<UInt64>]?) -> Range<Int>? {
    let index = Self.number(bytes, 62, 2)
    guard index < count, let place = Self.place(table, index, Self.sectionSize, in: bytes) else { return nil }
    let offset = Self.number(bytes, place + 24, 8)
    let size = Self.number(bytes, place + 32, 8)
    guard offset <= UInt64(bytes.count), size <= UInt64(bytes.count) - offset else { return nil }
    return Int(offset)..<Int(offset + size)
  }

  private func isName(_ offset: UInt64, in names: Range<Int>) -> Bool {
    if offset >= UInt64(names.count) { return false }
    let rest = bytes[(names.lowerBound + Int(offset))..<names.upperBound]
    return Self.refused.contains { rest.starts(with: $0 + [0]) }
  }

  private static func covers(_ present: [Range<UInt64>]?, _ offset: UInt64, _ size: UInt64) -> Bool {
    guard let present, size > 0 else { return true }
    let (end, overflow) = offset.addingReportingOverflow(size)
    return !overflow && present.contains { $0.lowerBound <= offset && end <= $0.upperBound }
  }

  // MARK: Numbers

  /// Where an entry of a table stands; nil when it is not within the file.
  private static func place(_ start: UInt64, _ index: UInt64, _ size: Int, in bytes: [UInt8]) -> Int? {
    let (distance, overflow) = index.multipliedReportingOverflow(by: UInt64(size))
    let (place, overflow2) = start.addingReportingOverflow(distance)
    if overflow || overflow2 || place > UInt64(bytes.count) || UInt64(bytes.count) - place < UInt64(size) { return nil }
    return Int(place)
  }

  /// A little-endian number within the bytes.
  private static func number(_ bytes: [UInt8], _ offset: Int, _ size: Int) -> UInt64 {
    (0..<size).reversed().reduce(0) { $0 << 8 | UInt64(bytes[offset + $1]) }
  }
}
