// One guest address space: its mappings, its heap, and the way in and out for syscalls. Every change goes to the list of
// mappings and to the machine together; Linux's mm/mmap.c and mm/mprotect.c say what is allowed.

import LinuxABI
import Platform

public final class MemoryManager: DeepCopyable {
  let space: AddressSpaceID
  private(set) var machine: any Machine
  /// Tasks that share it (CLONE_VM); at zero the space is destroyed.
  var users = 1
  var list = MappingList()
  /// mlockall(MCL_FUTURE).
  var locksFutureMappings = false
  /// Where the heap begins, and the program break.
  var heapStart = GuestAddress(0)
  var heapEnd = GuestAddress(0)
  /// Bytes of the program's own data segments, which RLIMIT_DATA counts together with the heap.
  var programDataBytes: UInt64 = 0
  /// What the loader put on the stack: /proc/PID/auxv, and where the strings lie.
  var auxiliaryVector: [AuxiliaryEntry] = []
  var argumentStrings = GuestRange(GuestAddress(0), GuestAddress(0))
  var environmentStrings = GuestRange(GuestAddress(0), GuestAddress(0))
  var initialStackPointer = GuestAddress(0)
  /// start_code, end_code, start_data, end_data of /proc/PID/stat.
  var programCode = GuestRange(GuestAddress(0), GuestAddress(0))
  var programData = GuestRange(GuestAddress(0), GuestAddress(0))

  /// vm.max_map_count is 65530 on the host too, and a stub has a few mappings more than its guest: the host's own, and
  /// some that it does not merge as the list here does. The guest meets its limit first.
  static let mappingsMax = 64000

  init(space: AddressSpaceID, machine: any Machine) {
    self.space = space
    self.machine = machine
  }

  /// Sorted by address, for /proc/PID/maps.
  var mappings: [Mapping] { list.all }
  var virtualBytes: UInt64 { list.totalBytes }

  public func shallowCopy() -> MemoryManager {
    let new = MemoryManager(space: space, machine: machine)
    new.users = users
    new.copyState(from: self)
    return new
  }

  /// Everything that fork copies.
  func copyState(from other: MemoryManager) {
    list = other.list
    locksFutureMappings = other.locksFutureMappings
    heapStart = other.heapStart
    heapEnd = other.heapEnd
    programDataBytes = other.programDataBytes
    auxiliaryVector = other.auxiliaryVector
    argumentStrings = other.argumentStrings
    environmentStrings = other.environmentStrings
    initialStackPointer = other.initialStackPointer
    programCode = other.programCode
    programData = other.programData
  }

  public func copyReferences(_ context: CopyContext) {
    machine = context.machine
    list.copyReferences(context)
  }
}

extension Kernel {
  /// Asks the machine for an effect that the kernel has checked. A refusal is the host's failure: it ends the run.
  func effect<T>(_ body: (any Machine) throws(MachineError) -> T) throws(Errno) -> T {
    do { return try body(machine) } catch {
      if machineError == nil { machineError = error }
      throw .ENOMEM
    }
  }
}

/// Where a new mapping goes.
enum Placement: Hashable, Sendable {
  case anywhere
  /// There if it is free.
  case hint(GuestAddress)
  /// MAP_FIXED: what was there goes.
  case fixed(GuestAddress)
  /// MAP_FIXED_NOREPLACE.
  case fixedIfFree(GuestAddress)
  /// MAP_32BIT.
  case low32Bit
}

/// A mapping to be made.
struct MapRequest {
  var placement = Placement.anywhere
  /// In bytes; rounded up to pages.
  var length: UInt64
  var protection: Protection
  var maximumProtection: Protection = [.read, .write, .execute]
  var flags: MappingFlags = []
  /// nil with `.shared`: new shared anonymous memory.
  var object: MemoryObjectReference?
  var offset: UInt64 = 0
  var label = MappingLabel.none
  /// Places it among programs and libraries (see `AddressLayout`).
  var isProgram = false
}

