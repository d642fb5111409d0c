// What a stub may ask of the host: the calls of the lists and no others, by libseccomp.
import CLinux
import CSeccomp
import Platform

enum SeccompFilter {
  /// The calls the blob makes once the filter stands.
  static let allowed: [UInt64] = [
    HostCall.mmap, HostCall.munmap, HostCall.mprotect, HostCall.mremap, HostCall.madvise, HostCall.recvmsg,
    HostCall.close,
  ]

  /// The filter as BPF. Everything else gets a SIGSYS (SECCOMP_RET_TRAP), which is also how a call into the vsyscall
  /// page shows itself: the host's emulation asks the filter and does not pass PTRACE_SYSEMU.
  static func program() throws(MachineError) -> [UInt8] {
    let trap: UInt32 = 0x0003_0000  // SCMP_ACT_TRAP
    let allow: UInt32 = 0x7fff_0000  // SCMP_ACT_ALLOW
    guard let context = seccomp_init(trap) else { throw MachineError("seccomp_init failed") }
    defer { seccomp_release(context) }
    try checked(Int(seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, trap)), "seccomp_attr_set")
    for number in allowed {
      try checked(Int(seccomp_rule_add_array(context, allow, Int32(number), 0, nil)), "seccomp_rule_add")
    }
    // clone only as a fork that the tracer gets.
    var isStubFork = scmp_arg_cmp(arg: 0, op: SCMP_CMP_EQ, datum_a: HostFlag.cloneStub, datum_b: 0)
    try checked(
      Int(seccomp_rule_add_array(context, allow, Int32(HostCall.clone), 1, &isStubFork)), "seccomp_rule_add")

    let file = Int32(try checked(rsb_memfd_make("filter"), "memfd_create"))
    defer { _ = rsb_descriptor_close(file) }
    try checked(Int(seccomp_export_bpf(context, file)), "seccomp_export_bpf")
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = try checked(rsb_memfd_pread(file, &bytes, bytes.count, 0), "read of the filter")
    guard count > 0, count % 8 == 0, count < 2048 else { throw MachineError("filter of \(count) bytes") }
    return Array(bytes.prefix(count))
  }
}
