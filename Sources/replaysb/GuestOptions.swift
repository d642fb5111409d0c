// Options of every command that runs a program, and what they come to.

import ArgumentParser
import CLinux
import Glibc
import Kernel
import RecordReplay

struct GuestOptions: ParsableArguments {
  @Option(help: "Seed of every decision and random byte.") var seed: UInt64?
  @Option(help: "The guest's time at its start, in nanoseconds since 1970 (default: now).") var epoch: Int64?
  @Option(help: "random or round-robin.") var scheduler: SchedulePolicy = standardScheduler
  @Option(help: "translated, or direct: the processor runs the program as it is.") var engine: Engine = .standard
  @Option(help: "Processors that the guest sees.") var cpus: Int = standardCPUs
  @Option(
    help: ArgumentHelp(
      "Processor that the guest sees: x86-64-v2, -v3 (default) or -v4. The direct engine shows the host's.",
      valueName: "name"))
  var cpu: ProcessorModel?
  @Option(name: .customShort("C"), help: ArgumentHelp("The guest's working directory.", valueName: "dir"))
  var directory: String?
  @Option(
    name: .customLong("env"),
    help: ArgumentHelp("Pass this variable though it looks like a secret.", valueName: "name"))
  var allowed: [String] = []
  @Option(help: ArgumentHelp("Hide this path from the guest.", valueName: "path")) var hide: [String] = []
  @Option(help: ArgumentHelp("Show a path that is hidden by default.", valueName: "path")) var show: [String] = []
  @Option(name: .customLong("stdin"), help: ArgumentHelp("Standard input comes from this file.", valueName: "file"))
  var input: String?
  @Option(help: ArgumentHelp("End the run after this much virtual time.", valueName: "seconds")) var timeout: Double?
  @Option(help: "A cycle of lock owners ends the run (end) or is only reported (report).")
  var deadlock: DeadlockPolicy = standardDeadlock
  @Option(help: "virtual, or host: the guest reads the host's clock.") var clock: ClockSource = standardClock
  @Flag(help: "Wait for all processes, not only for the first.") var waitAll = false
  @Option(help: ArgumentHelp("Write a report in JSON.", valueName: "file")) var report: String?
  @Option(help: ArgumentHelp("Keep the files that the guest changed.", valueName: "dir")) var exportChanges: String?
  @Flag(name: .shortAndLong, help: "Say nothing but errors.") var quiet = false
  @Flag(name: .shortAndLong, help: "Say more.") var verbose = false
  @Flag(help: "Print the guest's calls on standard error.") var strace = false
  @Flag(help: .hidden) var portable = false
  /// The test of the kernel's deep copy: the trace must be the same with any value.
  @Option(help: .hidden) var copyKernelEvery: UInt64?
  /// The same with a kernel that holds a call: at each that creates a task.
  @Flag(help: .hidden) var copyKernelAtClones = false
  /// The oracle test (Tools/oracle): every slice has so many ticks, also while nothing else could run; and offsets and split
  /// updates that follow from the seed.
  @Option(help: .hidden) var sliceTicks: UInt64?
  @Flag(help: .hidden) var sliceVaried = false
  @Argument(
    parsing: .captureForPassthrough, help: ArgumentHelp("The program and its arguments.", valueName: "program"))
  var command: [String] = []

  static let standardCPUs = 4
  static let standardScheduler = SchedulePolicy.random
  static let standardDeadlock = DeadlockPolicy.end
  static let standardClock = ClockSource.virtual

  enum ClockSource: String, ExpressibleByArgument, CaseIterable { case virtual, host }

  func validate() throws {
    if cpu != nil && engine == .direct { throw ValidationError("--cpu: the direct engine shows the host's processor") }
    if !(1...64).contains(cpus) { throw ValidationError("--cpus takes 1 to 64") }
    if let timeout, !(timeout > 0) { throw ValidationError("--timeout takes a positive number of seconds") }
    if let epoch, epoch < 0 { throw ValidationError("--epoch takes a time after 1970") }
    if let sliceTicks, sliceTicks == 0 || engine == .direct { throw ValidationError("--slice-ticks: at least 1, and an engine with ticks") }
    if programLine.isEmpty { throw ValidationError("no program given") }
  }

  /// What ArgumentParser makes of a line without options. An option that is missing here ends the tool where it is read.
  static func withoutOptions() -> GuestOptions {
    var options = GuestOptions()
    options.seed = nil
    options.epoch = nil
    options.scheduler = standardScheduler
    options.engine = .standard
    options.cpus = standardCPUs
    options.cpu = nil
    options.directory = nil
    options.allowed = []
    options.hide = []
    options.show = []
    options.input = nil
    options.timeout = nil
    options.deadlock = standardDeadlock
    options.clock = standardClock
    options.waitAll = false
    options.report = nil
    options.exportChanges = nil
    options.quiet = false
    options.verbose = false
    options.strace = false
    options.portable = false
    options.copyKernelEvery = nil
    options.copyKernelAtClones = false
    options.sliceTicks = nil
    options.sliceVaried = false
    options.command = []
    return options
  }

  /// Everything from the first word that is no option belongs to the guest, so `--help` in its place is asked here.
  func showHelpIfAsked(for command: any ParsableCommand.Type) throws {
    if self.command.first == "--help" || self.command.first == "-h" { throw CleanExit.helpRequest(command) }
    if let word = self.command.first, word.hasPrefix("-"), word != "--" {
      throw ValidationError("unknown option '\(word)' (a program whose name begins with - goes behind --)")
    }
  }

  /// The program and its arguments, without a leading `--`.
  var programLine: [String] { command.first == "--" ? Array(command.dropFirst()) : command }

