// One turn of a guest task: translated code runs until it stops for good. Stops that only want a translation, a link or a
// few instructions done otherwise are answered here and execution goes on.
import CLinux
import Platform
import Translator

/// A run in progress.
struct Turn {
  let context: ExecutionContext
  let id: AddressSpaceID
  let space: SpaceCode
  let stub: Stub
  let state: ContextState
  let task: TranslatedTask
  let limit: RunLimit
  /// The guest's registers as of the last stop.
  var registers: Registers
  /// Ticks that code was or is given to count down.
  var ticksGiven: UInt64 = 0
  /// What the limit allows beyond those; nil without a limit.
  var ticksLeft: UInt64?
  /// Ticks counted by ourselves after the limit's were used up.
  var furtherTicks: UInt64 = 0
  var mode = Mode.normal
  /// While the store of a split update executes: the flags before it.
  var flagsBeforeStore: UInt64?
  /// Of a run with the trap flag: its instruction, and whether that took the flag away.
  var stepped: Instruction?
  var trapFlagEnds = false
  var popSetsTrapFlag = false

  enum Mode: Equatable {
    case normal
    /// Stretches: the limit's instructions, so many left.
    case last(Int)
    /// A stretch of the machine's own, then normal again.
    case short
    /// The guest set its trap flag: one instruction.
    case trapFlag
  }

  init(_ machine: TranslatedMachine, _ context: ExecutionContext, _ limit: RunLimit) throws(MachineError) {
    self.context = context
    self.limit = limit
    id = context.space
    space = try machine.space(context.space)
    stub = try machine.host.stub(context.space)
    state = try machine.host.state(context.id)
    task = try machine.task(context.id)
    registers = context.registers
  }
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
  static let resumeFlag: UInt64 = 0x1_0000
  /// CF PF AF ZF SF OF.
  static let arithmeticFlags: UInt64 = 0x8d5
  /// Instructions at a time where code cannot be kept.
  static let volatileStretch = 64

  public func run(_ context: ExecutionContext, limit: RunLimit) throws(MachineError) -> Trap {
    precondition(limit.ticks != 0 || limit.instructions > 0, "a limit that lets nothing run")
    var turn = try Turn(self, context, limit)
    precondition(limit.updates <= RuntimeLayout.countMax, "a limit of too many updates")
    turn.ticksLeft = limit.ticks
    giveTicks(&turn)
    arena[.updates] = limit.updates == 0 ? UInt64(RuntimeLayout.countMax) : UInt64(limit.updates)
    if limit.ticks == 0 { turn.mode = .last(Int(limit.instructions)) }
    var step = try firstStep(&turn)
    let trap: Trap
    while true {
      if case .trap(let reached) = step {
        trap = reached
        break
      }
      guard let code = try code(for: &step, &turn) else { continue }
      step = try execute(code, &turn)
    }
    turn.task.ticks += turn.ticksGiven - arena[.ticks] + turn.furtherTicks
    if turn.mode == .trapFlag && !turn.trapFlagEnds { turn.registers.eflags |= Self.trapFlag }
    // The processor sets it in what it saves at a fault (Intel SDM 3B, 18.3.1.1), and our own stops are faults, too.
    if case .fault(let fault) = trap, fault.signal != UInt8(HostSignal.trap) { turn.registers.eflags |= Self.resumeFlag }
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
    if let resume = task.resume, resume.pc == pc, turn.registers.rcx == pc, resume.generation == resume.image.generation,
      turn.stub.heldIsKnown, turn.stub.held.rip == resume.code
    {
      // The code loads rcx itself; what the stub holds need not be set.
      turn.registers.rcx = turn.stub.held.rcx
      return .code(resume.code)
    }
    return .guest(pc, counted: false)
  }

