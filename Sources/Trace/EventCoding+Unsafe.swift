// One event in bytes, both directions. The layout:
//
//   tag       1 0 v m w p s c   (0x80 and flags: what was as predicted and therefore is not written)
//   context   unless c: varint
//   space     unless s: zigzag step from the context's last space
//   changes   unless m: varint mask of changed registers; unless v: for each, zigzag step from the site's last value
//   rip       unless p: zigzag step from the rip that followed last time
//   trap      unless w: varint mask of differing trap words, for each the zigzag step
//
// Unsafe because it reads registers as 27 words and the prediction tables of `CodingState` by pointer; both have fixed
// sizes and all indices are below them.
import Platform

enum EventFlag {
  static let tag: UInt8 = 0x80
  static let sameContext: UInt8 = 1
  static let sameSpace: UInt8 = 2
  static let predictedPC: UInt8 = 4
  static let sameTrap: UInt8 = 8
  static let sameMask: UInt8 = 16
  static let sameValues: UInt8 = 32
}

/// A trap as 13 words: kind, syscall number, six arguments, rsp, three words of the kind's own, ticks.
struct TrapWords {
  static let stackPointer = 8
  static let detail = 9
  static let ticks = 12
  var words = InlineArray<13, UInt64>(repeating: 0)

  init() {}

  @inline(__always) init(_ trap: Trap, _ r: Registers, ticks: UInt64) {
    words[Self.stackPointer] = r.rsp
    words[Self.ticks] = ticks
    switch trap {
    case .syscall:
      words[1] = r.origRax
      words[2] = r.rdi
      words[3] = r.rsi
      words[4] = r.rdx
      words[5] = r.r10
      words[6] = r.r8
      words[7] = r.r9
    case .foreignSyscall: words[0] = 1
    case .vsyscall: words[0] = 2
    case .fault(let fault):
      words[0] = 3
      words[9] = UInt64(fault.signal)
      words[10] = UInt64(bitPattern: Int64(fault.code))
      words[11] = fault.address.rawValue
    case .instruction(let instruction, let length):
      words[0] = 4
      words[9] = UInt64(instruction.rawValue)
      words[10] = UInt64(length)
    case .budget(let point):
      words[0] = 5
      words[9] = UInt64(point.instructions)
      words[10] = UInt64(point.updates)
      words[11] = point.loadedValue
    case .unresponsive: words[0] = 6
    case .interrupted: words[0] = 7
    }
  }

  func trap() throws(DecodeFailure) -> Trap {
    switch words[0] {
    case 0: return .syscall
    case 1: return .foreignSyscall
    case 2: return .vsyscall
    case 3:
      guard let signal = UInt8(exactly: words[9]), let code = Int32(exactly: Int64(bitPattern: words[10])) else {
        throw DecodeFailure("a fault has no valid signal or code")
      }
      return .fault(Fault(signal: signal, code: code, address: GuestAddress(words[11])))
    case 4:
      guard let raw = UInt8(exactly: words[9]), let instruction = SpecialInstruction(rawValue: raw),
        let length = UInt8(exactly: words[10])
      else { throw DecodeFailure("an unknown special instruction") }
      return .instruction(instruction, length: length)
    case 5:
      guard let instructions = UInt32(exactly: words[9]), let updates = UInt32(exactly: words[10]) else {
        throw DecodeFailure("a reached limit has no valid counts")
      }
      return .budget(StopPoint(instructions: instructions, updates: updates, loadedValue: words[11]))
    case 6: return .unresponsive
    case 7: return .interrupted
    default: throw DecodeFailure("an unknown kind of trap: \(words[0])")
    }
  }

  var syscall: SyscallWords {
    var s = SyscallWords()
    if words[0] != 0 { return s }
    s.number = words[1]
    s.a0 = words[2]
    s.a1 = words[3]
    s.a2 = words[4]
    s.a3 = words[5]
    s.a4 = words[6]
    s.a5 = words[7]
    return s
  }
}

extension CodingState {
  /// Appends one event.
  func encode(
    into sink: inout ByteSink, context: UInt32, space: UInt32, changes: borrowing RegisterChanges, pc: UInt64,
    trap: inout TrapWords
  ) {
    let slot = contextSlot(context)
    let before = site(Int(slot[Self.contextSite]))
    let ticks = trap.words[TrapWords.ticks]
    trap.words[TrapWords.ticks] = ticks &- slot[Self.contextTicks]

    // The tag is known last; the order of table changes is the decoder's.
    let tagPosition = sink.count
    var flags = EventFlag.tag
    sink.byte(0)
    if context == lastContext { flags |= EventFlag.sameContext } else { sink.varint(UInt64(context)) }
    if UInt64(space) == slot[Self.contextSpace] {
      flags |= EventFlag.sameSpace
    } else {
      sink.delta(UInt64(space), from: slot[Self.contextSpace])
    }
    flags |= encodeChanges(changes, against: before, into: &sink)
    let predicted = before[Self.nextPC]
    if pc == predicted { flags |= EventFlag.predictedPC } else { sink.delta(pc, from: predicted) }
    before[Self.nextPC] = pc

    let index = siteIndex(pc: pc, context: context)
    let here = site(index)
    var differing: UInt64 = 0
    for i in 0..<Self.trapWordCount where trap.words[i] != here[Self.trapWords &+ i] { differing |= 1 &<< UInt64(i) }
    if differing == 0 {
      flags |= EventFlag.sameTrap
    } else {
      sink.varint(differing)
      while differing != 0 {
        let i = differing.trailingZeroBitCount
        sink.delta(trap.words[i], from: here[Self.trapWords &+ i])
        here[Self.trapWords &+ i] = trap.words[i]
        differing &= differing &- 1
      }
    }
    sink.patch(flags, at: tagPosition)
    lastContext = context
    lastSpace = space
    slot[Self.contextSpace] = UInt64(space)
    slot[Self.contextSite] = UInt64(index)
    slot[Self.contextTicks] = ticks
  }

