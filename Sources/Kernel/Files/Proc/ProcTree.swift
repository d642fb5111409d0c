// The fixed parts of /proc and /sys.

import LinuxABI
import Platform

/// What is mounted where: the same for every run.
enum MountTable {
  private static let rows: [(source: String, path: String, type: String, options: String, kind: FileSystemKind)] = [
    ("overlay", "/", "overlay", "rw,relatime", .root),
    ("proc", "/proc", "proc", "rw,nosuid,nodev,noexec,relatime", .proc),
    ("devtmpfs", "/dev", "devtmpfs", "rw,nosuid,relatime", .devices),
    ("tmpfs", "/dev/shm", "tmpfs", "rw,nosuid,nodev,relatime", .sharedMemory),
    ("sysfs", "/sys", "sysfs", "ro,nosuid,nodev,noexec,relatime", .sys),
  ]

  static var mounts: String { rows.map { "\($0.source) \($0.path) \($0.type) \($0.options) 0 0\n" }.joined() }

  static var mountInformation: String {
    rows.enumerated().map { index, row in
      let device = "\(deviceMajor(row.kind.device)):\(deviceMinor(row.kind.device))"
      let parent = index == 0 ? 0 : row.path == "/dev/shm" ? 3 : 1
      return "\(index + 1) \(parent) \(device) / \(row.path) \(row.options) - \(row.type) \(row.source) rw\n"
    }.joined()
  }
}

extension VirtualFileSystem {
  /// Adds a made-up file at a path below `directory`, making the directories on the way.
  private func add(
    _ directory: DirectoryInode, _ path: String, _ content: ProcFileInode.Content, permissions: UInt32 = 0o444,
    time: Nanoseconds
  ) {
    let pieces = path.split(separator: "/")
    var at = directory
    for piece in pieces.dropLast() { at = fixedDirectory(in: at, String(piece), time) }
    let inode = ProcFileInode(
      number: nextNumber(), fileSystem: directory.fileSystem, permissions: permissions, user: 0, group: 0, time: time,
      content: content)
    at.set(Array(pieces.last!.utf8), inode)
  }

  func fixedDirectory(in parent: DirectoryInode, _ name: String, _ time: Nanoseconds) -> DirectoryInode {
    let bytes = Array(name.utf8)
    if let known = parent.entries[FileName(bytes)]?.inode as? DirectoryInode { return known }
    let directory = FixedDirectory(
      number: nextNumber(), fileSystem: parent.fileSystem, permissions: 0o555, user: 0, group: 0, time: time,
      parent: parent, name: bytes)
    parent.set(bytes, directory)
    return directory
  }

  private static func fixed(_ text: String) -> ProcFileInode.Content { .fixed(Array(text.utf8)) }

  func makeProc(_ kernel: Kernel) {
    let time = kernel.decisions.epoch
    let proc = ProcRoot(
      number: nextNumber(), fileSystem: .proc, permissions: 0o555, user: 0, group: 0, time: time, parent: root,
      name: Array("proc".utf8))
    proc.missing = .proc
    root.set(proc.name, proc)
    makeNetwork(time)
  }

  /// Makes the files of one of the trees.
  func fill(_ directory: FixedDirectory, with content: FixedDirectory.Content, _ kernel: Kernel) {
    let time = kernel.decisions.epoch
    switch content {
    case .proc: fillProc(directory, time, kernel)
    case .sys: fillSys(directory, time, kernel)
    case .network: fillNetwork(directory, time)
    }
  }

