// What a program finds on its stack: create_elf_tables of fs/binfmt_elf.c, and the System V ABI, "Process Initialization".
//
//   rsp →  argc  argv... 0  envp... 0  auxv...  (gap to 16 bytes)  16 random bytes  "x86_64"
//          argument strings  environment strings  name of the executable  8 zero bytes  ← end of the stack

import LinuxABI
import Platform

struct InitialStack {
  var arguments: [[UInt8]]
  var environment: [[UInt8]]
  /// AT_EXECFN: the path that execve was given.
  var executableName: [UInt8]
  var randomBytes: [UInt8]

  /// MAX_ARG_STRLEN.
  static let stringBytesMax = 32 * 4096
  static let platformName = Array("x86_64".utf8) + [0]

  /// The bytes below the end of the stack, and where its parts lie.
  struct Laid {
    var bytes: [UInt8]
    var stackPointer: GuestAddress
    var auxiliaryVector: [AuxiliaryEntry]
    var argumentStrings: GuestRange
    var environmentStrings: GuestRange
  }

  /// E2BIG where the strings and their pointers exceed what execve allows: a quarter of the stack limit, at most 6 MiB,
  /// at least 128 KiB; 128 KiB a string (bprm_stack_limits of fs/exec.c).
  func checkSize(stackLimit: UInt64) throws(Errno) {
    let limit = max(min(stackLimit / 4, 6 << 20), 128 << 10)
    var total = UInt64(executableName.count) + 1
    for string in arguments + environment {
      if string.count >= Self.stringBytesMax { throw .E2BIG }
      total += UInt64(string.count) + 1 + 8
    }
    if total > limit { throw .E2BIG }
  }

  /// Lays everything out below `end`. `entries` is the vector without what this adds (random, name, platform, end).
  func lay(below end: GuestAddress, entries: [AuxiliaryEntry]) -> Laid {
    func joined(_ strings: [[UInt8]]) -> [UInt8] { strings.flatMap { $0 + [0] } }
    let argumentBytes = joined(arguments)
    let environmentBytes = joined(environment)
    let name = end - 8 - UInt64(executableName.count + 1)
    let environmentStart = name - UInt64(environmentBytes.count)
    let argumentStart = environmentStart - UInt64(argumentBytes.count)
    let platform = GuestAddress((argumentStart.rawValue & ~15) - UInt64(Self.platformName.count))
    let random = platform - 16
    var vector = entries
    vector.append(AuxiliaryEntry(type: AuxiliaryType.random, value: random.rawValue))
    vector.append(AuxiliaryEntry(type: AuxiliaryType.executableName, value: name.rawValue))
    vector.append(AuxiliaryEntry(type: AuxiliaryType.platform, value: platform.rawValue))
    vector.append(AuxiliaryEntry(type: AuxiliaryType.null, value: 0))
    let words = 1 + arguments.count + 1 + environment.count + 1 + 2 * vector.count
    let stackPointer = GuestAddress((random.rawValue - UInt64(words * 8)) & ~15)

    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(end - stackPointer))
    func put(_ value: UInt64) { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }
    func putPointers(_ strings: [[UInt8]], from start: GuestAddress) {
      var at = start
      for string in strings {
        put(at.rawValue)
        at = at + UInt64(string.count + 1)
      }
      put(0)
    }
    func pad(to address: GuestAddress) { bytes += [UInt8](repeating: 0, count: Int(address - stackPointer) - bytes.count) }
    put(UInt64(arguments.count))
    putPointers(arguments, from: argumentStart)
    putPointers(environment, from: environmentStart)
    for entry in vector {
      put(entry.type)
      put(entry.value)
    }
    pad(to: random)
    bytes += randomBytes + Self.platformName
    pad(to: argumentStart)
    bytes += argumentBytes + environmentBytes + executableName
    pad(to: end)
    return Laid(
      bytes: bytes, stackPointer: stackPointer, auxiliaryVector: vector,
      argumentStrings: GuestRange(argumentStart, environmentStart),
      environmentStrings: GuestRange(environmentStart, name))
  }
}
