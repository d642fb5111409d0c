// Names for addresses of a replayed guest: the ELF images that the trace holds, by address space, and what else lies there.

import DebugInfo
import Platform
import RecordReplay

/// What is loaded in one space at one moment. Stays of use when the space is gone.
final class Images {
  private struct Module {
    var range: GuestRange
    var name: String
    var bias: UInt64
    var isExecutable: Bool
  }
  private let debug: DebugImages?
  /// By rising address.
  private let modules: [Module]

  fileprivate init(_ loaded: [Loaded], executable: String) {
    debug = DebugImages()
    var modules: [Module] = []
    for image in loaded {
      let name = image.path.split(separator: "/").last.map(String.init) ?? image.path
      debug?.add(image.file, name: image.path, bias: image.bias)
      modules.append(Module(range: image.range, name: name, bias: image.bias, isExecutable: image.path == executable))
    }
    self.modules = modules
  }

  private func module(at address: UInt64) -> Module? { modules.first { $0.range.contains(GuestAddress(address)) } }

  // MARK: Code

  private var isProgramKnown: [UInt64: Bool] = [:]

  /// Whether an instruction belongs to what the developer writes: it has source lines, or is in a program that has none at all.
  func isProgram(_ pc: UInt64) -> Bool {
    if let known = isProgramKnown[pc] { return known }
    guard let debug, let module = module(at: pc) else { return false }
    let answer = debug.places(at: pc).contains { $0.line != nil } || module.isExecutable && !debug.hasLines(at: pc)
    isProgramKnown[pc] = answer
    return answer
  }

  /// Whether the code's file has source lines at all.
  func hasLines(_ pc: UInt64) -> Bool { debug?.hasLines(at: pc) == true }
  /// Whether the program itself has.
  private(set) lazy var programHasLines = modules.first(where: \.isExecutable).map { hasLines($0.range.start.rawValue) } ?? false

  /// The functions at an instruction, the innermost first; at least one frame.
  func frames(at instruction: UInt64, pc: UInt64? = nil) -> [Frame] {
    let address = hexadecimal(pc ?? instruction)
    let module = module(at: instruction)
    let moduleAddress = module.map { hexadecimal((pc ?? instruction) &- $0.bias) }
    let isOfProgram = isProgram(instruction)
    let places = debug?.places(at: instruction) ?? []
    if places.isEmpty {
      return [
        Frame(
          address: address, module: module?.name, moduleAddress: moduleAddress, isInlined: false, isOfProgram: isOfProgram)
      ]
    }
    let lines = places.map(\.line)
    return places.map {
      // The line of a call of inlined code is another frame's.
      let alsoLine = $0.alsoLine.flatMap { lines.contains($0) ? nil : $0 }
      return Frame(
        address: address, function: $0.function, file: $0.file, line: $0.line, column: $0.column, alsoLine: alsoLine, module: module?.name,
        moduleAddress: moduleAddress, isInlined: $0.isInlined, isOfProgram: isOfProgram && $0.file?.hasPrefix("/usr/") != true)
    }
  }

  /// The stack of a task, as frames of source.
  func stack(_ registers: Registers, read: (UInt64) -> UInt64?) -> [Frame] {
    let found = unwound(registers, read: read)
    // Code without unwind information that has not changed its stack: glibc's clone3 at its system call.
    guard found.allSatisfy({ $0.address == hexadecimal(registers.rip) }), let caller = read(registers.rsp), caller > 0,
      module(at: caller - 1) != nil
    else { return found }
    var above = registers
    above.rip = caller - 1
    above.rsp &+= 8
    return found + unwound(above, read: read)
  }

  private func unwound(_ registers: Registers, read: (UInt64) -> UInt64?) -> [Frame] {
    guard let debug else { return frames(at: registers.rip) }
    let words: DebugImages.Registers = [
      registers.rax, registers.rdx, registers.rcx, registers.rbx, registers.rsi, registers.rdi, registers.rbp, registers.rsp,
      registers.r8, registers.r9, registers.r10, registers.r11, registers.r12, registers.r13, registers.r14, registers.r15,
      registers.rip,
    ]
    var frames: [Frame] = []
    for frame in debug.stack(words, read: read) {
      // Where no code is, the stack was not followed right.
      if !frames.isEmpty && module(at: frame.instruction) == nil { break }
      frames += self.frames(at: frame.instruction, pc: frame.pc)
    }
    return frames
  }

  /// A global variable that holds an address.
  func variable(at address: UInt64) -> SymbolPlace? {
    guard let symbol = debug?.symbol(at: address), !symbol.isFunction else { return nil }
    return symbol
  }

  /// The part of a global variable that these bytes are in.
  func member(at address: UInt64, size: Int) -> MemberPlace? { debug?.member(at: address, size: size) }

  /// A value as its variable's type has it; nil where there is none that fits.
  func text(of bytes: [UInt8], at address: UInt64) -> String? {
    guard let member = member(at: address, size: bytes.count), member.size == UInt64(bytes.count), member.offset == 0 else { return nil }
    return typed(bytes, member.kind) { debug?.enumerator(at: address, size: bytes.count, value: $0) }
  }

  /// Whether it is code of the dynamic linker, which resolves names on anybody's behalf.
  func isLinker(_ pc: UInt64) -> Bool { module(at: pc)?.name.hasPrefix("ld-") == true }

