// One guest address space: its mappings, its heap, and the way in and out for syscalls.

import LinuxABI
import Platform

public final class MemoryManager: DeepCopyable {
  let space: AddressSpaceID
  let machine: any Machine
  /// Tasks that share it (CLONE_VM); at zero the space is destroyed.
  var users = 1

  init(space: AddressSpaceID, machine: any Machine) {
    self.space = space
    self.machine = machine
  }

  public func shallowCopy() -> MemoryManager {
    let new = MemoryManager(space: space, machine: machine)
    new.users = users
    return new
  }
  public func copyReferences(_ context: CopyContext) {}
}
