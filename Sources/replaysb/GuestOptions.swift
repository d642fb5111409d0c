// Options of every command that runs a program, as ArgumentParser reads them.

import ArgumentParser
import Kernel
import RecordReplay

struct GuestOptions: ParsableArguments {
  @Option(help: "Seed of every decision and random byte.") var seed: UInt64?
  @Option(help: "The guest's time at its start, in nanoseconds since 1970 (default: now).") var epoch: Int64?
  @Option(help: "random or round-robin.") var scheduler: SchedulePolicy = GuestSettings.standardScheduler
  @Option(help: "translated, or direct: the processor runs the program as it is.") var engine: Engine = .standard
  @Option(help: "Processors that the guest sees.") var cpus: Int = GuestSettings.standardCPUs
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
  var deadlock: DeadlockPolicy = GuestSettings.standardDeadlock
  @Option(help: "virtual, or host: the guest reads the host's clock.") var clock: GuestSettings.ClockSource = GuestSettings.standardClock
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

  var settings: GuestSettings {
    GuestSettings(
      seed: seed, epoch: epoch, scheduler: scheduler, engine: engine, cpus: cpus, cpu: cpu, directory: directory,
      allowed: allowed, hide: hide, show: show, input: input, timeout: timeout, deadlock: deadlock, clock: clock,
      waitAll: waitAll, report: report, exportChanges: exportChanges, quiet: quiet, verbose: verbose, strace: strace,
      portable: portable, copyKernelEvery: copyKernelEvery, copyKernelAtClones: copyKernelAtClones,
      sliceTicks: sliceTicks, sliceVaried: sliceVaried, command: command)
  }

  func validate() throws { try settings.validate() }
}

extension SchedulePolicy: ExpressibleByArgument {}
extension DeadlockPolicy: ExpressibleByArgument {}
extension ProcessorModel: ExpressibleByArgument {}
extension Engine: ExpressibleByArgument {
  /// What help names: not the oracle.
  public static var allValueStrings: [String] { allCases.filter { $0 != .stepped }.map(\.rawValue) }
}
extension GuestSettings.ClockSource: ExpressibleByArgument {}