  private func fillProc(_ proc: FixedDirectory, _ time: Nanoseconds, _ kernel: Kernel) {
    for (name, kind) in [("self", ProcLink.Kind.selfProcess), ("thread-self", .selfThread)] {
      let link = ProcLink(number: nextNumber(), kind, nil, user: 0, group: 0, time: time)
      proc.set(Array(name.utf8), link)
    }
    for (name, target) in [("mounts", "self/mounts"), ("net", "self/net")] {
      let link = SymlinkInode(
        number: nextNumber(), fileSystem: .proc, target: Array(target.utf8), user: 0, group: 0, time: time)
      proc.set(Array(name.utf8), link)
    }
    let files: [(String, ProcSystemFile)] = [
      ("cpuinfo", .cpuinfo), ("meminfo", .meminfo), ("stat", .stat), ("uptime", .uptime), ("loadavg", .loadavg),
      ("version", .version), ("diskstats", .diskstats), ("vmstat", .vmstat), ("interrupts", .interrupts),
      ("sys/kernel/hostname", .hostname), ("sys/kernel/random/boot_id", .bootID), ("sys/kernel/random/uuid", .uuid),
    ]
    for (path, file) in files { add(proc, path, .system(file), time: time) }
    for (path, text) in fixedFiles(kernel) { add(proc, path, Self.fixed(text), time: time) }
  }

  private func fixedFiles(_ kernel: Kernel) -> [(String, String)] {
    let configuration = kernel.configuration
    return [
      ("cmdline", "quiet\n"), ("devices", "Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n\nBlock devices:\n"),
      ("filesystems", "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\toverlay\n"),
      ("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"), ("modules", ""),
      ("partitions", "major minor  #blocks  name\n\n"),
      ("sys/kernel/osrelease", configuration.kernelRelease + "\n"), ("sys/kernel/ostype", "Linux\n"),
      ("sys/kernel/version", configuration.kernelVersion + "\n"), ("sys/kernel/domainname", "(none)\n"),
      ("sys/kernel/pid_max", "4194304\n"), ("sys/kernel/threads-max", "\(configuration.tasksMax)\n"),
      ("sys/kernel/ngroups_max", "65536\n"), ("sys/kernel/cap_last_cap", "40\n"), ("sys/kernel/core_pattern", "core\n"),
      ("sys/kernel/core_uses_pid", "0\n"), ("sys/kernel/randomize_va_space", "0\n"),
      ("sys/kernel/random/entropy_avail", "256\n"), ("sys/kernel/random/poolsize", "256\n"),
      ("sys/kernel/sched_rt_runtime_us", "950000\n"), ("sys/kernel/perf_event_paranoid", "4\n"),
      ("sys/kernel/yama/ptrace_scope", "1\n"), ("sys/kernel/msgmax", "8192\n"), ("sys/kernel/msgmnb", "16384\n"),
      ("sys/kernel/sem", "32000\t1024000000\t500\t32000\n"), ("sys/kernel/shmmax", "18446744073692774399\n"),
      ("sys/kernel/shmall", "18446744073692774399\n"), ("sys/kernel/shmmni", "4096\n"),
      ("sys/vm/overcommit_memory", "0\n"), ("sys/vm/overcommit_ratio", "50\n"), ("sys/vm/max_map_count", "\(MemoryManager.mappingsMax)\n"),
      ("sys/vm/mmap_min_addr", "65536\n"), ("sys/vm/swappiness", "60\n"), ("sys/vm/nr_hugepages", "0\n"),
      ("sys/fs/file-max", "9223372036854775807\n"), ("sys/fs/nr_open", "1048576\n"),
      ("sys/fs/pipe-max-size", "1048576\n"), ("sys/fs/pipe-user-pages-soft", "16384\n"),
      ("sys/fs/file-nr", "0\t0\t9223372036854775807\n"), ("sys/fs/inotify/max_user_watches", "65536\n"),
      ("sys/fs/inotify/max_user_instances", "128\n"), ("sys/fs/inotify/max_queued_events", "16384\n"),
      ("sys/fs/epoll/max_user_watches", "1000000\n"), ("sys/fs/protected_hardlinks", "0\n"),
      ("sys/fs/protected_symlinks", "0\n"), ("sys/net/core/somaxconn", "4096\n"),
      ("sys/net/core/rmem_max", "212992\n"), ("sys/net/core/wmem_max", "212992\n"),
      ("sys/net/ipv4/ip_local_port_range", "32768\t60999\n"), ("sys/net/ipv6/conf/all/disable_ipv6", "0\n"),
      ("sys/net/unix/max_dgram_qlen", "512\n"),
    ]
  }

