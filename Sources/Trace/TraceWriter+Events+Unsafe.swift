// Events, output, annotations and the end.
// Unsafe because random bytes and stream bytes are copied into the mapped block by pointer, checked by `ByteSink.raw`.
import Platform

extension TraceWriter {
  /// A run and its trap. `before`: the context's registers at its last trap (`Registers()` before its first run);
  /// `run`: those it was set running with; `stopped`: those at the trap. Every 64th event a register hash follows.
  @discardableResult
  public func event(
    _ context: ContextID, space: AddressSpaceID, before: Registers, run: Registers, trap: Trap,
    stopped: Registers, ticks: Ticks
  ) throws(TraceError) -> EventNumber {
    try begin()
    let number = nextEventNumber()
    let changes = RegisterChanges(from: before, to: run)
    var words = TrapWords(trap, stopped, ticks: ticks.rawValue)
    state.encode(
      into: &sink, context: context.rawValue, space: space.rawValue, changes: changes, pc: stopped.rip, trap: &words)
    commit()
    chain.add(stopped)
    chainIsAhead = true
    if number.rawValue % TraceFormat.registerHashInterval == 0 { try registerHash(chain.value) }
    return number
  }

  /// An event that was read from a trace; its register hashes are appended as they are read.
  func append(_ event: Event) throws(TraceError) {
    try begin()
    let number = nextEventNumber()
    precondition(number == event.number, "events are appended in order")
    var stopped = Registers()
    stopped.rsp = event.stackPointer.rawValue
    stopped.origRax = event.syscall.number
    stopped.rdi = event.syscall.a0
    stopped.rsi = event.syscall.a1
    stopped.rdx = event.syscall.a2
    stopped.r10 = event.syscall.a3
    stopped.r8 = event.syscall.a4
    stopped.r9 = event.syscall.a5
    var words = TrapWords(event.trap, stopped, ticks: event.ticks.rawValue)
    state.encode(
      into: &sink, context: event.context.rawValue, space: event.space.rawValue, changes: event.changes,
      pc: event.pc.rawValue, trap: &words)
    commit()
  }

  func registerHash(_ value: UInt64) throws(TraceError) {
    try begin(.registerHash)
    sink.word(value)
    recordedChain = value
    chainIsAhead = false
    commit()
  }

  /// A guest action that translated code answered by itself before the next event.
  public func localEvent(_ event: LocalEvent) throws(TraceError) {
    precondition(event.words.count <= 4096, "a local event has at most 4096 words")
    try begin(.localEvent)
    sink.byte(event.kind)
    sink.varint(UInt64(event.words.count))
    for word in event.words { sink.varint(word) }
    commit()
  }

  /// See `Record.clock`.
  public func clock(_ nanoseconds: Int64?) throws(TraceError) {
    try begin(.clock)
    sink.byte(nanoseconds == nil ? 0 : 1)
    if let nanoseconds { sink.varint(UInt64(bitPattern: nanoseconds)) }
    commit()
  }

  /// See `Record.processorAnswers`.
  public func processorAnswers(_ answers: [ProcessorAnswer]) throws(TraceError) {
    precondition(answers.count <= ProcessorAnswer.countMax)
    try begin(.processorAnswers)
    sink.varint(UInt64(answers.count))
    for answer in answers {
      sink.varint(answer.subleaf.map { UInt64($0) + 1 } ?? 0)
      for word in [answer.leaf, answer.eax, answer.ebx, answer.ecx, answer.edx] { sink.varint(UInt64(word)) }
    }
    commit()
  }

  // MARK: Output

