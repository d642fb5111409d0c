// Programs put into memory: ELF files made here byte by byte, scripts, and files that are none.

import LinuxABI
import Platform
import Testing

@testable import Kernel

/// A small ELF file.
struct ElfBuilder {
  struct Segment {
    var type: UInt32 = 1
    var flags: UInt32 = 5
    var address: UInt64
    var content: [UInt8] = []
    var memorySize: UInt64 = 0
    var offset: UInt64 = 0
  }
  var type: UInt16 = 2
  var machine: UInt16 = 62
  var entry: UInt64 = 0x401000
  var segments: [Segment] = []

  func bytes() -> [UInt8] {
    var header: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 9)
    header.appendInteger(type)
    header.appendInteger(machine)
    header.appendInteger(1 as UInt32)
    for value in [entry, 64, 0] { header.appendInteger(value) }
    header.appendInteger(0 as UInt32)
    for value in [64, 56, UInt16(segments.count), 64, 0, 0] as [UInt16] { header.appendInteger(value) }
    var body = [UInt8](repeating: 0, count: 4096 - 64 - 56 * segments.count)
    for segment in segments {
      // Congruent with the address within the page.
      var offset = UInt64(4096 + body.count - (4096 - 64 - 56 * segments.count))
      let within = (segment.address &- offset) & 4095
      body += [UInt8](repeating: 0, count: Int(within))
      offset += within
      header.appendInteger(segment.type)
      header.appendInteger(segment.flags)
      for value in [
        offset, segment.address, segment.address, UInt64(segment.content.count),
        max(segment.memorySize, UInt64(segment.content.count)), 4096,
      ] { header.appendInteger(value) }
      body += segment.content
    }
    return header + body
  }
}

private final class TestProgram: ProgramFile {
  let content: [UInt8]
  var object: MemoryObjectReference?
  init(_ content: [UInt8], path: String = "/bin/program") {
    self.content = content
    super.init(path: Array(path.utf8), size: Int64(content.count), mode: 0o100755, user: 0, group: 0)
  }
  override func read(_ kernel: Kernel, offset: Int64, count: Int) throws(Errno) -> [UInt8] {
    offset >= content.count ? [] : Array(content[Int(offset)..<min(content.count, Int(offset) + count)])
  }
  override func memoryObject(_ kernel: Kernel) throws(Errno) -> MemoryObjectReference {
    if let object { return object }
    let id = kernel.identifiers.nextObject()
    try kernel.effect { machine throws(MachineError) in try machine.createObject(id, content: content) }
    let new = MemoryObjectReference(id: id, path: path, placementKey: 77)
    object = new
    return new
  }
}

@Suite struct LoaderTests {
  private func load(
    _ fixture: KernelFixture, _ file: ProgramFile, _ arguments: [String] = ["program", "x"], _ environment: [String] = ["A=b"],
    limits: ResourceLimits = ResourceLimits()
  ) throws -> LoadedProgram {
    try fixture.kernel.loadProgram(
      file, arguments: arguments.map { Array($0.utf8) }, environment: environment.map { Array($0.utf8) },
      fs: fixture.task.fs, credentials: fixture.task.credentials, limits: limits)
  }

  private static var staticProgram: ElfBuilder {
    ElfBuilder(segments: [
      .init(address: 0x401000, content: [UInt8](repeating: 0x90, count: 100)),
      .init(flags: 6, address: 0x403100, content: [UInt8](repeating: 7, count: 0x80), memorySize: 0x2000),
    ])
  }

