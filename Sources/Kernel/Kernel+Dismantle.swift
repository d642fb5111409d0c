// The end of a kernel of which there were many. Kernel objects refer to each other in circles (a task and its process, a
// directory and what is in it), so a kernel that is merely dropped stays in memory: no matter for a run, but a hunt makes
// a million copies.
//
// Taking it apart uses what copying knows: `copyReferences` visits every reference to kernel state and replaces it, here
// by one stand-in for each class, after which no circle is left.

import Platform

/// Stand-ins for the objects of kernels that were taken apart: one of each class, kept as long as this.
public final class KernelGraveyard {
  /// What stand-ins refer to in place of their kernel's machine.
  let machine: any Machine
  private var standIns: [ObjectIdentifier: AnyObject] = [:]

  public init(machine: any Machine) { self.machine = machine }

  func standIn<T: DeepCopyable>(for object: T) -> T {
    let type = ObjectIdentifier(Swift.type(of: object))
    if let known = standIns[type] { return unsafeDowncast(known, to: T.self) }
    standIns[type] = object
    return object
  }
}

extension Kernel {
  /// Takes apart everything that the kernel holds, so that its memory is given back with it. The guest must have ended or
  /// its machine be gone; nothing of the kernel but its verdict and statistics can be used afterwards.
  public func dismantle(into graveyard: KernelGraveyard) {
    let context = CopyContext(burying: graveyard)
    tasks.copyReferences(context)
    scheduler.copyReferences(context)
    timers.copyReferences(context)
    files = context.copy(files)
    ipc.copyReferences(context)
    hostInputQueue = context.copy(hostInputQueue)
    initProcess = context.copy(initProcess)
    firstProcess = context.copy(firstProcess)
    vdsoObject = context.copy(vdsoObject)
    vvarObject = context.copy(vvarObject)
  }
}
