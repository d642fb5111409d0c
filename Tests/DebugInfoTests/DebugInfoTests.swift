// Functions, lines, inlined functions, symbols and stacks of known programs: PIE and static, with and without debug information, and
// of files that are there in part, or broken.

import Foundation
import Testing

@testable import DebugInfo

@Suite(.serialized) struct DebugInfoTests {
  static let builds: [[String]] = [["-O0"], ["-O2"], ["-O0", "-static"], ["-O2", "-static"], ["-O1", "-gdwarf-4"], ["-O2", "-gz"]]
  static let pieBias: UInt64 = 0x5555_0000_0000

  private func bias(_ flags: [String]) -> UInt64 { flags.contains("-static") ? 0 : Self.pieBias }

  @Test(arguments: builds) func functionsAndLines(flags: [String]) throws {
    let program = try Program(flags)
    let bias = bias(flags)
    let images = try program.images(bias: bias)
    for name in ["leaf", "middle", "main"] {
      let symbol = try #require(program.symbols[name])
      for offset in 0..<symbol.size {
        let places = images.places(at: symbol.address + bias + offset)
        #expect(places.last?.function == name, "\(name)+\(offset)")
        #expect(places.last?.isInlined == false)
        #expect(places.allSatisfy { $0.file?.hasSuffix("known.c") != false })
      }
      #expect(images.hasLines(at: symbol.address + bias))
    }
    let middle = try #require(program.symbols["middle"])
    let lines = Set((0..<middle.size).compactMap { images.places(at: middle.address + bias + $0).first?.line })
    #expect(lines.contains(try Program.line("behind-leaf")))
    #expect(images.places(at: 0x10).isEmpty)
  }

  /// Inlined code has its own line, and the line of the call in the function around it.
  @Test(arguments: builds) func inlinedFunctions(flags: [String]) throws {
    let program = try Program(flags)
    let bias = bias(flags)
    let images = try program.images(bias: bias)
    let leaf = try #require(program.symbols["leaf"])
    let inlined = (0..<leaf.size).map { images.places(at: leaf.address + bias + $0) }.filter { $0.first?.function == "add" }
    #expect(!inlined.isEmpty)
    for places in inlined {
      try #require(places.count == 2)
      #expect(places[0].isInlined)
      #expect(places[1].function == "leaf")
      #expect(places[1].line == (try Program.line("call-add")))
    }
    #expect(inlined.contains { $0[0].line == (try? Program.line("add")) })
  }

  @Test(arguments: builds) func variables(flags: [String]) throws {
    let program = try Program(flags)
    let bias = bias(flags)
    let images = try program.images(bias: bias)
    let variable = try #require(program.symbols["shared_counter"])
    let found = try #require(images.symbol(at: variable.address + bias + 4))
    #expect(found == SymbolPlace(name: "shared_counter", offset: 4, size: 16, isFunction: false))
    #expect(images.symbol(at: variable.address + bias + variable.size)?.name != "shared_counter")
    let function = try #require(program.symbols["leaf"])
    #expect(images.symbol(at: function.address + bias)?.isFunction == true)
  }

  /// A stack made by hand: at the entry of `leaf`, called from `middle`, called from `main`, whose frames have frame pointers.
  private func stack(_ images: DebugImages, _ program: Program, _ bias: UInt64) throws -> [StackFrame] {
    let top: UInt64 = 0x7000_0000
    func inside(_ name: String) throws -> UInt64 {
      let symbol = try #require(program.symbols[name])
      // Behind `push rbp; mov rbp, rsp; sub rsp`, before the end.
      return symbol.address + bias + symbol.size / 2
    }
    let memory: [UInt64: UInt64] = [
      top: try inside("middle"), top + 0x100: top + 0x200, top + 0x108: try inside("main"), top + 0x200: 0, top + 0x208: 0,
    ]
    var registers = DebugImages.Registers(repeating: 0)
    registers[7] = top
    registers[6] = top + 0x100
    registers[16] = try #require(program.symbols["leaf"]).address + bias
    return images.stack(registers) { memory[$0] }
  }

  @Test(arguments: [["-O0"], ["-O0", "-static"]]) func stacks(flags: [String]) throws {
    let program = try Program(flags)
    let bias = bias(flags)
    let images = try program.images(bias: bias)
    let frames = try stack(images, program, bias)
    let names = frames.map { images.places(at: $0.instruction).last?.function }
    #expect(names.prefix(3) == ["leaf", "middle", "main"])
    #expect(frames[0].isActivation && !frames[1].isActivation)
    #expect(frames.count <= DebugImages.framesMax)
  }