  @Test func staticProgramWithBss() throws {
    let fixture = KernelFixture()
    let loaded = try load(fixture, TestProgram(Self.staticProgram.bytes()))
    let memory = loaded.memory
    #expect(loaded.registers.rip == 0x401000)
    #expect(loaded.name == "program")
    let lines = memory.mappings.map { "\($0.range) \($0.protection.rawValue) \($0.label)" }
    #expect(
      lines == [
        "401000-402000 5 none", "403000-404000 3 none", "404000-406000 3 none", "70000000-70001000 5 vdso",
        "7feffe800000-7fefff000000 3 stack",
      ])
    #expect(try memory.copyIn(GuestAddress(0x40317f), 3) == [7, 0, 0])
    #expect(try memory.copyIn(GuestAddress(0x403ffe), 4) == [0, 0, 0, 0])
    #expect(memory.heapStart == GuestAddress(0x406000))
    memory.release(fixture.kernel)
    #expect(fixture.kernel.committedBytes == 0)
  }

  @Test func theStackHoldsWhatTheAbiSays() throws {
    let fixture = KernelFixture()
    let loaded = try load(fixture, TestProgram(Self.staticProgram.bytes()))
    let memory = loaded.memory
    func word(_ index: Int) throws -> UInt64 { try memory.load(GuestAddress(loaded.registers.rsp) + UInt64(index * 8)) }
    func string(_ address: UInt64) throws -> String {
      String(decoding: try memory.copyInString(GuestAddress(address)), as: UTF8.self)
    }
    #expect(loaded.registers.rsp % 16 == 0)
    #expect(try word(0) == 2)
    #expect(try string(word(1)) == "program")
    #expect(try string(word(2)) == "x")
    #expect(try word(3) == 0)
    #expect(try string(word(4)) == "A=b")
    #expect(try word(5) == 0)
    var vector: [UInt64: UInt64] = [:]
    var index = 6
    while true {
      let (type, value) = (try word(index), try word(index + 1))
      vector[type] = value
      if type == 0 { break }
      index += 2
    }
    #expect(memory.auxiliaryVector.count == (index - 6) / 2 + 1)
    #expect(try string(vector[31]!) == "/bin/program")
    #expect(try string(vector[15]!) == "x86_64")
    #expect(vector[6] == 4096 && vector[9] == 0x401000 && vector[33] == 0x7000_0000 && vector[7] == 0)
    #expect(vector[11] == 1000 && vector[23] == 0 && vector[4] == 56 && vector[5] == 2)
    #expect(try memory.copyIn(GuestAddress(vector[25]!), 16) != [UInt8](repeating: 0, count: 16))
    #expect(memory.argumentStrings.length == 10)
    #expect(memory.environmentStrings.length == 4)
  }

  @Test func positionIndependentProgramsHaveAPreferredPlace() throws {
    var program = ElfBuilder(type: 3, entry: 0x1040)
    program.segments = [
      .init(flags: 4, address: 0, content: [UInt8](repeating: 1, count: 0x100)),
      .init(address: 0x1000, content: [UInt8](repeating: 2, count: 0x100)),
    ]
    let first = try load(KernelFixture(), TestProgram(program.bytes()))
    let second = try load(KernelFixture(seed: 9), TestProgram(program.bytes()))
    #expect(first.registers.rip == second.registers.rip)
    #expect(AddressLayout.programs.contains(GuestAddress(first.registers.rip)))
    #expect(first.memory.heapStart == AddressLayout.heapOfPositionIndependent)
    let base = first.registers.rip - 0x1040
    #expect(first.memory.list.mapping(at: GuestAddress(base + 0x1000))?.protection == [.read, .execute])
  }

  @Test(arguments: [64 << 10, 1 << 20, 32 << 20, UInt64.max])
  func theStackFollowsItsLimit(limit: UInt64) throws {
    var limits = ResourceLimits()
    limits[ResourceLimits.stack] = ResourceLimit(current: limit, maximum: .max)
    let loaded = try load(KernelFixture(), TestProgram(Self.staticProgram.bytes()), limits: limits)
    let stack = try #require(loaded.memory.mappings.last)
    #expect(stack.range.end == AddressLayout.stackEnd)
    #expect(stack.range.length == min(max(limit, 128 << 10), 64 << 20))
  }

  @Test func filesThatAreNoPrograms() throws {
    let fixture = KernelFixture()
    func problem(_ bytes: [UInt8]) -> ExecutableProblem? {
      #expect(throws: Errno.ENOEXEC) { try load(fixture, TestProgram(bytes)) }
      return fixture.kernel.executableProblem
    }
    #expect(problem([]) == .notAProgram)
    #expect(problem(Array("echo hello\n".utf8)) == .notAProgram)
    #expect(problem(Array("#!  \n".utf8)) == .notAProgram)
    var thirtyTwo = Self.staticProgram
    thirtyTwo.machine = 3
    var bytes = thirtyTwo.bytes()
    bytes[4] = 1
    #expect(problem(bytes) == .elf32)
    var arm = Self.staticProgram
    arm.machine = 183
    #expect(problem(arm.bytes()) == .otherMachine(183))
    var object = Self.staticProgram
    object.type = 1
    #expect(problem(object.bytes()) == .wrongType(1))
    #expect(problem(Array(Self.staticProgram.bytes().prefix(70))) != nil)
    #expect(problem(ElfBuilder(segments: []).bytes()) != nil)
    var low = Self.staticProgram
    low.segments[0].address = 0x1000
    #expect(problem(low.bytes()) != nil)
    let spaces = fixture.machine.spaces.count
    #expect(spaces == 1)
  }

  @Test func brokenFilesNeverTrap() throws {
    let fixture = KernelFixture()
    let whole = Self.staticProgram.bytes()
    var random = SeededGenerator(seed: 4)
    for _ in 0..<3000 {
      var bytes = whole
      for _ in 0..<(1 + random.next(below: 4)) {
        let byte = random.next(below: 4) == 0 ? 0xff : UInt8(truncatingIfNeeded: random.next())
        bytes[16 + random.next(below: 160)] = byte
      }
      if random.next(below: 10) == 0 { bytes.removeLast(random.next(below: bytes.count)) }
      if let loaded = try? load(fixture, TestProgram(bytes)) { loaded.memory.release(fixture.kernel) }
      #expect(fixture.kernel.machineError == nil)
    }
    #expect(fixture.machine.spaces.count == 1)
    #expect(fixture.kernel.committedBytes == 0)
  }

  @Test func tooManyArguments() throws {
    let fixture = KernelFixture()
    let program = TestProgram(Self.staticProgram.bytes())
    let long = String(repeating: "x", count: 131_071)
    #expect(throws: Never.self) { try load(fixture, program, [long]) }
    #expect(throws: Errno.E2BIG) { try load(fixture, program, [long + "x"]) }
    #expect(throws: Errno.E2BIG) { try load(fixture, program, Array(repeating: long, count: 16)) }
    let noArguments = try load(fixture, program, [])
    #expect(noArguments.arguments == [[]])
  }

  @Test func scriptLines() {
    func line(_ text: String) -> ScriptLine? { ScriptLine(Array(text.utf8)) }
    #expect(line("#!/bin/sh\necho")?.interpreter == Array("/bin/sh".utf8))
    #expect(line("#!/bin/sh\n")?.argument == nil)
    #expect(line("#! \t/usr/bin/env  python3 -u \t\nx")?.argument == Array("python3 -u".utf8))
    #expect(line("#!/bin/sh")?.interpreter == Array("/bin/sh".utf8))
    #expect(line("#!\n/bin/sh") == nil)
    #expect(line("#! ") == nil)
    #expect(line("# !/bin/sh") == nil)
    #expect(line("#!/" + String(repeating: "a", count: 300)) == nil)
    #expect(line("#!/bin/sh " + String(repeating: "a", count: 300))?.argument?.count == 246)
  }
}

