// Running a few instructions at a time, from code that is thrown away after each: for stops between ticks, for the trap flag,
// for split updates, and where code cannot be kept.
import CLinux
import Platform
import Translator

/// A piece of the arena that is written anew for every stretch.
final class ScratchCode {
  let address: UInt64
  let code: UnsafeMutablePointer<UInt8>
  var image: CodeImage?
  /// The guest's bytes where no image has them.
  let bytes = GuestBytes(count: ScratchCode.windowSize)
  /// Instructions of the present stretch.
  var count = 0
  static let size = 64 << 10
  static let windowSize = 4096

  init(_ arena: CodeArena) throws(MachineError) {
    guard let room = arena.allocate(Self.size) else { throw MachineError("no room for scratch code") }
    address = room.address
    code = room.code
  }

  func owns(_ pc: UInt64) -> Bool { pc &- address < UInt64(Self.size) }

  /// An empty image of these bytes.
  func begin(start: UInt64, length: Int, available: Int, source: UnsafePointer<UInt8>) -> CodeImage {
    let image = CodeImage(
      start: start, length: length, source: source, available: available, address: address, code: code, reserve: Self.size,
      mirror: nil)
    self.image = image
    return image
  }
}

extension TranslatedMachine {
  /// The image whose code `pc` lies in.
  func image(ofCode pc: UInt64) -> CodeImage? { scratch.owns(pc) ? scratch.image : arena.image(ofCode: pc) }

  /// Code for at most `count` instructions from `pc`.
  func stretch(_ pc: UInt64, _ count: Int, _ turn: inout Turn) throws(MachineError) -> Entry {
    let logsFirst = !turn.isLogged
    turn.isLogged = false
    switch try scratchImage(pc, turn) {
    case .failure(let fault): return .fault(fault)
    case .success(let image):
      // What one stretch holds; a longer one is several. Code that the guest can write to may change within a stretch.
      let isWritable = turn.space.mappings.mapping(at: GuestAddress(pc))!.protection.contains(.write)
      let most = isWritable ? 1 : Self.volatileStretch
      var before: UInt64?
      if case .last = turn.mode { before = turn.limit.pc?.rawValue }
      guard let stretch = translator.stretch(image, pc, count: min(count, most), before: before, logsFirst: logsFirst) else {
        let end = image.start + UInt64(image.available)
        return .fault(fetchFault(end, turn.space) ?? Fault(signal: 11, code: 1, address: GuestAddress(end)))
      }
      scratch.count = stretch.count
      return .code(stretch.entry)
    }
  }

  /// The store of a split update; nil when the instruction is gone, and is executed as a whole.
  func secondHalf(_ value: UInt64, _ turn: inout Turn) throws(MachineError) -> Step? {
    let pc = turn.registers.rip
    guard case .success(let image) = try scratchImage(pc, turn) else { return nil }
    let instruction = image.instruction(at: pc)
    guard instruction.length > 0, instruction.isUpdate else { return nil }
    // Its store must not stop for a page that we protect: the flags have changed by then.
    let operand = MemoryOperand(image, pc, turn.registers)
    if let range = GuestRange(GuestAddress(operand.address), length: UInt64(operand.size)) {
      try invalidate(GuestRange(range.start.pageDown, range.end.pageUp ?? range.end), in: turn.space, turn.id)
    }
    guard let half = translator.secondHalf(image, pc) else { return try storeInPlace(value, operand, &turn) }
    turn.flagsBeforeStore = turn.registers.eflags
    scratch.count = half.count
    arena[.loaded] = value
    if turn.mode == .normal { turn.mode = .short }
    return .code(half.entry)
  }

  /// The same where code does not reach the operand: the guest's own instruction, with what was loaded in place of what is
  /// there now.
  private func storeInPlace(_ value: UInt64, _ operand: MemoryOperand, _ turn: inout Turn) throws(MachineError) -> Step {
    let pc = turn.registers.rip
    let place = GuestAddress(operand.address)
    let present = try host.read(turn.id, place, operand.size)
    let loaded = (0..<operand.size).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
    let replaced = try host.write(turn.id, place, loaded[...])
    _ = try turn.task.state.prepare(in: turn.stub, mayDetour: false)
    let step = try executeInPlace(pc, 0, isTick: false, &turn)
    // It faulted.
    if turn.registers.rip == pc { _ = try host.write(turn.id, place, present.prefix(replaced)) }
    return step
  }

  private enum Scratch {
    case success(CodeImage)
    case failure(Fault)
  }