  /// Unwind information is part of what a program needs to run: a stripped one has it, and one that is there without its end.
  @Test func strippedAndInPart() throws {
    let whole = try Program(["-O0"])
    let stripped = try Program(["-O0"], change: Program.strip)
    // Up to the sections that no segment holds.
    let mapped = UInt64(whole.sectionTable) * 3 / 4
    for images in [
      try stripped.images(bias: Self.pieBias), try whole.images(bias: Self.pieBias, present: [0..<mapped]),
      try whole.images(bias: Self.pieBias, present: []),
    ] {
      let leaf = whole.symbols["leaf"]!.address + Self.pieBias
      #expect(!images.hasLines(at: leaf))
      #expect(images.places(at: leaf).count == 1)
      #expect(images.places(at: leaf).first?.line == nil)
      #expect(try stack(images, whole, Self.pieBias).count >= 3)
    }
  }

  @Test func biases() throws {
    for flags in [["-O0"], ["-O0", "-static"]] {
      let program = try Program(flags)
      let file = try #require(ElfFile(program.bytes))
      let leaf = try #require(program.symbols["leaf"]).address
      // Of a PIE this page's offset is its address; a static program lies at 0x400000 and has the same difference throughout.
      let base: UInt64 = flags.contains("-static") ? 0x40_0000 : 0
      let page = leaf & ~0xfff
      #expect(file.bias(ofMappingAt: page + Self.pieBias, offset: page - base) == Self.pieBias)
      #expect(file.bias(ofMappingAt: page, offset: 1 << 40) == nil)
    }
  }

  @Test func notPrograms() throws {
    #expect(ElfFile([]) == nil)
    #expect(ElfFile([UInt8]("#!/bin/sh\n".utf8) + [UInt8](repeating: 0, count: 100)) == nil)
    let program = try Program(["-O0"])
    #expect(ElfFile(Array(program.bytes.prefix(63))) == nil)
    for (offset, value) in [(4, UInt8(1)), (5, 2), (18, 3), (16, 1), (32, 0xff), (54, 1)] {
      var bytes = program.bytes
      bytes[offset] = value
      if offset == 32 { for index in 32..<40 { bytes[index] = 0xff } }
      #expect(ElfFile(bytes) == nil, "byte \(offset)")
    }
  }

  /// Sections that name other files are taken out.
  @Test func linksToOtherFiles() throws {
    let program = try Program(["-O0"]) { path in
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/objcopy")
      process.arguments = ["--add-gnu-debuglink=/bin/true", path]
      try process.run()
      process.waitUntilExit()
      try #require(process.terminationStatus == 0)
    }
    func live(_ bytes: [UInt8]) -> Int {
      (0..<program.sectionCount).count { index in
        let type = program.sectionTable + 64 * index + 4
        return bytes[type..<type + 4].contains { $0 != 0 }
      }
    }
    let file = try #require(ElfFile(program.bytes))
    #expect(live(file.bytes) == live(program.bytes) - 1)
  }

  /// Bytes changed anywhere: fewer names, never a crash.
  @Test func brokenFiles() throws {
    let program = try Program(["-O2"])
    let leaf = program.symbols["leaf"]!.address
    var state: UInt64 = 88172645463325252
    func random(below bound: Int) -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state % UInt64(bound))
    }
    // Half of them in the tables of segments and sections, which are read here; the others anywhere.
    for round in 0..<2000 {
      var bytes = program.bytes
      for _ in 0...random(below: 20) {
        let place =
          switch round % 4 {
          case 0: random(below: 64 + 56 * 13)
          case 1: program.sectionTable + random(below: bytes.count - program.sectionTable)
          default: random(below: bytes.count)
          }
        bytes[place] = UInt8(random(below: 256))
      }
      guard let file = ElfFile(bytes), let images = DebugImages() else { continue }
      guard images.add(file, name: "x", bias: Self.pieBias) else { continue }
      for offset in stride(from: UInt64(0), to: 64, by: 7) {
        let address = leaf + Self.pieBias + offset
        #expect(images.places(at: address).count <= 32)
        _ = images.symbol(at: address)
      }
      #expect(!(try stack(images, program, Self.pieBias)).isEmpty)
    }
  }
}
