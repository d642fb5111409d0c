// Which machine executes guest code, and what a trace says about it.

import CLinux
import Glibc
import KeptFiles
import Kernel
import Platform
import PtracePlatform
import Trace

/// An engine, by the name that command lines and traces use.
public enum Engine: String, Sendable, CaseIterable {
  /// A binary translator: counts ticks, and stops at them.
  case translated
  /// The processor runs guest code as it is. No ticks: tasks are switched at traps only.
  case direct
  /// The oracle of the translated engine, for tests: the same by single steps. Its traces say that they are translated.
  case stepped

  /// What runs without `--engine` take.
  public static let standard = Engine.translated

  public var hasTicks: Bool { self != .direct }
  /// As trace headers have it.
  var traceName: String { self == .stepped ? Engine.translated.rawValue : rawValue }
  /// As trace headers have it; 0 without ticks.
  var tickDefinition: UInt32 { hasTicks ? TickDefinition.current : 0 }

  /// The engine that replays a trace. Throws with the reason when this version has none that could.
  init(of header: TraceHeader) throws(SessionError) {
    guard let engine = Engine(rawValue: header.engine), engine != .stepped else {
      throw SessionError("the trace was recorded by the \(header.engine) engine, which this version has not")
    }
    if header.tickDefinition != engine.tickDefinition {
      throw SessionError(
        "the trace counts ticks by definition \(header.tickDefinition), and the \(engine.rawValue) engine of this "
          + "version by \(engine.tickDefinition)")
    }
    self = engine
  }
}

/// What a session needs of a machine that runs on this host.
public protocol HostedMachine: MemoryHashing {
  /// Ends every process of the machine and gives the thread back. The machine is of no use afterwards.
  func shutdown()
  /// The same, but for the wait until the host has the processes' memory back: there may be something to do meanwhile. `shutdown` follows.
  func stop()
  /// What the engine did, for verbose output: names and counts.
  var engineCounts: [(name: String, count: UInt64)] { get }
}

extension HostedMachine {
  public var engineCounts: [(name: String, count: UInt64)] { [] }
  public func stop() {}
}

extension PtraceMachine: HostedMachine {}

extension TranslatedMachine: HostedMachine {
  public var engineCounts: [(name: String, count: UInt64)] {
    [
      ("stops", counters.stops), ("translations", counters.misses),
      ("instructions translated", counters.instructionsTranslated), ("images from the cache", imagesLoaded),
      ("images lost to writes", counters.codeWrites), ("special instructions trapped", counters.specialInstructions),
      ("special instructions executed as they are", counters.specialInstructionsInPlace),
      ("ordinary instructions executed in place", counters.instructionsExecutedInPlace),
    ]
  }
}

extension SteppedMachine: HostedMachine {}

extension ProcessorPlace {
  /// Equal runs have the same, and so has the replay of a trace that an earlier version recorded. `number`: of machines that work side by side, from 0.
  init(seed: UInt64, arguments: [String], number: Int = 0) {
    var choice = seed
    for byte in arguments.joined(separator: " ").utf8 { choice = (choice ^ UInt64(byte)) &* 0x100_0000_01b3 }
    self.init(choice: choice >> 8 &+ UInt64(number))
  }
}

/// A machine on the processor that follows from seed and arguments: a recording and its replay choose the same. `processor`
/// is the model that the guest sees; nil for the host's. `number`: of machines that work side by side, from 0.
func makeMachine(
  _ engine: Engine, seed: UInt64, arguments: [String], processor: ProcessorModel?, number: Int = 0, at place: ProcessorPlace? = nil
) throws(SessionError) -> any HostedMachine {
  var host = PtraceMachine.Configuration()
  host.place = place ?? ProcessorPlace(seed: seed, arguments: arguments, number: number)
  host.extendedStateComponents = processor?.extendedStateComponents
  do throws(MachineError) {
    switch engine {
    case .direct: return try PtraceMachine(host)
    case .translated:
      var configuration = TranslatedMachine.Configuration()
      configuration.host = host
      configuration.allowsAVX512 = processor == .v4
      configuration.cacheDirectory = KeptFolder.path
      return try TranslatedMachine(configuration)
    case .stepped:
      var configuration = SteppedMachine.Configuration()
      configuration.host = host
      configuration.allowsAVX512 = processor == .v4
      return try SteppedMachine(configuration)
    }
  } catch {
    throw SessionError("this machine does not let us trace: \(error) (see `replaysb doctor`)")
  }
}

/// Where translations and compressed pieces of files are kept between runs.
public enum KeptFolder {
  static let variableName = "REPLAYSB_CACHE"

  /// Compressed pieces of files, 256 MiB of them; nil when nothing is to be kept, or cannot be.
  static var filePieces: KeptFiles? {
    path.flatMap { KeptFiles(directory: $0, suffix: ".zst-piece", bytesMax: 256 << 20) }
  }

  /// Copies of programs and libraries, 256 MiB of them.
  static var fileCopies: MappableFiles? { path.flatMap { MappableFiles(directory: $0, suffix: ".copy", bytesMax: 256 << 20) } }

  /// Which files programs mapped.
  static var fileLists: KeptFiles? { path.flatMap { KeptFiles(directory: $0, suffix: ".files", bytesMax: 1 << 20, filesMax: 256) } }

  /// $REPLAYSB_CACHE ("off" for none), or replaysb in $XDG_CACHE_HOME or ~/.cache, which are made if need be (XDG Base Directory Specification).
  public static let path: String? = {
    if let own = variable(variableName) { return own == "off" || own.isEmpty ? nil : own }
    let bases = [variable("XDG_CACHE_HOME"), variable("HOME").map { $0 + "/.cache" }]
    guard let base = bases.lazy.compactMap({ $0 }).first(where: { $0.hasPrefix("/") }) else { return nil }
    _ = rsb_host_mkdir(base, 0o700)
    return base + "/replaysb"
  }()

  private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
