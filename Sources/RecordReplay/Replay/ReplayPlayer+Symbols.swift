// Names for guest addresses, from the symbol tables of the files that a trace embeds. elf(5).

import Platform

extension ReplayPlayer {
  /// "function+0x12 in libc.so.6", or the file and offset alone, or nil outside of files.
  func symbol(_ address: GuestAddress, in space: AddressSpaceID) -> String? {
    guard Int(space.rawValue) < spaces.count, let mapping = spaces[Int(space.rawValue)]?.at(address) else { return nil }
    let object: MemoryObjectID
    let offset: UInt64
    switch mapping.source {
    case .anonymous: return nil
    case .privateObject(let id, let start), .sharedObject(let id, let start):
      object = id
      offset = start + (address - mapping.range.start)
    }
    let path = files.last { $0.object == object }?.path
    let name = path.map { $0.split(separator: "/").last.map(String.init) ?? $0 } ?? "object \(object.rawValue)"
    if let function = ElfSymbols(machine, object).function(atFileOffset: offset) { return "\(function) in \(name)" }
    return "\(name)+0x\(String(offset, radix: 16))"
  }
}

/// Just enough of an ELF reader to find the function at a place in a file. Trusts nothing.
private struct ElfSymbols {
  private let machine: any Machine
  private let object: MemoryObjectID

  init(_ machine: any Machine, _ object: MemoryObjectID) {
    self.machine = machine
    self.object = object
  }

  private func bytes(_ offset: UInt64, _ count: UInt64) -> [UInt8] {
    if count > 64 << 20 { return [] }
    return (try? machine.readObject(object, offset: offset, Int(count))) ?? []
  }

  private static func number(_ bytes: [UInt8], _ offset: Int, _ size: Int) -> UInt64 {
    if offset < 0 || offset + size > bytes.count { return 0 }
    var value: UInt64 = 0
    for i in (0..<size).reversed() { value = value << 8 | UInt64(bytes[offset + i]) }
    return value
  }

  func function(atFileOffset offset: UInt64) -> String? {
    let header = bytes(0, 64)
    guard header.count == 64, header.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2]) else { return nil }
    guard let address = virtualAddress(header, offset) else { return nil }
    let sectionCount = Int(Self.number(header, 60, 2))
    let sections = bytes(Self.number(header, 40, 8), UInt64(sectionCount * 64))
    // .symtab (type 2) knows more than .dynsym (11).
    for wanted in [UInt64(2), 11] {
      for index in 0..<sectionCount where Self.number(sections, index * 64 + 4, 4) == wanted {
        if let found = search(sections, index, address) { return found }
      }
    }
    return nil
  }

  /// The virtual address that the file's segments give to a file offset.
  private func virtualAddress(_ header: [UInt8], _ offset: UInt64) -> UInt64? {
    let count = Int(Self.number(header, 56, 2))
    let segments = bytes(Self.number(header, 32, 8), UInt64(count * 56))
    for index in 0..<count where Self.number(segments, index * 56, 4) == 1 {
      let start = Self.number(segments, index * 56 + 8, 8)
      let size = Self.number(segments, index * 56 + 32, 8)
      if offset >= start, offset - start < size {
        return Self.number(segments, index * 56 + 16, 8) &+ (offset - start)
      }
    }
    return nil
  }

  private func search(_ sections: [UInt8], _ index: Int, _ address: UInt64) -> String? {
    let base = index * 64
    let table = bytes(Self.number(sections, base + 24, 8), Self.number(sections, base + 32, 8))
    let link = Int(Self.number(sections, base + 40, 4))
    var best: (start: UInt64, name: Int)?
    for entry in stride(from: 0, to: table.count - 23, by: 24) where table[entry + 4] & 15 == 2 {
      let start = Self.number(table, entry + 8, 8)
      let size = Self.number(table, entry + 16, 8)
      if start <= address, address - start < max(size, 1), start >= best?.start ?? 0 {
        best = (start, Int(Self.number(table, entry, 4)))
      }
    }
    guard let best else { return nil }
    let strings = bytes(Self.number(sections, link * 64 + 24, 8), Self.number(sections, link * 64 + 32, 8))
    guard best.name < strings.count else { return nil }
    let name = String(decoding: strings[best.name...].prefix { $0 != 0 }, as: UTF8.self)
    return name + "+0x" + String(address - best.start, radix: 16)
  }
}
