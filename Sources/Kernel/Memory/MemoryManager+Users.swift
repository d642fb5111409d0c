// Sharing of an address space: CLONE_VM takes a reference, fork makes a copy, the last user's end destroys it.

import LinuxABI
import Platform

extension MemoryManager {
  /// fork(2): a copy of the space, private memory copied on write, shared mappings shared. ENOMEM.
  func fork(_ kernel: Kernel) throws(Errno) -> MemoryManager {
    let id = kernel.identifiers.nextSpace()
    do { try machine.forkAddressSpace(space, as: id) } catch {
      kernel.machineError = error
      throw .ENOMEM
    }
    return MemoryManager(space: id, machine: machine)
  }

  /// One user fewer; at zero the space and its references to objects go.
  func release(_ kernel: Kernel) {
    users -= 1
    precondition(users >= 0, "an address space lost more users than it had")
    if users == 0 { machine.destroyAddressSpace(space) }
  }
}
