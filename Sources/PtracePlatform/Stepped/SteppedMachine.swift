// The oracle of the translated engine: a machine with the same contract that lets the processor execute the guest's own code,
// one instruction at a time (PTRACE_SYSEMU_SINGLESTEP), and decodes each one before. It shares the decoder and the host's
// machine with that engine and nothing else, so what both say was said twice. Some 10 us an instruction: for tests only.
import CLinux
import Platform
import Translator

/// Executes guest code by single steps, with ticks. Threads and clocks as for `PtraceMachine`.
public final class SteppedMachine: Machine {
  public struct Configuration: Sendable {
    public var host = PtraceMachine.Configuration()
    /// Let guests execute AVX-512; otherwise its instructions are undefined.
    public var allowsAVX512 = false
    public init() {}
  }

  let host: PtraceMachine
  let allowsAVX512: Bool
  /// By identifier.
  var spaces: [SteppedSpace?] = []
  var tasks: [SteppedTask?] = []
  /// Instructions executed, for tests.
  public internal(set) var instructionsExecuted: UInt64 = 0
  var answers: [ProcessorAnswer] = []
  var clock = MachineClock()
  public internal(set) var clockReadings: UInt64 = 0

  public init(_ configuration: Configuration = Configuration()) throws(MachineError) {
    host = try PtraceMachine(configuration.host)
    // CPUID is trapped, so hashes need not look away from what it says.
    host.hidesProcessorInHashes = false
    allowsAVX512 = configuration.allowsAVX512
  }

  deinit { shutdown() }

  public func shutdown() {
    stop()
    host.shutdown()
  }

  public func stop() {
    host.stop()
    spaces = []
    tasks = []
  }

  public func setProcessorAnswers(_ answers: [ProcessorAnswer]) { self.answers = answers }
  public func setClock(_ nanoseconds: Int64?) {
    clock.set(nanoseconds)
    clockReadings = 0
  }

  // MARK: Contexts

  public func takeLocalEvents() -> [LocalEvent] { [] }

  public func ticks(of context: ContextID) -> Ticks {
    Ticks(rawValue: (try? task(context).ticks) ?? 0)
  }

  func task(_ id: ContextID) throws(MachineError) -> SteppedTask {
    try tasks.existing(id.rawValue, "context")
  }

  func space(_ id: AddressSpaceID) throws(MachineError) -> SteppedSpace {
    try spaces.existing(id.rawValue, "address space")
  }

  public func createContext(_ id: ContextID, extendedState: ExtendedStateSource) throws(MachineError) {
    try host.createContext(id, extendedState: extendedState)
    tasks.place(SteppedTask(), at: id.rawValue)
  }

  public func destroyContext(_ id: ContextID) {
    host.destroyContext(id)
    tasks.vacate(id.rawValue)
  }

  public func extendedState(of context: ExecutionContext) throws(MachineError) -> [UInt8] {
    try host.extendedState(of: context)
  }

  public func setExtendedState(of context: ExecutionContext, _ bytes: [UInt8]) throws(MachineError) {
    try host.setExtendedState(of: context, bytes)
  }
}

/// What the machine keeps of a task between its turns.
final class SteppedTask {
  var ticks: UInt64 = 0
  /// An update that a limit split: its address, and what it has loaded.
  var split: (pc: UInt64, value: UInt64)?
}

/// Where a space can be executed: the processor checks that itself, but not for what we do in its place.
final class SteppedSpace {
  var mappings = GuestMappings()
}
