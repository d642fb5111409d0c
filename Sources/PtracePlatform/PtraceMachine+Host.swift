// What this host is and whether it lets us trace: for the trace header and for `doctor`.
import CLinux
import Platform

extension PtraceMachine {
  /// The processor model and the features that guest code can see, in one line. Equal lines mean that a direct trace
  /// replays; values that differ from core to core or boot to boot are masked.
  public static func cpuFingerprint() -> String {
    var vendor: [UInt8] = []
    let zero = cpuid(0)
    for word in [zero[1], zero[3], zero[2]] { withUnsafeBytes(of: word.littleEndian) { vendor += Array($0) } }
    let one = cpuid(1)
    let baseFamily = one[0] >> 8 & 15, baseModel = one[0] >> 4 & 15
    let family = baseFamily == 15 ? baseFamily + (one[0] >> 20 & 255) : baseFamily
    let model = baseFamily == 6 || baseFamily == 15 ? baseModel | (one[0] >> 16 & 15) << 4 : baseModel
    // Leaf 1: ecx bit 27 (OSXSAVE) stays; ebx holds the APIC id and is left out.
    let extended = cpuid(0x8000_0001)
    var words = [one[2], one[3]]
    if zero[0] >= 7 {
      let seven = cpuid(7), sevenOne = cpuid(7, 1)
      words += [seven[1], seven[2], seven[3], sevenOne[0]]
    }
    words += [extended[2], extended[3]]
    if one[2] >> 27 & 1 == 1 {
      let xcr0 = rsb_xgetbv(0)
      words += [UInt32(truncatingIfNeeded: xcr0), UInt32(truncatingIfNeeded: xcr0 >> 32)]
      // Size of the XSAVE area for what is enabled.
      words.append(cpuid(0xd)[1])
    }
    let features = words.map { String($0, radix: 16) }.joined(separator: ",")
    let name = String(decoding: vendor, as: UTF8.self)
    return "\(name) family \(family) model \(model) stepping \(one[0] & 15) features \(features)"
  }

  static func cpuid(_ leaf: UInt32, _ subleaf: UInt32 = 0) -> [UInt32] {
    var words: [UInt32] = [0, 0, 0, 0]
    rsb_cpuid(leaf, subleaf, &words)
    return words
  }

  /// The answer of `checkPermission`.
  public struct PermissionCheck: Sendable {
    public var isAllowed: Bool
    /// What was refused; empty when all is well.
    public var reason: String
    /// How to allow it; empty when all is well or nothing is known.
    public var advice: String
    /// Peculiarities of this host that do not stop us.
    public var notes: [String]
  }

  /// Tries what every run needs: a traced, confined stub, a fork of it, and one trapped syscall. On its own thread.
  public static func checkPermission() -> PermissionCheck {
    onTracerThread {
      do throws(MachineError) {
        let machine = try PtraceMachine()
        defer { machine.shutdown() }
        try tryOneSyscall(machine)
        return PermissionCheck(isAllowed: true, reason: "", advice: "", notes: machine.notes)
      } catch {
        return PermissionCheck(isAllowed: false, reason: error.description, advice: advice(for: error), notes: [])
      }
    }
  }

  private static func tryOneSyscall(_ machine: PtraceMachine) throws(MachineError) {
    let space = AddressSpaceID(rawValue: 1), code = GuestAddress(0x40_0000)
    try machine.createAddressSpace(space)
    try machine.map(space, GuestRange(code, code + GuestAddress.pageSize), [.read, .write, .execute], .anonymous)
    _ = try machine.write(space, code, [0x0f, 0x05])
    let context = ExecutionContext(id: ContextID(rawValue: 1), space: space)
    context.registers.rip = code.rawValue
    try machine.createContext(context.id, extendedState: .initial)
    let trap = try machine.run(context, limit: RunLimit(wallSeconds: 2))
    if trap != .syscall { throw MachineError("a syscall of a guest was not trapped: \(trap)") }
  }

  private static func advice(for error: MachineError) -> String {
    let text = error.description
    if let scope = try? readHostFile("/proc/sys/kernel/yama/ptrace_scope").first, scope >= UInt8(ascii: "2") {
      return "kernel.yama.ptrace_scope is \(Character(UnicodeScalar(scope))): "
        + "set it to 1 or 0 (sysctl kernel.yama.ptrace_scope=1)"
    }
    if text.contains("ptrace") || text.contains("memory of stub") {
      return "ptrace is refused, most likely by a container's seccomp profile or kernel before 4.8: "
        + "run the container with --cap-add=SYS_PTRACE or a profile that allows ptrace and process_vm_readv"
    }
    if text.contains("memfd_create") || text.contains("execveat") {
      return "executable memory files are refused: allow memfd_create and execveat, and set vm.memfd_noexec below 2"
    }
    if text.contains("seccomp") {
      return "the kernel or the container refuses seccomp filters: build with CONFIG_SECCOMP_FILTER, allow seccomp(2)"
    }
    return ""
  }
}
