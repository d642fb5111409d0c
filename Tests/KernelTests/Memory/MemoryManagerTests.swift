// Mappings: how they split, merge, grow and end, on a fake machine.

import LinuxABI
import Platform
import Testing

@testable import Kernel

/// A file whose object a test gives.
private final class MappedFile: OpenFile {
  let object: MemoryObjectReference
  init(_ object: MemoryObjectReference, flags: UInt32) {
    self.object = object
    super.init(flags: flags)
  }
  override func memoryObject(_ kernel: Kernel) throws(Errno) -> MemoryObjectReference { object }
}

/// A process with an empty address space of its own and mmap by name.
struct MemoryFixture {
  let base: KernelFixture
  var kernel: Kernel { base.kernel }
  var memory: MemoryManager { base.task.memory }

  init(configure: (inout KernelConfiguration) -> Void = { _ in }) throws {
    base = KernelFixture(configure: configure)
    let space = base.kernel.identifiers.nextSpace()
    try base.machine.createAddressSpace(space)
    base.task.memory = MemoryManager(space: space, machine: base.machine)
  }

  static let readWrite: UInt64 = 3, privateAnonymous: UInt64 = 0x22, sharedAnonymous: UInt64 = 0x21, fixed: UInt64 = 0x10

  @discardableResult
  func mmap(
    _ address: UInt64 = 0, _ length: UInt64, _ protection: UInt64 = readWrite, _ flags: UInt64 = privateAnonymous,
    _ file: Int64 = -1, _ offset: UInt64 = 0
  ) -> Int64 {
    base.call(SyscallNumber.mmap, address, length, protection, flags, UInt64(bitPattern: file), offset)!
  }

  /// Start, end and protection of every mapping, as /proc/PID/maps shows them.
  var lines: [String] {
    memory.mappings.map {
      "\($0.range) " + ($0.protection.contains(.read) ? "r" : "-") + ($0.protection.contains(.write) ? "w" : "-")
        + ($0.protection.contains(.execute) ? "x" : "-") + ($0.isShared ? "s" : "p")
    }
  }

  func install(_ content: [UInt8], key: UInt64 = 0, flags: UInt32 = 2) throws -> (Int64, MemoryObjectReference) {
    let id = kernel.identifiers.nextObject()
    try base.machine.createObject(id, content: content)
    let object = MemoryObjectReference(id: id, path: Array("/lib/x.so".utf8), placementKey: key)
    let descriptor = try base.task.files.install(MappedFile(object, flags: flags), closeOnExec: false, limit: 100)
    return (Int64(descriptor), object)
  }
}

@Suite struct MemoryManagerTests {
  @Test func anonymousMappingsMergeDownwards() throws {
    let fixture = try MemoryFixture()
    let first = fixture.mmap(0, 0x2000)
    #expect(first == 0x7fef_f7ff_d000)
    #expect(fixture.mmap(0, 1) == first - 0x1000)
    #expect(fixture.lines == ["7feff7ffc000-7feff7fff000 rw-p"])
  }

  @Test func unmapSplitsAndTheHoleIsUsedAgain() throws {
    let fixture = try MemoryFixture()
    let start = UInt64(fixture.mmap(0, 0x5000))
    #expect(fixture.base.call(SyscallNumber.munmap, start + 0x1000, 0x2000) == 0)
    #expect(fixture.lines == ["7feff7ffa000-7feff7ffb000 rw-p", "7feff7ffd000-7feff7fff000 rw-p"])
    #expect(fixture.mmap(0, 0x2000) == Int64(start + 0x1000))
    #expect(fixture.lines == ["7feff7ffa000-7feff7fff000 rw-p"])
  }

  @Test func protectSplitsAndMergesBack() throws {
    let fixture = try MemoryFixture()
    let start = UInt64(fixture.mmap(0, 0x3000))
    #expect(fixture.base.call(SyscallNumber.mprotect, start + 0x1000, 0x1000, 1) == 0)
    #expect(fixture.lines.count == 3)
    #expect(fixture.lines[1] == "7feff7ffd000-7feff7ffe000 r--p")
    #expect(fixture.base.call(SyscallNumber.mprotect, start, 0x3000, 3) == 0)
    #expect(fixture.lines == ["7feff7ffc000-7feff7fff000 rw-p"])
  }

