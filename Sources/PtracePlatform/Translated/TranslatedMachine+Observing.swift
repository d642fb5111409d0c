// What a search for schedules asks for: stops before chosen instructions, and the log of what instructions touch. Both are in
// the translations (Observing+Unsafe.swift of Translator), so whoever turns them on or off throws all translations away.
//
// Points are counted like ticks, in the slot `points`, and the fault of a used-up count comes here. Executed in stretches they
// do not count: where code cannot be kept, with the trap flag, between the last tick and the stop of a limit of instructions.
import Platform
import Translator

/// The count of scheduling points in a run.
struct PointCount {
  /// Points that the run has come by once the slot says that none of those given is left.
  private var given: UInt64 = 0
  /// The run stops before this one; nil for never.
  private let last: UInt64?

  init(_ limit: UInt32) { last = limit == 0 ? nil : UInt64(limit) }

  /// Points that the run came by, as the slot says.
  func passed(_ slot: UInt64) -> UInt64 { given &- (slot &- RuntimeLayout.countdown) }

  /// How many may pass after so many until the next stop, as the slot's value.
  mutating func give(after passed: UInt64) -> UInt64 {
    let most = UInt64(RuntimeLayout.countMax)
    let count = last.map { min($0 - passed - 1, most) } ?? most
    given = passed + count
    return RuntimeLayout.countdown + count
  }

  func isLast(_ number: UInt64) -> Bool { number == last }
}

extension TranslatedMachine: ObservingMachine {
  public func setSchedulingPoints(_ points: Set<GuestAddress>) throws(MachineError) {
    if points.count == translator.points.count, points.allSatisfy({ translator.points[$0.rawValue] != nil }) { return }
    try setWatchedPoints([])
    translator.points = [:]
    for (place, point) in points.sorted(by: { $0.rawValue < $1.rawValue }).enumerated() {
      translator.points[point.rawValue] = place
    }
    for place in 0..<RuntimeLayout.watches { arena[watch: place] = RuntimeLayout.watchPasses }
    flushAllImages()
  }

  public func setWatchedPoints(_ points: Set<GuestAddress>) throws(MachineError) {
    for place in watchedPlaces { arena[watch: place] = RuntimeLayout.watchPasses }
    watchedPlaces = points.compactMap { translator.points[$0.rawValue] }
    for place in watchedPlaces { arena[watch: place] = RuntimeLayout.watchFault }
  }

  public func setAccessLog(_ mode: AccessLogMode) throws(MachineError) {
    let new: AccessLog.Mode =
      switch mode {
      case .off: .off
      case .points: .points
      case .all: .all
      }
    if new == translator.logs { return }
    drainLog()
    arena[.log] = RuntimeLayout.log
    translator.logs = new
    flushAllImages()
  }

  public func takeAccesses() -> [MemoryAccess] {
    drainLog()
    defer {
      accesses = []
      instructionCounts = nil
    }
    return accesses
  }

  /// Between runs nobody is inside any code.
  private func flushAllImages() {
    loader?.finish()
    for (index, space) in spaces.enumerated() {
      guard let space else { continue }
      for attachment in space.attachments where !attachment.image.isEmpty {
        try? removeFromHashTable(attachment, AddressSpaceID(rawValue: UInt32(index)))
        if !attachment.isShared { attachment.image.flush() }
      }
    }
    for shared in sharedImages.values {
      if !shared.image.isEmpty {
        emptyOwnMirrors(of: shared.image)
        shared.image.flush()
      }
      // It is no longer what the cache has, nor what it should get.
      shared.cacheKey = nil
    }
  }

  /// Bytes of arena for an image: code that observes is some three times as long.
  func reserve(for length: Int) -> Int { CodeImage.reserve(for: translator.isObserving ? length * 3 : length) }

  // MARK: Points

  func beginPoints(_ turn: inout Turn) {
    if !translator.points.isEmpty { arena[.points] = turn.points.give(after: 0) }
  }

  func endPoints(_ turn: inout Turn) {
    pointsOfLastRun = translator.points.isEmpty ? 0 : UInt32(clamping: turn.points.passed(arena[.points]))
  }

  /// Where to enter the code for `pc`, which begins at `code`: a point at which the run begins does not count.
  func entering(_ code: UInt64, _ pc: UInt64, _ turn: inout Turn) -> UInt64 {
    if !turn.beginsAtPoint { return code }
    turn.beginsAtPoint = false
    guard let attachment = turn.space.attachment(at: pc), translator.isPoint(pc, attachment.image.instruction(at: pc))
    else { return code }
    return code + Translator.pointProbeSize
  }

  /// The fault at `code` of a probe, before the instruction at `pc`, or of a full log; nil when it is another one.
  func observed(_ pc: UInt64, _ code: UInt64, _ address: UInt64, _ turn: inout Turn) -> Step? {
    if address == RuntimeLayout.countFault, !translator.points.isEmpty, arena[.points] == RuntimeLayout.countFault {
      let number = turn.points.passed(arena[.points])
      if turn.points.isLast(number) {
        turn.registers.rip = pc
        return .trap(.budget(StopPoint(isAtPoint: true)))
      }
      arena[.points] = turn.points.give(after: number)
      return .code(code + Translator.pointReadSize)
    }
    if address == RuntimeLayout.watchFault, !translator.points.isEmpty {
      turn.registers.rip = pc
      return .trap(.budget(StopPoint(isAtPoint: true)))
    }
    if address == RuntimeLayout.logEnd, translator.logs != .off, arena[.log] == RuntimeLayout.logEnd {
      // rax has the address to be logged, and keeps it.
      drainLog()
      return .code(code - AccessLog.retryDistance)
    }
    return nil
  }

  // MARK: The log

  /// Accesses that are kept of one run, about 100 MiB. Of a longer one, which works for long without a system call, only the first of
  /// each instruction are kept, and so what comes behind a loop is.
  private static let accessesMax = 1 << 22, visitsMax: UInt32 = 1 << 14

  func drainLog() {
    // 0 before the log was ever on.
    let end = min(arena[.log], RuntimeLayout.logEnd)
    guard end > RuntimeLayout.log else { return }
    defer { arena[.log] = RuntimeLayout.log }
    if !keepsAccesses { return }
    // No reserveCapacity: it gives what is asked for and no more, so that a long run would copy all of them each time.
    let count = Int(end - RuntimeLayout.log) / AccessLog.entrySize
    if instructionCounts == nil, accesses.count + count > Self.accessesMax {
      var counts = InstructionCounts()
      accesses = accesses.filter { counts.count($0.pc) <= Self.visitsMax }
      instructionCounts = counts
    }
    for index in 0..<count {
      let (pc, size, isWrite, isSecond, isUpdate) = AccessLog.fields(arena.log[2 * index + 1])
      if let visits = instructionCounts?.count(GuestAddress(pc)), visits > Self.visitsMax { continue }
      if accesses.count == Self.accessesMax { break }
      accesses.append(
        MemoryAccess(
          pc: GuestAddress(pc), address: GuestAddress(arena.log[2 * index]), size: size, isWrite: isWrite,
          isSecond: isSecond, isUpdate: isUpdate))
    }
  }
}
