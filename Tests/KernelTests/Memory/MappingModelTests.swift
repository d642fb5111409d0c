// Random mmap, munmap, mprotect, madvise and mremap against a model that keeps every page by itself.

import LinuxABI
import Platform
import Testing

@testable import Kernel

@Suite struct MappingModelTests {
  @Test(arguments: [1, 2, 3] as [UInt64])
  func agreesWithAPageTable(seed: UInt64) throws {
    let fixture = try MemoryFixture()
    let base: UInt64 = 0x20_0000
    let pages = 24
    var model = [UInt8?](repeating: nil, count: pages)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<1500 {
      let start = random.next(below: pages)
      let count = 1 + random.next(below: pages - start)
      let at = base + UInt64(start) * 4096
      let length = UInt64(count) * 4096
      let range = start..<(start + count)
      let protection = UInt8(random.next(below: 4))
      switch random.next(below: 4) {
      case 0:
        #expect(fixture.mmap(at, length, UInt64(protection), 0x32) == Int64(at))
        for page in range { model[page] = protection }
      case 1:
        #expect(fixture.base.call(SyscallNumber.munmap, at, length) == 0)
        for page in range { model[page] = nil }
      case 2:
        let hole = range.first { model[$0] == nil } ?? range.upperBound
        let result = fixture.base.call(SyscallNumber.mprotect, at, length, UInt64(protection))
        #expect(result == (hole == range.upperBound ? 0 : failure(.ENOMEM)))
        for page in range.lowerBound..<hole { model[page] = protection }
      default:
        _ = fixture.base.call(SyscallNumber.madvise, at, length, random.next(below: 2) == 0 ? 10 : 11)
      }
      check(fixture, base, model)
    }
    fixture.memory.release(fixture.kernel)
    #expect(fixture.kernel.committedBytes == 0)
  }

  private func check(_ fixture: MemoryFixture, _ base: UInt64, _ model: [UInt8?]) {
    let list = fixture.memory.list
    for (page, expected) in model.enumerated() {
      let address = GuestAddress(base + UInt64(page) * 4096)
      #expect(list.mapping(at: address)?.protection.rawValue == expected)
    }
    var total: UInt64 = 0
    for (index, mapping) in list.all.enumerated() {
      total += mapping.range.length
      if index > 0 {
        #expect(list.all[index - 1].range.end <= mapping.range.start)
        #expect(!list.all[index - 1].continues(into: mapping))
      }
    }
    #expect(list.totalBytes == total)
  }
}