  /// The guest wrote these pieces of its memory, which hold `bytes`, to a stream. Split into records at 4096 pieces.
  /// The bytes are not written; the next register hash covers them.
  public func output(
    _ stream: OutputStream, space id: AddressSpaceID, pieces: [GuestRange], bytes: ArraySlice<UInt8>
  ) throws(TraceError) {
    var at = 0
    var rest = bytes
    while at < pieces.count {
      let end = min(at + 4096, pieces.count)
      try outputRecord(stream, id, pieces[at..<end])
      let length = pieces[at..<end].reduce(0) { min(rest.count, $0 + Int(min($1.length, UInt64(rest.count)))) }
      cover(output: rest.prefix(length))
      rest = rest.dropFirst(length)
      at = end
    }
  }

  /// Bytes for a stream that do not lie in guest memory. Split into records at `contentLimit`.
  public func output(_ stream: OutputStream, bytes: ArraySlice<UInt8>) throws(TraceError) {
    var at = bytes.startIndex
    while at < bytes.endIndex {
      let end = min(at + TraceFormat.contentLimit, bytes.endIndex)
      try outputRecord(stream, bytes[at..<end])
      cover(output: bytes[at..<end])
      at = end
    }
  }

  private func cover(output bytes: ArraySlice<UInt8>) {
    chain.add(output: bytes)
    chainIsAhead = true
  }

  private func outputRecord(
    _ stream: OutputStream, _ id: AddressSpaceID, _ pieces: ArraySlice<GuestRange>
  ) throws(TraceError) {
    try begin(.output)
    sink.byte(stream.rawValue)
    space(id)
    sink.varint(UInt64(pieces.count))
    for piece in pieces { range(piece) }
    commit()
  }

  private func outputRecord(_ stream: OutputStream, _ bytes: ArraySlice<UInt8>) throws(TraceError) {
    try begin(.outputBytes)
    sink.byte(stream.rawValue)
    bytes.withUnsafeBytes { content($0) }
    commit()
  }

  /// Names an embedded file. `object`: the memory object with its content, when it has one.
  public func fileEmbedded(path: String, object: MemoryObjectID?, size: UInt64) throws(TraceError) {
    try begin(.fileEmbedded)
    sink.string(path, limit: TextLimit.path)
    sink.varint(object.map { UInt64($0.rawValue) + 1 } ?? 0)
    sink.varint(size)
    filesEmbedded += 1
    bytesEmbedded &+= size
    commit()
  }

  func appendEnd(_ end: TraceEnd) throws(TraceError) {
    try begin(.end)
    sink.varint(UInt64(UInt32(bitPattern: end.status)))
    sink.string(end.verdict, limit: TextLimit.word)
    sink.varint(end.eventCount)
    sink.varint(end.filesEmbedded)
    sink.varint(end.bytesEmbedded)
    sink.varint(end.filesChanged)
    sink.varint(end.virtualNanoseconds)
    commit()
  }

  // MARK: Annotations

  /// What the kernel says beside the effects. Long texts are cut (`TextLimit`), random bytes after the first 256.
  public func annotation(_ annotation: Annotation) throws(TraceError) {
    try begin()
    switch annotation {
    case .taskStarted(let task, let context, let process, let parent, let name):
      tag(.taskStarted, task)
      sink.varint(UInt64(context.rawValue))
      number(process)
      number(parent)
      sink.string(name, limit: TextLimit.word)
    case .executed(let task, let path, let arguments):
      tag(.executed, task)
      sink.string(path, limit: TextLimit.path)
      executedArguments(arguments)
    case .taskExited(let task, let status):
      tag(.taskExited, task)
      number(status)
    case .signalDelivered(let task, let signal, let code, let senderProcess, let handler):
      tag(.signalDelivered, task)
      sink.byte(signal)
      number(code)
      number(senderProcess)
      sink.varint(handler.rawValue)
    case .syscallResumed(let task, let syscall, let result):
      tag(.syscallResumed, task)
      sink.varint(syscall)
      sink.delta(UInt64(bitPattern: result), from: 0)
    case .scheduled(let task, let reason):
      tag(.scheduled, task)
      sink.byte(reason.rawValue)
    case .timeJumped(let nanoseconds):
      sink.byte(RecordTag.timeJumped.rawValue)
      sink.varint(nanoseconds)
    case .randomBytes(let bytes):
      sink.byte(RecordTag.randomBytes.rawValue)
      let count = min(bytes.count, TextLimit.randomBytes)
      sink.varint(UInt64(count))
      bytes.withUnsafeBytes { sink.raw(UnsafeRawBufferPointer(rebasing: $0.prefix(count))) }
    case .hostInput(let stream, let count):
      tag(.hostInput, stream)
      sink.varint(UInt64(count))
    case .unknownSyscall(let task, let syscall):
      tag(.unknownSyscall, task)
      sink.varint(syscall)
    case .runEnded(let status, let verdict):
      tag(.runEnded, status)
      sink.string(verdict, limit: TextLimit.word)
    }
    commit()
  }

