// What the options of a run come to, however they were read: plain values, and the `RunOptions` made of them.

import ArgumentParser
import CLinux
import Glibc
import Kernel
import RecordReplay

/// The values of `GuestOptions`, which tells what they mean.
struct GuestSettings {
  var seed: UInt64?
  var epoch: Int64?
  var scheduler = standardScheduler
  var engine = Engine.standard
  var cpus = standardCPUs
  var cpu: ProcessorModel?
  var directory: String?
  var allowed: [String] = []
  var hide: [String] = []
  var show: [String] = []
  var input: String?
  var timeout: Double?
  var deadlock = standardDeadlock
  var clock = standardClock
  var waitAll = false
  var report: String?
  var exportChanges: String?
  var quiet = false
  var verbose = false
  var strace = false
  var portable = false
  var copyKernelEvery: UInt64?
  var copyKernelAtClones = false
  var sliceTicks: UInt64?
  var sliceVaried = false
  var command: [String] = []

  static let standardCPUs = 4
  static let standardScheduler = SchedulePolicy.random
  static let standardDeadlock = DeadlockPolicy.end
  static let standardClock = ClockSource.virtual

  enum ClockSource: String, CaseIterable { case virtual, host }

  func validate() throws {
    if cpu != nil && engine == .direct { throw ValidationError("--cpu: the direct engine shows the host's processor") }
    if !(1...64).contains(cpus) { throw ValidationError("--cpus takes 1 to 64") }
    if let timeout, !(timeout > 0) { throw ValidationError("--timeout takes a positive number of seconds") }
    if let epoch, epoch < 0 { throw ValidationError("--epoch takes a time after 1970") }
    if let sliceTicks, sliceTicks == 0 || engine == .direct { throw ValidationError("--slice-ticks: at least 1, and an engine with ticks") }
    if programLine.isEmpty { throw ValidationError("no program given") }
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
        if shown.isEmpty || !shown.contains(HiddenPaths.canonical(path)) { hidden.hide(path) }
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

extension GuestSettings {
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
