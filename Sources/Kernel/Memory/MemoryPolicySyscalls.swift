// NUMA policy on a machine with one node: set_mempolicy(2), mbind(2) and kin. Every policy that names node 0 holds by
// itself.

import LinuxABI
import Platform

extension SyscallTable {
  static var memoryPolicySyscalls: [SyscallEntry] {
    [
      SyscallEntry(SyscallNumber.set_mempolicy, .partial("one node"), MemoryPolicySyscalls.setPolicy),
      SyscallEntry(SyscallNumber.get_mempolicy, .partial("one node"), MemoryPolicySyscalls.getPolicy),
      SyscallEntry(SyscallNumber.mbind, .partial("one node; not remembered for a range"), MemoryPolicySyscalls.bind),
      SyscallEntry(SyscallNumber.migrate_pages, .partial("one node: nothing to move"), MemoryPolicySyscalls.migrate),
    ]
  }
}

enum MemoryPolicySyscalls {
  private static let bindMode: UInt32 = 2, modesEnd: UInt32 = 6
  /// MPOL_F_STATIC_NODES, MPOL_F_RELATIVE_NODES, MPOL_F_NUMA_BALANCING.
  private static let modeFlags: UInt32 = 0xe000

  /// A node mask of `bits` - 1 bits (get_nodes of mm/mempolicy.c). EINVAL for a node other than 0.
  private static func nodes(_ call: Syscall, _ address: GuestAddress, _ bits: UInt64) throws(Errno) -> UInt64 {
    if bits <= 1 || address.rawValue == 0 { return 0 }
    if bits - 1 > 8 * GuestAddress.pageSize { throw .EINVAL }
    let count = Int((bits - 1 + 63) / 64)
    let bytes = try call.memory.copyIn(address, count * 8)
    var first: UInt64 = bytes.integer(at: 0)
    if bits - 1 < 64 { first &= (1 << (bits - 1)) - 1 }
    if first & ~1 != 0 || bytes.dropFirst(8).contains(where: { $0 != 0 }) { throw .EINVAL }
    return first
  }

  /// mpol_new: which modes want nodes.
  private static func check(_ mode: UInt32, _ nodes: UInt64) throws(Errno) {
    let number = mode & ~modeFlags
    if number >= modesEnd || mode & 0xc000 == 0xc000 { throw .EINVAL }
    switch number {
    case 0, 4: if nodes != 0 { throw .EINVAL }  // MPOL_DEFAULT, MPOL_LOCAL
    case 1: break  // MPOL_PREFERRED: no node means local
    default: if nodes == 0 { throw .EINVAL }
    }
  }

  static func setPolicy(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let nodes = try nodes(call, call.address(1), call[2])
    try check(call.uint32(0), nodes)
    call.task.policies.memoryMode = call.uint32(0)
    call.task.policies.memoryNodes = nodes
    return .success
  }

  static func getPolicy(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let node: UInt64 = 1
    let byAddress: UInt64 = 2
    let allowed: UInt64 = 4
    let flags = call[4]
    if flags & ~(node | byAddress | allowed) != 0 { throw .EINVAL }
    if call[1] != 0 && call[2] < 1 { throw .EINVAL }
    var mode: UInt32 = 0
    var nodes: UInt64 = 0
    if flags & allowed != 0 {
      if flags & (node | byAddress) != 0 { throw .EINVAL }
      nodes = 1
    } else if flags & byAddress != 0 {
      if call.memory.list.mapping(at: call.address(3)) == nil { throw .EFAULT }
    } else {
      if call[3] != 0 { throw .EINVAL }
      // The next node of interleaving is node 0, and asking for it without interleaving is an error.
      if flags & node != 0 && call.task.policies.memoryMode & ~modeFlags != 3 { throw .EINVAL }
      if flags & node == 0 {
        mode = call.task.policies.memoryMode
        nodes = call.task.policies.memoryNodes
      }
    }
    if call[0] != 0 { try call.memory.store(call.address(0), mode) }
    if call[1] != 0 {
      let count = Int(min((call[2] - 1 + 63) / 64, 512))
      if count > 0 {
        var bytes = [UInt8](repeating: 0, count: count * 8)
        bytes.setInteger(nodes, at: 0)
        try call.memory.copyOut(call.address(1), bytes)
      }
    }
    return .success
  }

  static func bind(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    // MPOL_MF_STRICT, MOVE, MOVE_ALL.
    if call[5] & ~7 != 0 { throw .EINVAL }
    if call[5] & 4 != 0 && !call.task.credentials.hasCapability(23) { throw .EPERM }
    if !call.address(0).isPageAligned { throw .EINVAL }
    try check(call.uint32(2), try nodes(call, call.address(3), call[4]))
    guard let end = GuestRange(call.address(0), length: call[1])?.end.pageUp else { throw .EINVAL }
    if call.memory.list.contiguousEnd(from: call.address(0), to: end) < end { throw .EFAULT }
    return .success
  }

  static func migrate(_ call: Syscall) throws(Errno) -> SyscallOutcome {
    let id = call.int32(0)
    if id != 0 && call.kernel.tasks[TaskID(id)] == nil { throw .ESRCH }
    _ = try nodes(call, call.address(2), call[1])
    _ = try nodes(call, call.address(3), call[1])
    return .success
  }
}
