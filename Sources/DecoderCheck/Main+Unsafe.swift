// The command line of the check.
// Unsafe because it decodes from pointers into mapped files and into one buffer of random bytes.
import CZydisFacts
import Glibc
import Translator

@main struct DecoderCheck {
  static let usage = """
    usage: DecoderCheck [-v] FILE ...                  every instruction of ELF files, with both decoders
           DecoderCheck [-v] --random N [--seed S]     N random strings
           DecoderCheck --bytes HEX ...                what our decoder says
           DecoderCheck --tables vex|xop|evex          the rows of VexOpcodes.swift and EvexOpcodes.swift
    """

  static func main() {
    var arguments = Array(CommandLine.arguments.dropFirst())
    let isVerbose = arguments.first == "-v"
    if isVerbose { arguments.removeFirst() }
    var wrong = 0
    switch arguments.first {
    case nil:
      print(usage)
      exit(2)
    case "--tables": for name in arguments.dropFirst() { printRows(name) }
    case "--bytes": for text in arguments.dropFirst() { describe(text) }
    case "--random":
      guard arguments.count == 2 || (arguments.count == 4 && arguments[2] == "--seed"), let count = Int(arguments[1]),
        let seed = arguments.count == 2 ? 1 : UInt64(arguments[3])
      else {
        print(usage)
        exit(2)
      }
      let comparison = compareRandom(count: count, seed: seed, exampleLimit: isVerbose ? 40 : 8)
      print(comparison.report(isVerbose: isVerbose))
      wrong = comparison.wrong
    default:
      for path in arguments {
        guard let file = CodeFile(path: path) else {
          print("\(path): not an ELF file of 64 bits")
          wrong += 1
          continue
        }
        let comparison = file.compare(exampleLimit: isVerbose ? 40 : 8)
        wrong += comparison.wrong
        let ours = file.time(walk)
        let theirs = file.time(walkZydis)
        print("\(path): \(comparison.report(isVerbose: isVerbose))")
        print("  \(rounded(ours)) ns for each instruction, Zydis \(rounded(theirs))")
      }
    }
    exit(wrong == 0 ? 0 : 1)
  }

  private static func rounded(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
}

/// Both decoders over random strings.
func compareRandom(count: Int, seed: UInt64, exampleLimit: Int = 8) -> Comparison {
  var comparison = Comparison(exampleLimit: exampleLimit)
  var code = RandomCode(seed: seed)
  var bytes: [40 of UInt8] = .init(repeating: 0)
  for _ in 0..<count {
    code.fill(&bytes)
    withUnsafeBytes(of: &bytes) { _ = comparison.compare($0.baseAddress!.assumingMemoryBound(to: UInt8.self), available: 40) }
  }
  return comparison
}

/// Decodes a section and returns how many instructions it has.
private func walk(_ start: UnsafePointer<UInt8>, _ size: Int) -> Int {
  var at = 0
  var count = 0
  // What is decoded must be used, or the optimiser leaves it out.
  var sum: UInt64 = 0
  while at < size {
    let instruction = decode(start + at, available: size - at)
    at += max(Int(instruction.length), 1)
    if instruction.isRIPRelative || instruction.readsR11 || instruction.writesR11 || instruction.isUpdate { sum &+= 1 }
    sum &+= UInt64(instruction.flow.rawValue) &+ UInt64(instruction.flagsRead.rawValue) &+ UInt64(instruction.flagsWritten.rawValue)
    sum &+= UInt64(instruction.immediateOffset) &+ UInt64(instruction.displacementOffset) &+ UInt64(instruction.opcode)
    count += 1
  }
  return sum == 1 ? 0 : count
}

private func walkZydis(_ start: UnsafePointer<UInt8>, _ size: Int) -> Int {
  var at = 0
  var count = 0
  while at < size {
    at += max(Int(zydis_length(start + at, size - at)), 1)
    count += 1
  }
  return count
}

private func describe(_ text: String) {
  let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
  let bytes = stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  bytes.withUnsafeBufferPointer { if let start = $0.baseAddress { print(decode(start, available: $0.count)) } }
}