  /// /proc/self/net: a network that has the loopback interface and nothing else to show.
  private func makeNetwork(_ time: Nanoseconds) {
    let directory = FixedDirectory(
      number: nextNumber(), fileSystem: .proc, permissions: 0o555, user: 0, group: 0, time: time, parent: root,
      name: Array("net".utf8))
    directory.missing = .network
    network = directory
  }

  private func fillNetwork(_ directory: FixedDirectory, _ time: Nanoseconds) {
    let dev = """
      Inter-|   Receive                                                |  Transmit
       face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets \
      errs drop fifo colls carrier compressed
          lo:       0       0    0    0    0     0          0         0        0       0    \
      0    0    0     0       0          0

      """
    let tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    let files: [(String, String)] = [
      ("dev", dev), ("tcp", tcp), ("tcp6", tcp), ("udp", tcp), ("udp6", tcp),
      ("unix", "Num       RefCount Protocol Flags    Type St Inode Path\n"),
      ("route", "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"),
      ("if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n"),
      ("arp", "IP address       HW type     Flags       HW address            Mask     Device\n"),
    ]
    for (name, text) in files { add(directory, name, Self.fixed(text), time: time) }
  }

  /// /sys: CPUs, memory management knobs, and the places where programs look for the rest.
  func makeSys(_ kernel: Kernel) {
    let time = kernel.decisions.epoch
    let sys = FixedDirectory(
      number: nextNumber(), fileSystem: .sys, permissions: 0o555, user: 0, group: 0, time: time, parent: root,
      name: Array("sys".utf8))
    sys.missing = .sys
    root.set(sys.name, sys)
  }

  private func fillSys(_ sys: FixedDirectory, _ time: Nanoseconds, _ kernel: Kernel) {
    let count = kernel.configuration.cpuCount
    let all = count == 1 ? "0\n" : "0-\(count - 1)\n"
    var files: [(String, String)] = [
      ("devices/system/cpu/online", all), ("devices/system/cpu/possible", all), ("devices/system/cpu/present", all),
      ("devices/system/cpu/offline", "\n"), ("devices/system/cpu/isolated", "\n"),
      ("devices/system/cpu/kernel_max", "8191\n"), ("devices/system/node/online", "0\n"),
      ("devices/system/node/possible", "0\n"), ("devices/system/node/node0/cpulist", all),
      ("kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n"),
      ("kernel/mm/transparent_hugepage/defrag", "always defer defer+madvise madvise [never]\n"),
      ("kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n"),
      ("kernel/mm/transparent_hugepage/shmem_enabled", "always within_size advise [never] deny force\n"),
    ]
    for index in 0..<count {
      let base = "devices/system/cpu/cpu\(index)"
      files += [
        (base + "/online", "1\n"), (base + "/topology/core_id", "\(index)\n"),
        (base + "/topology/physical_package_id", "0\n"), (base + "/topology/thread_siblings_list", "\(index)\n"),
        (base + "/topology/core_cpus_list", "\(index)\n"), (base + "/topology/package_cpus_list", all),
        (base + "/cache/index0/size", "32K\n"), (base + "/cache/index0/type", "Data\n"),
        (base + "/cache/index0/level", "1\n"), (base + "/cache/index0/coherency_line_size", "64\n"),
        (base + "/cache/index0/shared_cpu_list", "\(index)\n"),
      ]
    }
    for (path, text) in files { add(sys, path, Self.fixed(text), time: time) }
    let group = fixedDirectory(in: fixedDirectory(in: sys, "fs", time), "cgroup", time)
    add(group, "cgroup.controllers", Self.fixed("\n"), time: time)
    for name in ["block", "bus", "class", "dev", "firmware", "module"] { _ = fixedDirectory(in: sys, name, time) }
    _ = fixedDirectory(in: fixedDirectory(in: sys, "class", time), "net", time)
  }

  /// /proc/sys/kernel/random/boot_id: drawn when somebody asks first.
  func bootIdentifier(_ kernel: Kernel) -> String {
    if let bootText { return bootText }
    let text = ProcSystemFile.identifier(kernel)
    bootText = text
    return text
  }
}
