// Calls on the machine, limits, scheduling parameters and credentials.

import LinuxABI
import Platform
import Testing

@testable import Kernel

@Suite struct SystemSyscallTests {
  @Test func uname() {
    let fixture = KernelFixture()
    let buffer = fixture.allocate(390)
    #expect(fixture.call(SyscallNumber.uname, buffer) == 0)
    #expect(fixture.text(buffer, 6) == "Linux\0")
    #expect(fixture.text(buffer + 65, 9) == "replaysb\0")
    #expect(fixture.text(buffer + 4 * 65, 7) == "x86_64\0")
    #expect(fixture.call(SyscallNumber.uname, 0x10) == failure(.EFAULT))
  }

  @Test func sysinfo() {
    let fixture = KernelFixture()
    let buffer = fixture.allocate(112)
    #expect(fixture.call(SyscallNumber.sysinfo, buffer) == 0)
    #expect(fixture.word(buffer, as: Int64.self) == 100)
    #expect(fixture.word(buffer + 32, as: UInt64.self) == 8 << 30)
    #expect(fixture.word(buffer + 80, as: UInt16.self) == 1)
    #expect(fixture.word(buffer + 104, as: UInt32.self) == 1)
  }

  @Test func randomBytesRepeatAndAreNoted() {
    final class Listener: Observer {
      var noted: [UInt8] = []
      func note(_ annotation: Annotation) { if case .randomBytes(let bytes) = annotation { noted += bytes } }
      func output(_ s: OutputStream, space: AddressSpaceID, pieces: [GuestRange], bytes: ArraySlice<UInt8>) {}
      func output(_ stream: OutputStream, bytes: ArraySlice<UInt8>) {}
    }
    let listener = Listener()
    let fixture = KernelFixture(seed: 3, observer: listener)
    let buffer = fixture.allocate(100_000)
    #expect(fixture.call(SyscallNumber.getrandom, buffer, 100_000, 0) == 100_000)
    #expect(listener.noted == fixture.bytes(buffer, 100_000))
    let second = KernelFixture(seed: 3)
    #expect(second.call(SyscallNumber.getrandom, second.allocate(64), 64, 1) == 64)
    #expect(second.bytes(KernelFixture.scratch.rawValue, 64) == Array(listener.noted.prefix(64)))
    #expect(fixture.call(SyscallNumber.getrandom, buffer, 1, 8) == failure(.EINVAL))
    #expect(fixture.call(SyscallNumber.getrandom, buffer, 1, 6) == failure(.EINVAL))
    #expect(fixture.call(SyscallNumber.getrandom, 0x10, 1, 0) == failure(.EFAULT))
    #expect(fixture.call(SyscallNumber.getrandom, 0x10, 0, 0) == 0)
  }

  @Test func refusals() {
    let fixture = KernelFixture()
    #expect(fixture.call(SyscallNumber.sethostname, 0, 0) == failure(.EPERM))
    #expect(fixture.call(SyscallNumber.io_uring_setup, 1, 0) == failure(.ENOSYS))
    #expect(fixture.call(SyscallNumber.seccomp, 1, 0, 0) == failure(.EINVAL))
    #expect(fixture.kernel.statistics.unknownSyscalls.isEmpty)
  }

  @Test func archPrctl() {
    let fixture = KernelFixture()
    let buffer = fixture.allocate(8)
    #expect(fixture.call(SyscallNumber.arch_prctl, 0x1002, 0x1234_5000) == 0)
    #expect(fixture.task.context.registers.fsBase == 0x1234_5000)
    #expect(fixture.call(SyscallNumber.arch_prctl, 0x1003, buffer) == 0)
    #expect(fixture.word(buffer, as: UInt64.self) == 0x1234_5000)
    #expect(fixture.call(SyscallNumber.arch_prctl, 0x1001, 0x8000_0000_0000) == failure(.EPERM))
    #expect(fixture.call(SyscallNumber.arch_prctl, 0x1012, 0) == failure(.ENODEV))
    #expect(fixture.call(SyscallNumber.arch_prctl, 0x3001, buffer) == failure(.EINVAL))
  }