  @Test func protectOverAHoleChangesWhatComesBefore() throws {
    let fixture = try MemoryFixture()
    let start = UInt64(fixture.mmap(0, 0x3000))
    fixture.base.call(SyscallNumber.munmap, start + 0x1000, 0x1000)
    #expect(fixture.base.call(SyscallNumber.mprotect, start, 0x3000, 1) == failure(.ENOMEM))
    #expect(fixture.lines == ["7feff7ffc000-7feff7ffd000 r--p", "7feff7ffe000-7feff7fff000 rw-p"])
  }

  @Test func argumentErrors() throws {
    let fixture = try MemoryFixture()
    #expect(fixture.mmap(0, 0) == failure(.EINVAL))
    #expect(fixture.mmap(0, 4096, 3, 0x20) == failure(.EINVAL))
    #expect(fixture.mmap(0, 4096, 3, 0x22, -1, 1) == failure(.EINVAL))
    #expect(fixture.mmap(0, UInt64.max) == failure(.ENOMEM))
    #expect(fixture.mmap(0, 1 << 47) == failure(.ENOMEM))
    #expect(fixture.mmap(0, 4096, 3, 2, 9) == failure(.EBADF))
    #expect(fixture.mmap(0x1000, 4096, 3, 0x32) == failure(.EPERM))
    #expect(fixture.mmap(0x10001, 4096, 3, 0x32) == failure(.EINVAL))
    #expect(fixture.mmap(0x7fff_ffff_e000, 4096, 3, 0x32) == failure(.ENOMEM))
    #expect(fixture.base.call(SyscallNumber.munmap, 1, 4096) == failure(.EINVAL))
    #expect(fixture.base.call(SyscallNumber.munmap, 0x1000, 0) == failure(.EINVAL))
    #expect(fixture.base.call(SyscallNumber.munmap, 0x1000, 0x7fff_ffff_f000) == failure(.EINVAL))
    #expect(fixture.base.call(SyscallNumber.munmap, 0x1000, 0x1000) == 0)
    #expect(fixture.base.call(SyscallNumber.mprotect, 0x1000, 0x1000, 3) == failure(.ENOMEM))
    #expect(fixture.lines.isEmpty)
  }

  @Test func fixedReplacesAndNoReplaceRefuses() throws {
    let fixture = try MemoryFixture()
    #expect(fixture.mmap(0x20_0000, 0x3000, 3, 0x32) == 0x20_0000)
    #expect(fixture.mmap(0x20_1000, 0x1000, 3, 0x10_0022) == failure(.EEXIST))
    #expect(fixture.mmap(0x20_1000, 0x1000, 1, 0x32) == 0x20_1000)
    #expect(fixture.lines == ["200000-201000 rw-p", "201000-202000 r--p", "202000-203000 rw-p"])
    // A hint that is taken is no order.
    #expect(fixture.mmap(0x20_1000, 0x1000) == 0x7fef_f7ff_e000)
    #expect(fixture.mmap(0x30_0000, 0x1000) == 0x30_0000)
  }

  @Test func filesAndTheirPermissions() throws {
    let fixture = try MemoryFixture()
    let (readOnly, object) = try fixture.install([UInt8](repeating: 1, count: 8192), flags: 0)
    #expect(fixture.mmap(0, 4096, 3, 1, readOnly) == failure(.EACCES))
    let shared = fixture.mmap(0, 4096, 1, 1, readOnly)
    #expect(shared > 0)
    #expect(fixture.base.call(SyscallNumber.mprotect, UInt64(shared), 4096, 3) == failure(.EACCES))
    #expect(fixture.mmap(0, 4096, 3, 2, readOnly) > 0)
    let (writeOnly, _) = try fixture.install([1], flags: 1)
    #expect(fixture.mmap(0, 4096, 1, 2, writeOnly) == failure(.EACCES))
    #expect(fixture.memory.futexKey(GuestAddress(UInt64(shared) + 8))?.object == object.id)
    #expect(fixture.memory.futexKey(GuestAddress(UInt64(shared) + 8))?.offset == 8)
  }

