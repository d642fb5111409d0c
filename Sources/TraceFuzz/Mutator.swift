// Structure-aware mutation: changes go inside blocks, whose checksums and compression are made good again, so that the
// decoder behind them is what is tested. Some changes go to the file's bytes instead, to test what stands before it.
import Trace

struct Mutator {
  private let corpus: [TraceParts]
  private let compressor = FrameCompressor()

  init(corpus: [[UInt8]]) { self.corpus = corpus.compactMap { try? TraceParts($0) } }

  var isEmpty: Bool { corpus.isEmpty }

  /// The bytes of execution `number` under `seed`: nothing else decides them.
  func trace(seed: UInt64, number: UInt64) -> [UInt8] {
    var random = SeededRandom(seed: seed &* 0xD6E8_FEB8_6659_FD93 ^ number)
    var parts = corpus[random.below(corpus.count)]
    for _ in 0...random.below(4) { mutate(&parts, &random) }
    var bytes = parts.assembled(random.chance(16) ? compressor : nil)
    if random.chance(8) {
      for _ in 0...random.below(3) where !bytes.isEmpty { mutate(&bytes, &random, other: bytes) }
    }
    return bytes
  }

  private func mutate(_ parts: inout TraceParts, _ random: inout SeededRandom) {
    switch random.below(40) {
    case 0: mutate(&parts.headerPayload, &random, other: parts.headerPayload)
    case 1: parts.version = UInt32(random.chance(4) ? random.below(100_000) : 1 + random.below(3))
    case 2: parts.hasSeekTable.toggle()
    case 3 where parts.parts.count > 1: parts.parts.swapAt(0, random.below(parts.parts.count))
    case 4 where parts.parts.count > 1: parts.parts.remove(at: random.below(parts.parts.count))
    case 5 where !parts.parts.isEmpty: parts.parts.append(parts.parts[random.below(parts.parts.count)])
    case 6:
      // Blocks of another trace.
      parts.parts.append(contentsOf: corpus[random.below(corpus.count)].parts.prefix(2))
      for i in parts.parts.indices { parts.parts[i].number = UInt32(i + 1) }
    default:
      if parts.parts.isEmpty { return }
      let i = random.below(parts.parts.count)
      switch random.below(24) {
      case 0: parts.parts[i].recordCount = UInt32(truncatingIfNeeded: interesting(&random))
      case 1: parts.parts[i].firstEvent = interesting(&random)
      case 2: parts.parts[i].number = UInt32(truncatingIfNeeded: interesting(&random))
      case 3, 4: mutate(framesOf: &parts.parts[i], &random)
      default:
        let other = corpus[random.below(corpus.count)].parts.first?.payload ?? []
        mutate(&parts.parts[i].payload, &random, other: other)
      }
    }
  }

  /// One change of how a block is cut into frames.
  private func mutate(framesOf part: inout TraceParts.Part, _ random: inout SeededRandom) {
    let length = part.payload.count + 40
    switch random.below(8) {
    case 0: part.frameEnds = []
    case 1: part.droppedFrame = random.below(part.frameEnds.count + 1)
    // An empty frame, a frame again, one to be skipped, no frame.
    case 2: part.strayBytes = TraceParts.storedFrame([])
    case 3: part.strayBytes = TraceParts.storedFrame(Array(part.payload.prefix(random.below(64))))
    case 4: part.strayBytes = [0x50, 0x2A, 0x4D, 0x18, 1, 0, 0, 0, 9]
    case 5: part.strayBytes = (0..<random.below(9)).map { UInt8($0) }
    case 6 where !part.frameEnds.isEmpty:
      let i = random.below(part.frameEnds.count)
      part.frameEnds[i] = random.chance(2) ? random.below(length) : max(0, part.frameEnds[i] + random.below(9) - 4)
    default:
      // Also one within the header, and one twice.
      let end = random.chance(3) ? random.below(41) : random.below(length)
      part.frameEnds = (part.frameEnds + (random.chance(4) ? [end, end] : [end])).sorted()
    }
  }

  /// One change of bytes: flips, numbers, holes, insertions, pieces of another place.
  private func mutate(_ bytes: inout [UInt8], _ random: inout SeededRandom, other: [UInt8]) {
    if bytes.isEmpty {
      bytes = other
      return
    }
    let at = random.below(bytes.count)
    switch random.below(8) {
    case 0, 1: bytes[at] ^= 1 << UInt8(random.below(8))
    case 2: bytes[at] = UInt8(truncatingIfNeeded: random.next())
    case 3:
      let number = varint(interesting(&random))
      bytes.replaceSubrange(at..<min(at + (random.chance(2) ? number.count : 1), bytes.count), with: number)
    case 4: bytes.removeSubrange(at..<min(at + 1 + random.below(16), bytes.count))
    case 5: bytes.removeLast(bytes.count - at)
    case 6: bytes.insert(UInt8(random.below(256)), at: at)
    default:
      if other.isEmpty { return }
      let start = random.below(other.count)
      let end = min(start + 1 + random.below(64), other.count)
      bytes.insert(contentsOf: other[start..<end], at: at)
    }
  }

  private func interesting(_ random: inout SeededRandom) -> UInt64 {
    switch random.below(6) {
    case 0: UInt64(random.below(4))
    case 1: ~0
    case 2: 1 << UInt64(random.below(64))
    case 3: (1 << UInt64(random.below(64))) &- 1
    case 4: UInt64(random.below(1 << 20))
    default: random.next()
    }
  }

  private func varint(_ value: UInt64) -> [UInt8] {
    var out: [UInt8] = []
    var rest = value
    while rest >= 0x80 {
      out.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    out.append(UInt8(rest))
    return out
  }
}
