// The engine that translates: guest code never runs as it is, but as code of ours made from it (Translator), which counts
// ticks and stops exactly. Spaces, memory and extended state are those of the direct engine's machine, `host`.
// README.md of this target tells the scheme.
import CLinux
import Platform
import Translator

/// Executes guest code by translation. Threads and clocks as for `PtraceMachine`.
public final class TranslatedMachine: Machine {
  public struct Configuration: Sendable {
    public var host = PtraceMachine.Configuration()
    /// Let guests execute AVX-512; otherwise its instructions are undefined.
    public var allowsAVX512 = false
    /// Folder of translations kept between runs; nil for none.
    public var cacheDirectory: String?
    /// Let code leave its registers where the machine finds them without ptrace, if the host can (FSGSBASE).
    public var usesGate = true
    public init() {}
  }

  /// What executed, for the summary and for tests.
  public struct Counters: Sendable {
    /// Stops of a stub, for whatever reason.
    public var stops: UInt64 = 0
    /// Translations asked for by code that ran.
    public var misses: UInt64 = 0
    public var instructionsTranslated: UInt64 = 0
    /// Instructions that a stub executed as they stand in the guest: only ordinary ones whose form cannot be moved.
    public var instructionsExecutedInPlace: UInt64 = 0
    /// CPUID, RDTSC(P), RDRAND, RDSEED, RDPID, XGETBV that were left to the kernel, and those that a stub executed: none.
    public var specialInstructions: UInt64 = 0
    public var specialInstructionsInPlace: UInt64 = 0
    /// Images thrown away because the guest wrote to their code.
    public var codeWrites: UInt64 = 0
  }

  let host: PtraceMachine
  let arena: CodeArena
  let pool: MirrorPool
  let translator = Translator()
  let cache: TranslationCache?
  let loader: ImageLoader?
  public internal(set) var counters = Counters()
  /// Images taken from the cache on disk.
  public var imagesLoaded: UInt64 { loader?.imagesLoaded ?? 0 }

  /// By identifier.
  var spaces: [SpaceCode?] = []
  var tasks: [TranslatedTask?] = []
  /// Executed by each task so far. Not in the task: it is asked for three times a stop.
  var taskTicks: [UInt64] = []
  /// Images of unchanged file content, by what they show and where.
  var sharedImages: [SharedImageKey: SharedImage] = [:]
  /// Objects whose content guests can change by a shared mapping; code in them is never kept.
  var writableObjects: Set<MemoryObjectID> = []
  /// Code for a few instructions at a time; see `TranslatedMachine+Stretch`.
  let scratch: ScratchCode
  /// Taken out of the log, oldest first.
  var accesses: [MemoryAccess] = []
  /// What is in the log was logged under this setting.
  public var keepsAccesses = true { willSet { if newValue != keepsAccesses { drainLog() } } }
  /// Of the present run, once it has too many accesses.
  var instructionCounts: InstructionCounts?
  /// Watched scheduling points, as places in the table of watches.
  var watchedPlaces: [Int] = []
  public internal(set) var pointsOfLastRun: UInt32 = 0
  var clock = MachineClock()
  public var clockReadings: UInt64 { arena[.clockReadings] }
  /// The space whose word the gate has read, while nothing has changed since.
  var spaceOfWord: AddressSpaceID?
  /// The kernel's stores that the next run begins with.
  var waiting = WaitingStores()

  public var notes: [String] { host.notes }
  public var processor: Int? { host.processor }

  public init(_ configuration: Configuration = Configuration()) throws(MachineError) {
    arena = try CodeArena(usesGate: configuration.usesGate && rsb_gate_is_usable() != 0)
    pool = try MirrorPool()
    cache = configuration.cacheDirectory.flatMap {
      TranslationCache(directory: $0, allowsAVX512: configuration.allowsAVX512)
    }
    // The thread first: it must not inherit the tracing thread's processor and trapped counter.
    let place = configuration.host.place
    loader = cache.map { [arena] in ImageLoader($0, arena, place) }
    let host = try PtraceMachine(configuration.host)
    do throws(MachineError) {
      try arena.install(in: host)
      scratch = try ScratchCode(arena)
    } catch {
      host.shutdown()
      throw error
    }
    host.hidesProcessorInHashes = false
    host.guestEnd = RuntimeLayout.guestEnd
    host.takesFrozenObjects = true
    self.host = host
    translator.allowsAVX512 = configuration.allowsAVX512
  }

  deinit { shutdown() }

  public func setProcessorAnswers(_ answers: [ProcessorAnswer]) { arena.setAnswers(answers) }
  public func setClock(_ nanoseconds: Int64?) {
    clock.set(nanoseconds)
    arena[.clockReadings] = 0
  }

  /// Ends all stubs, keeps new translations on disk, and gives the thread back as it was.
  public func shutdown() {
    stop()
    host.shutdown()
  }

  /// The same, but that the host may still be taking the stubs' memory back, for which `shutdown` waits.
  public func stop() {
    host.stop()
    saveTranslations()
    loader?.end()
    spaces = []
    tasks = []
    sharedImages = [:]
  }

  // MARK: Contexts

  public func takeLocalEvents() -> [LocalEvent] { [] }

  public func ticks(of context: ContextID) -> Ticks {
    let index = Int(context.rawValue)
    return Ticks(rawValue: index < taskTicks.count ? taskTicks[index] : 0)
  }

  func task(_ id: ContextID) throws(MachineError) -> TranslatedTask {
    try tasks.existing(id.rawValue, "context")
  }

  public func createContext(_ id: ContextID, extendedState: ExtendedStateSource) throws(MachineError) {
    try host.createContext(id, extendedState: extendedState)
    let new = TranslatedTask(try host.state(id))
    // A task that makes another is in no update; one that is copied to go on from the same place may be.
    if case .copy(let other) = extendedState { new.split = try task(other).split }
    tasks.place(new, at: id.rawValue)
    while taskTicks.count < tasks.count { taskTicks.append(0) }
  }

  public func destroyContext(_ id: ContextID) {
    host.destroyContext(id)
    tasks.vacate(id.rawValue)
    if Int(id.rawValue) < taskTicks.count { taskTicks[Int(id.rawValue)] = 0 }
  }

  public func extendedState(of context: ExecutionContext) throws(MachineError) -> [UInt8] {
    try host.extendedState(of: context)
  }

  public func setExtendedState(of context: ExecutionContext, _ bytes: [UInt8]) throws(MachineError) {
    try host.setExtendedState(of: context, bytes)
  }
}

/// What the machine keeps of a task between its turns.
final class TranslatedTask {
  /// The host machine's part of it.
  let state: ContextState
  /// Where the last trap left it, when code goes on right behind the place where it stopped.
  var resume: (pc: UInt64, code: UInt64, image: CodeImage, generation: UInt32)?
  /// An update that was split: what its instruction, at `pc`, has loaded.
  var split: (pc: UInt64, value: UInt64)?

  init(_ state: ContextState) { self.state = state }
}
