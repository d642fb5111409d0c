// The direct engine: one stub process for each guest address space, whose processor runs guest code as it is; every
// syscall stops in PTRACE_SYSEMU. README.md of this target tells the whole scheme.
import CLinux
import Platform

/// Executes guest code on the host's processor by ptrace(2).
///
/// All calls come from the thread that made it. While it lives, that thread cannot read a clock through the vdso (the
/// time stamp counter is trapped): use `rsb_clock_ns`, and see `onTracerThread`.
public final class PtraceMachine: Machine {
  public struct Configuration: Sendable {
    /// Keeps the calling thread, and with it every stub, on one processor: across two a stop costs ten times more. nil: they are not kept.
    public var place: ProcessorPlace? = ProcessorPlace()
    /// Trap the counter in the calling thread too; without it each stop pays for switching the trap on and off.
    public var trapsTimeStampCounter = true
    /// The components of the extended state that the guest sees, as bits of XCR0, in Intel's layout on every host; nil: all
    /// that the host has, as it has them. Only `extendedState` and `setExtendedState` know the difference.
    public var extendedStateComponents: UInt64?
    public init() {}
  }

  /// The processor that the sandbox runs on; nil when not pinned.
  public let processor: Int?
  /// What `doctor` and verbose output should tell about this host.
  public private(set) var notes: [String] = []

  private var zygote: Zygote?
  /// Address spaces, contexts and objects by their identifiers, which count from 1.
  var stubs: [Stub?] = []
  /// Processes of stubs that were killed and not reaped yet, oldest first.
  private var ending: [Int32] = []
  var contexts: [ContextState?] = []
  var objects: [MemoryObject?] = []
  let layout: ExtendedStateLayout
  /// See `Zygote.vdso`.
  let vdso: UInt64
  /// Guests see the processor's number by CPUID, and hashes of their memory must not depend on it.
  var hidesProcessorInHashes = true
  /// Objects may be files that nobody can change: who made this machine thaws them.
  var takesFrozenObjects = false
  /// One past what can be the guest's.
  var guestEnd = StubLayout.bank
  /// Signal-safe state that the watchdog's handler reads; it lives as long as its timer.
  let watch: UnsafeMutablePointer<rsb_watch>
  private let thread: ThreadSetting
  private let sockets: (tracer: Int32, stub: Int32)

  public init(_ configuration: Configuration = Configuration()) throws(MachineError) {
    _ = rsb_descriptor_limit_raise()
    var pair: (Int32, Int32) = (-1, -1)
    let made = withUnsafeMutablePointer(to: &pair) {
      $0.withMemoryRebound(to: Int32.self, capacity: 2) { rsb_socket_pair($0) }
    }
    try checked(made, "socketpair")
    let thread = ThreadSetting(configuration)
    let zygote: Zygote
    let layout: ExtendedStateLayout
    do throws(MachineError) {
      (zygote, layout) = try Self.start(configuration, tracer: pair.0, stub: pair.1)
    } catch {
      thread.restore()
      _ = rsb_descriptor_close(pair.0)
      _ = rsb_descriptor_close(pair.1)
      throw error
    }
    self.thread = thread
    self.layout = layout
    self.zygote = zygote
    processor = thread.processor
    notes = zygote.notes
    vdso = zygote.vdso
    sockets = (pair.0, pair.1)
    watch = .allocate(capacity: 1)
    watch.initialize(to: rsb_watch())
    let started = rsb_watch_start(watch)
    if started < 0 { notes.append("no watchdog timer: \(describe(errno: -started))") }
  }

  deinit {
    shutdown()
    watch.deallocate()
  }

  /// Ends all stubs and gives the thread back as it was. Nothing else may be called afterwards.
  public func shutdown() {
    stop()
    for pid in ending { rsb_reap(pid) }
    ending = []
  }

  /// The same, but that the host may still be taking the stubs' memory back. `shutdown` waits for it, on this thread.
  public func stop() {
    guard let zygote else { return }
    for stub in stubs {
      guard let stub else { continue }
      stub.kill()
      ending.append(stub.pid)
    }
    stubs = []
    contexts = []
    objects = []
    zygote.end()
    self.zygote = nil
    rsb_watch_stop(watch)
    _ = rsb_descriptor_close(sockets.tracer)
    _ = rsb_descriptor_close(sockets.stub)
    thread.restore()
  }

  private static func start(
    _ configuration: Configuration, tracer: Int32, stub: Int32
  ) throws(MachineError) -> (Zygote, ExtendedStateLayout) {
    let zygote = try Zygote(stubSocket: stub, tracerSocket: tracer)
    do throws(MachineError) {
      let area = try pristineArea(zygote.stub)
      return (zygote, try ExtendedStateLayout(pristine: area, visible: configuration.extendedStateComponents))
    } catch {
      zygote.end()
      throw error
    }
  }

