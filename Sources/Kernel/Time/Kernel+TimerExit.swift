// What exit and execve mean for the timers of a process.

extension Kernel {
  /// The last task of the process is ending: exit_itimers and the interval timers.
  func processReleasesTimers(_ group: ThreadGroup) {}

  /// execve(2): POSIX timers are deleted, interval timers go on.
  func execReleasesTimers(_ group: ThreadGroup) {}
}
