// Records from bytes: the mirror of TraceWriter+Effects and TraceWriter+Events.
import Platform

struct RecordDecoder: ~Copyable {
  private(set) var source: ByteSource
  let state: CodingState
  let lastEvent: EventNumber
  /// Content that stands elsewhere: (length, blocks back, offset).
  let shared: (Int, UInt64, UInt64) throws(DecodeFailure) -> [UInt8]

  init(
    source: ByteSource, state: CodingState, lastEvent: EventNumber,
    shared: @escaping (Int, UInt64, UInt64) throws(DecodeFailure) -> [UInt8]
  ) {
    self.source = source
    self.state = state
    self.lastEvent = lastEvent
    self.shared = shared
  }

  mutating func record(_ tag: RecordTag) throws(DecodeFailure) -> Record {
    switch tag {
    case .header: throw DecodeFailure("a second header")
    case .createContext: return .createContext(try context(), .initial)
    case .copyContext:
      let id = try context()
      return .createContext(id, .copy(of: try context()))
    case .destroyContext: return .destroyContext(try context())
    case .setExtendedState:
      let id = try context()
      return .setExtendedState(id, try content())
    case .createAddressSpace: return .createAddressSpace(try spaceID())
    case .forkAddressSpace:
      let parent = try spaceID()
      return .forkAddressSpace(parent: parent, try spaceID())
    case .destroyAddressSpace:
      let id = try spaceID()
      return .destroyAddressSpace(id, memoryHash: try source.word())
    case .mapAnonymous, .mapPrivate, .mapShared, .unmap, .protect, .remap, .discard: return try mapping(tag)
    case .memoryWrite:
      let id = try space()
      let address = try address()
      return .memoryWrite(id, address, try content())
    case .createObject:
      let id = try object()
      return .createObject(id, size: try source.varint())
    case .destroyObject: return .destroyObject(try object())
    case .resizeObject:
      let id = try object()
      return .resizeObject(id, size: try source.varint())
    case .objectWrite:
      let id = try object()
      let offset = try source.varint()
      return .objectWrite(id, offset: offset, try content(limit: TraceFormat.filePieceLimit))
    case .localEvent:
      let kind = try source.byte()
      let count = try source.itemCount("a local event's length")
      var words: [UInt64] = []
      for _ in 0..<count { words.append(try source.varint()) }
      return .localEvent(LocalEvent(kind: kind, words: words))
    case .clock:
      switch try source.byte() {
      case 0: return .clock(nil)
      case 1: return .clock(Int64(bitPattern: try source.varint()))
      default: throw DecodeFailure("an unknown kind of clock")
      }
    case .processorAnswers: return .processorAnswers(try processorAnswers())
    case .registerHash: return .registerHash(lastEvent, try source.word())
    case .output:
      let stream = try stream()
      let id = try space()
      let count = try source.itemCount("a number of output pieces")
      var pieces: [GuestRange] = []
      for _ in 0..<count { pieces.append(try range()) }
      return .output(stream, id, pieces)
    case .outputBytes:
      let stream = try stream()
      return .outputBytes(stream, try content())
    case .fileEmbedded:
      let path = try source.string()
      let object = try source.varint(limit: 1 << 32, "an object")
      let id = object == 0 ? nil : MemoryObjectID(rawValue: UInt32(object - 1))
      return .fileEmbedded(path: path, id, size: try source.varint())
    case .end: return try end()
    default: return .annotation(try annotation(tag))
    }
  }

  private mutating func processorAnswers() throws(DecodeFailure) -> [ProcessorAnswer] {
    let count = try source.varint(limit: UInt64(ProcessorAnswer.countMax), "a number of answers")
    var answers: [ProcessorAnswer] = []
    for _ in 0..<count {
      let subleaf = try source.varint(limit: 1 << 32, "a subleaf")
      var words: [UInt32] = []
      for _ in 0..<5 { words.append(UInt32(try source.varint(limit: UInt64(UInt32.max), "a word of CPUID"))) }
      answers.append(
        ProcessorAnswer(
          leaf: words[0], subleaf: subleaf == 0 ? nil : UInt32(subleaf - 1), eax: words[1], ebx: words[2], ecx: words[3], edx: words[4]))
    }
    return answers
  }

  private mutating func mapping(_ tag: RecordTag) throws(DecodeFailure) -> Record {
    let id = try space()
    let range = try range()
    switch tag {
    case .unmap: return .unmap(id, range)
    case .discard: return .discard(id, range)
    case .remap: return .remap(id, range, to: try self.range())
    default: break
    }
    let bits = try source.byte()
    if bits > 7 { throw DecodeFailure("an unknown protection") }
    let protection = Protection(rawValue: bits)
    switch tag {
    case .protect: return .protect(id, range, protection)
    case .mapAnonymous: return .map(id, range, protection, .anonymous)
    default:
      let object = try object()
      let offset = try source.varint()
      let source: MappingSource =
        tag == .mapPrivate ? .privateObject(object, offset: offset) : .sharedObject(object, offset: offset)
      return .map(id, range, protection, source)
    }
  }

