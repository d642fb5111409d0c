// Mappings, objects, forks.
import Platform
import Testing

@testable import PtracePlatform

@Suite(.serialized, .timeLimit(.minutes(1))) struct MemoryTests {
  @Test func mapReadWriteUnmap() {
    withBench { bench in
      let machine = bench.machine
      let id = bench.nextSpace()
      try machine.createAddressSpace(id)
      bench.checks.equal(try machine.read(id, GuestAddress(data), 8), [])
      try machine.map(id, range(data, pages: 2), [.read, .write], .anonymous)
      bench.checks.equal(try machine.write(id, GuestAddress(data + page - 2), [1, 2, 3, 4]), 4)
      bench.checks.equal(try machine.read(id, GuestAddress(data + page - 3), 6), [0, 1, 2, 3, 4, 0])
      // Partial at the end of what is mapped.
      bench.checks.equal(try machine.read(id, GuestAddress(data + 2 * page - 3), 10).count, 3)
      try machine.protect(id, range(data + page), [.read])
      bench.checks.equal(try machine.write(id, GuestAddress(data + page - 2), [9, 9, 9, 9]), 2)
      try machine.protect(id, range(data), [])
      bench.checks.equal(try machine.read(id, GuestAddress(data), 1), [])
      try machine.protect(id, range(data), [.write])
      bench.checks.equal(try machine.read(id, GuestAddress(data + page - 2), 2), [9, 9])
      try machine.unmap(id, range(data))
      bench.checks.equal(try machine.read(id, GuestAddress(data), 1), [])
      bench.checks.equal(try machine.read(id, GuestAddress(data + page), 1), [3])
    }
  }

  @Test func remapAndDiscard() {
    withBench { bench in
      let machine = bench.machine
      let id = bench.nextSpace()
      try machine.createAddressSpace(id)
      try machine.map(id, range(data), [.read, .write], .anonymous)
      try machine.map(id, range(data + 4 * page), [.read, .write], .anonymous)
      _ = try machine.write(id, GuestAddress(data), [7])
      _ = try machine.write(id, GuestAddress(data + 4 * page), [8])
      // Moved over another mapping, and grown.
      try machine.remap(id, range(data), to: range(data + 4 * page, pages: 2))
      bench.checks.equal(try machine.read(id, GuestAddress(data), 1), [])
      bench.checks.equal(try machine.read(id, GuestAddress(data + 4 * page), 1), [7])
      bench.checks.equal(try machine.read(id, GuestAddress(data + 5 * page), 1), [0])
      // Grown in place over another mapping.
      try machine.map(id, range(data + 6 * page), [.read, .write], .anonymous)
      _ = try machine.write(id, GuestAddress(data + 6 * page), [5])
      try machine.remap(id, range(data + 4 * page, pages: 2), to: range(data + 4 * page, pages: 3))
      bench.checks.equal(try machine.read(id, GuestAddress(data + 6 * page), 1), [0])
      // Several host mappings in one guest mapping.
      _ = try machine.write(id, GuestAddress(data + 6 * page), [6])
      try machine.protect(id, range(data + 5 * page), [.read])
      try machine.remap(id, range(data + 4 * page, pages: 3), to: range(data + 16 * page, pages: 4))
      bench.checks.equal(try machine.read(id, GuestAddress(data + 16 * page), 1), [7])
      bench.checks.equal(try machine.read(id, GuestAddress(data + 18 * page), 1), [6])
      bench.checks.equal(try machine.read(id, GuestAddress(data + 19 * page), 1), [0])
      try machine.discard(id, range(data + 16 * page))
      bench.checks.equal(try machine.read(id, GuestAddress(data + 16 * page), 1), [0])
    }
  }

  @Test func objectsPrivateAndShared() {
    withBench { bench in
      let machine = bench.machine
      let file = MemoryObjectID(rawValue: 1), memory = MemoryObjectID(rawValue: 2)
      try machine.createObject(file, content: [UInt8](repeating: 3, count: 5000))
      try machine.createObject(memory, size: 2 * page)
      let a = bench.nextSpace(), b = bench.nextSpace()
      for id in [a, b] {
        try machine.createAddressSpace(id)
        try machine.map(id, range(data), [.read, .write], .privateObject(file, offset: page))
        try machine.map(id, range(data + page), [.read, .write], .sharedObject(memory, offset: page))
        try machine.map(id, range(data + 2 * page), [.read, .write], .sharedObject(file, offset: 0))
      }
      bench.checks.equal(try machine.read(a, GuestAddress(data + 903), 2), [3, 0])
      _ = try machine.write(a, GuestAddress(data), [1])
      _ = try machine.write(a, GuestAddress(data + page), [2])
      bench.checks.equal(try machine.read(b, GuestAddress(data), 1), [3])
      bench.checks.equal(try machine.read(b, GuestAddress(data + page), 1), [2])
      bench.checks.equal(try machine.readObject(memory, offset: page, 2), [2, 0])
      bench.checks.equal(try machine.readObject(file, offset: 4999, 10), [3])
      try machine.writeObject(memory, offset: page, [8, 9])
      bench.checks.equal(try machine.read(b, GuestAddress(data + page), 2), [8, 9])
      try machine.discard(a, range(data))
      bench.checks.equal(try machine.read(a, GuestAddress(data), 1), [3])
      try machine.resizeObject(memory, size: page)
      bench.checks.equal(try machine.read(b, GuestAddress(data + page), 1), [])
      // A destroyed object lives on in mappings, also in those not carried out yet.
      let gone = MemoryObjectID(rawValue: 3)
      try machine.createObject(gone, content: [4])
      try machine.map(a, range(data), [.read], .privateObject(gone, offset: 0))
      machine.destroyObject(gone)
      bench.checks.equal(try machine.read(a, GuestAddress(data), 1), [4])
    }
  }

  /// More calls and descriptors than one list holds.
  @Test func longQueue() {
    withBench { bench in
      let machine = bench.machine
      let id = bench.nextSpace()
      try machine.createAddressSpace(id)
      for index in 0..<200 {
        let object = MemoryObjectID(rawValue: UInt32(index + 1))
        try machine.createObject(object, content: [UInt8(index)])
        try machine.map(id, range(data + UInt64(index) * page), [.read], .privateObject(object, offset: 0))
        try machine.map(id, range(data + UInt64(2 * index + 500) * page), [.read, .write], .anonymous)
      }
      var sum = 0
      for index in 0..<200 { sum += Int(try machine.read(id, GuestAddress(data + UInt64(index) * page), 1)[0]) }
      bench.checks.equal(sum, 199 * 100)
    }
  }

  @Test func forkCopiesPrivateAndKeepsShared() {
    withBench { bench in
      let machine = bench.machine
      let parent = try bench.space(Asm.getppidLoop)
      let object = MemoryObjectID(rawValue: 1)
      try machine.createObject(object, size: page)
      try machine.map(parent, range(data + page), [.read, .write], .sharedObject(object, offset: 0))
      _ = try machine.write(parent, GuestAddress(data), [1])
      let task = try bench.context(parent)
      bench.checks.equal(try bench.run(task), .syscall)
      task.registers.rbx = 77

      let child = bench.nextSpace()
      try machine.forkAddressSpace(parent, as: child)
      _ = try machine.write(child, GuestAddress(data), [2])
      _ = try machine.write(child, GuestAddress(data + page), [3])
      bench.checks.equal(try machine.read(parent, GuestAddress(data), 1), [1])
      bench.checks.equal(try machine.read(parent, GuestAddress(data + page), 1), [3])

      let copy = try bench.context(child, copy: task)
      copy.registers = task.registers
      bench.checks.equal(try bench.run(copy), .syscall)
      bench.checks.equal(copy.registers.rbx, 77)
      bench.checks.equal(try bench.run(task), .syscall)
      bench.checks.equal(task.registers.rbx, 77)
      // A new space has none of it.
      let fresh = bench.nextSpace()
      try machine.createAddressSpace(fresh)
      bench.checks.equal(try machine.read(fresh, GuestAddress(data), 1), [])
      machine.destroyAddressSpace(parent)
      bench.checks.equal(try bench.run(copy), .syscall)
    }
  }

  /// Two spaces with the same writes have the same hash, whatever else was touched or mapped.
  @Test func hashSeesWritesAlone() {
    withBench { bench in
      let machine = bench.machine
      let object = MemoryObjectID(rawValue: 1)
      try machine.createObject(object, content: [UInt8](repeating: 5, count: 3 * 4096))
      func build() throws -> AddressSpaceID {
        let id = bench.nextSpace()
        try machine.createAddressSpace(id)
        try machine.map(id, range(data, pages: 8), [.read, .write], .anonymous)
        try machine.map(id, range(code, pages: 3), [.read, .write], .privateObject(object, offset: 0))
        try machine.map(id, range(stackTop), [.read, .write], .sharedObject(object, offset: 0))
        _ = try machine.write(id, GuestAddress(data + 100), [1, 2, 3])
        _ = try machine.write(id, GuestAddress(code + page), [4])
        return id
      }
      let a = try build(), b = try build()
      let hash = try machine.memoryHash(a)
      bench.checks.check(hash != 0, "something is there")
      bench.checks.equal(try machine.memoryHash(a, byEntries: true), hash, "as kernels before 6.7 do it")
      // Reading, zeroes and shared memory do not count.
      _ = try machine.read(b, GuestAddress(code), 3 * 4096)
      _ = try machine.read(b, GuestAddress(data), 8 * 4096)
      _ = try machine.write(b, GuestAddress(data + 5 * page), [0])
      _ = try machine.write(b, GuestAddress(stackTop), [9])
      bench.checks.equal(try machine.memoryHash(b), hash)
      // What was made read-only is out of it, and in again once it can be written.
      try machine.protect(b, range(data), [.read])
      bench.checks.check(try machine.memoryHash(b) != hash, "read-only pages do not count")
      try machine.protect(b, range(data), [.read, .write])
      let fork = bench.nextSpace()
      try machine.forkAddressSpace(b, as: fork)
      bench.checks.equal(try machine.memoryHash(fork), hash, "a fork")
      _ = try machine.write(b, GuestAddress(data + 6 * page), [1])
      bench.checks.check(try machine.memoryHash(b) != hash, "a write shows")
      bench.checks.equal(try machine.memoryHash(fork), hash, "in its own space only")
      try machine.discard(b, range(data + 6 * page))
      bench.checks.equal(try machine.memoryHash(b), hash, "discarded")
      // A huge sparse mapping costs nothing.
      let huge = GuestRange(GuestAddress(0x1000_0000_0000), GuestAddress(0x2000_0000_0000))
      try machine.map(b, huge, [.read, .write], .anonymous)
      bench.checks.equal(try machine.memoryHash(b), hash, "sparse")
      let empty = bench.nextSpace()
      try machine.createAddressSpace(empty)
      bench.checks.equal(try machine.memoryHash(empty), 0, "nothing written")
    }
  }
}
