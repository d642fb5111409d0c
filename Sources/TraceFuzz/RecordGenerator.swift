// Random records from a seed, for the property tests and the corpus.
import Platform
import Trace

/// SplitMix64: small, and the same everywhere.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
  /// 0 ..< bound.
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
  mutating func chance(_ one: Int) -> Bool { below(one) == 0 }
}

/// Makes records that a writer accepts and a reader must give back equal.
struct RecordGenerator {
  var random: SeededRandom
  private var eventCount: UInt64 = 0
  private var contents: [[UInt8]] = []
  private var filePieces: [[UInt8]] = []

  init(seed: UInt64) { random = SeededRandom(seed: seed) }

  mutating func records(_ count: Int) -> [Record] { (0..<count).map { _ in record() } }

  mutating func record() -> Record {
    if random.chance(2) { return .event(event()) }
    switch random.below(21) {
    case 0: return .createContext(context(), random.chance(2) ? .initial : .copy(of: context()))
    case 1: return .destroyContext(context())
    case 2: return .setExtendedState(context(), content())
    case 3: return .createAddressSpace(space())
    case 4: return .forkAddressSpace(parent: space(), space())
    case 5: return .destroyAddressSpace(space(), memoryHash: random.next())
    case 6: return .map(space(), range(), protection(), source())
    case 7: return .unmap(space(), range())
    case 8: return .protect(space(), range(), protection())
    case 9: return .remap(space(), range(), to: range())
    case 10: return .discard(space(), range())
    case 11, 12, 13: return .memoryWrite(space(), GuestAddress(word()), content())
    case 14: return .createObject(object(), size: word())
    case 15: return .destroyObject(object())
    case 16: return .resizeObject(object(), size: word())
    case 17: return .objectWrite(object(), offset: word(), random.chance(24) ? filePiece() : content())
    case 18:
      let words = (0..<random.below(5)).map { _ in word() }
      return .localEvent(LocalEvent(kind: UInt8(random.below(256)), words: words))
    case 19 where random.chance(4): return .clock(random.chance(4) ? nil : Int64(bitPattern: word()))
    case 19 where random.chance(8): return .processorAnswers((0..<random.below(5)).map { _ in processorAnswer() })
    case 19: return output()
    default: return .annotation(annotation())
    }
  }

  private mutating func processorAnswer() -> ProcessorAnswer {
    func half() -> UInt32 { UInt32(truncatingIfNeeded: word()) }
    return ProcessorAnswer(leaf: half(), subleaf: random.chance(2) ? nil : half(), eax: half(), ebx: half(), ecx: half(), edx: half())
  }

  mutating func event() -> Event {
    eventCount += 1
    var before = Registers()
    var after = Registers()
    if random.chance(8) { before.rbx = word(); after.gsBase = word(); after.rip = word(); after.r15 = random.next() }
    after.rax = UInt64(random.below(4))
    let trap = trap()
    var words = SyscallWords()
    if trap == .syscall {
      words.number = UInt64(random.below(3))
      words.a0 = UInt64(random.below(3))
      words.a1 = random.chance(4) ? word() : 0x7fff_0000
      words.a2 = random.chance(4) ? random.next() : 64
      words.a5 = random.chance(9) ? ~0 : 0
    }
    return Event(
      number: EventNumber(eventCount), context: context(), space: space(),
      changes: RegisterChanges(from: before, to: after), trap: trap,
      pc: GuestAddress(random.chance(9) ? word() : 0x40_0000 + UInt64(random.below(6))),
      stackPointer: GuestAddress(0x7ffe_0000 + UInt64(random.below(3)) * 64), syscall: words,
      ticks: Ticks(rawValue: random.chance(5) ? word() : 0))
  }

  private mutating func trap() -> Trap {
    switch random.below(16) {
    case 0: return .foreignSyscall
    case 1: return .vsyscall
    case 2:
      let code = Int32(truncatingIfNeeded: Int64(bitPattern: random.next()))
      return .fault(Fault(signal: UInt8(random.below(65)), code: code, address: GuestAddress(word())))
    case 3: return .instruction(.rdtscp, length: 3)
    case 4:
      if random.chance(2) { return .budget(StopPoint(instructions: UInt32(random.below(20)))) }
      return .budget(StopPoint(updates: UInt32(truncatingIfNeeded: word()), loadedValue: word()))
    case 5: return .unresponsive
    case 6: return .interrupted
    default: return .syscall
    }
  }

