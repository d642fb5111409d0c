// An ELF core of a replayed process, as Linux would dump it (fs/binfmt_elf.c, core(5)): what gdb opens.
//
// Notes first: for each task NT_PRSTATUS, NT_FPREGSET and NT_X86_XSTATE, the task of the last event before the others;
// with the first NT_PRPSINFO, NT_AUXV and NT_FILE. Then one PT_LOAD a mapping. Pages of zeros are holes in the file.

import CLinux
import Platform

struct CoreFile {
  private static let pageSize = Int(GuestAddress.pageSize)
  /// Larger mappings (shadow memory) are listed without content.
  private static let mappingSizeMax: UInt64 = 4 << 30

  private let machine: any Machine
  private let space: AddressSpaceID
  private let loads: [Mapping]
  private let notes: [UInt8]

  init(_ player: ReplayPlayer) throws(MachineError) {
    guard let event = player.lastEvent, let current = player.tasks.task(of: event.context) else {
      throw MachineError("no task has run yet")
    }
    guard let table = player.spaces[Int(event.space.rawValue)] else { throw MachineError("the process is gone") }
    machine = player.machine
    space = event.space
    loads = table.mappings
    var tasks = player.tasks.living(in: current.process).filter { $0.context != current.context }
    tasks.insert(current, at: 0)
    var signal: UInt8 = 0
    if case .fault(let fault) = event.trap { signal = fault.signal }
    var notes: [UInt8] = []
    for (index, task) in tasks.enumerated() {
      guard let context = try? player.context(task.context) else { continue }
      notes += Note.make(1, "CORE", Self.status(task, context.registers, signal: index == 0 ? signal : 0))
      if index == 0 {
        notes += Note.make(3, "CORE", Self.processInformation(task))
        let auxiliary = player.auxiliaryVector(of: event.space)
        if !auxiliary.isEmpty { notes += Note.make(6, "CORE", auxiliary) }
        notes += Note.make(0x4649_4c45, "CORE", Self.fileTable(table, player))
      }
      let state = try player.machine.extendedState(of: context)
      if state.count >= 576 { notes += Note.make(2, "CORE", Array(state.prefix(512))) }
      if state.count >= 832 {
        notes += Note.make(0x202, "LINUX", Self.dumped(state))
      }
    }
    self.notes = notes
  }

  // MARK: Notes

  /// The x87, SSE and AVX parts, with the mask of features where a dump has it and a signal frame its software bytes
  /// (fill_xsave in arch/x86/kernel/fpu/regset.c: xstate_fx_sw_bytes). What lies behind AVX has other offsets on AMD
  /// than gdb expects, so it is left out.
  private static func dumped(_ state: [UInt8]) -> [UInt8] {
    var state = Array(state.prefix(832))
    state.replaceSubrange(464..<512, with: [state[472] & 7] + [UInt8](repeating: 0, count: 47))
    state[512] &= 7
    return state
  }

  /// struct elf_prstatus.
  private static func status(_ task: ReplayedTask, _ registers: Registers, signal: UInt8) -> [UInt8] {
    var bytes = Bytes()
    bytes.add32(UInt32(signal))
    bytes.zeros(8)  // si_code, si_errno
    bytes.add32(UInt32(signal))  // pr_cursig and padding
    bytes.zeros(16)  // pending, held
    bytes.add32(UInt32(bitPattern: task.task))
    bytes.add32(UInt32(bitPattern: task.parent))
    bytes.add32(UInt32(bitPattern: task.process))
    bytes.add32(UInt32(bitPattern: task.process))
    bytes.zeros(64)  // times
    let words = registers.words
    for index in 0..<Registers.wordCount { bytes.add64(words[index]) }
    bytes.add32(1)  // pr_fpvalid
    bytes.add32(0)
    return bytes.content
  }

  /// struct elf_prpsinfo.
  private static func processInformation(_ task: ReplayedTask) -> [UInt8] {
    var bytes = Bytes()
    bytes.content += [0, UInt8(ascii: "R"), 0, 0, 0, 0, 0, 0]
    bytes.zeros(16)  // flags, user, group
    bytes.add32(UInt32(bitPattern: task.process))
    bytes.add32(UInt32(bitPattern: task.parent))
    bytes.add32(UInt32(bitPattern: task.process))
    bytes.add32(UInt32(bitPattern: task.process))
    bytes.text(task.name, 16)
    bytes.text(task.arguments.joined(separator: " "), 80)
    return bytes.content
  }

  /// NT_FILE: what files are mapped where.
  private static func fileTable(_ table: MappingTable, _ player: ReplayPlayer) -> [UInt8] {
    var entries: [(range: GuestRange, page: UInt64, path: String)] = []
    for mapping in table.mappings {
      switch mapping.source {
      case .anonymous: continue
      case .privateObject(let id, let offset), .sharedObject(let id, let offset):
        guard let path = player.files.last(where: { $0.object == id })?.path else { continue }
        entries.append((mapping.range, offset / UInt64(pageSize), path))
      }
    }
    var bytes = Bytes()
    bytes.add64(UInt64(entries.count))
    bytes.add64(UInt64(pageSize))
    for entry in entries {
      bytes.add64(entry.range.start.rawValue)
      bytes.add64(entry.range.end.rawValue)
      bytes.add64(entry.page)
    }
    for entry in entries { bytes.content += Array(entry.path.utf8) + [0] }
    return bytes.content
  }