  /// Everything that a run needs. Redirects standard input, and looks for the program.
  func runOptions(defaultSeed: UInt64?) throws -> RunOptions {
    var options = RunOptions()
    options.engine = engine
    options.seed = seed ?? defaultSeed ?? Self.drawSeed()
    options.epochNanoseconds = epoch ?? rsb_clock_ns(0)
    options.policy = scheduler
    options.cpuCount = cpus
    if let cpu { options.processor = cpu }
    options.timeoutSeconds = timeout
    options.deadlockPolicy = deadlock
    options.waitsForAll = waitAll
    options.usesHostClock = clock == .host
    options.isPortable = portable
    options.kernelCopyInterval = copyKernelEvery
    options.copiesKernelAtClones = copyKernelAtClones
    if let sliceTicks { options.everySlice = EverySlice(ticks: sliceTicks, isVaried: sliceVaried) }
    options.traceCalls = strace
    options.exportDirectory = exportChanges
    options.workingDirectory = try workingDirectory()
    try redirectInput()
    try checkReport()

    let environment = EnvironmentFilter(Self.environment(), allowing: allowed)
    options.environment = environment.variables
    options.environmentNames = environment.names
    options.withheldNames = environment.withheld
    if !environment.withheld.isEmpty && !quiet {
      Console.line("withheld from the guest: \(environment.withheld.joined(separator: ", ")) (--env NAME lets one in)")
    }
    let line = programLine
    let path = Self.variable("PATH") ?? "/usr/local/bin:/usr/bin:/bin"
    options.program = try ProgramSearch.find(line[0], path: path, workingDirectory: options.workingDirectory)
    options.arguments = line.map { Array($0.utf8) }
    hideSecrets(&options.hidden)
    if let report { options.hidden.hideOwn(report) }
    if let folder = KeptFolder.path { options.hidden.hideOwn(folder) }
    return options
  }

  private func workingDirectory() throws -> [UInt8] {
    guard let directory else { return try HostDirectory.current() }
    return try HostDirectory.resolve(directory)
  }

  private func redirectInput() throws {
    guard let input else { return }
    let descriptor = rsb_host_open(input, 0, 0)
    if descriptor < 0 { throw SessionError("--stdin \(input): \(describeHostError(Int32(-descriptor)))") }
    _ = rsb_host_dup2(Int32(descriptor), 0)
    _ = rsb_host_close(Int32(descriptor))
  }

  /// A report that could not be written is known before the guest starts.
  private func checkReport() throws {
    guard let report else { return }
    let descriptor = rsb_host_open(report, 0o101, 0o644)
    if descriptor < 0 { throw SessionError("--report \(report): \(describeHostError(Int32(-descriptor)))") }
    _ = rsb_host_close(Int32(descriptor))
  }

  private func hideSecrets(_ hidden: inout HiddenPaths) {
    if let home = Self.variable("HOME"), home.hasPrefix("/"), home != "/" {
      let shown = show.map { HiddenPaths.canonical($0) }
      for name in [".ssh", ".aws", ".gnupg", ".netrc"] {
        let path = home + "/" + name
        if !shown.contains(HiddenPaths.canonical(path)) { hidden.hide(path) }
      }
    }
    for path in hide { hidden.hide(path) }
  }

  // MARK: The host

  static func drawSeed() -> UInt64 {
    var seed: UInt64 = 0
    _ = rsb_host_getrandom(&seed, 8)
    // Short enough to type.
    return seed >> 32
  }

  static func environment() -> [String] {
    var result: [String] = []
    var entry = environ
    while let text = entry.pointee {
      result.append(String(cString: text))
      entry += 1
    }
    return result
  }

  static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

extension SchedulePolicy: ExpressibleByArgument {}
extension DeadlockPolicy: ExpressibleByArgument {}
extension ProcessorModel: ExpressibleByArgument {}
extension Engine: ExpressibleByArgument {
  /// What help names: not the oracle.
  public static var allValueStrings: [String] { allCases.filter { $0 != .stepped }.map(\.rawValue) }
}

extension GuestOptions {
  /// The command line that repeats this run.
  func repeatingLine(_ verb: String, _ options: RunOptions) -> String {
    var words = ["replaysb", verb, "--seed", "\(options.seed)", "--epoch", "\(options.epochNanoseconds)"]
    if engine != .standard { words += ["--engine", engine.rawValue] }
    if scheduler != Self.standardScheduler { words += ["--scheduler", scheduler.rawValue] }
    if cpus != Self.standardCPUs { words += ["--cpus", "\(cpus)"] }
    if let cpu { words += ["--cpu", cpu.rawValue] }
    if let directory { words += ["-C", directory] }
    for name in allowed { words += ["--env", name] }
    for path in hide { words += ["--hide", path] }
    for path in show { words += ["--show", path] }
    if let input { words += ["--stdin", input] }
    if let timeout { words += ["--timeout", "\(timeout)"] }
    if deadlock != Self.standardDeadlock { words += ["--deadlock", deadlock.rawValue] }
    if clock == .host { words += ["--clock", "host"] }
    if waitAll { words.append("--wait-all") }
    if let sliceTicks { words += ["--slice-ticks", "\(sliceTicks)"] + (sliceVaried ? ["--slice-varied"] : []) }
    return (words + ["--"] + programLine).map(Self.shellQuoted).joined(separator: " ")
  }

  private static func shellQuoted(_ word: String) -> String {
    let plain = word.unicodeScalars.allSatisfy {
      ("a"..."z").contains($0) || ("A"..."Z").contains($0) || ("0"..."9").contains($0)
        || "-_./=:,+@%".unicodeScalars.contains($0)
    }
    if plain && !word.isEmpty { return word }
    return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }
}