  private func tag(_ tag: RecordTag, _ value: Int32) {
    sink.byte(tag.rawValue)
    number(value)
  }

  private func number(_ value: Int32) { sink.delta(UInt64(bitPattern: Int64(value)), from: 0) }

  /// As many arguments as fit `TextLimit.allArguments`.
  private func executedArguments(_ arguments: [String]) {
    var room = TextLimit.allArguments
    var count = 0
    for argument in arguments {
      room -= min(argument.utf8.count, TextLimit.argument) + 4
      if room < 0 { break }
      count += 1
    }
    sink.varint(UInt64(count))
    for argument in arguments.prefix(count) { sink.string(argument, limit: TextLimit.argument) }
  }

  // MARK: Any record

  /// Appends a record as a reader gave it (to rewrite a trace). Events must come in order; the end is `close`.
  public func append(_ record: Record) throws(TraceError) {
    switch record {
    case .createContext(let id, let source): try createContext(id, extendedState: source)
    case .destroyContext(let id): try destroyContext(id)
    case .setExtendedState(let id, let bytes): try setExtendedState(of: id, bytes)
    case .createAddressSpace(let id): try createAddressSpace(id)
    case .forkAddressSpace(let parent, let id): try forkAddressSpace(parent, as: id)
    case .destroyAddressSpace(let id, let hash): try destroyAddressSpace(id, memoryHash: hash)
    case .map(let id, let range, let protection, let source): try map(id, range, protection, source)
    case .unmap(let id, let range): try unmap(id, range)
    case .protect(let id, let range, let protection): try protect(id, range, protection)
    case .remap(let id, let range, let target): try remap(id, range, to: target)
    case .discard(let id, let range): try discard(id, range)
    case .memoryWrite(let id, let address, let bytes): try memoryWrite(id, address, bytes[...])
    case .createObject(let id, let size): try createObject(id, size: size)
    case .destroyObject(let id): try destroyObject(id)
    case .resizeObject(let id, let size): try resizeObject(id, size: size)
    case .objectWrite(let id, let offset, let bytes):
      // A file's, when it is longer than what else is written.
      let isFile = bytes.count > TraceFormat.contentLimit && bytes.count <= TraceFormat.filePieceLimit
      if isFile { try filePiece(id, offset, bytes) } else { try writeObject(id, offset: offset, bytes[...]) }
    case .event(let event): try append(event)
    case .localEvent(let event): try localEvent(event)
    case .clock(let nanoseconds): try clock(nanoseconds)
    case .processorAnswers(let answers): try processorAnswers(answers)
    case .registerHash(_, let value): try registerHash(value)
    case .output(let stream, let id, let pieces): try outputRecord(stream, id, pieces[...])
    case .outputBytes(let stream, let bytes): try outputRecord(stream, bytes[...])
    case .annotation(let annotation): try self.annotation(annotation)
    case .fileEmbedded(let path, let object, let size): try fileEmbedded(path: path, object: object, size: size)
    case .end: preconditionFailure("a trace's end is written by close")
    }
  }
}
