// What the host says about processes, for tests only.
import Glibc
import PtracePlatform

/// A small file of /proc as text; empty when it is not there.
func readProc(_ path: String) -> String {
  guard let file = fopen(path, "r") else { return "" }
  defer { fclose(file) }
  var bytes = [UInt8](repeating: 0, count: 65536)
  let count = fread(&bytes, 1, bytes.count, file)
  return String(decoding: bytes.prefix(count), as: UTF8.self)
}

/// The children that a thread started, proc_pid_task_tid_children(5).
func children(of process: Int32, thread: Int) -> [Int32] {
  readProc("/proc/\(process)/task/\(thread)/children").split(separator: " ").compactMap { Int32($0) }
}

func threads(of process: Int32) -> [Int32] { directoryEntries("/proc/\(process)/task").compactMap { Int32($0) } }

/// Names in a directory, without dots, sorted.
func directoryEntries(_ path: String) -> [String] {
  guard let directory = opendir(path) else { return [] }
  defer { closedir(directory) }
  var names: [String] = []
  while let entry = readdir(directory) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if !name.hasPrefix(".") { names.append(name) }
  }
  return names.sorted()
}

/// Neither gone nor a zombie.
func isAlive(_ process: Int32) -> Bool {
  let text = readProc("/proc/\(process)/stat")
  guard let parenthesis = text.lastIndex(of: ")") else { return false }
  return !"ZX".contains(text[text.index(parenthesis, offsetBy: 2)])
}

struct SpawnError: Error {
  var status: Int32
}

/// Starts this test program again, for the tests that match.
func spawnSelf(filter: String) throws -> Int32 {
  var path = [CChar](repeating: 0, count: 4096)
  let length = readlink("/proc/self/exe", &path, path.count - 1)
  if length <= 0 { throw SpawnError(status: errno) }
  let program = String(decoding: path.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  let words = [program, "--testing-library", "swift-testing", "--filter", filter]
  var arguments: [UnsafeMutablePointer<CChar>?] = words.map { (word: String) in strdup(word) } + [nil]
  var variables: [UnsafeMutablePointer<CChar>?] = [strdup("REPLAYSB_VICTIM=1"), nil]
  defer { for pointer in arguments + variables { free(pointer) } }
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
  posix_spawn_file_actions_adddup2(&actions, 1, 2)
  defer { posix_spawn_file_actions_destroy(&actions) }
  var process: pid_t = 0
  let status = posix_spawn(&process, program, &actions, nil, &arguments, &variables)
  if status != 0 { throw SpawnError(status: status) }
  return process
}
