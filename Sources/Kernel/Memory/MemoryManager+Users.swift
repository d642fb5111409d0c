// Sharing of an address space: CLONE_VM counts a user, fork makes a copy, the last user's end destroys it.

import LinuxABI
import Platform

extension MemoryManager {
  /// fork(2): a copy of the space with one user; private memory copied on write, shared mappings shared, MADV_DONTFORK
  /// and MADV_WIPEONFORK kept. ENOMEM. (dup_mmap of kernel/fork.c.)
  func fork(_ kernel: Kernel) throws(Errno) -> MemoryManager {
    let leftOut = list.all.filter { $0.flags.contains(.notForked) }
    let leftOutBytes = leftOut.reduce(0 as UInt64) { $0 + ($1.flags.contains(.accounted) ? $1.range.length : 0) }
    let added = list.accountedBytes - leftOutBytes
    if kernel.committedBytes + added > kernel.configuration.guestMemoryBytesMax { throw .ENOMEM }
    let id = kernel.identifiers.nextSpace()
    try kernel.effect { machine throws(MachineError) in try machine.forkAddressSpace(space, as: id) }
    let new = MemoryManager(space: id, machine: machine)
    new.copyState(from: self)
    // Locks are not inherited (mlock(2)).
    new.locksFutureMappings = false
    for mapping in new.list.all { mapping.object?.retain() }
    kernel.committedBytes += new.list.accountedBytes
    for mapping in leftOut { try new.unmap(kernel, mapping.range.start, mapping.range.length) }
    for mapping in list.all where mapping.flags.contains(.wipedOnFork) && !mapping.flags.contains(.notForked) {
      try kernel.effect { machine throws(MachineError) in
        try machine.map(id, mapping.range, mapping.protection, .anonymous)
      }
    }
    new.setFlags(kernel, GuestRange(GuestAddress(0), AddressLayout.end), remove: .locked)
    return new
  }

  /// One user fewer; at zero the space and its counts of objects go.
  func release(_ kernel: Kernel) {
    users -= 1
    precondition(users >= 0, "an address space lost more users than it had")
    if users > 0 { return }
    kernel.machine.destroyAddressSpace(space)
    changeList(kernel) { list in
      for piece in list.take(GuestRange(GuestAddress(0), GuestAddress.userEnd)) { piece.object?.release(kernel) }
    }
  }

  /// Changes flags of everything mapped in `range`.
  func setFlags(
    _ kernel: Kernel, _ range: GuestRange, add: MappingFlags = [], remove: MappingFlags = []
  ) {
    let pieces = list.pieces(in: range)
    if pieces.allSatisfy({ $0.flags.isSuperset(of: add) && $0.flags.isDisjoint(with: remove) }) { return }
    changeList(kernel) { list in
      for piece in list.take(range) {
        var changed = piece
        changed.flags.subtract(remove)
        changed.flags.formUnion(add)
        list.insert(changed, kernel)
      }
    }
  }
}
