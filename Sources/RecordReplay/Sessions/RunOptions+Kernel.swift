// What run options mean for a kernel and its machine; for whoever runs guests without a session.

import CLinux
import Kernel
import LinuxABI
import Platform
import PtracePlatform

extension RunOptions {
  /// A kernel's configuration for such a run, by the caller of the tool.
  public var kernelConfiguration: KernelConfiguration {
    var configuration = KernelConfiguration()
    configuration.cpuCount = cpuCount
    configuration.user = UInt32(rsb_host_user())
    configuration.group = UInt32(rsb_host_group())
    var groups = [UInt32](repeating: 0, count: 256)
    let count = rsb_host_groups(&groups, Int32(groups.count))
    configuration.supplementaryGroups = Array(groups.prefix(max(0, count)))
    configuration.umask = UInt32(rsb_host_umask_get())
    configuration.workingDirectory = workingDirectory
    configuration.hiddenPaths = hidden.trees
    configuration.hasTicks = engine.hasTicks
    configuration.machineAnswers = machineAnswers && engine.hasTicks && !usesHostClock
    configuration.slicesAlways = everySlice != nil
    configuration.endsWithFirstProcess = !waitsForAll
    configuration.deadlockPolicy = deadlockPolicy
    configuration.extendedStateBytes = Self.extendedStateBytes()
    configuration.processor = processorShown
    if let seconds = timeoutSeconds {
      configuration.timeout = Nanoseconds(Int64(min(seconds, 9e9) * 1e9))
    }
    return configuration
  }

  /// CPUID leaf 13: the size of the XSAVE area with all that the host enables.
  private static func extendedStateBytes() -> Int {
    var registers: [UInt32] = [0, 0, 0, 0]
    rsb_cpuid(0xd, 0, &registers)
    return max(Int(registers[1]), 576)
  }

  /// Loads the program into a kernel that was made for it. Throws with the tool's exit status 126 or 127.
  public func start(_ kernel: Kernel) throws(SessionError) {
    do throws(Errno) {
      // A name with a slash was not searched for: a script sees it as it was typed.
      let typed = arguments.first.flatMap { $0.contains(UInt8(ascii: "/")) ? $0 : nil }
      try kernel.start(program: program, invokedAs: typed, arguments: arguments, environment: environment)
    } catch {
      if !kernel.hasWorkingDirectory {
        throw SessionError(
          "the program would not find its working directory \(String(decoding: workingDirectory, as: UTF8.self)): "
            + "its /dev, /proc and /sys are its own (-C names another directory)", exitStatus: 126)
      }
      let name = String(decoding: arguments.first ?? program, as: UTF8.self)
      var reason = kernel.executableProblem?.description ?? describe(error)
      if case .interpreter = kernel.executableProblem { reason += ": " + describe(error) }
      throw SessionError("cannot execute \(name): \(reason)", exitStatus: error == .ENOENT ? 127 : 126)
    }
  }

  /// A machine for such runs, on the calling thread. Throws when this host cannot show the processor or does not let us trace.
  /// `number`: of machines that work side by side, from 0. `place`: where it is, if that was chosen before.
  public func makeMachine(number: Int = 0, at place: ProcessorPlace? = nil) throws(SessionError) -> any HostedMachine {
    try ProcessorCheck.check(processorShown)
    return try RecordReplay.makeMachine(
      engine, seed: seed, arguments: argumentTexts, processor: processorShown, number: number, at: place)
  }
}
