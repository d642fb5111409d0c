// A hash of what the guest wrote: private pages that are no longer their source. Recorder and replayer compare it.
// docs: Documentation/admin-guide/mm/pagemap.rst.
import CLinux
import CXXHash
import Platform

extension PtraceMachine {
  /// XXH3 (64 bits, chained) over address and content of every writable private page of the space that the guest or the
  /// kernel wrote, in order of addresses. All-zero pages do not count, so that touching a page and reading it are the
  /// same. Objects and our own pages are left out, and what was made read-only. CPUID cannot be trapped, and its leaf 1
  /// tells the number of the processor, of which copies may lie about: words that look like it count without that number.
  public func memoryHash(_ space: AddressSpaceID) throws(MachineError) -> UInt64 {
    try memoryHash(space, byEntries: false)
  }

  /// `byEntries`: as on hosts before Linux 6.7, for tests.
  func memoryHash(_ space: AddressSpaceID, byEntries: Bool) throws(MachineError) -> UInt64 {
    let stub = try stub(space)
    if !stub.queue.isEmpty { try stub.flush() }
    let written = try WrittenPages(stub, byEntries: byEntries)
    let hash = try PageHash(stub.pid, hidesProcessor: hidesProcessorInHashes)
    for mapping in try writableMappings(stub) {
      try written.visit(mapping.start, mapping.end) { (start, end) throws(MachineError) in try hash.add(start, end) }
    }
    return hash.value
  }
}

/// Finds the pages of private mappings of a stub that were written.
final class WrittenPages {
  private let file: Int32
  private var runs = [rsb_page_run](repeating: rsb_page_run(), count: 512)
  private var entries: [UInt64] = []
  private var byEntries: Bool

  init(_ stub: Stub, byEntries: Bool = false) throws(MachineError) {
    self.byEntries = byEntries
    file = Int32(try checked(rsb_proc_open("/proc/\(stub.pid)/pagemap"), "open of pagemap"))
  }

  deinit { _ = rsb_descriptor_close(file) }

  /// By rising address; runs may touch.
  func visit(
    _ start: UInt64, _ end: UInt64, _ body: (UInt64, UInt64) throws(MachineError) -> Void
  ) throws(MachineError) {
    var position = start
    while position < end && !byEntries {
      var next = end
      let found = rsb_pagemap_scan(file, position, end, &runs, runs.count, &next)
      byEntries = found == -25 || found == -22  // ENOTTY, EINVAL: before Linux 6.7
      if byEntries { break }
      try checked(found, "PAGEMAP_SCAN")
      for run in runs.prefix(found) { try body(run.start, run.end) }
      if next <= position { return }
      position = next
    }
    if byEntries { try visitByEntries(position, end, body) }
  }

  private func visitByEntries(
    _ start: UInt64, _ end: UInt64, _ body: (UInt64, UInt64) throws(MachineError) -> Void
  ) throws(MachineError) {
    let page = StubLayout.pageSize
    let presentOrSwapped: UInt64 = 3 << 62, fileOrShared: UInt64 = 1 << 61
    if entries.isEmpty { entries = Array(repeating: 0, count: 4096) }
    var position = start
    while position < end {
      let wanted = min(entries.count, Int((end - position) / page))
      let size = try checked(rsb_memfd_pread(file, &entries, wanted * 8, position / page * 8), "read of pagemap")
      if size < 8 { break }
      for entry in entries.prefix(size / 8) {
        if entry & presentOrSwapped != 0, entry & fileOrShared == 0 { try body(position, position + page) }
        position += page
      }
    }
  }
}

extension PtraceMachine {
  private func writableMappings(_ stub: Stub) throws(MachineError) -> [HostMapping] {
    try HostMapping.all(of: stub.pid).filter { $0.isWritable && $0.start < guestEnd }
  }
}

/// Chains pages of a stub: each page is hashed with the hash so far and its address as the seed.
private final class PageHash {
  private(set) var value: UInt64 = 0
  private let pid: Int32
  /// /proc/PID/mem, for pages that are mapped without read permission.
  private let memory: Int32
  private var buffer = [UInt8](repeating: 0, count: 16 * 4096)
  /// EBX of CPUID leaf 1 without its upper byte, the initial APIC id of the processor that we happen to run on.
  private let processorWord: UInt32
  private let hidesProcessor: Bool

  init(_ pid: Int32, hidesProcessor: Bool) throws(MachineError) {
    self.pid = pid
    self.hidesProcessor = hidesProcessor
    processorWord = PtraceMachine.cpuid(1)[1] & 0xff_ffff
    memory = Int32(try checked(rsb_proc_open("/proc/\(pid)/mem"), "open of mem"))
  }

  deinit { _ = rsb_descriptor_close(memory) }

  func add(_ start: UInt64, _ end: UInt64) throws(MachineError) {
    let pageSize = Int(StubLayout.pageSize)
    var position = start
    while position < end {
      let wanted = min(buffer.count, Int(end - position))
      var count = rsb_process_read(pid, &buffer, position, wanted)
      if count != wanted { count = rsb_memfd_pread(memory, &buffer, wanted, position) }
      if count != wanted { throw MachineError("pages at \(String(position, radix: 16)) cannot be read for the hash") }
      buffer.withUnsafeMutableBytes { bytes in
        // Sound: offsets stay below `wanted`, which is at most the buffer's size and a multiple of the page size.
        for offset in stride(from: 0, to: wanted, by: pageSize) {
          let page = UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + pageSize])
          if isZero(UnsafeRawBufferPointer(page)) { continue }
          if hidesProcessor { hideProcessor(page) }
          // An odd factor spreads the address over the whole seed.
          let seed = value ^ ((position + UInt64(offset)) &* 0x9e37_79b9_7f4a_7c15)
          value = rsb_hash64_seeded(page.baseAddress, pageSize, seed)
        }
      }
      position += UInt64(wanted)
    }
  }

  /// Takes the processor's number out of every aligned word that looks like EBX of CPUID leaf 1.
  private func hideProcessor(_ page: UnsafeMutableRawBufferPointer) {
    for word in page.bindMemory(to: UInt32.self).indices {
      let value = page.load(fromByteOffset: 4 * word, as: UInt32.self)
      if value & 0xff_ffff == processorWord { page.storeBytes(of: processorWord, toByteOffset: 4 * word, as: UInt32.self) }
    }
  }

  private func isZero(_ page: UnsafeRawBufferPointer) -> Bool {
    for offset in stride(from: 0, to: page.count, by: 64) {
      var any: UInt64 = 0
      for word in stride(from: 0, to: 64, by: 8) { any |= page.load(fromByteOffset: offset + word, as: UInt64.self) }
      if any != 0 { return false }
    }
    return true
  }
}
