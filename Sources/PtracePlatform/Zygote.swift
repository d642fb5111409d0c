// The first stub: born, emptied, confined, and kept pristine. Every address space begins as a fork of it.
import CLinux
import Platform

/// The zygote, and what is to be told about the host.
struct Zygote {
  let stub: Stub
  /// Host mappings that could not be removed (kernels that seal the vdso); empty where all is well.
  var notes: [String] = []
  /// Where the host's vdso was, which `sysenter` still returns to on Intel's processors; 0 when there was none.
  private(set) var vdso: UInt64 = 0

  /// Starts the zygote. The calling thread becomes its tracer.
  init(stubSocket: Int32, tracerSocket: Int32) throws(MachineError) {
    let image = Int32(try checked(rsb_memfd_make("replaysb-stub"), "memfd_create"))
    defer { _ = rsb_descriptor_close(image) }
    let bytes = StubLayout.image()
    try checked(rsb_memfd_pwrite(image, bytes, bytes.count, 0), "write of the stub's image")
    guard let list = rsb_memfd_map_page(image, StubLayout.listOffset) else {
      throw MachineError("mmap of the list page")
    }
    let birth = rsb_birth(image, stubSocket)
    if birth < 0 { rsb_memfd_unmap_page(list) }
    let pid = Int32(try checked(birth, "start of the first stub (vfork, execveat)"))
    stub = Stub(pid: pid, list: list, tracerSocket: tracerSocket)
    stub.blob = StubLayout.birth
    do throws(MachineError) {
      try attach()
      vdso = try Self.vdso(of: pid)
      try empty()
      try confine()
    } catch {
      end()
      throw error
    }
  }

  /// After all other stubs.
  func end() {
    stub.kill()
    rsb_reap(stub.pid)
    rsb_memfd_unmap_page(stub.list)
  }

  private func attach() throws(MachineError) {
    let pid = stub.pid
    try checked(rsb_ptrace_seize(pid), "ptrace(PTRACE_SEIZE)")
    try checked(rsb_ptrace_interrupt(pid), "ptrace(PTRACE_INTERRUPT)")
    var status: Int32 = 0
    try checked(rsb_wait_stop(pid, &status), "wait4")
    if status & 0xff != 0x7f { throw MachineError("first stub ended: \(describe(waitStatus: Int(status)))") }
  }

  /// AT_SYSINFO_EHDR in proc_pid_auxv(5).
  private static func vdso(of pid: Int32) throws(MachineError) -> UInt64 {
    let bytes = try readHostFile("/proc/\(pid)/auxv")
    let sysinfoHeader: UInt64 = 33
    for offset in stride(from: 0, to: bytes.count - 15, by: 16) where bytes.word(at: offset) == sysinfoHeader {
      return bytes.word(at: offset + 8)
    }
    return 0
  }

  /// Leaves our own pages alone in the address space. The stack may start at the very top, so what is there is
  /// replaced first; the blob runs where execve put it until the second list.
  private mutating func empty() throws(MachineError) {
    let page = StubLayout.pageSize
    let afterBirth = StubLayout.birth + page
    let image = StubLayout.imageDescriptor
    let sharedFixed = HostFlag.mapShared | HostFlag.mapFixed
    let privateFixed = HostFlag.mapPrivate | HostFlag.mapFixed
    let listed = try stub.call(HostCall.mmap, [StubLayout.list, page, 1, sharedFixed, image, StubLayout.listOffset])
    if listed < 0 { throw MachineError("first stub: mmap of the list page: \(describe(errno: -listed))") }
    try stub.runAll([
      [HostCall.mmap, StubLayout.blob, page, 5, privateFixed, image, page],
      [HostCall.munmap, StubLayout.lowest, StubLayout.birth - StubLayout.lowest, 0, 0, 0, 0],
    ])
    let emptied = try stub.call(HostCall.munmap, [afterBirth, StubLayout.blob - afterBirth, 0, 0, 0, 0])
    if emptied < 0 { try emptyPiecewise() }
    stub.blob = StubLayout.blob
    let bankFlags = privateFixed | HostFlag.mapAnonymous | HostFlag.mapNoReserve
    try stub.runAll([
      [HostCall.munmap, StubLayout.birth, page, 0, 0, 0, 0],
      [HostCall.close, image, 0, 0, 0, 0, 0],
      [HostCall.mmap, StubLayout.bank, StubLayout.blob - StubLayout.bank, 3, bankFlags, ~0, 0],
    ])
  }

