// What the host says about processes, for tests only.
import CLinux
import Glibc

/// The children that the calling thread has, by /proc/thread-self/children; nil text reads as none.
func childrenOfThisThread() -> [Int32] {
  guard let file = fopen("/proc/thread-self/children", "r") else { return [] }
  defer { fclose(file) }
  var children: [Int32] = []
  var pid: Int32 = 0
  while withUnsafeMutablePointer(to: &pid, { pointer in withVaList([pointer]) { vfscanf(file, "%d", $0) } }) == 1 {
    children.append(pid)
  }
  return children
}