extension MemoryManager {
  /// mmap(2) after its arguments were decoded. EINVAL, ENOMEM, EEXIST, EPERM, EOVERFLOW, EAGAIN (locked memory).
  func map(_ kernel: Kernel, _ request: MapRequest, limits: ResourceLimits) throws(Errno) -> GuestAddress {
    if request.length == 0 { throw .EINVAL }
    guard let rounded = GuestAddress(request.length).pageUp, rounded.rawValue != 0 else { throw .ENOMEM }
    let length = rounded.rawValue
    if request.offset.addingReportingOverflow(length).overflow { throw .EOVERFLOW }
    if list.count > Self.mappingsMax { throw .ENOMEM }
    let range = try place(kernel, request, length)
    var flags = request.flags
    if locksFutureMappings { flags.insert(.locked) }
    var mapping = Mapping(
      range: range, protection: request.protection, maximumProtection: request.maximumProtection, flags: flags,
      object: request.object, offset: request.offset, label: request.label)
    if Self.isAccounted(mapping) { mapping.flags.insert(.accounted) }
    try checkLimits(kernel, replacing: list.pieces(in: range), by: mapping, limits)
    if mapping.isShared && mapping.object == nil {
      mapping.object = try newSharedObject(kernel, length: length, reserved: !flags.contains(.noReserve))
    } else {
      mapping.object?.retain()
    }
    try put(kernel, mapping)
    return range.start
  }

  /// Replaces what lies in the mapping's range by it; takes its count over.
  func put(_ kernel: Kernel, _ mapping: Mapping) throws(Errno) {
    let source = mapping.source
    changeList(kernel) { list in
      for piece in list.take(mapping.range) { piece.object?.release(kernel) }
      list.insert(mapping, kernel)
    }
    try kernel.effect { machine throws(MachineError) in
      try machine.map(space, mapping.range, mapping.protection, source)
    }
  }

  /// A change of the list, with the run's sum of committed memory kept.
  func changeList(_ kernel: Kernel, _ body: (inout MappingList) -> Void) {
    let before = list.accountedBytes
    body(&list)
    kernel.committedBytes = kernel.committedBytes &- before &+ list.accountedBytes
  }

  /// accountable_mapping of mm/mmap.c; the stack is left out, because it is mapped whole and used in part.
  static func isAccounted(_ mapping: Mapping) -> Bool {
    mapping.protection.contains(.write) && !mapping.isShared && mapping.flags.isDisjoint(with: [.noReserve, .growsDown])
  }

  private func newSharedObject(_ kernel: Kernel, length: UInt64, reserved: Bool) throws(Errno) -> MemoryObjectReference {
    let committed = reserved ? length : 0
    if kernel.committedBytes + committed > kernel.configuration.guestMemoryBytesMax { throw .ENOMEM }
    let id = kernel.identifiers.nextObject()
    try kernel.effect { machine throws(MachineError) in try machine.createObject(id, size: length) }
    let object = MemoryObjectReference(id: id, path: Array("/dev/zero (deleted)".utf8), placementKey: 0)
    object.committedBytes = committed
    kernel.committedBytes += committed
    return object
  }

  /// RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK and the run's own limit, for a new mapping in the place of old pieces.
  func checkLimits(
    _ kernel: Kernel, replacing old: [Mapping], by new: Mapping, _ limits: ResourceLimits
  ) throws(Errno) {
    func sum(_ keep: (Mapping) -> Bool) -> UInt64 { old.reduce(0) { $0 + (keep($1) ? $1.range.length : 0) } }
    let length = new.range.length
    let total = list.totalBytes - sum { _ in true } + length
    if total > limits[ResourceLimits.addressSpace].current { throw .ENOMEM }
    if new.isData {
      let data = list.dataBytes - sum { $0.isData } + length
      if data > limits[ResourceLimits.data].current { throw .ENOMEM }
    }
    if new.flags.contains(.locked) {
      let locked = list.lockedBytes - sum { $0.flags.contains(.locked) } + length
      if locked > limits[ResourceLimits.lockedMemory].current, limits.lockedMemoryIsBound(kernel) { throw .EAGAIN }
    }
    if new.flags.contains(.accounted) {
      let freed = sum { $0.flags.contains(.accounted) }
      let committed = kernel.committedBytes - freed
      let (after, overflow) = committed.addingReportingOverflow(length)
      if overflow || after > kernel.configuration.guestMemoryBytesMax { throw .ENOMEM }
    }
  }

