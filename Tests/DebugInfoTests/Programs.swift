// Programs of known shape for these tests: compiled by gcc when the tests run, their symbols asked of nm and their sections of objcopy.

import Foundation
import Testing

@testable import DebugInfo

/// One source, built in different ways.
struct Program {
  /// Lines that the tests look for end with a mark.
  static let source = """
    #include <stdlib.h>
    int shared_counter[4];
    static inline __attribute__((always_inline)) void add(int *place, int much) {
      *(volatile int *)place += much; // LINE:add
    }
    __attribute__((noinline)) int leaf(int much) {
      add(&shared_counter[1], much); // LINE:call-add
      return shared_counter[0];
    }
    __attribute__((noinline)) int middle(int much) {
      int result = leaf(much + 1);
      return result + 1; // LINE:behind-leaf
    }
    int main(int count, char **words) {
      (void)words;
      return middle(count) == 77; // LINE:call-middle
    }

    """

  let bytes: [UInt8]
  /// Addresses in the file and sizes.
  let symbols: [String: (address: UInt64, size: UInt64)]

  init(_ flags: [String], source: String = Self.source, change: (String) throws -> Void = { _ in }) throws {
    let folder = NSTemporaryDirectory() + "replaysb-debug-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try source.write(toFile: folder + "/known.c", atomically: true, encoding: .utf8)
    let program = folder + "/known"
    _ = try Self.output(["gcc", "-g", "-pthread"] + flags + ["-o", program, folder + "/known.c"])
    var symbols: [String: (address: UInt64, size: UInt64)] = [:]
    for line in try Self.output(["nm", "-S", program]).split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 4 { symbols[String(words[3])] = (UInt64(words[0], radix: 16)!, UInt64(words[1], radix: 16)!) }
    }
    self.symbols = symbols
    try change(program)
    bytes = [UInt8](try #require(FileManager.default.contents(atPath: program)))
  }

  static func strip(_ path: String) throws { _ = try output(["strip", path]) }

  /// The number of a marked line.
  static func line(_ mark: String) throws -> Int {
    let lines = source.split(separator: "\n", omittingEmptySubsequences: false)
    return try #require(lines.firstIndex { $0.hasSuffix("// LINE:" + mark) }) + 1
  }

  private static func output(_ line: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = line
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "\(line)")
    return String(decoding: data, as: UTF8.self)
  }

  func images(bias: UInt64 = 0, present: [Range<UInt64>]? = nil) throws -> DebugImages {
    let images = try #require(DebugImages())
    #expect(images.add(try #require(ElfFile(bytes, present: present)), name: "/nowhere/known", bias: bias))
    return images
  }
}

/// Numbers at fixed places of an ELF file.
extension Program {
  func number(_ offset: Int, _ size: Int) -> UInt64 { (0..<size).reversed().reduce(0) { $0 << 8 | UInt64(bytes[offset + $1]) } }
  var sectionTable: Int { Int(number(40, 8)) }
  var sectionCount: Int { Int(number(60, 2)) }
}