  private mutating func end() throws(DecodeFailure) -> Record {
    let status = Int32(bitPattern: UInt32(try source.varint(limit: UInt64(UInt32.max), "a status")))
    var end = TraceEnd(status: status, verdict: try source.string())
    end.eventCount = try source.varint()
    end.filesEmbedded = try source.varint()
    end.bytesEmbedded = try source.varint()
    end.filesChanged = try source.varint()
    end.virtualNanoseconds = try source.varint()
    return .end(end)
  }

  private mutating func annotation(_ tag: RecordTag) throws(DecodeFailure) -> Annotation {
    switch tag {
    case .taskStarted:
      let task = try number()
      let context = try context()
      let process = try number()
      let parent = try number()
      return .taskStarted(task: task, context: context, process: process, parent: parent, name: try source.string())
    case .executed:
      let task = try number()
      let path = try source.string()
      let count = try source.itemCount("a number of arguments")
      var arguments: [String] = []
      for _ in 0..<count { arguments.append(try source.string()) }
      return .executed(task: task, path: path, arguments: arguments)
    case .taskExited:
      let task = try number()
      return .taskExited(task: task, status: try number())
    case .signalDelivered:
      let task = try number()
      let signal = try source.byte()
      let code = try number()
      let sender = try number()
      let handler = GuestAddress(try source.varint())
      return .signalDelivered(task: task, signal: signal, code: code, senderProcess: sender, handler: handler)
    case .syscallResumed:
      let task = try number()
      let syscall = try source.varint()
      let result = Int64(bitPattern: try source.delta(from: 0))
      return .syscallResumed(task: task, number: syscall, result: result)
    case .scheduled:
      let task = try number()
      guard let reason = ScheduleReason(rawValue: try source.byte()) else {
        throw DecodeFailure("an unknown reason of the scheduler")
      }
      return .scheduled(task: task, reason: reason)
    case .timeJumped: return .timeJumped(nanoseconds: try source.varint())
    case .randomBytes: return .randomBytes(try source.raw(try source.itemCount("a number of random bytes")))
    case .hostInput:
      let stream = try number()
      return .hostInput(stream: stream, count: Int(try source.varint(limit: UInt64(Int.max), "a count")))
    case .unknownSyscall:
      let task = try number()
      return .unknownSyscall(task: task, number: try source.varint())
    case .runEnded:
      let status = try number()
      return .runEnded(status: status, verdict: try source.string())
    default: throw DecodeFailure("an unknown record: tag \(tag.rawValue)")
    }
  }

  // MARK: Fields

  private mutating func identifier() throws(DecodeFailure) -> UInt32 {
    UInt32(try source.varint(limit: UInt64(UInt32.max), "an identifier"))
  }
  private mutating func context() throws(DecodeFailure) -> ContextID { ContextID(rawValue: try identifier()) }
  private mutating func spaceID() throws(DecodeFailure) -> AddressSpaceID { AddressSpaceID(rawValue: try identifier()) }

  private mutating func step(from last: UInt32) throws(DecodeFailure) -> UInt32 {
    guard let id = UInt32(exactly: try source.delta(from: UInt64(last))) else {
      throw DecodeFailure("an identifier does not fit 32 bits")
    }
    return id
  }

  private mutating func space() throws(DecodeFailure) -> AddressSpaceID {
    state.lastSpace = try step(from: state.lastSpace)
    return AddressSpaceID(rawValue: state.lastSpace)
  }

  private mutating func object() throws(DecodeFailure) -> MemoryObjectID {
    state.lastObject = try step(from: state.lastObject)
    return MemoryObjectID(rawValue: state.lastObject)
  }

  private mutating func address() throws(DecodeFailure) -> GuestAddress {
    state.lastAddress = try source.delta(from: state.lastAddress)
    return GuestAddress(state.lastAddress)
  }

  private mutating func range() throws(DecodeFailure) -> GuestRange {
    let start = try address()
    guard let range = GuestRange(start, length: try source.varint()) else {
      throw DecodeFailure("a range wraps around the end of the address space")
    }
    return range
  }

  private mutating func number() throws(DecodeFailure) -> Int32 {
    guard let value = Int32(exactly: Int64(bitPattern: try source.delta(from: 0))) else {
      throw DecodeFailure("a number does not fit 32 bits")
    }
    return value
  }

  private mutating func stream() throws(DecodeFailure) -> OutputStream {
    guard let stream = OutputStream(rawValue: try source.byte()) else {
      throw DecodeFailure("an unknown output stream")
    }
    return stream
  }

  /// Every content takes at most `limit`, as the writer splits it.
  private mutating func content(limit: Int = TraceFormat.contentLimit) throws(DecodeFailure) -> [UInt8] {
    let coded = try source.varint(limit: UInt64(limit) << 1 | 1, "a content's length")
    let length = Int(coded >> 1)
    if coded & 1 == 0 { return try source.raw(length) }
    let back = try source.varint()
    return try shared(length, back, try source.varint())
  }
}
