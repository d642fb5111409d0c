// What tells executions apart, or shows that two are the same: a hash of everything that a guest did at its stops.

import Platform

/// Over task, kind of trap, and registers of every trap, in order.
public struct Fingerprint: Hashable, Sendable {
  public private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325
  public init() {}

  private mutating func add(_ word: UInt64) {
    // A round of xxHash64 (Collet): every bit of a word reaches the high half.
    let mixed = (value ^ (word &* 0xc2b2_ae3d_27d4_eb4f)) &* 0x9e37_79b1_85eb_ca87
    value = (mixed << 31 | mixed >> 33)
  }

  mutating func add(_ context: ContextID, _ trap: Trap, _ registers: Registers) {
    add(UInt64(context.rawValue))
    switch trap {
    case .syscall: add(1)
    case .foreignSyscall: add(2)
    case .vsyscall: add(3)
    case .fault(let fault):
      add(4 | UInt64(fault.signal) << 8 | UInt64(UInt32(bitPattern: fault.code)) << 32)
      add(fault.address.rawValue)
    case .instruction(let instruction, let length): add(5 | UInt64(instruction.rawValue) << 8 | UInt64(length) << 16)
    case .budget(let stop):
      add(6 | UInt64(stop.updates) << 32)
      add(stop.loadedValue)
    case .unresponsive: add(7)
    case .interrupted: add(8)
    }
    let words = registers.words
    for index in 0..<Registers.wordCount where index != Registers.flagsIndex { add(words[index]) }
    // The rest differs between makers of processors.
    add(registers.eflags & ~(Registers.statusFlags | Registers.resumeFlag))
  }
}