  // MARK: The file

  /// Writes the core with mode 0600; 0 or -errno.
  func write(to path: String) throws(MachineError) -> Int32 {
    let opened = withPath(Array(path.utf8)) { rsb_host_open($0, OpenFlags.writeCreateTruncate, 0o600) }
    if opened < 0 { return Int32(opened) }
    let file = Int32(opened)
    defer { _ = rsb_host_close(file) }
    var offset = roundUp(64 + (loads.count + 1) * 56 + notes.count)
    var header = Bytes()
    elfHeader(&header)
    let nothing = GuestRange(GuestAddress(0), GuestAddress(0))
    header.program(type: 4, flags: 0, offset: 64 + (loads.count + 1) * 56, nothing, notes.count)
    for load in loads {
      let size = contentSize(load)
      header.program(type: 1, flags: Self.flags(load.protection), offset: offset, load.range, size)
      offset += size
    }
    var result = store(file, header.content + notes, 0)
    var position = roundUp(header.content.count + notes.count)
    for load in loads where result >= 0 {
      let size = contentSize(load)
      if size > 0 { result = try storeMapping(file, load.range, position) }
      position += size
    }
    if result >= 0 { result = Int32(rsb_host_file_resize(file, UInt64(offset))) }
    return min(0, result)
  }

  private func contentSize(_ load: Mapping) -> Int {
    load.protection.isEmpty || load.range.length > Self.mappingSizeMax ? 0 : Int(load.range.length)
  }

  private func storeMapping(_ file: Int32, _ range: GuestRange, _ position: Int) throws(MachineError) -> Int32 {
    var address = range.start
    while address < range.end {
      let wanted = Int(min(range.end - address, 1 << 20))
      let bytes = try machine.read(space, address, wanted)
      // What cannot be read (past the end of a file) stays a hole.
      for start in stride(from: 0, to: bytes.count, by: Self.pageSize) {
        let page = bytes[start..<min(start + Self.pageSize, bytes.count)]
        if page.allSatisfy({ $0 == 0 }) { continue }
        let result = store(file, Array(page), position + Int(address - range.start) + start)
        if result < 0 { return result }
      }
      address = address + UInt64(max(bytes.count, Self.pageSize) / Self.pageSize * Self.pageSize)
    }
    return 0
  }

  private func store(_ file: Int32, _ bytes: [UInt8], _ offset: Int) -> Int32 {
    Int32(truncatingIfNeeded: min(0, rsb_host_pwrite(file, bytes, bytes.count, Int64(offset))))
  }

  private func roundUp(_ value: Int) -> Int { (value + Self.pageSize - 1) / Self.pageSize * Self.pageSize }

  private static func flags(_ protection: Protection) -> UInt32 {
    (protection.contains(.read) ? 4 : 0) | (protection.contains(.write) ? 2 : 0)
      | (protection.contains(.execute) ? 1 : 0)
  }

  private func elfHeader(_ bytes: inout Bytes) {
    bytes.content += [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]
    bytes.zeros(8)
    bytes.add16(4)  // ET_CORE
    bytes.add16(62)  // EM_X86_64
    bytes.add32(1)
    bytes.add64(0)
    bytes.add64(64)  // program headers
    bytes.add64(0)
    bytes.add32(0)
    bytes.add16(64)
    bytes.add16(56)
    bytes.add16(UInt16(truncatingIfNeeded: min(loads.count + 1, 0xfffe)))
    bytes.zeros(6)
  }
}

private enum Note {
  /// One ELF note: name and content padded to four bytes.
  static func make(_ type: UInt32, _ name: String, _ content: [UInt8]) -> [UInt8] {
    var bytes = Bytes()
    bytes.add32(UInt32(name.utf8.count + 1))
    bytes.add32(UInt32(content.count))
    bytes.add32(type)
    bytes.content += Array(name.utf8) + [0]
    bytes.pad()
    bytes.content += content
    bytes.pad()
    return bytes.content
  }
}

/// Little-endian bytes.
private struct Bytes {
  var content: [UInt8] = []
  mutating func add16(_ value: UInt16) { add(UInt64(value), 2) }
  mutating func add32(_ value: UInt32) { add(UInt64(value), 4) }
  mutating func add64(_ value: UInt64) { add(value, 8) }
  private mutating func add(_ value: UInt64, _ count: Int) {
    for index in 0..<count { content.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
  }
  mutating func zeros(_ count: Int) { content += [UInt8](repeating: 0, count: count) }
  mutating func pad() { while content.count % 4 != 0 { content.append(0) } }
  /// A C string in a field of this size.
  mutating func text(_ text: String, _ size: Int) {
    let bytes = Array(text.utf8.prefix(size - 1))
    content += bytes
    zeros(size - bytes.count)
  }
  mutating func program(type: UInt32, flags: UInt32, offset: Int, _ range: GuestRange, _ fileSize: Int) {
    add32(type)
    add32(flags)
    add64(UInt64(offset))
    add64(range.start.rawValue)
    add64(0)
    add64(UInt64(fileSize))
    add64(range.length)
    add64(type == 1 ? 4096 : 4)
  }
}
