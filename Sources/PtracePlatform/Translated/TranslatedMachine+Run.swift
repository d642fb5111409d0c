// One turn of a guest task: translated code runs until it stops for good. Stops that only want a translation, a link or a
// few instructions done otherwise are answered here and execution goes on.
import CLinux
import Platform
import Translator

/// A run in progress.
struct Turn {
  let context: ContextID
  let id: AddressSpaceID
  let space: SpaceCode
  let stub: Stub
  let task: TranslatedTask
  let limit: RunLimit
  /// The guest's registers as of the last stop.
  var registers: Registers
  /// The count of ticks in r10, as of the last stop.
  var count: UInt64 = 0
  /// Ticks that code was or is given to count down.
  var ticksGiven: UInt64 = 0
  /// What the limit allows beyond those; nil without a limit.
  var ticksLeft: UInt64?
  /// Ticks counted by ourselves after the limit's were used up.
  var furtherTicks: UInt64 = 0
  /// The limit's ticks are used up and its updates count: every update stops.
  var countsUpdates = false
  /// Updates to come until the stop; those since the last tick, and when that was.
  var updatesLeft: UInt32
  var updatesSinceTick: UInt32 = 0
  var tickOfLastUpdate: UInt64 = 0
  var points: PointCount
  /// The next entry is the run's first, at what may be a point.
  var beginsAtPoint = false
  /// The accesses of the next stretch's first instruction are in the log.
  var isLogged = false
  var mode = Mode.normal
  /// While the store of a split update executes: the flags before it.
  var flagsBeforeStore: UInt64?
  /// Of a run with the trap flag: its instruction, and whether that took the flag away.
  var stepped: Instruction?
  var trapFlagEnds = false
  var popSetsTrapFlag = false

  enum Mode: Equatable {
    case normal
    /// Stretches: the limit's instructions, so many left; or on the way to the limit's pc.
    case last(Int)
    /// A stretch of the machine's own, then normal again.
    case short
    /// The guest set its trap flag: one instruction.
    case trapFlag
  }

  /// Cannot throw: what can, and fails half-way, is made in one place and copied to another, at every stop.
  init(_ context: ExecutionContext, _ limit: RunLimit, _ space: SpaceCode, _ stub: Stub, _ task: TranslatedTask) {
    self.limit = limit
    updatesLeft = limit.updates
    points = PointCount(limit.points)
    self.context = context.id
    id = context.space
    self.space = space
    self.stub = stub
    self.task = task
    registers = context.registers
  }

  /// Instructions that may follow the limit's last tick: the limit's, or as many as it takes to get to its pc.
  var instructionsMost: Int { limit.pc == nil ? Int(limit.instructions) : Int(UInt32.max) }

  /// Whether the limit names the instruction at `pc`, the next one after its last tick.
  func isWanted(_ pc: UInt64) -> Bool { limit.pc?.rawValue == pc }

  var ticksExecuted: UInt64 { ticksGiven - count + furtherTicks }
}

/// What comes next in a run.
enum Step {
  /// Go on at this address of code.
  case code(UInt64)
  /// Go on at this guest address; `counted`: by a branch that is a tick.
  case guest(UInt64, counted: Bool)
  /// Execute at most so many instructions from this guest address.
  case stretch(UInt64, Int)
  case trap(Trap)
}

extension TranslatedMachine {
  static let trapFlag: UInt64 = 0x100
  private static let countsWorthKeeping = UInt64(RuntimeLayout.countMax / 8)...UInt64(RuntimeLayout.countMax)
  /// Instructions at a time where code cannot be kept.
  static let volatileStretch = 64

