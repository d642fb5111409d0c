// What a trace says about itself before the first record: enough to refuse a replay with the reason, and to print
// the command that repeats the recording.

/// The facts of a recording that hold from its first event to its last. Nothing in it may depend on the moment of
/// recording except `seed` and `epochNanoseconds`, which the command line can fix.
public struct TraceHeader: Hashable, Sendable {
  /// `TraceFormat.version` of the writer. Set by the writer; a reader refuses versions that it does not know.
  public var formatVersion: UInt32 = TraceFormat.version
  /// The tool's version, as `--version` prints it.
  public var toolVersion: String
  /// The engine behind the seam: "direct" or "translated".
  public var engine: String
  /// Which definition of a tick the engine counted by; 0 in the direct engine, which has none.
  public var tickDefinition: UInt32
  /// The CPU model and features that the guest could see, or empty when the trace is bound to none.
  public var cpuFingerprint: String
  /// The seed of every decision and random byte.
  public var seed: UInt64
  /// The guest's wall clock at its start, in nanoseconds since 1970.
  public var epochNanoseconds: UInt64
  /// The scheduler by the name that the command line gives it.
  public var scheduler: String
  /// CPUs that the guest sees.
  public var guestCPUCount: UInt32
  /// The program as given, then its arguments.
  public var arguments: [String]
  public var workingDirectory: String
  /// Names of the environment variables that the guest received. Values only where they matter to nobody's secrecy:
  /// they lie in the guest's stack page anyway, which the trace holds.
  public var environmentNames: [String]
  /// Names of variables that were withheld as likely secrets.
  public var withheldNames: [String]
  /// Options that change behaviour, in canonical order, as the command line spells them.
  public var options: [String]
  /// What a search knows of the run; nil for a recording that no search made.
  public var search: SearchNote?

  public init(
    toolVersion: String = "", engine: String = "direct", tickDefinition: UInt32 = 0, cpuFingerprint: String = "",
    seed: UInt64 = 0, epochNanoseconds: UInt64 = 0, scheduler: String = "", guestCPUCount: UInt32 = 4,
    arguments: [String] = [], workingDirectory: String = "", environmentNames: [String] = [],
    withheldNames: [String] = [], options: [String] = [], search: SearchNote? = nil
  ) {
    self.toolVersion = toolVersion
    self.engine = engine
    self.tickDefinition = tickDefinition
    self.cpuFingerprint = cpuFingerprint
    self.seed = seed
    self.epochNanoseconds = epochNanoseconds
    self.scheduler = scheduler
    self.guestCPUCount = guestCPUCount
    self.arguments = arguments
    self.workingDirectory = workingDirectory
    self.environmentNames = environmentNames
    self.withheldNames = withheldNames
    self.options = options
    self.search = search
  }
}

/// The last record of a whole trace.
public struct TraceEnd: Hashable, Sendable {
  /// Wait status of the first guest process (exit code << 8, or the signal).
  public var status: Int32
  /// The tool's own verdict, such as "deadlock", or empty when the program ended by itself.
  public var verdict: String
  /// Number of events (run and trap) in the trace. Filled in by the writer.
  public var eventCount: UInt64 = 0
  /// Files whose content the trace embeds. Filled in by the writer.
  public var filesEmbedded: UInt64 = 0
  /// Their bytes. Filled in by the writer.
  public var bytesEmbedded: UInt64 = 0
  /// Files of the overlay that the guest created, changed or removed.
  public var filesChanged: UInt64
  /// Virtual nanoseconds since the guest's boot.
  public var virtualNanoseconds: UInt64

  public init(status: Int32 = 0, verdict: String = "", filesChanged: UInt64 = 0, virtualNanoseconds: UInt64 = 0) {
    self.status = status
    self.verdict = verdict
    self.filesChanged = filesChanged
    self.virtualNanoseconds = virtualNanoseconds
  }
}
