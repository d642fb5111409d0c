// The decoder against Zydis over real code and random bytes, and instructions written by hand for what is easy to get wrong.
import Testing

@testable import DecoderCheck
@testable import Translator

@Suite struct DecoderTests {
  /// Decodes the bytes of a string of hexadecimal digits.
  private func decoded(_ text: String, available: Int? = nil) -> Instruction {
    let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
    let bytes = stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    return bytes.withUnsafeBufferPointer { decode($0.baseAddress!, available: available ?? $0.count) }
  }

  @Test func agreesWithZydisOnTheCLibrary() throws {
    let file = try #require(CodeFile(path: "/lib/x86_64-linux-gnu/libc.so.6"))
    let comparison = file.compare()
    #expect(comparison.instructions > 100_000)
    #expect(comparison.wrong == 0, "\(comparison.report(isVerbose: false))")
  }

  @Test func agreesWithZydisOnRandomBytes() {
    let comparison = compareRandom(count: 300_000, seed: 7)
    #expect(comparison.instructions > 50_000)
    #expect(comparison.wrong == 0, "\(comparison.report(isVerbose: false))")
  }

  @Test func endsEarlyOnlyWhenBytesRunOut() {
    var code = RandomCode(seed: 11)
    var bytes: [40 of UInt8] = .init(repeating: 0)
    for _ in 0..<20_000 {
      code.fill(&bytes)
      withUnsafeBytes(of: &bytes) { buffer in
        let start = buffer.baseAddress!.assumingMemoryBound(to: UInt8.self)
        let whole = decode(start, available: 40)
        if whole.flow == .undefined || whole.flow == .unknown { return }
        for available in 0..<Int(whole.length) { #expect(decode(start, available: available).length == 0) }
        for available in [Int(whole.length), 15, 31] {
          let again = decode(start, available: available)
          #expect(again.length == whole.length && again.flow == whole.flow && again.traits == whole.traits)
        }
      }
    }
  }

  @Test(arguments: [
    ("c3", Flow.ret), ("c20800", .ret), ("f3c3", .ret), ("e800000000", .call), ("66e800000000", .call), ("eb00", .jump), ("e900000000", .jump),
    ("7400", .conditional), ("0f8400000000", .conditional), ("3e7400", .conditional), ("e200", .counted), ("67e300", .counted),
    ("ffe0", .jumpIndirect), ("ff2500000000", .jumpIndirect), ("3effe0", .jumpIndirect), ("41ffd3", .callIndirect), ("0f05", .syscall),
    ("0f34", .sysenter), ("cc", .breakpoint), ("cd80", .interrupt), ("f1", .icebp), ("0fa2", .cpuid), ("0f31", .rdtsc), ("0f01f9", .rdtscp),
    ("480fc7f0", .rdrand), ("0fc7f8", .rdseed), ("f30fc7f8", .rdpid), ("0f01d0", .xgetbv), ("9d", .popFlags), ("cb", .far), ("48cf", .far),
    ("ff28", .far), ("48ff1b", .far), ("c7f800000000", .transaction), ("f3480faec8", .gsBase), ("f3480faed8", .gsBase), ("0f01f8", .plain),
    ("f3480faec0", .plain), ("f30f1efa", .plain), ("0fa205", .cpuid), ("90", .plain),
  ])
  func flow(_ text: String, _ flow: Flow) { #expect(decoded(text).flow == flow) }

  @Test(arguments: [
    "06", "60", "82c000", "9a000000000000", "ce", "d6", "ea000000000000", "0f0b", "0fb9c0", "0fffc0", "8ec8", "8dc0", "f089c0", "f08b00",
    "66c5f877", "48c5f877", "f0c5f877", "ffd8",
  ])
  func undefined(_ text: String) { #expect(decoded(text).flow == .undefined) }

  @Test func unknown() {
    // jmpe; a VEX map, an opcode and a form that do not exist; the gap in group 15.
    for text in ["0fb8c0", "c4e07810c0", "c5f80fc0", "c5fb50c0", "f20faec0"] { #expect(decoded(text).flow == .unknown) }
  }

  @Test(arguments: [
    ("48b80000000000000000", 10, 8), ("66b80000", 4, 2), ("b800000000", 5, 4), ("6648b80000000000000000", 11, 8), ("4866b80000", 5, 2),
    ("6681c00000", 5, 2), ("664881c000000000", 8, 4), ("f6c000", 3, 1), ("f6d0", 2, 0), ("f7c000000000", 6, 4),
    ("f7d8", 2, 0), ("48c7c000000000", 7, 4), ("c8000000", 4, 3), ("c20000", 3, 2), ("6a00", 2, 1), ("66680000", 4, 2),
    ("c4e3794ac000", 6, 1), ("660f3a0fc000", 6, 1), ("0fa4c000", 4, 1), ("0fc2c000", 4, 1), ("660f78c00000", 6, 2), ("8fea7810c000000000", 9, 4),
  ])
  func immediate(_ text: String, _ length: Int, _ size: Int) {
    let instruction = decoded(text)
    #expect(Int(instruction.length) == length && Int(instruction.immediateSize) == size)
    if size != 0 { #expect(Int(instruction.immediateOffset) == length - size) }
  }

  @Test func addressesOfTheAccumulatorAreDisplacements() {
    let long = decoded("48a10000000000000000")
    #expect(long.length == 10 && long.displacementSize == 8 && long.displacementOffset == 2 && long.immediateSize == 0 && !long.hasModRM)
    #expect(decoded("67a100000000").displacementSize == 4)
  }

  @Test func ripRelative() {
    for text in ["488b0500000000", "67488b0500000000", "c5f8280500000000", "62f17c48280500000000", "0f1f0500000000"] {
      #expect(decoded(text).isRIPRelative)
    }
    for text in ["488b042500000000", "8bc5", "8b4500", "0f22c5"] { #expect(!decoded(text).isRIPRelative) }
    let instruction = decoded("c7050000000000000000")
    #expect(instruction.displacementOffset == 2 && instruction.immediateOffset == 6)
  }

  /// r - reads r11, w - writes it.
  @Test(arguments: [
    ("4989c3", "w"), ("4c89d8", "r"), ("4d01db", "rw"), ("41b300", "rw"), ("41bb00000000", "w"), ("6641bb0000", "rw"), ("4153", "r"),
    ("415b", "w"), ("438b041b", "r"), ("428b0418", "r"), ("418b03", "r"), ("458b1b", "rw"), ("89d8", ""), ("450f28db", ""), ("410f2803", "r"),
    ("450f20c3", "w"), ("448cdb", ""), ("418cdb", "w"), ("66450f6edb", "r"), ("f3440f2cd8", "w"), ("450f6fdb", ""), ("c44228f2db", "rw"),
    ("c4e220f2c0", "r"), ("c4e220f3c8", "w"), ("c4412058db", ""), ("c4a17058041b", "r"), ("c4e269920419", ""), ("c4a269920419", ""),
    ("c4c26992041b", "r"), ("62d27d487cc3", "r"), ("0f05", "rw"), ("d9c3", ""), ("41d9c3", ""), ("490fcb", "rw"),
    ("4987db", "rw"), ("4993", "rw"), ("440f44d8", "rw"), ("410f94c3", "rw"),
  ])
  func r11(_ text: String, _ uses: String) {
    let instruction = decoded(text)
    #expect(instruction.flow != .undefined && instruction.flow != .unknown)
    #expect((instruction.readsR11 ? "r" : "") + (instruction.writesR11 ? "w" : "") == uses)
  }

  @Test func flags() {
    func check(_ text: String, _ read: Flags, _ written: Flags) {
      let instruction = decoded(text)
      #expect(instruction.flagsRead == read && instruction.flagsWritten == written, "\(text)")
    }
    check("01c0", [], .all)
    check("11c0", .carry, .all)
    check("ffc0", [], Flags.all.subtracting(.carry))
    check("89c0", [], [])
    // Shifts: by 1, by an immediate, by an immediate that is 0 after masking, by cl.
    check("d1e0", [], .all)
    check("c1e003", [], .all)
    check("c1e000", .all, [])
    check("c1e020", .all, [])
    check("48c1e020", [], .all)
    check("d3e0", .all, [])
    check("c1c003", [], [.carry, .overflow])
    check("c1d003", .all, [])
    // Strings: repeated, perhaps not at all.
    check("a6", [], .all)
    check("f3a6", .all, [])
    check("f3a4", [], [])
    check("0f97c0", [.carry, .zero], [])
    check("0f4cc0", [.sign, .overflow], [])
    check("7f00", [.sign, .overflow, .zero], [])
    check("9c", .all, [])
    check("9d", [], .all)
    check("f8", [], .carry)
    check("0fa3c0", [], Flags.all.subtracting(.zero))
    check("660f2ec0", [], .all)
    check("dfe9", [], [.carry, .parity, .zero])
    check("c4e278f2c0", [], .all)
    check("0f05", .all, [])
  }

  @Test func updates() {
    let updates = [
      "0100", "48830001", "ff00", "f710", "c12003", "d100", "d320", "010500000000", "41014500", "41010424", "640100", "67ff00", "01042500000000",
    ]
    for text in updates {
      #expect(decoded(text).isUpdate, "\(text)")
    }
    // Compares, registers, loads, locks, the stack, gs, exchanges.
    for text in ["3900", "833800", "01c0", "0300", "f00100", "010424", "014500", "01442408", "650100", "8700", "0fc100", "0fab00", "8900"] {
      #expect(!decoded(text).isUpdate, "\(text)")
    }
  }

  /// What each does to memory: load or store, and bytes.
  @Test(arguments: [
    ("8b07", "r4"), ("668907", "w2"), ("488907", "w8"), ("8807", "w1"), ("0307", "r4"), ("0107", "w4"), ("3907", "r4"), ("833f01", "r4"),
    ("830701", "w4"), ("f0ff07", "w4"), ("8707", "w4"), ("f0480fb10f", "w8"), ("0fc10f", "w4"), ("480fc70f", "w16"), ("0fb607", "r1"),
    ("480fbf07", "r2"), ("f60701", "r1"), ("f717", "w4"), ("0fa307", "r4"), ("0fab07", "w4"), ("0fba2701", "r4"), ("0fba2f01", "w4"),
    ("dd07", "r8"), ("db3f", "w10"), ("0f1007", "r16"), ("f30f1007", "r4"), ("f20f1107", "w8"), ("660fd607", "w8"), ("c5fd6f07", "r32"),
    ("c5fd7f07", "w32"), ("c4e27d5807", "r4"), ("c4e271920408", ""), ("ff37", ""), ("8f07", ""), ("8d07", ""), ("0f1f07", ""), ("0f1807", ""),
    ("648b07", ""), ("658b07", ""), ("a4", "r1w1"), ("66a5", "r2w2"), ("a7", "r4r4"), ("48ab", "w8"), ("ac", "r1"), ("af", "r4"), ("d7", "r1"),
    ("64a4", "w1"), ("a00000000000000000", "r1"), ("0ff7c1", "w8"), ("0fae07", "w64"), ("0fae17", "r4"), ("89c0", ""), ("50", ""), ("ff17", ""),
  ])
  func accesses(_ text: String, _ expected: String) {
    let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
    let bytes = stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    let found = bytes.withUnsafeBufferPointer { decoded(text).accesses($0.baseAddress!) }
    #expect(found.map { ($0.isWrite ? "w" : "r") + "\($0.size)" }.joined() == expected)
  }

  @Test func memoryOperands() {
    for text in ["8b07", "ff37", "ff17", "ff27", "a4", "d7", "648b07", "c4e271920408", "0ff7c1", "a00000000000000000"] {
      #expect(decoded(text).hasMemoryOperand, "\(text)")
    }
    for text in ["8d07", "0f1f07", "0f1807", "0f2007", "89c0", "50", "c3", "e800000000", "0f05", "ffe0"] {
      #expect(!decoded(text).hasMemoryOperand, "\(text)")
    }
  }

  @Test func prefixes() {
    let instruction = decoded("2e66480f1f840000000000")
    #expect(instruction.length == 11 && instruction.prefixLength == 2 && instruction.rex == 0x48 && instruction.map == 1)
    #expect(instruction.opcodeOffset == 4 && instruction.opcode == 0x1f && instruction.prefixes == .operandSize)
    // REX that is not last does not count; of two segments the last does.
    #expect(decoded("486690").rex == 0 && decoded("486690").prefixLength == 2)
    #expect(decoded("64658b00").prefixes == .gs)
    #expect(decoded("65648b00").prefixes == .fs)
    #expect(decoded("c5f877").prefixes == .vex && decoded("c5f877").map == 1)
    #expect(decoded("62f17c482800").prefixes == .evex)
    // 15 bytes are allowed, 16 are not.
    #expect(decoded(String(repeating: "66", count: 14) + "90").length == 15)
    #expect(decoded(String(repeating: "66", count: 15) + "90").flow == .undefined)
    #expect(decoded(String(repeating: "2e", count: 40)).flow == .undefined)
    #expect(decoded(String(repeating: "66", count: 14)).length == 0)
  }
}