  public func run(_ context: ExecutionContext, limit: RunLimit) throws(MachineError) -> Trap {
    precondition(
      limit.ticks != 0 || limit.instructions > 0 || limit.updates > 0 || limit.pc != nil, "a limit that lets nothing run")
    precondition(
      limit.pc == nil || limit.ticks != nil && limit.instructions == 0 && limit.updates == 0 && limit.points == 0,
      "a limit's pc comes after its ticks, and alone")
    precondition(limit.points == 0 || limit.instructions == 0 && limit.updates == 0, "a limit's points come alone or with ticks")
    pointsOfLastRun = 0
    spaceOfWord = nil
    // Nothing is executed: an update that was split stays so.
    if limit.ticks == 0, limit.pc?.rawValue == context.registers.rip { return .budget(StopPoint()) }
    var turn = Turn(context, limit, try space(context.space), try host.stub(context.space), try task(context.id))
    turn.ticksLeft = limit.ticks
    // Any count will do, and one that the stub holds need not be set.
    let held = turn.stub.heldIsKnown ? turn.stub.held.r10 &- RuntimeLayout.countFault : 0
    let isWorthKeeping = Self.countsWorthKeeping.contains(held) && held <= limit.ticks ?? .max
    giveTicks(&turn, most: isWorthKeeping ? held : UInt64(RuntimeLayout.countMax))
    if limit.updates > 0 && (limit.ticks ?? 0) == 0 {
      beginUpdates(&turn)
    } else if limit.ticks == 0 {
      turn.mode = .last(turn.instructionsMost)
    }
    beginPoints(&turn)
    // What is more than going on behind a system call may look at memory.
    if waiting.space != context.space || turn.task.split != nil || turn.registers.eflags & Self.trapFlag != 0 { try settleStores() }
    beginClock(turn)
    var step = try firstStep(&turn)
    if case .code = step {} else { try settleStores() }
    let trap: Trap
    while true {
      if case .trap(let reached) = step {
        trap = reached
        break
      }
      guard let code = try code(for: &step, &turn) else { continue }
      step = try execute(code, &turn)
    }
    taskTicks[Int(context.id.rawValue)] += turn.ticksExecuted
    endPoints(&turn)
    if turn.mode == .trapFlag && !turn.trapFlagEnds { turn.registers.eflags |= Self.trapFlag }
    // The processor sets it in what it saves at a fault (Intel SDM 3B, 18.3.1.1), and our own stops are faults, too.
    if case .fault(let fault) = trap, fault.signal != UInt8(HostSignal.trap) { turn.registers.eflags |= Registers.resumeFlag }
    context.registers = turn.registers
    return trap
  }

  private func firstStep(_ turn: inout Turn) throws(MachineError) -> Step {
    let task = turn.task
    let pc = turn.registers.rip
    defer {
      task.split = nil
      task.resume = nil
    }
    if turn.registers.eflags & Self.trapFlag != 0 {
      return try trapFlagStep(pc, &turn)
    }
    if let split = task.split, split.pc == pc, let step = try secondHalf(split.value, &turn) { return step }
    if case .last(let count) = turn.mode { return .stretch(pc, count) }
    turn.beginsAtPoint = translator.points[pc] != nil
    // The code that was left, if it still stands for what the guest has there; others may have run since.
    if !turn.beginsAtPoint, let resume = task.resume, resume.pc == pc, resume.generation == resume.image.generation,
      turn.space.attachment(at: pc)?.image === resume.image
    {
      return .code(resume.code)
    }
    return .guest(pc, counted: false)
  }

  /// Where to run for a step; nil when the step became another one.
  private func code(for step: inout Step, _ turn: inout Turn) throws(MachineError) -> UInt64? {
    switch step {
    case .code(let code): return code
    case .trap: return nil
    case .stretch(let pc, _) where VsyscallPage.number(at: pc) != nil,
      .guest(let pc, counted: false) where VsyscallPage.number(at: pc) != nil:
      // A tick that led there was a limit's, or ended the run before.
      turn.registers.rip = pc
      turn.registers.rax = VsyscallPage.number(at: pc)!
      step = .trap(.vsyscall)
      return nil
    case .stretch(let pc, let count):
      switch try stretch(pc, count, &turn) {
      case .code(let code): return code
      case .fault(let fault):
        turn.registers.rip = pc
        step = .trap(.fault(fault))
      case .volatile: preconditionFailure("a stretch is never volatile")
      }
      return nil
    case .guest(let pc, let counted):
      switch try entry(pc, counted: counted, turn.space, turn.id) {
      case .code(let code): return entering(code, pc, &turn)
      case .fault(let fault):
        turn.registers.rip = pc
        if counted, let reached = countTick(pc, &turn) {
          step = reached
        } else {
          step = .trap(.fault(fault))
        }
      case .volatile:
        turn.beginsAtPoint = false
        if counted, let reached = countTick(pc, &turn) {
          step = reached
        } else {
          turn.mode = .short
          step = .stretch(pc, Self.volatileStretch)
        }
      }
      return nil
    }
  }

  /// Runs code until its next stop and looks at why.
  private func execute(_ code: UInt64, _ turn: inout Turn) throws(MachineError) -> Step {
    let stub = turn.stub
    if !stub.queue.isEmpty { try stub.flush() }
    var registers = turn.registers
    registers.rip = turn.space.incomplete.isEmpty ? code : try completeMirror(turn.space, stub, goingTo: code)
    if waiting.count > 0 { registers.rip = storing(goingTo: registers.rip) }
    registers.gsBase = RuntimeLayout.mirror
    registers.eflags &= ~Self.trapFlag
    arena[.r10] = registers.r10
    arena[.r11] = registers.r11
    arena[.updates] =
      turn.countsUpdates && turn.mode == .normal ? RuntimeLayout.countFault : RuntimeLayout.updatesPass
    registers.r10 = RuntimeLayout.countFault + turn.count
    if clock.isOpen { arena[.clock] = clockBase(turn) }
    if stub.heldIsKnown { registers.r11 = stub.held.r11 }
    guard var status = try host.turn(stub, turn.task.state, registers, wallSeconds: 0, gate: arena.gate) else { return .trap(.interrupted) }
    forgetStores()
    counters.stops += 1
    while true {
      try host.checkStopped(stub, status)
      let stop = isMirrorMiss(stub, status) ? .fault(Self.mirrorMiss) : try host.stop(stub, status)
      if case .other = stop {
        status = host.resume(stub, gate: arena.gate)
        continue
      }
      stub.heldIsKnown = true
      takeRegisters(&turn)
      switch stop {
      case .systemCall: return try systemCall(&turn)
      case .fault(let info): return try fault(info, &turn)
      case .interrupted: return .trap(.interrupted)
      case .unresponsive: return .trap(.unresponsive)
      case .other: preconditionFailure("handled above")
      }
    }
  }