  // MARK: Placement

  private func place(_ kernel: Kernel, _ request: MapRequest, _ length: UInt64) throws(Errno) -> GuestRange {
    if length > AddressLayout.end.rawValue { throw .ENOMEM }
    switch request.placement {
    case .fixed(let address), .fixedIfFree(let address):
      if address > AddressLayout.end - length { throw .ENOMEM }
      if !address.isPageAligned { throw .EINVAL }
      if address < AddressLayout.lowest { throw .EPERM }
      let range = GuestRange(address, address + length)
      if case .fixedIfFree = request.placement, list.first(in: range) != nil { throw .EEXIST }
      return range
    case .hint(let address):
      let wanted = max(address.pageDown, AddressLayout.lowest)
      if wanted <= AddressLayout.end - length {
        let range = GuestRange(wanted, wanted + length)
        if list.isFree(range) { return range }
      }
    case .low32Bit:
      guard let start = list.highestPlace(length, in: AddressLayout.low32Bit) else { throw .ENOMEM }
      return GuestRange(start, start + length)
    case .anywhere:
      break
    }
    guard let start = freePlace(kernel, request, length) else { throw .ENOMEM }
    return GuestRange(start, start + length)
  }

  private func freePlace(_ kernel: Kernel, _ request: MapRequest, _ length: UInt64) -> GuestAddress? {
    if let object = request.object, !request.flags.contains(.shared), object.placementKey != 0,
      request.isProgram || (request.offset == 0 && object.isProgram(kernel)),
      let start = list.preferredPlace(length, key: object.placementKey)
    {
      return start
    }
    if request.object == nil, request.protection.contains(.execute), length <= AddressLayout.lowCodeBytesMax,
      let start = list.highestPlace(length, in: AddressLayout.programs)
    {
      return start
    }
    return list.highestPlace(length, in: GuestRange(AddressLayout.mappingsStart, AddressLayout.mappingsEnd))
  }

  // MARK: Unmapping and protection

  /// munmap(2). EINVAL; ENOMEM when a split would exceed the number of mappings.
  func unmap(_ kernel: Kernel, _ address: GuestAddress, _ length: UInt64) throws(Errno) {
    guard address.isPageAligned, address <= AddressLayout.end || address <= .userEnd, length > 0,
      length <= GuestAddress.userEnd - address, let end = (address + length).pageUp
    else { throw .EINVAL }
    let range = GuestRange(address, end)
    let hit = list.indices(in: range)
    if hit.isEmpty { return }
    if hit.count == 1, list.count >= Self.mappingsMax {
      let only = list.all[hit.lowerBound].range
      if only.start < range.start && only.end > range.end { throw .ENOMEM }
    }
    let covered = GuestRange(
      max(range.start, list.all[hit.lowerBound].range.start), min(range.end, list.all[hit.upperBound - 1].range.end))
    changeList(kernel) { list in
      for piece in list.take(range) { piece.object?.release(kernel) }
    }
    try kernel.effect { machine throws(MachineError) in try machine.unmap(space, covered) }
  }