  @Test func aLibraryGetsTheSamePlaceInEveryProcess() throws {
    var places: [Int64] = []
    for extra in 0..<3 {
      let fixture = try MemoryFixture()
      for _ in 0..<extra { fixture.mmap(0, 0x10000) }
      let (file, _) = try fixture.install([0x7f, 0x45, 0x4c, 0x46] + [UInt8](repeating: 0, count: 8188), key: 0xabcdef)
      places.append(fixture.mmap(0, 8192, 1, 0x802, file))
      // The second mapping of the same file lies elsewhere, but among the programs.
      let second = fixture.mmap(0, 8192, 1, 2, file)
      #expect(second != places[extra] && AddressLayout.programs.contains(GuestAddress(UInt64(second))))
    }
    #expect(AddressLayout.programs.contains(GuestAddress(UInt64(places[0]))))
    #expect(Set(places).count == 1)
  }

  @Test func theLastMappingDestroysAnObject() throws {
    let fixture = try MemoryFixture()
    let start = UInt64(fixture.mmap(0, 0x3000, 3, MemoryFixture.sharedAnonymous))
    let object = try #require(fixture.memory.mappings.first?.object)
    #expect(fixture.kernel.committedBytes == 0x3000)
    #expect(fixture.base.machine.objects[object.id]?.count == 0x3000)
    fixture.base.call(SyscallNumber.munmap, start + 0x1000, 0x1000)
    #expect(object.references == 2)
    let child = try fixture.memory.fork(fixture.kernel)
    #expect(object.references == 4)
    fixture.base.call(SyscallNumber.munmap, start, 0x3000)
    #expect(object.references == 2)
    child.release(fixture.kernel)
    #expect(fixture.base.machine.objects[object.id] == nil)
    #expect(fixture.kernel.committedBytes == 0)
  }

  @Test func forkLeavesOutAndWipes() throws {
    let fixture = try MemoryFixture()
    let start = UInt64(fixture.mmap(0, 0x3000))
    _ = try fixture.base.machine.write(fixture.memory.space, GuestAddress(start + 0x1000), [7, 7])
    _ = try fixture.base.machine.write(fixture.memory.space, GuestAddress(start + 0x2000), [8, 8])
    #expect(fixture.base.call(SyscallNumber.madvise, start, 0x1000, 10) == 0)
    #expect(fixture.base.call(SyscallNumber.madvise, start + 0x1000, 0x1000, 18) == 0)
    let child = try fixture.memory.fork(fixture.kernel)
    #expect(child.mappings.count == 2)
    #expect(try child.copyInPartial(GuestAddress(start), 1) == [])
    #expect(try child.copyIn(GuestAddress(start + 0x1000), 2) == [0, 0])
    #expect(try child.copyIn(GuestAddress(start + 0x2000), 2) == [8, 8])
    child.release(fixture.kernel)
    #expect(fixture.kernel.committedBytes == 0x3000)
  }

  @Test func theRunsLimitCountsWritableMemoryOfAllProcesses() throws {
    let fixture = try MemoryFixture { $0.guestMemoryBytesMax = 0x10000 }
    let start = fixture.mmap(0, 0x8000)
    #expect(start > 0)
    #expect(fixture.mmap(0, 0x9000) == failure(.ENOMEM))
    #expect(fixture.mmap(0, 0x9000, 3, 0x4022) > 0)
    #expect(fixture.mmap(0, 0x9000, 0) > 0)
    #expect(fixture.mmap(0, 0x9000, 3, MemoryFixture.sharedAnonymous) == failure(.ENOMEM))
    let child = try fixture.memory.fork(fixture.kernel)
    #expect(fixture.mmap(0, 0x1000) == failure(.ENOMEM))
    #expect(throws: Errno.ENOMEM) { try fixture.memory.fork(fixture.kernel) }
    // Replacing counts the difference only.
    #expect(fixture.mmap(UInt64(start), 0x8000, 3, 0x32) == start)
    child.release(fixture.kernel)
    #expect(fixture.mmap(0, 0x8000) > 0)
  }

