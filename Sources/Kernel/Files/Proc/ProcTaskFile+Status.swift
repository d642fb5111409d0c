// /proc/PID/status, stat and limits.

import LinuxABI
import Platform

extension ProcTaskFile {
  static func status(_ kernel: Kernel, _ task: Task) -> String {
    let (group, credentials) = (task.group, task.credentials)
    let (letter, word) = task.stateForProc
    let mask = String(task.fs.umask, radix: 8)
    let groups = credentials.supplementaryGroups.map { "\($0) " }.joined()
    let parent = group.parent?.id.rawValue ?? 0
    var text = "Name:\t\(task.name)\nUmask:\t\(String(repeating: "0", count: max(0, 4 - mask.count)))\(mask)\n"
    text +=
      "State:\t\(letter) (\(word))\nTgid:\t\(group.id)\nNgid:\t0\nPid:\t\(task.id)\nPPid:\t\(parent)\nTracerPid:\t0\n"
    text +=
      "Uid:\t\(credentials.realUser)\t\(credentials.effectiveUser)\t\(credentials.savedUser)\t\(credentials.fsUser)\n"
    text +=
      "Gid:\t\(credentials.realGroup)\t\(credentials.effectiveGroup)\t\(credentials.savedGroup)\t"
      + "\(credentials.fsGroup)\n"
    text += "FDSize:\t\(max(64, task.files.slots.count))\nGroups:\t\(groups)\n"
    text +=
      "NStgid:\t\(group.id)\nNSpid:\t\(task.id)\nNSpgid:\t\(group.processGroup.id)\n"
      + "NSsid:\t\(group.processGroup.session.id)\n"
    if !task.hasEnded { text += memoryLines(task) }
    text += "Threads:\t\(group.livingTasks.count)\nSigQ:\t0/\(group.limits[ResourceLimits.signalQueue].current)\n"
    text += signalLines(task) + capabilityLines(credentials)
    let cpus = kernel.configuration.cpuCount
    let affinity = cpus >= 64 ? task.affinity : task.affinity & (1 << UInt64(cpus) - 1)
    text += "Cpus_allowed:\t\(hexadecimal(affinity, width: 8))\nCpus_allowed_list:\t\(list(affinity))\n"
    text += "Mems_allowed:\t1\nMems_allowed_list:\t0\n"
    text += "voluntary_ctxt_switches:\t\(task.usage.voluntarySwitches)\n"
    text += "nonvoluntary_ctxt_switches:\t\(task.usage.involuntarySwitches)\n"
    return text
  }

  private static func memoryLines(_ task: Task) -> String {
    let memory = task.memory
    let stack = memory.mappings.reduce(UInt64(0)) { $0 + ($1.label == .stack ? $1.range.length : 0) }
    let values: [(String, UInt64)] = [
      ("VmPeak", memory.virtualBytes), ("VmSize", memory.virtualBytes), ("VmLck", memory.list.lockedBytes),
      ("VmPin", 0), ("VmHWM", memory.virtualBytes), ("VmRSS", memory.virtualBytes), ("RssAnon", memory.virtualBytes),
      ("RssFile", 0), ("RssShmem", 0), ("VmData", memory.list.dataBytes), ("VmStk", stack),
      ("VmExe", memory.programCode.length), ("VmLib", 0), ("VmPTE", 4096), ("VmSwap", 0),
    ]
    return values.map { name, bytes in
      let number = String(bytes / 1024)
      return name + ":\t" + String(repeating: " ", count: max(0, 8 - number.count)) + number + " kB\n"
    }.joined()
  }

  private static func signalLines(_ task: Task) -> String {
    var ignored = SignalSet([])
    var caught = SignalSet([])
    for signal in 1...64 {
      let action = task.group.handlers.actions[signal]
      if action.isIgnore { ignored.formUnion(SignalSet(signal)) }
      if !action.isIgnore && !action.isDefault { caught.formUnion(SignalSet(signal)) }
    }
    let sets: [(String, SignalSet)] = [
      ("SigPnd", task.signals.pending.set), ("ShdPnd", task.group.signals.pending.set), ("SigBlk", task.signals.mask),
      ("SigIgn", ignored), ("SigCgt", caught),
    ]
    return sets.map { "\($0):\t\(hexadecimal($1.rawValue, width: 16))\n" }.joined()
  }

  private static func capabilityLines(_ credentials: Credentials) -> String {
    let sets: [(String, UInt64)] = [
      ("CapInh", credentials.inheritableCapabilities), ("CapPrm", credentials.permittedCapabilities),
      ("CapEff", credentials.effectiveCapabilities), ("CapBnd", credentials.boundingCapabilities),
      ("CapAmb", credentials.ambientCapabilities),
    ]
    return sets.map { "\($0):\t\(hexadecimal($1, width: 16))\n" }.joined()
      + "NoNewPrivs:\t\(credentials.noNewPrivileges ? 1 : 0)\nSeccomp:\t0\nSeccomp_filters:\t0\n"
  }