  private mutating func context() -> ContextID { ContextID(rawValue: identifier()) }
  private mutating func space() -> AddressSpaceID { AddressSpaceID(rawValue: identifier()) }
  private mutating func object() -> MemoryObjectID { MemoryObjectID(rawValue: identifier()) }
  private mutating func identifier() -> UInt32 {
    random.chance(30) ? UInt32(truncatingIfNeeded: random.next()) : UInt32(1 + random.below(4))
  }
  private mutating func word() -> UInt64 { random.next() >> UInt64(random.below(64)) }
  private mutating func range() -> GuestRange {
    let start = (random.next() >> 20) & ~4095
    return GuestRange(GuestAddress(start), GuestAddress(start + UInt64(random.below(9)) * 4096))
  }
  private mutating func protection() -> Protection { Protection(rawValue: UInt8(random.below(8))) }
  private mutating func source() -> MappingSource {
    switch random.below(3) {
    case 0: .anonymous
    case 1: .privateObject(object(), offset: word())
    default: .sharedObject(object(), offset: word())
    }
  }

  /// Small or large, often one that was there before.
  private mutating func content() -> [UInt8] {
    if !contents.isEmpty && random.chance(2) { return contents[random.below(contents.count)] }
    let length =
      switch random.below(20) {
      case 0: 1 + random.below(TraceFormat.contentLimit)
      case 1, 2: 500 + random.below(40)
      case 3: 4096
      default: 1 + random.below(100)
      }
    let fill = UInt8(random.below(256))
    var bytes = [UInt8](repeating: fill, count: length)
    for _ in 0..<min(length, 8) { bytes[random.below(length)] = UInt8(random.below(256)) }
    if contents.count < 50 { contents.append(bytes) }
    return bytes
  }

  /// What only files have: a piece longer than other content, at times one that was there before.
  private mutating func filePiece() -> [UInt8] {
    if !filePieces.isEmpty && random.chance(3) { return filePieces[random.below(filePieces.count)] }
    let length = TraceFormat.contentLimit + 1 + random.below(TraceFormat.filePieceLimit - TraceFormat.contentLimit)
    let step = 1 + random.below(200)
    let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 / step ^ $0 >> 9) }
    if filePieces.count < 4 { filePieces.append(bytes) }
    return bytes
  }

  private mutating func output() -> Record {
    let stream: OutputStream = random.chance(2) ? .standardOutput : .standardError
    if random.chance(2) { return .outputBytes(stream, content()) }
    return .output(stream, space(), (0..<1 + random.below(3)).map { _ in range() })
  }

  private mutating func annotation() -> Annotation {
    let task = Int32(random.below(9)) - 1
    switch random.below(11) {
    case 0: return .taskStarted(task: task, context: context(), process: 2, parent: 1, name: "näme")
    case 1: return .executed(task: task, path: "/bin/sh", arguments: ["sh", "-c", "", "echo \u{1F600}"])
    case 2: return .taskExited(task: task, status: Int32(truncatingIfNeeded: Int64(bitPattern: random.next())))
    case 3:
      return .signalDelivered(task: task, signal: 11, code: -6, senderProcess: 2, handler: GuestAddress(word()))
    case 4:
      return .syscallResumed(task: task, number: word(), result: Int64(bitPattern: random.next()) >> 40)
    case 5: return .scheduled(task: task, reason: .preempted)
    case 6: return .timeJumped(nanoseconds: word())
    case 7: return .randomBytes((0..<random.below(17)).map { UInt8($0) })
    case 8: return .hostInput(stream: 0, count: random.below(1 << 40))
    case 9: return .unknownSyscall(task: task, number: word())
    default: return .runEnded(status: task, verdict: random.chance(2) ? "" : "deadlock")
    }
  }
}