  @Test func copiesBetweenProcesses() {
    let fixture = KernelFixture()
    let source = fixture.put("abcdefgh")
    let target = fixture.allocate(16)
    func vector(_ pieces: [(UInt64, UInt64)]) -> UInt64 {
      var bytes: [UInt8] = []
      for piece in pieces {
        bytes.appendInteger(piece.0)
        bytes.appendInteger(piece.1)
      }
      return fixture.put(bytes)
    }
    let local = vector([(target, 3), (target + 8, 5)])
    let remote = vector([(source, 1), (source + 1, 6)])
    #expect(fixture.call(SyscallNumber.process_vm_readv, 2, local, 2, remote, 2, 0) == 7)
    #expect(fixture.text(target, 3) == "abc")
    #expect(fixture.text(target + 8, 4) == "defg")
    #expect(fixture.call(SyscallNumber.process_vm_readv, 77, local, 2, remote, 2, 0) == failure(.ESRCH))
    #expect(fixture.call(SyscallNumber.process_vm_readv, 2, local, 2, remote, 2, 1) == failure(.EINVAL))
    #expect(fixture.call(SyscallNumber.process_vm_writev, 2, local, 1, vector([(0x10, 3)]), 1, 0) == failure(.EFAULT))
  }
}

@Suite struct LimitSyscallTests {
  @Test func limits() {
    let fixture = KernelFixture()
    let buffer = fixture.allocate(16)
    #expect(fixture.call(SyscallNumber.getrlimit, 3, buffer) == 0)
    #expect(fixture.word(buffer, as: UInt64.self) == 8 << 20)
    #expect(fixture.call(SyscallNumber.getrlimit, 16, buffer) == failure(.EINVAL))
    var wanted: [UInt8] = []
    wanted.appendInteger(512 as UInt64)
    wanted.appendInteger(1024 as UInt64)
    let new = fixture.put(wanted)
    #expect(fixture.call(SyscallNumber.prlimit64, 0, 7, new, buffer) == 0)
    #expect(fixture.word(buffer + 8, as: UInt64.self) == 1 << 20)
    #expect(fixture.task.group.limits[ResourceLimits.files].current == 512)
    wanted.setInteger(2048 as UInt64, at: 8)
    #expect(fixture.call(SyscallNumber.setrlimit, 7, fixture.put(wanted)) == failure(.EPERM))
    wanted.setInteger(1 as UInt64, at: 8)
    #expect(fixture.call(SyscallNumber.setrlimit, 7, fixture.put(wanted)) == failure(.EINVAL))
    #expect(fixture.call(SyscallNumber.prlimit64, 99, 7, 0, buffer) == failure(.ESRCH))
  }

  @Test func usageIsVirtual() {
    let fixture = KernelFixture()
    fixture.task.usage.userTime = Nanoseconds(3_500_000_000)
    let buffer = fixture.allocate(144)
    #expect(fixture.call(SyscallNumber.getrusage, 0, buffer) == 0)
    #expect(fixture.word(buffer, as: Int64.self) == 3)
    #expect(fixture.word(buffer + 8, as: Int64.self) >= 500_000)
    #expect(fixture.call(SyscallNumber.getrusage, 5, buffer) == failure(.EINVAL))
    #expect(fixture.call(SyscallNumber.times, buffer)! >= 10_000)
    #expect(fixture.word(buffer, as: Int64.self) == 350)
  }
}

@Suite struct SchedulingSyscallTests {
  @Test func affinity() {
    let fixture = KernelFixture()
    let buffer = fixture.allocate(8)
    #expect(fixture.call(SyscallNumber.sched_getaffinity, 0, 128, buffer) == 8)
    #expect(fixture.word(buffer, as: UInt64.self) == 0xf)
    #expect(fixture.call(SyscallNumber.sched_setaffinity, 0, 8, fixture.put([0xfc, 0xff, 0, 0, 0, 0, 0, 0])) == 0)
    #expect(fixture.call(SyscallNumber.sched_getaffinity, 0, 8, buffer) == 8)
    #expect(fixture.word(buffer, as: UInt64.self) == 0xc)
    #expect(fixture.call(SyscallNumber.getcpu, buffer, 0) == 0)
    #expect(fixture.word(buffer, as: UInt32.self) == 2)
    #expect(fixture.call(SyscallNumber.sched_setaffinity, 0, 1, fixture.put([0xf0])) == failure(.EINVAL))
    #expect(fixture.call(SyscallNumber.sched_getaffinity, 0, 4, buffer) == failure(.EINVAL))
    #expect(fixture.call(SyscallNumber.sched_getaffinity, 99, 8, buffer) == failure(.ESRCH))
  }