  /// Where to run for a step; nil when the step became another one.
  private func code(for step: inout Step, _ turn: inout Turn) throws(MachineError) -> UInt64? {
    switch step {
    case .code(let code): return code
    case .trap: return nil
    case .stretch(let pc, let count):
      switch try stretch(pc, count, turn) {
      case .code(let code): return code
      case .fault(let fault):
        turn.registers.rip = pc
        step = .trap(.fault(fault))
      case .volatile: preconditionFailure("a stretch is never volatile")
      }
      return nil
    case .guest(let pc, let counted):
      switch try entry(pc, counted: counted, turn.space, turn.id) {
      case .code(let code): return code
      case .fault(let fault):
        turn.registers.rip = pc
        if counted, let reached = countTick(pc, &turn) {
          step = reached
        } else {
          step = .trap(.fault(fault))
        }
      case .volatile:
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
    registers.rip = code
    registers.gsBase = RuntimeLayout.mirror
    registers.eflags &= ~Self.trapFlag
    arena[.r11] = registers.r11
    if stub.heldIsKnown { registers.r11 = stub.held.r11 }
    guard var status = try host.turn(stub, turn.state, registers, wallSeconds: 0) else { return .trap(.interrupted) }
    counters.stops += 1
    while true {
      try host.checkStopped(stub, status)
      let stop = try host.stop(stub, status)
      if case .other = stop {
        status = host.resume(stub)
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

  /// The guest's registers from the stub's; rip is still an address of code.
  func takeRegisters(_ turn: inout Turn) {
    let gsBase = turn.registers.gsBase
    turn.registers = turn.stub.held
    turn.registers.origRax = ~0
    turn.registers.gsBase = gsBase
    turn.registers.r11 = arena[.r11]
    turn.registers.eflags &= ~Self.resumeFlag
  }

  // MARK: Ticks

  /// Counts a tick that no code counted, on the way to `pc`. Returns what to do when it was the limit's last.
  func countTick(_ pc: UInt64, _ turn: inout Turn) -> Step? {
    if case .last = turn.mode {
      turn.furtherTicks += 1
      turn.registers.rip = pc
      clearDeadFlags(pc, &turn)
      return .trap(.budget(StopPoint()))
    }
    arena[.ticks] -= 1
    if arena[.ticks] > 0 { return nil }
    giveTicks(&turn)
    return arena[.ticks] == 0 ? limitReached(pc, &turn) : nil
  }

  /// Sets the count of ticks to what is left, as far as code can count.
  private func giveTicks(_ turn: inout Turn) {
    let most = UInt64(RuntimeLayout.countMax)
    let given = min(turn.ticksLeft ?? most, most)
    if let left = turn.ticksLeft { turn.ticksLeft = left - given }
    turn.ticksGiven += given
    arena[.ticks] = given
  }

  /// Code counted its ticks down to 0 on the way to `pc`.
  func countUsedUp(_ pc: UInt64, _ turn: inout Turn) -> Step {
    giveTicks(&turn)
    if arena[.ticks] == 0 { return limitReached(pc, &turn) }
    turn.registers.rip = pc
    return .guest(pc, counted: false)
  }

  /// The limit's last tick led to `pc`.
  func limitReached(_ pc: UInt64, _ turn: inout Turn) -> Step {
    turn.registers.rip = pc
    clearDeadFlags(pc, &turn)
    if turn.limit.instructions == 0 || turn.mode == .trapFlag { return .trap(.budget(StopPoint())) }
    turn.mode = .last(Int(turn.limit.instructions))
    return .stretch(pc, Int(turn.limit.instructions))
  }

  /// Makes flags that do not matter at `pc` the same whatever counted the tick.
  private func clearDeadFlags(_ pc: UInt64, _ turn: inout Turn) {
    guard let attachment = try? attachment(pc, turn.space, turn.id) else { return }
    if let bytes = attachment.bytes, attachment.image.isEmpty { try? refresh(bytes, attachment, turn.id) }
    if attachment.image.flagsAreDead(at: pc) {
      turn.registers.eflags = turn.registers.eflags & ~Self.arithmeticFlags | flagsWhereDead
    }
  }
}