  /// For kernels that seal system mappings (mseal(2) on the vdso): what can go goes, the rest is told.
  private mutating func emptyPiecewise() throws(MachineError) {
    for mapping in try HostMapping.all(of: stub.pid)
    where mapping.start != StubLayout.birth && mapping.start < StubLayout.blob {
      // The stack may have shared a mapping's end with our pages.
      let size = min(mapping.end, StubLayout.blob) - mapping.start
      let result = try stub.call(HostCall.munmap, [mapping.start, size, 0, 0, 0, 0])
      if result < 0 {
        notes.append(
          "the host keeps \(String(mapping.start, radix: 16))-\(String(mapping.end, radix: 16)) mapped in guests: "
            + describe(errno: -result))
      }
    }
  }

  /// Own session, no signals, trapped TSC, the filter.
  private func confine() throws(MachineError) {
    let program = try SeccompFilter.program()
    let words = program.withUnsafeBytes { Array($0.bindMemory(to: UInt64.self)) }
    // The calls come first; after them the signal mask, struct sock_fprog, the filter.
    let count = 5
    let argument = StubLayout.calls + UInt64(count * StubLayout.wordsPerCall * 8)
    stub.writeList([~0, UInt64(program.count / 8), argument + 24] + words, after: count * StubLayout.wordsPerCall)
    let setTSC: UInt64 = 26, setNoNewPrivileges: UInt64 = 38
    try stub.runAll([
      [HostCall.setsid, 0, 0, 0, 0, 0, 0],
      [HostCall.rtSigprocmask, 2, argument, 0, 8, 0, 0],
      [HostCall.prctl, setTSC, 2, 0, 0, 0, 0],
      [HostCall.prctl, setNoNewPrivileges, 1, 0, 0, 0, 0],
      // SECCOMP_SET_MODE_FILTER with SECCOMP_FILTER_FLAG_SPEC_ALLOW: a guest is trusted no less than any program.
      [HostCall.seccomp, 1, 4, argument + 8, 0, 0, 0],
    ])
    stub.writeList([UInt64](repeating: 0, count: count * StubLayout.wordsPerCall + 3 + words.count))
  }
}

extension Stub {
  /// Calls that must all succeed, for the setting up.
  func runAll(_ calls: [[UInt64]]) throws(MachineError) {
    writeList(calls.flatMap { $0 })
    guard let failure = try runList(count: calls.count).failure else { return }
    let number = calls[failure.index][0]
    let what = number == HostCall.seccomp ? "seccomp" : "call \(number)"
    throw MachineError("first stub: \(what): \(describe(errno: failure.error))")
  }

  /// A copy of this stub's process: attached, stopped, its registers not set yet.
  func fork() throws(MachineError) -> Stub {
    let pid = try call(HostCall.clone, [HostFlag.cloneStub, 0, 0, 0, 0, 0])
    if pid <= 0 { throw MachineError("fork of stub \(self.pid): \(describe(errno: -pid))") }
    var status: Int32 = 0
    try checked(rsb_wait_stop(Int32(pid), &status), "wait4 for a new stub")
    if status & 0xff != 0x7f { throw MachineError("new stub ended: \(describe(waitStatus: Int(status)))") }
    return Stub(pid: Int32(pid), list: list, tracerSocket: tracerSocket)
  }
}