  @Test func limitsOfTheProcess() throws {
    let fixture = try MemoryFixture()
    fixture.base.task.group.limits[ResourceLimits.addressSpace] = ResourceLimit(current: 0x4000, maximum: 0x4000)
    #expect(fixture.mmap(0, 0x5000, 0) == failure(.ENOMEM))
    #expect(fixture.mmap(0, 0x4000, 0) > 0)
    #expect(fixture.mmap(0, 0x1000, 0) == failure(.ENOMEM))
    fixture.base.task.group.limits = ResourceLimits()
    fixture.base.task.group.limits[ResourceLimits.data] = ResourceLimit(current: 0x2000, maximum: 0x2000)
    #expect(fixture.mmap(0, 0x3000) == failure(.ENOMEM))
    #expect(fixture.mmap(0, 0x3000, 1) > 0)
  }

  @Test func theHeap() throws {
    let fixture = try MemoryFixture()
    fixture.memory.heapStart = GuestAddress(0x50_0800)
    fixture.memory.heapEnd = GuestAddress(0x50_0800)
    func brk(_ address: UInt64) -> Int64 { fixture.base.call(SyscallNumber.brk, address)! }
    #expect(brk(0) == 0x50_0800)
    #expect(brk(0x50_0900) == 0x50_0900)
    #expect(fixture.lines.isEmpty)
    #expect(brk(0x50_3001) == 0x50_3001)
    #expect(fixture.lines == ["501000-504000 rw-p"])
    #expect(fixture.memory.mappings[0].label == .heap)
    #expect(brk(0x50_1001) == 0x50_1001)
    #expect(fixture.lines == ["501000-502000 rw-p"])
    fixture.mmap(0x50_5000, 0x1000, 3, 0x32)
    #expect(brk(0x50_5000) == 0x50_1001)
    #expect(brk(0x50_4000) == 0x50_4000)
    #expect(brk(1) == 0x50_4000)
  }
}

@Suite struct MemoryRemapTests {
  func remap(_ fixture: MemoryFixture, _ arguments: UInt64...) -> Int64 {
    fixture.base.call(SyscallNumber.mremap, of: fixture.base.task, arguments)!
  }

  @Test func growsInPlaceOrMoves() throws {
    let fixture = try MemoryFixture()
    #expect(fixture.mmap(0x20_0000, 0x1000, 3, 0x32) == 0x20_0000)
    _ = try fixture.base.machine.write(fixture.memory.space, GuestAddress(0x20_0000), [1, 2, 3])
    #expect(remap(fixture, 0x20_0000, 0x1000, 0x2000, 0) == 0x20_0000)
    #expect(fixture.lines == ["200000-202000 rw-p"])
    fixture.mmap(0x20_2000, 0x1000, 1, 0x32)
    #expect(remap(fixture, 0x20_0000, 0x2000, 0x3000, 0) == failure(.ENOMEM))
    let moved = remap(fixture, 0x20_0000, 0x2000, 0x3000, 1)
    #expect(moved == 0x7fef_f7ff_c000)
    #expect(fixture.lines == ["202000-203000 r--p", "7feff7ffc000-7feff7fff000 rw-p"])
    #expect(try fixture.memory.copyIn(GuestAddress(UInt64(moved)), 4) == [1, 2, 3, 0])
    #expect(remap(fixture, UInt64(moved), 0x3000, 0x1000, 0) == moved)
    #expect(fixture.lines.last == "7feff7ffc000-7feff7ffd000 rw-p")
    #expect(fixture.kernel.committedBytes == 0x1000)
  }

