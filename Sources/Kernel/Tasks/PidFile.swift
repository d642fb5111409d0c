// pidfds: pidfd_open(2), CLONE_PIDFD.

import LinuxABI

/// A descriptor that names a process and becomes readable when it ends.
final class PidFile: OpenFile {
  private(set) var process: ThreadGroup

  init(_ process: ThreadGroup, flags: UInt32) {
    self.process = process
    super.init(flags: flags)
  }

  override func readiness(_ kernel: Kernel) -> PollEvents {
    process.isZombie ? [.in, .readNormal] : []
  }
  override var waitQueues: [WaitQueue] { [process.exitEvents] }
  override func displayPath(_ kernel: Kernel) -> [UInt8] { Array("anon_inode:[pidfd]".utf8) }
  override func blockReason(reading: Bool) -> BlockReason { .child }

  override func shallowCopy() -> PidFile {
    let new = PidFile(process, flags: flags)
    new.copyBaseFields(from: self)
    return new
  }
  override func copyReferences(_ context: CopyContext) {
    super.copyReferences(context)
    process = context.copy(process)
  }
}