  /// A branch to 0 by an empty entry of the mirror: no code but that goes there, so nobody need be asked why it stopped.
  @inline(__always) private func isMirrorMiss(_ stub: Stub, _ status: Int) -> Bool {
    status >> 8 == HostSignal.segmentation && stub.held.rip == 0
  }
  private static let mirrorMiss: rsb_signal_info = {
    var info = rsb_signal_info()
    info.signal = Int32(HostSignal.segmentation)
    return info
  }()

  /// The guest's registers from the stub's; rip is still an address of code.
  func takeRegisters(_ turn: inout Turn) {
    let gsBase = turn.registers.gsBase
    turn.registers = turn.stub.held
    turn.registers.origRax = ~0
    turn.registers.gsBase = gsBase
    turn.count = turn.registers.r10 &- RuntimeLayout.countFault
    turn.registers.r10 = arena[.r10]
    turn.registers.r11 = arena[.r11]
    turn.registers.eflags &= ~Registers.resumeFlag
  }

  // MARK: The clock

  private func beginClock(_ turn: Turn) {
    clock.begin(turn.context, ticks: taskTicks[Int(turn.context.rawValue)])
    arena[.clockGate] = clock.isOpen ? RuntimeLayout.clockOpen : RuntimeLayout.clockClosed
  }

  /// See `RuntimeSlot.clock`: what the clock will show once the ticks that code was given are used up, and r10 is the count 0; the complement of a
  /// number is one less than its negative.
  private func clockBase(_ turn: Turn) -> UInt64 {
    let ticks = taskTicks[Int(turn.context.rawValue)] + turn.ticksGiven + turn.furtherTicks
    let scale = UInt64(RunningClock.nanosecondsPerTick)
    return UInt64(bitPattern: clock.nanoseconds(ticks: ticks, readings: 0)) &+ (RuntimeLayout.countFault + 1) &* scale
  }

  // MARK: Ticks

  /// Counts a tick that no code counted, on the way to `pc`. Returns what to do when it was the limit's last.
  func countTick(_ pc: UInt64, _ turn: inout Turn) -> Step? {
    if case .last = turn.mode {
      turn.furtherTicks += 1
      turn.registers.rip = pc
      return .trap(.budget(StopPoint()))
    }
    turn.count -= 1
    if turn.count > 0 { return nil }
    giveTicks(&turn)
    return turn.count == 0 ? limitReached(pc, &turn) : nil
  }

  /// Sets the count of ticks to what is left, as far as code can count.
  private func giveTicks(_ turn: inout Turn, most: UInt64 = UInt64(RuntimeLayout.countMax)) {
    let given = min(turn.ticksLeft ?? most, most)
    if let left = turn.ticksLeft { turn.ticksLeft = left - given }
    turn.ticksGiven += given
    turn.count = given
  }

  /// Code counted its ticks down to 0 on the way to `pc`.
  func countUsedUp(_ pc: UInt64, _ turn: inout Turn) -> Step {
    giveTicks(&turn)
    if turn.count == 0 { return limitReached(pc, &turn) }
    turn.registers.rip = pc
    return .guest(pc, counted: false)
  }

  /// The limit's last tick led to `pc`.
  private func limitReached(_ pc: UInt64, _ turn: inout Turn) -> Step {
    turn.registers.rip = pc
    if turn.limit.updates > 0 && !turn.countsUpdates && turn.mode != .trapFlag {
      beginUpdates(&turn)
      return .guest(pc, counted: false)
    }
    if turn.instructionsMost == 0 || turn.countsUpdates || turn.mode == .trapFlag || turn.isWanted(pc) {
      return .trap(.budget(StopPoint()))
    }
    turn.mode = .last(turn.instructionsMost)
    return .stretch(pc, turn.instructionsMost)
  }

  /// From here on updates count, for so many ticks at most.
  private func beginUpdates(_ turn: inout Turn) {
    turn.tickOfLastUpdate = turn.ticksExecuted
    turn.countsUpdates = true
    // What was given before counts no longer (a run without a limit of ticks).
    turn.ticksGiven -= turn.count
    turn.ticksLeft = RunLimit.ticksForUpdatesMax
    giveTicks(&turn)
  }
}