  func moduleName(at address: UInt64) -> String? { module(at: address)?.name }
}

/// An image in a space.
private struct Loaded {
  var file: ElfFile
  var path: String
  var bias: UInt64
  var range: GuestRange
}

/// Makes `Images` for spaces, each once for what is loaded there.
final class ImageTable {
  private var files: [MemoryObjectID: ElfFile?] = [:]
  private var made: [(key: [UInt64], images: Images)] = []
  /// Sets of images kept; the oldest goes.
  private static let setsMax = 16

  /// What is loaded in a space now.
  func images(of space: AddressSpaceID, executable: String, in replay: InspectedReplay) -> Images {
    var key: [UInt64] = [UInt64(space.rawValue)]
    var code: [(object: MemoryObjectID, offset: UInt64, mapping: InspectedMapping)] = []
    for mapping in replay.mappings(in: space) where mapping.protection.contains(.execute) {
      switch mapping.source {
      case .privateObject(let id, let offset), .sharedObject(let id, let offset):
        code.append((id, offset, mapping))
        key += [UInt64(id.rawValue), mapping.range.start.rawValue, mapping.range.length]
      case .anonymous: break
      }
    }
    if let known = made.first(where: { $0.key == key }) { return known.images }
    var loaded: [Loaded] = []
    for (object, offset, mapping) in code {
      guard let file = file(object, replay),
        let bias = file.bias(ofMappingAt: mapping.range.start.rawValue, offset: offset)
      else { continue }
      if loaded.contains(where: { $0.bias == bias && $0.path == mapping.path ?? "vdso" }) { continue }
      loaded.append(
        Loaded(file: file, path: mapping.path ?? "vdso", bias: bias, range: extent(of: object, around: mapping, space, replay)))
    }
    let images = Images(loaded, executable: executable)
    made.append((key, images))
    if made.count > Self.setsMax { made.removeFirst() }
    return images
  }

  /// From an image's first mapping to its last.
  private func extent(
    of object: MemoryObjectID, around mapping: InspectedMapping, _ space: AddressSpaceID, _ replay: InspectedReplay
  ) -> GuestRange {
    var start = mapping.range.start
    var end = mapping.range.end
    for other in replay.mappings(in: space) {
      guard case .privateObject(object, _) = other.source else { continue }
      start = min(start, other.range.start)
      end = max(end, other.range.end)
    }
    return GuestRange(start, end)
  }

  private func file(_ object: MemoryObjectID, _ replay: InspectedReplay) -> ElfFile? {
    if let known = files[object] { return known }
    let file = replay.object(object, sizeMax: ElfFile.sizeMax).flatMap { ElfFile($0.bytes, present: $0.present) }
    files[object] = file
    return file
  }
}

func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

extension InspectedReplay {
  /// A word of a space's memory; nil where it is not mapped.
  func word(_ space: AddressSpaceID, _ address: UInt64) -> UInt64? {
    let bytes = read(space, GuestAddress(address), 8)
    return bytes.count == 8 ? littleEndian(bytes) : nil
  }

  /// What an address of shared memory is called.
  func place(_ address: UInt64, _ size: Int, in space: AddressSpaceID, _ images: Images) -> SharedPlace {
    var place = SharedPlace(kind: .heap, address: hexadecimal(address), size: size, name: "")
    if let symbol = images.variable(at: address) {
      place.kind = .global
      place.symbol = symbol.name
      place.offset = symbol.offset
      // C++ has this for what C calls static.
      let name = symbol.name.split(separator: "(anonymous namespace)::").joined()
      if let member = images.member(at: address, size: size) {
        place.member = member.path.isEmpty ? nil : member.path
        let isWhole = member.offset == 0 || member.kind == .opaque
        place.name = name + member.path + (isWhole ? "" : "+\(hexadecimal(member.offset))")
      } else {
        place.name = symbol.offset == 0 ? name : "\(name)+\(hexadecimal(symbol.offset))"
      }
      return place
    }
    if let owner = stackOwner(of: address, in: space) {
      place.kind = .stack
      place.name = "the stack of task \(owner) at \(hexadecimal(address))"
      return place
    }
    if let module = images.moduleName(at: address) {
      place.kind = .global
      place.name = "data of \(module) at \(hexadecimal(address))"
      return place
    }
    switch mapping(at: GuestAddress(address), in: space)?.source {
    case .sharedObject:
      place.kind = .sharedMemory
      place.name = "shared memory at \(hexadecimal(address))"
    case .privateObject:
      place.kind = .file
      place.name = "a mapped file at \(hexadecimal(address))"
    case .anonymous, nil: place.name = "the heap at \(hexadecimal(address))"
    }
    return place
  }

  /// The task whose stack pointer lies in the same mapping, below the address (its red zone included).
  private func stackOwner(of address: UInt64, in space: AddressSpaceID) -> Int32? {
    guard let mapping = mapping(at: GuestAddress(address), in: space) else { return nil }
    let redZone: UInt64 = 128
    return tasks.first { task in
      guard !task.hasEnded, self.space(of: task.context) == space, let registers = registers(of: task.context) else { return false }
      return mapping.range.contains(GuestAddress(registers.rsp)) && address &+ redZone >= registers.rsp
    }?.task
  }
}

func littleEndian(_ bytes: [UInt8]) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