  /// mprotect(2) over `range`, which is page-aligned and not empty. Mappings before a hole or a refusal are changed.
  /// ENOMEM for a hole or a limit, EACCES where the file does not allow it.
  func protect(
    _ kernel: Kernel, _ range: GuestRange, _ protection: Protection, limits: ResourceLimits
  ) throws(Errno) {
    var end = list.contiguousEnd(from: range.start, to: range.end)
    var problem: Errno? = end < range.end ? .ENOMEM : nil
    if end > range.start {
      var dataAdded: UInt64 = 0
      var committedAdded: UInt64 = 0
      for piece in list.pieces(in: GuestRange(range.start, end)) {
        var changed = piece
        changed.protection = protection
        var refusal: Errno?
        if !piece.maximumProtection.isSuperset(of: protection) { refusal = .EACCES }
        if changed.isData && !piece.isData { dataAdded += piece.range.length }
        if Self.isAccounted(changed) && !piece.flags.contains(.accounted) { committedAdded += piece.range.length }
        if list.dataBytes + dataAdded > limits[ResourceLimits.data].current, dataAdded > 0 { refusal = refusal ?? .ENOMEM }
        if committedAdded > 0, kernel.committedBytes + committedAdded > kernel.configuration.guestMemoryBytesMax {
          refusal = refusal ?? .ENOMEM
        }
        if let refusal {
          problem = refusal
          end = piece.range.start
          break
        }
      }
    }
    if end > range.start { try applyProtection(kernel, GuestRange(range.start, end), protection) }
    if let problem { throw problem }
  }

  private func applyProtection(_ kernel: Kernel, _ range: GuestRange, _ protection: Protection) throws(Errno) {
    if list.count + 2 > Self.mappingsMax { throw .ENOMEM }
    changeList(kernel) { list in
      for piece in list.take(range) {
        var changed = piece
        changed.protection = protection
        if Self.isAccounted(changed) { changed.flags.insert(.accounted) }
        list.insert(changed, kernel)
      }
    }
    try kernel.effect { machine throws(MachineError) in try machine.protect(space, range, protection) }
  }

  // MARK: The heap

  /// brk(2): the new program break, or the present one where the request cannot be met.
  func setBreak(_ kernel: Kernel, _ wanted: GuestAddress, limits: ResourceLimits) -> GuestAddress {
    guard wanted >= heapStart, wanted <= AddressLayout.end, let newEnd = wanted.pageUp, let oldEnd = heapEnd.pageUp else {
      return heapEnd
    }
    let data = (wanted - heapStart).addingReportingOverflow(programDataBytes)
    if data.overflow || data.partialValue > limits[ResourceLimits.data].current { return heapEnd }
    if newEnd < oldEnd {
      if (try? unmap(kernel, newEnd, oldEnd - newEnd)) == nil { return heapEnd }
    } else if newEnd > oldEnd {
      let range = GuestRange(oldEnd, newEnd)
      // The stack's guard gap, and one page as check_brk_limits keeps it.
      if !list.isFree(GuestRange(oldEnd, newEnd + GuestAddress.pageSize)) { return heapEnd }
      let request = MapRequest(
        placement: .fixedIfFree(range.start), length: range.length, protection: [.read, .write], label: .heap)
      if (try? map(kernel, request, limits: limits)) == nil { return heapEnd }
    }
    heapEnd = wanted
    return wanted
  }

  // MARK: Questions

  /// What names a futex that processes share: the object and the offset in it. nil for private memory (and nothing
  /// mapped): then the space and the address name it.
  func futexKey(_ address: GuestAddress) -> (object: MemoryObjectID, offset: UInt64)? {
    guard let mapping = list.mapping(at: address), mapping.isShared, let object = mapping.object else { return nil }
    return (object.id, mapping.offset + (address - mapping.range.start))
  }
}

extension ResourceLimits {
  /// CAP_IPC_LOCK lifts the limit; the caller of mmap passes limits only, so the task in turn is asked.
  func lockedMemoryIsBound(_ kernel: Kernel) -> Bool {
    !(kernel.scheduler.current?.credentials.hasCapability(14) ?? false)
  }
}
