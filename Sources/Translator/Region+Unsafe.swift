// Decodes what direct branches reach from an entry and finds the heads: the places where code is entered. Sound: reads
// `image.source` below `image.available` only.

/// A straight line of decoded instructions.
struct Segment {
  var start: UInt32
  /// Index of its first instruction.
  var first: Int
  var count: Int
  /// Where execution goes on after the last one, when that is not for the last one to say.
  var continues: UInt32?
}

struct Region: ~Copyable {
  typealias Decoded = (offset: UInt32, instruction: Instruction)
  private(set) var instructions = GrowingBuffer<Decoded>(capacity: 1024)
  private(set) var segments: [Segment] = []
  private(set) var marks = OffsetMarks()
  private var work: [UInt32] = []

  var isEmpty: Bool { instructions.count == 0 }

  mutating func sortSegments() { segments.sort { $0.start < $1.start } }

  mutating func decode(_ image: CodeImage, from entry: UInt32, counted: Bool, limit: Int) {
    instructions.removeAll()
    segments.removeAll(keepingCapacity: true)
    marks.removeAll()
    work.removeAll(keepingCapacity: true)
    marks.add(entry, counted ? .countedHead : .head)
    work.append(entry)
    while let offset = work.popLast(), instructions.count < limit {
      if marks[offset].contains(.decoded) { continue }
      if image.isHead(offset) { continue }
      decodeSegment(image, from: offset, limit: limit)
    }
  }

  private mutating func decodeSegment(_ image: CodeImage, from start: UInt32, limit: Int) {
    var segment = Segment(start: start, first: instructions.count, count: 0, continues: nil)
    var offset = start, end = start
    while true {
      if offset != start {
        let known = marks[offset].contains(.decoded)
        if known || instructions.count >= limit || Int(offset) >= image.length || image.isHead(offset) {
          if known { marks.add(offset, .head) }
          segment.continues = offset
          break
        }
      }
      let instruction = decodeOne(image, offset)
      end = offset + UInt32(max(1, instruction.length))
      if instruction.length == 0 {
        if segment.count > 0 { segment.continues = offset }
        break
      }
      marks.add(offset, .decoded)
      instructions.append((offset, instruction))
      segment.count += 1
      let next = offset + UInt32(instruction.length)
      if !follow(image, instruction, offset, next) { break }
      offset = next
    }
    if segment.count > 0 { segments.append(segment) }
    noteRead(image, start, end)
  }

  private func decodeOne(_ image: CodeImage, _ offset: UInt32) -> Instruction {
    Translator.decodeBytes(image.source + Int(offset), image.available - Int(offset))
  }

  /// Notes that translations depend on the bytes `start ..< end`.
  private func noteRead(_ image: CodeImage, _ start: UInt32, _ end: UInt32) {
    if Int(end) > image.length { image.readsBeyond = true }
    if end == start { return }
    for page in Int(start) / 4096...(Int(end) - 1) / 4096 where page < image.pagesRead.count { image.pagesRead[page] = true }
  }

  /// Notes where an instruction leads; false when the next one is not reached from it.
  private mutating func follow(
    _ image: CodeImage, _ instruction: Instruction, _ offset: UInt32, _ next: UInt32
  ) -> Bool {
    switch instruction.flow {
    case .plain, .popFlags: return true
    case .conditional, .counted:
      followBranch(image, instruction, offset, next)
      return true
    case .jump:
      followBranch(image, instruction, offset, next)
      return false
    case .call:
      followBranch(image, instruction, offset, next, isCall: true)
      marks.add(next, .countedHead)
      return true
    case .callIndirect:
      marks.add(next, .countedHead)
      return true
    case .syscall, .cpuid, .rdtsc, .rdtscp, .rdrand, .rdseed, .rdpid, .xgetbv, .gsBase:
      marks.add(next, .head)
      return true
    case .ret, .jumpIndirect, .sysenter, .breakpoint, .interrupt, .icebp, .far, .transaction, .undefined, .unknown:
      return false
    }
  }

  private mutating func followBranch(
    _ image: CodeImage, _ instruction: Instruction, _ offset: UInt32, _ next: UInt32, isCall: Bool = false
  ) {
    let target = Int(next) + Int(instruction.branchDisplacement(image.source + Int(offset)))
    guard target >= 0, target < image.length else { return }
    let isBackward = target <= Int(offset)
    marks.add(UInt32(target), isBackward ? .countedHead : .head)
    // Functions that are called come after what belongs to this one.
    if isCall { work.insert(UInt32(target), at: 0) } else { work.append(UInt32(target)) }
  }
}

extension Instruction {
  /// The displacement of a direct branch, from its bytes.
  @inline(__always) func branchDisplacement(_ bytes: UnsafePointer<UInt8>) -> Int32 {
    let raw = UnsafeRawPointer(bytes + Int(immediateOffset))
    if immediateSize == 1 { return Int32(raw.load(as: Int8.self)) }
    return raw.loadUnaligned(as: Int32.self)
  }
}

extension Translator {
  @inline(__always) static func decodeBytes(_ bytes: UnsafePointer<UInt8>, _ available: Int) -> Instruction {
    decode(bytes, available: available)
  }
}