@Suite struct VdsoTests {
  /// `true`: those of functions that read the clock are longer.
  @Test(arguments: [false, true]) func isASharedObjectThatLeadsToSyscalls(readsClock: Bool) throws {
    let bytes = readsClock ? VdsoImage.readingClock : VdsoImage.calling
    #expect(bytes.count == 4096)
    #expect(ElfImage.problem(ofHeader: bytes) == nil)
    guard case .success(let image) = try ElfImage.parse({ offset, count throws(Errno) in
      Array(bytes[Int(offset)..<min(bytes.count, Int(offset) + count)])
    }) else { Issue.record("the vdso does not parse"); return }
    #expect(image.isPositionIndependent)
    #expect(image.segments.count == 1)
    // Walk the dynamic section as a C library does.
    var dynamic: [UInt64: UInt64] = [:]
    var at = Int(bytes.integer(at: 64 + 56 + 8, as: UInt64.self))
    while true {
      let tag: UInt64 = bytes.integer(at: at)
      if tag == 0 { break }
      dynamic[tag] = bytes.integer(at: at + 8)
      at += 16
    }
    func text(_ offset: UInt64) -> String {
      String(decoding: bytes[Int(dynamic[5]! + offset)...].prefix { $0 != 0 }, as: UTF8.self)
    }
    #expect(text(dynamic[14]!) == "linux-vdso.so.1")
    for function in VdsoImage.functions {
      let symbol = try #require(lookUp(function.name, bytes, dynamic, text))
      let start = Int(bytes.integer(at: symbol + 8, as: UInt64.self))
      let code = Array(bytes[start..<start + Int(bytes.integer(at: symbol + 16, as: UInt64.self))])
      #expect(code.last == 0xc3)
      if readsClock && ["__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time"].contains(function.name) {
        #expect(code.indices.contains { code[$0...].starts(with: [0x0f, 0x31]) }, "\(function.name) has no RDTSC")
        continue
      }
      #expect(code[0] == 0xb8)
      #expect(code.integer(at: 1, as: UInt32.self) == UInt32(function.number))
      #expect(Array(code[5...]) == [0x0f, 0x05, 0xc3])
    }
    #expect(lookUp("__vdso_getrandom", bytes, dynamic, text) == nil)
  }

  /// Through DT_HASH; the byte offset of the symbol.
  private func lookUp(
    _ name: String, _ bytes: [UInt8], _ dynamic: [UInt64: UInt64], _ text: (UInt64) -> String
  ) -> Int? {
    let table = Int(dynamic[4]!)
    let buckets: UInt32 = bytes.integer(at: table)
    var index: UInt32 = bytes.integer(at: table + 8 + 4 * Int(VdsoImage.systemVHash(name) % buckets))
    while index != 0 {
      let symbol = Int(dynamic[6]!) + 24 * Int(index)
      if text(UInt64(bytes.integer(at: symbol, as: UInt32.self))) == name { return symbol }
      index = bytes.integer(at: table + 8 + 4 * Int(buckets) + 4 * Int(index))
    }
    return nil
  }
}
