// Whether the arithmetic flags matter at an address. The rule is part of the definition of a tick: at a stop where they are
// dead the guest shows them as constants, so that a stop there or soon behind looks the same whatever counted it.

/// ZF and PF, as after a comparison of equal numbers.
public let flagsWhereDead: UInt64 = 0x44

/// How far the rule looks.
let livenessInstructionsMax = 24

extension Translator {
  /// Flags are dead at an address when the straight line of at most 24 instructions from there overwrites all six before
  /// one of them is read or the line ends (at a branch, call, return, a call of the kernel, or bytes that are no code).
  static func flagsAreDead(_ bytes: UnsafePointer<UInt8>, available: Int) -> Bool {
    var unwritten = Flags.all
    var offset = 0
    for _ in 0..<livenessInstructionsMax {
      let instruction = decode(bytes + offset, available: available - offset)
      if instruction.length == 0 || instruction.flow != .plain { return false }
      if !instruction.flagsRead.intersection(unwritten).isEmpty { return false }
      unwritten.subtract(instruction.flagsWritten)
      if unwritten.isEmpty { return true }
      offset += Int(instruction.length)
    }
    return false
  }
}