  /// A mask as ranges: `0-3,5`.
  static func list(_ mask: UInt64) -> String {
    var parts: [String] = []
    var index = 0
    while index < 64 {
      if mask & (1 << UInt64(index)) == 0 {
        index += 1
        continue
      }
      let first = index
      while index < 64 && mask & (1 << UInt64(index)) != 0 { index += 1 }
      parts.append(first == index - 1 ? "\(first)" : "\(first)-\(index - 1)")
    }
    return parts.joined(separator: ",")
  }

  /// The 52 fields of proc_pid_stat(5), in its order.
  static func stat(_ kernel: Kernel, _ task: Task) -> String {
    let (group, memory) = (task.group, task.memory)
    let alive = !task.hasEnded
    func ticks(_ time: Nanoseconds) -> Int64 { time.rawValue / 10_000_000 }
    let usage = task.isLeader ? group.totalUsage : task.usage
    let ofChildren = group.usageOfChildren
    let session = group.processGroup.session
    let hasTerminal = kernel.files.standardStreams.contains { $0?.kind == .terminal }
    var fields: [String] = [task.stateForProc.0]
    fields += [group.parent?.id.rawValue ?? 0, group.processGroup.id.rawValue, session.id.rawValue].map { "\($0)" }
    fields += [
      hasTerminal ? "\(encodeDevice(major: 136, minor: 0))" : "0", hasTerminal ? "\(group.processGroup.id)" : "-1",
    ]
    // flags, minflt, cminflt, majflt, cmajflt
    fields += ["4194304", "\(usage.minorFaults)", "0", "0", "0"]
    fields += [usage.userTime, usage.systemTime, ofChildren.userTime, ofChildren.systemTime].map { "\(ticks($0))" }
    fields += [
      "\(20 + task.niceness)", "\(task.niceness)", "\(group.livingTasks.count)", "0", "\(ticks(group.startTime))",
    ]
    let bytes = alive ? memory.virtualBytes : 0
    fields += ["\(bytes)", "\(bytes / 4096)", "\(group.limits[ResourceLimits.residentSet].current)"]
    let addresses = [memory.programCode.start, memory.programCode.end, memory.initialStackPointer].map(\.rawValue)
    fields += addresses.map { "\(alive ? $0 : 0)" }
    // kstkesp, kstkeip, signal, blocked, sigignore, sigcatch, wchan, nswap, cnswap
    fields += Array(repeating: "0", count: 9)
    // exit_signal, processor, rt_priority, policy, delayacct_blkio_ticks, guest_time, cguest_time
    fields += ["\(group.exitSignal)", "0", "0", "0", "0", "0", "0"]
    let layout = [
      memory.programData.start, memory.programData.end, memory.heapStart, memory.argumentStrings.start,
      memory.argumentStrings.end, memory.environmentStrings.start, memory.environmentStrings.end,
    ].map(\.rawValue)
    fields += layout.map { "\(alive ? $0 : 0)" }
    fields.append("\(group.exitStatus ?? 0)")
    return "\(task.id) (\(task.name)) " + fields.joined(separator: " ") + "\n"
  }

  static func limits(_ limits: ResourceLimits) -> String {
    let rows: [(String, Int, String)] = [
      ("Max cpu time", ResourceLimits.cpu, "seconds"), ("Max file size", ResourceLimits.fileSize, "bytes"),
      ("Max data size", ResourceLimits.data, "bytes"), ("Max stack size", ResourceLimits.stack, "bytes"),
      ("Max core file size", ResourceLimits.core, "bytes"), ("Max resident set", ResourceLimits.residentSet, "bytes"),
      ("Max processes", ResourceLimits.processes, "processes"), ("Max open files", ResourceLimits.files, "files"),
      ("Max locked memory", ResourceLimits.lockedMemory, "bytes"),
      ("Max address space", ResourceLimits.addressSpace, "bytes"), ("Max file locks", ResourceLimits.locks, "locks"),
      ("Max pending signals", ResourceLimits.signalQueue, "signals"),
      ("Max msgqueue size", ResourceLimits.messageQueue, "bytes"), ("Max nice priority", ResourceLimits.nice, ""),
      ("Max realtime priority", ResourceLimits.realtimePriority, ""),
      ("Max realtime timeout", ResourceLimits.realtimeTime, "us"),
    ]
    func padded(_ text: String, _ width: Int) -> String {
      text + String(repeating: " ", count: max(0, width - text.count)) + " "
    }
    func amount(_ value: UInt64) -> String { value == ResourceLimit.infinity ? "unlimited" : "\(value)" }
    var text = padded("Limit", 25) + padded("Soft Limit", 20) + padded("Hard Limit", 20) + padded("Units", 10) + "\n"
    for (name, resource, unit) in rows {
      text += padded(name, 25) + padded(amount(limits[resource].current), 20)
      text += padded(amount(limits[resource].maximum), 20) + (unit.isEmpty ? "" : padded(unit, 10)) + "\n"
    }
    return text
  }
}
