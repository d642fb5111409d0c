// The files of /proc that describe the machine: fixed by the configuration and by virtual time, never by the host.

import LinuxABI

enum ProcSystemFile: Hashable, Sendable {
  case cpuinfo, meminfo, stat, uptime, loadavg, version, uuid, bootID
  case hostname, diskstats, vmstat, interrupts

  func text(_ kernel: Kernel) -> String {
    let configuration = kernel.configuration
    switch self {
    case .cpuinfo:
      let count = configuration.cpuCount
      return (0..<count).map {
        configuration.processor?.description(of: $0, count: count) ?? Self.processor($0, of: count)
      }.joined()
    case .meminfo: return Self.memory(configuration.memoryBytes)
    case .stat: return Self.statistics(kernel)
    case .uptime:
      let up = Self.hundredths(kernel.clock.monotonic)
      return "\(up) \(up)\n"
    case .loadavg:
      return "0.00 0.00 0.00 1/\(kernel.tasks.tasks.count) \(kernel.tasks.tasks.keys.last?.rawValue ?? 1)\n"
    case .version:
      return "Linux version \(configuration.kernelRelease) (replaysb) #1 SMP PREEMPT_DYNAMIC\n"
    case .uuid: return Self.identifier(kernel) + "\n"
    case .bootID: return kernel.files.bootIdentifier(kernel) + "\n"
    case .hostname: return kernel.configuration.hostName + "\n"
    case .diskstats: return ""
    case .vmstat:
      return
        "nr_free_pages \(configuration.memoryBytes / 4096 / 2)\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\n"
        + "pgfault 0\npgmajfault 0\n"
    case .interrupts:
      return "     " + (0..<configuration.cpuCount).map { "       CPU\($0)" }.joined() + "\n"
    }
  }

  static func hundredths(_ time: Nanoseconds) -> String {
    let (seconds, nanoseconds) = time.secondsAndNanoseconds
    let rest = nanoseconds / 10_000_000
    return "\(seconds).\(rest < 10 ? "0" : "")\(rest)"
  }

  /// With the host's own processor (which CPUID shows): plain x86-64, the same on every machine.
  private static func processor(_ index: Int, of count: Int) -> String {
    """
    processor\t: \(index)
    vendor_id\t: GenuineIntel
    cpu family\t: 6
    model\t\t: 15
    model name\t: replaysb x86-64 processor
    stepping\t: 1
    microcode\t: 0x1
    cpu MHz\t\t: 1000.000
    cache size\t: 4096 KB
    physical id\t: 0
    siblings\t: \(count)
    core id\t\t: \(index)
    cpu cores\t: \(count)
    apicid\t\t: \(index)
    initial apicid\t: \(index)
    fpu\t\t: yes
    fpu_exception\t: yes
    cpuid level\t: 13
    wp\t\t: yes
    flags\t\t: fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ht \
    syscall nx lm constant_tsc rep_good nopl cpuid pni ssse3 cx16 sse4_1 sse4_2 popcnt
    bugs\t\t:
    bogomips\t: 2000.00
    clflush size\t: 64
    cache_alignment\t: 64
    address sizes\t: 48 bits physical, 48 bits virtual
    power management:


    """
  }

  private static func memory(_ bytes: UInt64) -> String {
    let total = bytes / 1024
    let lines: [(String, UInt64)] = [
      ("MemTotal", total), ("MemFree", total / 2), ("MemAvailable", total / 4 * 3), ("Buffers", 0),
      ("Cached", total / 4), ("SwapCached", 0), ("Active", total / 8), ("Inactive", total / 8), ("SwapTotal", 0),
      ("SwapFree", 0), ("Dirty", 0), ("Writeback", 0), ("AnonPages", total / 8), ("Mapped", total / 16), ("Shmem", 0),
      ("Slab", 0), ("SReclaimable", 0), ("SUnreclaim", 0), ("PageTables", 0), ("CommitLimit", total / 2),
      ("Committed_AS", total / 8), ("VmallocTotal", 34_359_738_367), ("VmallocUsed", 0), ("HugePages_Total", 0),
      ("HugePages_Free", 0), ("Hugepagesize", 2048),
    ]
    return lines.map { name, value in
      let number = String(value)
      let spaces = String(repeating: " ", count: max(1, 24 - name.count - 1 - number.count))
      return name + ":" + spaces + number + (name.hasPrefix("HugePages_") ? "\n" : " kB\n")
    }.joined()
  }

  private static func statistics(_ kernel: Kernel) -> String {
    let count = kernel.configuration.cpuCount
    let idle = kernel.clock.monotonic.rawValue / 10_000_000
    var text = "cpu  0 0 0 \(idle * Int64(count)) 0 0 0 0 0 0\n"
    for index in 0..<count { text += "cpu\(index) 0 0 0 \(idle) 0 0 0 0 0 0\n" }
    let boot = (kernel.clock.realtime - kernel.clock.monotonic).secondsAndNanoseconds.0
    let processes = kernel.tasks.tasks.keys.last?.rawValue ?? 1
    text += "intr 0\nctxt \(kernel.statistics.switches)\nbtime \(boot)\nprocesses \(processes)\n"
    text += "procs_running \(kernel.scheduler.queue.count + 1)\nprocs_blocked 0\nsoftirq 0\n"
    return text
  }

  /// A random UUID of version 4 (RFC 9562).
  static func identifier(_ kernel: Kernel) -> String {
    var bytes = kernel.decisions.randomBytes(16)
    kernel.observer.note(.randomBytes(bytes))
    bytes[6] = bytes[6] & 0x0f | 0x40
    bytes[8] = bytes[8] & 0x3f | 0x80
    var text = ""
    for (index, byte) in bytes.enumerated() {
      if [4, 6, 8, 10].contains(index) { text += "-" }
      text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    return text
  }
}
