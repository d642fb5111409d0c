import LinuxABI
import Platform
import Testing

@testable import Kernel

@Suite struct FakeMachineTests {
  @Test func unknownCallGivesENOSYS() {
    let fixture = KernelFixture()
    #expect(fixture.call(9999) == failure(.ENOSYS))
  }
  @Test func scratchMemoryKeepsBytes() {
    let fixture = KernelFixture()
    let address = fixture.put("hello")
    #expect(fixture.text(address, 5) == "hello")
    #expect(fixture.word(address, as: UInt16.self) == 0x6568)
  }
  @Test func sharedObjectIsSeenByBothSpaces() throws {
    let machine = FakeMachine()
    let a = AddressSpaceID(rawValue: 1)
    let b = AddressSpaceID(rawValue: 2)
    let object = MemoryObjectID(rawValue: 1)
    let range = GuestRange(GuestAddress(0x1000), length: 0x2000)!
    try machine.createAddressSpace(a)
    try machine.createObject(object, size: 0x3000)
    try machine.map(a, range, [.read, .write], .sharedObject(object, offset: 0x1000))
    try machine.forkAddressSpace(a, as: b)
    #expect(try machine.write(a, GuestAddress(0x1ffe), [1, 2, 3, 4]) == 4)
    #expect(try machine.read(b, GuestAddress(0x1ffe), 4) == [1, 2, 3, 4])
    #expect(try machine.readObject(object, offset: 0x1ffe, 4) == [1, 2, 3, 4])
  }
}