  @Test func policies() {
    let fixture = KernelFixture()
    let zero = fixture.put([0, 0, 0, 0])
    let ten = fixture.put([10, 0, 0, 0])
    #expect(fixture.call(SyscallNumber.sched_setscheduler, 0, 1, ten) == failure(.EPERM))
    #expect(fixture.call(SyscallNumber.sched_setscheduler, 0, 1, zero) == failure(.EINVAL))
    #expect(fixture.call(SyscallNumber.sched_setscheduler, 0, 3, zero) == 0)
    #expect(fixture.call(SyscallNumber.sched_getscheduler, 0) == 3)
    #expect(fixture.call(SyscallNumber.sched_get_priority_max, 1) == 99)
    #expect(fixture.call(SyscallNumber.sched_get_priority_max, 4) == failure(.EINVAL))
    let attributes = fixture.allocate(56)
    #expect(fixture.call(SyscallNumber.sched_getattr, 0, attributes, 56, 0) == 0)
    #expect(fixture.word(attributes, as: UInt32.self) == 56)
    #expect(fixture.word(attributes + 4, as: UInt32.self) == 3)
    #expect(fixture.call(SyscallNumber.sched_setattr, 0, attributes, 0) == 0)
    #expect(fixture.call(SyscallNumber.sched_getattr, 0, attributes, 40, 0) == failure(.EINVAL))
  }

  @Test func niceness() {
    let fixture = KernelFixture()
    #expect(fixture.call(SyscallNumber.getpriority, 0, 0) == 20)
    #expect(fixture.call(SyscallNumber.setpriority, 0, 0, 5) == 0)
    #expect(fixture.call(SyscallNumber.getpriority, 0, 0) == 15)
    #expect(fixture.call(SyscallNumber.setpriority, 0, 0, 4) == failure(.EACCES))
    #expect(fixture.call(SyscallNumber.getpriority, 3, 0) == failure(.EINVAL))
    #expect(fixture.call(SyscallNumber.getpriority, 0, 99) == failure(.ESRCH))
    #expect(fixture.call(SyscallNumber.getpriority, 1, 0) == 15)
  }
}

@Suite struct CredentialSyscallTests {
  @Test func anOrdinaryUserStaysWhatItIs() {
    let fixture = KernelFixture()
    #expect(fixture.call(SyscallNumber.getuid) == 1000)
    #expect(fixture.call(SyscallNumber.setuid, 1000) == 0)
    #expect(fixture.call(SyscallNumber.setuid, 0) == failure(.EPERM))
    #expect(fixture.call(SyscallNumber.setresuid, UInt64(UInt32.max), 0, 0) == failure(.EPERM))
    #expect(fixture.call(SyscallNumber.setfsuid, 5) == 1000)
    #expect(fixture.call(SyscallNumber.setfsuid, UInt64(UInt32.max)) == 1000)
    #expect(fixture.call(SyscallNumber.setgroups, 0, 0) == failure(.EPERM))
    #expect(fixture.call(SyscallNumber.getgroups, 0, 0) == 0)
  }

  @Test func rootGivesUpItsRights() {
    let fixture = KernelFixture { $0.user = 0; $0.group = 0 }
    let header = fixture.put([0x22, 0x05, 0x08, 0x20, 0, 0, 0, 0])
    let data = fixture.allocate(24)
    #expect(fixture.call(SyscallNumber.capget, header, data) == 0)
    #expect(fixture.word(data, as: UInt32.self) == UInt32.max)
    #expect(fixture.call(SyscallNumber.setresuid, 1, 2, 0) == 0)
    #expect(fixture.task.credentials.effectiveCapabilities == 0)
    #expect(fixture.task.credentials.permittedCapabilities == Credentials.allCapabilities)
    #expect(fixture.call(SyscallNumber.setresuid, 1, 0, 0) == 0)
    #expect(fixture.task.credentials.effectiveCapabilities == Credentials.allCapabilities)
    #expect(fixture.call(SyscallNumber.setuid, 1000) == 0)
    #expect(fixture.task.credentials.permittedCapabilities == 0)
    #expect(fixture.call(SyscallNumber.setuid, 0) == failure(.EPERM))
    #expect(fixture.call(SyscallNumber.capset, header, data) == failure(.EPERM))
  }

  @Test func capabilityVersions() {
    let fixture = KernelFixture()
    let header = fixture.put([0, 0, 0, 0, 0, 0, 0, 0])
    #expect(fixture.call(SyscallNumber.capget, header, 0) == 0)
    #expect(fixture.word(header, as: UInt32.self) == 0x2008_0522)
    #expect(fixture.call(SyscallNumber.capget, fixture.put([1, 0, 0, 0, 0, 0, 0, 0]), header) == failure(.EINVAL))
  }
}