  @Test func movesToAGivenPlaceAndKeepsTheOld() throws {
    let fixture = try MemoryFixture()
    fixture.mmap(0x20_0000, 0x2000, 3, 0x32)
    fixture.mmap(0x30_0000, 0x4000, 1, 0x32)
    _ = try fixture.base.machine.write(fixture.memory.space, GuestAddress(0x20_1000), [9])
    #expect(remap(fixture, 0x20_0000, 0x2000, 0x2000, 3, 0x30_1000) == 0x30_1000)
    #expect(fixture.lines == ["300000-301000 r--p", "301000-303000 rw-p", "303000-304000 r--p"])
    #expect(remap(fixture, 0x30_1000, 0x2000, 0x2000, 5) > 0)
    #expect(try fixture.memory.copyIn(GuestAddress(0x30_2000), 1) == [0])
    #expect(remap(fixture, 0x30_1000, 0x2000, 0x2000, 3, 0x30_2000) == failure(.EINVAL))
    #expect(remap(fixture, 0x30_1000, 0x2000, 0x1000, 4) == failure(.EINVAL))
    #expect(remap(fixture, 0x30_1000, 0x2000, 0, 1) == failure(.EINVAL))
    #expect(remap(fixture, 0x90_1000, 0x2000, 0x1000, 1) == failure(.EFAULT))
    #expect(remap(fixture, 0x30_0000, 0x4000, 0x5000, 1) == failure(.EFAULT))
  }

  @Test func zeroLengthMapsSharedMemoryAgain() throws {
    let fixture = try MemoryFixture()
    let start = UInt64(fixture.mmap(0, 0x2000, 3, MemoryFixture.sharedAnonymous))
    let second = remap(fixture, start, 0, 0x2000, 1)
    #expect(second > 0)
    _ = try fixture.base.machine.write(fixture.memory.space, GuestAddress(start), [5])
    #expect(try fixture.memory.copyIn(GuestAddress(UInt64(second)), 1) == [5])
  }
}

@Suite struct MemoryAdviceTests {
  @Test func dontNeedAndErrors() throws {
    let fixture = try MemoryFixture()
    let start = UInt64(fixture.mmap(0, 0x2000))
    _ = try fixture.base.machine.write(fixture.memory.space, GuestAddress(start), [5])
    #expect(fixture.base.call(SyscallNumber.madvise, start, 0x1000, 4) == 0)
    #expect(try fixture.memory.copyIn(GuestAddress(start), 1) == [0])
    #expect(fixture.base.call(SyscallNumber.madvise, start, 0x1000, 7) == failure(.EINVAL))
    #expect(fixture.base.call(SyscallNumber.madvise, start + 1, 0x1000, 4) == failure(.EINVAL))
    #expect(fixture.base.call(SyscallNumber.madvise, start, 0x3000, 4) == failure(.ENOMEM))
    #expect(fixture.base.call(SyscallNumber.madvise, start, 0x1000, 100) == failure(.EPERM))
  }

  @Test func removePunchesAHole() throws {
    let fixture = try MemoryFixture()
    let start = UInt64(fixture.mmap(0, 0x2000, 3, MemoryFixture.sharedAnonymous))
    _ = try fixture.base.machine.write(fixture.memory.space, GuestAddress(start + 0xfff), [5, 6])
    #expect(fixture.base.call(SyscallNumber.madvise, start, 0x1000, 9) == 0)
    #expect(try fixture.memory.copyIn(GuestAddress(start + 0xfff), 2) == [0, 6])
  }

  @Test func mincoreAndLocks() throws {
    let fixture = try MemoryFixture()
    let start = UInt64(fixture.mmap(0, 0x3000))
    #expect(fixture.base.call(SyscallNumber.mincore, start, 0x2000, start + 0x2000) == 0)
    #expect(try fixture.memory.copyIn(GuestAddress(start + 0x2000), 3) == [1, 1, 0])
    fixture.base.task.group.limits[ResourceLimits.lockedMemory] = ResourceLimit(current: 0x2000, maximum: 0x2000)
    #expect(fixture.base.call(SyscallNumber.mlock, start, 0x3000) == failure(.ENOMEM))
    #expect(fixture.base.call(SyscallNumber.mlock, start, 0x1001) == 0)
    #expect(fixture.memory.list.lockedBytes == 0x2000)
    #expect(fixture.base.call(SyscallNumber.madvise, start, 0x1000, 4) == failure(.EINVAL))
    #expect(fixture.base.call(SyscallNumber.munlockall) == 0)
    #expect(fixture.memory.mappings.count == 1)
  }
}