  /// An empty image of the guest's bytes at `pc` and some behind it.
  private func scratchImage(_ pc: UInt64, _ turn: Turn) throws(MachineError) -> Scratch {
    if let fault = fetchFault(pc, turn.space) { return .failure(fault) }
    let stub = turn.stub
    if !stub.queue.isEmpty { try stub.flush() }
    var end = pc
    // As far as the guest can execute.
    while end - pc < UInt64(ScratchCode.windowSize), let mapping = turn.space.mappings.mapping(at: GuestAddress(end)),
      mapping.protection.contains(.execute)
    {
      end = mapping.range.end.rawValue
    }
    let wanted = min(ScratchCode.windowSize, Int(end - pc))
    let count = max(0, rsb_process_read(stub.pid, scratch.bytes.pointer, pc, wanted))
    if count == 0 { return .failure(Fault(signal: 7, code: 2, address: GuestAddress(pc))) }
    return .success(
      scratch.begin(start: pc, length: count, available: count, source: UnsafePointer(scratch.bytes.pointer)))
  }

  /// A stretch ended at `pc`, all its instructions executed.
  func stretchEnded(_ pc: UInt64, tick: Bool, _ turn: inout Turn) -> Step {
    turn.registers.rip = pc
    turn.flagsBeforeStore = nil
    switch turn.mode {
    case .last(let left):
      if tick { return countTick(pc, &turn)! }
      let rest = left - scratch.count
      if rest > 0 && !turn.isWanted(pc) {
        turn.mode = .last(rest)
        return .stretch(pc, rest)
      }
      return .trap(.budget(StopPoint(instructions: UInt32(turn.instructionsMost - rest))))
    case .trapFlag:
      if tick, turn.count > 0 { turn.count -= 1 } else if tick { turn.furtherTicks += 1 }
      showTrapFlag(&turn)
      return .trap(.fault(Fault(signal: 5, code: 2, address: GuestAddress(pc))))
    case .short, .normal:
      turn.mode = .normal
      if tick, let reached = countTick(pc, &turn) { return reached }
      return .guest(pc, counted: false)
    }
  }

  // MARK: The trap flag

  /// One instruction of a guest that set its trap flag.
  func trapFlagStep(_ pc: UInt64, _ turn: inout Turn) throws(MachineError) -> Step {
    turn.mode = .trapFlag
    guard case .success(let image) = try scratchImage(pc, turn) else { return .stretch(pc, 1) }
    let instruction = image.instruction(at: pc)
    turn.stepped = instruction
    guard instruction.isRepeatedString else { return .stretch(pc, 1) }
    // The trap comes after each round, which only the processor's own single step does.
    _ = try turn.task.state.prepare(in: turn.stub, mayDetour: false)
    turn.registers.eflags &= ~Self.trapFlag
    return try executeInPlace(pc, 0, isTick: false, &turn)
  }

  /// The code did not know the flag: `pushf` shows it, and `popf` took it away.
  private func showTrapFlag(_ turn: inout Turn) {
    guard let instruction = turn.stepped, instruction.map == 0 else { return }
    if instruction.flow == .popFlags { turn.trapFlagEnds = !turn.popSetsTrapFlag }
    if instruction.opcode == 0x9c, let byte = try? host.read(turn.id, GuestAddress(turn.registers.rsp + 1), 1).first {
      _ = try? host.write(turn.id, GuestAddress(turn.registers.rsp + 1), [byte | 1])
    }
  }

  /// Goes on at `pc` after a stop in the middle of something, where the instruction at `pc` was not executed and its
  /// predecessors were. `index`: its place in its block, which is a stretch's when the mode says so.
  func again(at pc: UInt64, index: Int, _ turn: inout Turn) -> Step {
    turn.registers.rip = pc
    turn.isLogged = true
    switch turn.mode {
    case .last(let left):
      turn.mode = .last(left - index)
      return .stretch(pc, left - index)
    case .trapFlag: return .stretch(pc, 1)
    case .short, .normal:
      turn.mode = .short
      return .stretch(pc, 1)
    }
  }
}

extension Instruction {
  /// ins, outs, movs, cmps, stos, lods, scas with a prefix that repeats them.
  fileprivate var isRepeatedString: Bool {
    guard map == 0, !prefixes.isDisjoint(with: [.rep, .repne]), !prefixes.contains(.vex) else { return false }
    switch opcode {
    case 0x6c...0x6f, 0xa4...0xa7, 0xaa...0xaf: return true
    default: return false
    }
  }
}