  /// The registers that the kernel changed, against the last change at the same site. Returns the flags.
  @inline(__always) private func encodeChanges(
    _ changes: borrowing RegisterChanges, against before: UnsafeMutablePointer<UInt64>, into sink: inout ByteSink
  ) -> UInt8 {
    let mask = changes.mask
    var flags: UInt8 = 0
    if UInt64(mask) == before[Self.runMask] { flags |= EventFlag.sameMask } else { sink.varint(UInt64(mask)) }
    before[Self.runMask] = UInt64(mask)
    var same = true
    var rest = mask
    while rest != 0 {
      let i = rest.trailingZeroBitCount
      if changes.words[i] != before[Self.runWords &+ i] { same = false }
      rest &= rest &- 1
    }
    if same { return flags | EventFlag.sameValues }
    rest = mask
    while rest != 0 {
      let i = rest.trailingZeroBitCount
      sink.delta(changes.words[i], from: before[Self.runWords &+ i])
      before[Self.runWords &+ i] = changes.words[i]
      rest &= rest &- 1
    }
    return flags
  }

  /// Reads what `encode` wrote; `flags` is the tag byte.
  func decodeEvent(
    flags: UInt8, from source: inout ByteSource, number: EventNumber
  ) throws(DecodeFailure) -> Event {
    if flags & 0x40 != 0 { throw DecodeFailure("an unknown record") }
    var context = lastContext
    if flags & EventFlag.sameContext == 0 {
      context = UInt32(truncatingIfNeeded: try source.varint(limit: UInt64(UInt32.max), "a context"))
    }
    let slot = contextSlot(context)
    let before = site(Int(slot[Self.contextSite]))
    var space = slot[Self.contextSpace]
    if flags & EventFlag.sameSpace == 0 {
      space = try source.delta(from: space)
      if space > UInt64(UInt32.max) { throw DecodeFailure("an address space outside 32 bits") }
    }
    var changes = RegisterChanges()
    changes.mask = UInt32(truncatingIfNeeded: before[Self.runMask])
    if flags & EventFlag.sameMask == 0 {
      let limit: UInt64 = 1 << UInt64(Registers.wordCount) - 1
      changes.mask = UInt32(truncatingIfNeeded: try source.varint(limit: limit, "a register mask"))
    }
    var rest = changes.mask
    while rest != 0 {
      let i = rest.trailingZeroBitCount
      if flags & EventFlag.sameValues == 0 {
        before[Self.runWords + i] = try source.delta(from: before[Self.runWords + i])
      }
      changes.words[i] = before[Self.runWords + i]
      rest &= rest - 1
    }
    before[Self.runMask] = UInt64(changes.mask)
    var pc = before[Self.nextPC]
    if flags & EventFlag.predictedPC == 0 { pc = try source.delta(from: pc) }
    before[Self.nextPC] = pc
    let index = siteIndex(pc: pc, context: context)
    let here = site(index)
    if flags & EventFlag.sameTrap == 0 {
      var differing = try source.varint(limit: 1 << UInt64(Self.trapWordCount) - 1, "a mask of trap words")
      while differing != 0 {
        let i = differing.trailingZeroBitCount
        here[Self.trapWords + i] = try source.delta(from: here[Self.trapWords + i])
        differing &= differing - 1
      }
    }
    var trap = TrapWords()
    for i in 0..<Self.trapWordCount { trap.words[i] = here[Self.trapWords + i] }
    let ticks = trap.words[TrapWords.ticks] &+ slot[Self.contextTicks]

    lastContext = context
    lastSpace = UInt32(truncatingIfNeeded: space)
    slot[Self.contextSpace] = space
    slot[Self.contextSite] = UInt64(index)
    slot[Self.contextTicks] = ticks
    return Event(
      number: number, context: ContextID(rawValue: context), space: AddressSpaceID(rawValue: lastSpace),
      changes: changes, trap: try trap.trap(), pc: GuestAddress(pc),
      stackPointer: GuestAddress(trap.words[TrapWords.stackPointer]), syscall: trap.syscall,
      ticks: Ticks(rawValue: ticks))
  }
}
