// Names of code and data that mean the same in two builds: functions, lines from where a function begins, variables.

import DebugInfo
import Platform

/// An ELF image as it is loaded.
struct LoadedImage {
  var file: ElfFile
  var path: String
  var bias: UInt64
  var range: GuestRange
  /// The program itself, not a library.
  var isProgram: Bool
}

/// Where an instruction stands.
struct CodePlace: Hashable {
  /// The innermost first, inlined ones too; empty without symbols.
  var functions: [String] = []
  var line: Int?
  var file: String?
  /// From the line where the outermost of them begins, for code that is not inlined.
  var relativeLine: Int?
  var module = ""
  var moduleOffset: UInt64 = 0
  var symbolOffset: UInt64 = 0
  /// What the developer writes: it has lines, or is in a program that has none at all.
  var isOfProgram = false
}

/// What an access touches.
struct DataPlace: Hashable {
  /// nil for stack, heap and all else without a symbol.
  var symbol: String?
  var offset: UInt64 = 0
}

final class CodeNames {
  private let debug: DebugImages?
  private let images: [LoadedImage]
  private var places: [UInt64: CodePlace] = [:]
  private var variables: [UInt64: DataPlace] = [:]

  init(_ images: [LoadedImage]) {
    self.images = images
    debug = DebugImages()
    for image in images { debug?.add(image.file, name: image.path, bias: image.bias) }
  }

  func holds(_ pc: UInt64) -> Bool { image(at: pc) != nil }

  private func image(at address: UInt64) -> LoadedImage? { images.first { $0.range.contains(GuestAddress(address)) } }

  func place(_ pc: UInt64) -> CodePlace {
    if let known = places[pc] { return known }
    let place = makePlace(pc)
    places[pc] = place
    return place
  }

  private func makePlace(_ pc: UInt64) -> CodePlace {
    guard let debug, let image = image(at: pc) else { return CodePlace() }
    let found = debug.places(at: pc)
    var place = CodePlace()
    place.module = image.path.split(separator: "/").last.map(String.init) ?? image.path
    place.moduleOffset = pc &- image.bias
    place.functions = found.compactMap { $0.function.map(Self.plain) }
    place.line = found.first?.line
    place.file = found.first?.file
    let isOfProgram = found.contains { $0.line != nil && $0.file?.hasPrefix("/usr/") != true }
    place.isOfProgram = isOfProgram || image.isProgram && !debug.hasLines(at: pc)
    guard let symbol = debug.symbol(at: pc), symbol.isFunction else { return place }
    place.symbolOffset = symbol.offset
    if place.functions.isEmpty { place.functions = [Self.plain(symbol.name)] }
    if found.count == 1, let line = place.line, let start = debug.places(at: pc - symbol.offset).first?.line {
      place.relativeLine = line - start
    }
    return place
  }

  /// Without what a compiler adds to a copy that it made of a function: `add.constprop.0`, `add.part.1`, `add.cold`.
  static func plain(_ name: String) -> String {
    for mark in [".constprop.", ".part.", ".isra.", ".cold", ".lto_priv."] {
      if let place = name.utf8.indices.first(where: { $0 != name.startIndex && name[$0...].hasPrefix(mark) }) { return String(name[..<place]) }
    }
    return name
  }

  func variable(_ address: UInt64) -> DataPlace {
    if address == 0 { return DataPlace() }
    if let known = variables[address] { return known }
    var place = DataPlace()
    if let symbol = debug?.symbol(at: address), !symbol.isFunction {
      place = DataPlace(symbol: Self.plainVariable(symbol.name), offset: symbol.offset)
    }
    variables[address] = place
    return place
  }

  /// A static variable of a function is numbered by the compiler: `count.0`.
  static func plainVariable(_ name: String) -> String {
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex, name[name.index(after: dot)...].allSatisfy(\.isNumber) else {
      return name
    }
    return String(name[..<dot])
  }
}
