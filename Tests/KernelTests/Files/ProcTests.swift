// /proc, /dev and /sys are the kernel's own.

import LinuxABI
import Platform
import Testing

@testable import Kernel

@Suite struct ProcTests {
  let host = FakeHostView()
  let fixture: KernelFixture

  init() {
    host.addDirectory("/proc")
    host.addFile("/proc/hostsecret", "host")
    host.addDirectory("/sys")
    host.addFile("/sys/hostsecret", "host")
    host.addFile("/etc/motd", "hello")
    fixture = KernelFixture(host: host)
  }

  func content(_ path: String) -> String {
    let descriptor = fixture.call(SyscallNumber.open, fixture.put(path), 0, 0)!
    if descriptor < 0 { return "error \(descriptor)" }
    let buffer = fixture.allocate(16384)
    var text = ""
    while let got = fixture.call(SyscallNumber.read, UInt64(descriptor), buffer, 16384), got > 0 {
      text += fixture.text(buffer, Int(got))
    }
    fixture.call(SyscallNumber.close, UInt64(descriptor))
    return text
  }
  func link(_ path: String) -> String {
    let buffer = fixture.allocate(256)
    let got = fixture.call(SyscallNumber.readlink, fixture.put(path), buffer, 256)!
    return got < 0 ? "error \(got)" : fixture.text(buffer, Int(got))
  }

  @Test func hostDoesNotShow() {
    #expect(content("/proc/hostsecret") == "error -2")
    #expect(content("/sys/hostsecret") == "error -2")
  }

  @Test func selfIsTheCaller() {
    #expect(link("/proc/self") == "2")
    #expect(link("/proc/thread-self") == "2/task/2")
    #expect(content("/proc/self/comm") == "test\n")
    #expect(content("/proc/self/task/2/comm") == "test\n")
    #expect(content("/proc/self/status").contains("Pid:\t2\nPPid:\t1\n"))
    #expect(content("/proc/self/stat").split(separator: " ").count == 52)
    #expect(content("/proc/3/stat") == "error -2")
  }

  @Test func descriptorsAreLinks() {
    let descriptor = fixture.call(SyscallNumber.open, fixture.put("/etc/motd"), 0, 0)!
    #expect(link("/proc/self/fd/\(descriptor)") == "/etc/motd")
    #expect(content("/proc/self/fd/\(descriptor)") == "hello")
    #expect(content("/dev/fd/\(descriptor)") == "hello")
    #expect(content("/proc/self/fdinfo/\(descriptor)").hasPrefix("pos:\t0\nflags:\t0100000\n"))
    #expect(link("/proc/self/fd/99") == "error -2")
    #expect(link("/proc/self/fd/1").hasPrefix("pipe:["))
    #expect(link("/proc/self/cwd") == "/")
  }

  @Test func machineIsTheConfigured() {
    #expect(content("/proc/cpuinfo").split(separator: "\n").filter { $0.hasPrefix("processor") }.count == 4)
    #expect(content("/sys/devices/system/cpu/online") == "0-3\n")
    #expect(content("/proc/meminfo").hasPrefix("MemTotal:        8388608 kB\n"))
    #expect(content("/proc/sys/kernel/osrelease") == "6.1.0-replaysb\n")
    #expect(content("/proc/mounts").hasPrefix("overlay / overlay"))
    let boot = content("/proc/sys/kernel/random/boot_id")
    #expect(boot.utf8.count == 37)
    #expect(content("/proc/sys/kernel/random/boot_id") == boot)
    #expect(content("/proc/sys/kernel/random/uuid") != boot)
  }

  @Test func cannotBeChanged() {
    #expect(fixture.call(SyscallNumber.unlink, fixture.put("/proc/version")) == failure(.EACCES))
    #expect(fixture.call(SyscallNumber.mkdir, fixture.put("/proc/x"), 0o777) == failure(.ENOENT))
  }
}