  private static func pristineArea(_ stub: Stub) throws(MachineError) -> [UInt8] {
    var area = [UInt8](repeating: 0, count: 65536)
    let size = area.withUnsafeMutableBytes { rsb_ptrace_get_xstate(stub.pid, $0.baseAddress, $0.count) }
    return Array(area.prefix(try checked(size, "PTRACE_GETREGSET")))
  }

  // MARK: Stopping from outside

  /// Async-signal-safe: a guest that runs stops with `.interrupted`, and so does every later run until
  /// `clearInterrupt`. For all machines of this process.
  public static func requestInterrupt() { rsb_interrupt_request() }
  public static func clearInterrupt() { rsb_interrupt_clear() }

  /// Maps shared memory of ours at a place above what guests can map, in every stub made once `flushZygote` was called.
  func addToZygote(
    _ object: MemoryObject, at address: UInt64, offset: UInt64 = 0, size: UInt64, protection: UInt64
  ) throws(MachineError) {
    guard let stub = zygote?.stub else { throw MachineError("the machine is shut down") }
    stub.enqueue(
      PendingCall(
        number: HostCall.mmap,
        arguments: [address, size, protection, HostFlag.mapShared | HostFlag.mapFixed | HostFlag.mapNoReserve, 0, offset],
        object: object))
  }

  /// Maps zeros to read at a place above what guests can map, likewise.
  func addToZygote(emptyAt address: UInt64, size: UInt64) throws(MachineError) {
    guard let stub = zygote?.stub else { throw MachineError("the machine is shut down") }
    let flags = HostFlag.mapPrivate | HostFlag.mapAnonymous | HostFlag.mapFixed | HostFlag.mapNoReserve
    stub.enqueue(
      PendingCall(number: HostCall.mmap, arguments: [address, size, 1, flags, ~0, 0], object: nil))
    // The host's one large page of zeros, or a fault for each small one that code reads.
    stub.enqueue(.largePages(address, size))
  }

  func flushZygote() throws(MachineError) { try zygote?.stub.flush() }

  // MARK: What the direct engine does not have

  public func takeLocalEvents() -> [LocalEvent] { [] }
  public func ticks(of context: ContextID) -> Ticks { Ticks(rawValue: 0) }

  // MARK: Address spaces

  func stub(_ id: AddressSpaceID) throws(MachineError) -> Stub {
    try stubs.existing(id.rawValue, "address space")
  }

  public func createAddressSpace(_ id: AddressSpaceID) throws(MachineError) {
    guard let zygote else { throw MachineError("the machine is shut down") }
    stubs.place(try zygote.stub.fork(), at: id.rawValue)
  }

  public func forkAddressSpace(_ parent: AddressSpaceID, as id: AddressSpaceID) throws(MachineError) {
    let stub = try stub(parent)
    try stub.flush()
    stubs.place(try stub.fork(), at: id.rawValue)
  }

  public func destroyAddressSpace(_ id: AddressSpaceID) {
    guard let stub = try? stub(id) else { return }
    // A task may outlive the space (execve); its extended state must not go with the process.
    for state in stub.areas { try? state?.bringHome() }
    try? stub.loaded?.bringHome()
    stubs[Int(id.rawValue)] = nil
    // The last one does not hold up what is left to do here.
    if !stubs.contains(where: { $0 != nil }) { thread.sendAway(stub.pid) }
    stub.kill()
    ending.append(stub.pid)
    if ending.count > Self.endingMax { rsb_reap(ending.removeFirst()) }
  }
  private static let endingMax = 4

  // MARK: Contexts

  func state(_ id: ContextID) throws(MachineError) -> ContextState {
    try contexts.existing(id.rawValue, "context")
  }

  public func createContext(_ id: ContextID, extendedState: ExtendedStateSource) throws(MachineError) {
    switch extendedState {
    case .initial:
      contexts.place(ContextState(layout, layout.initial), at: id.rawValue)
    case .copy(let other):
      let source = try state(other)
      contexts.place(ContextState(layout, try source.contents()), at: id.rawValue)
    }
  }

  public func destroyContext(_ id: ContextID) {
    guard let state = try? state(id) else { return }
    state.leave()
    contexts[Int(id.rawValue)] = nil
  }

  public func extendedState(of context: ExecutionContext) throws(MachineError) -> [UInt8] {
    layout.shown(try state(context.id).contents())
  }

  public func setExtendedState(of context: ExecutionContext, _ bytes: [UInt8]) throws(MachineError) {
    try state(context.id).replace(layout.taken(bytes))
  }
}
