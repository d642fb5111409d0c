// Temporary directories, files as bytes, other processes: what the trace tests stand on.
import Glibc
import Platform
import Testing

@testable import Trace
@testable import TraceFuzz

/// A directory that goes with the value.
final class TemporaryDirectory {
  let path: String
  init() {
    var template = Array("/tmp/trace-tests.XXXXXX".utf8CString)
    precondition(mkdtemp(&template) != nil)
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
  deinit { _ = run("/bin/rm", ["-rf", path]) }
  func file(_ name: String) -> String { path + "/" + name }
}

func readFile(_ path: String) -> [UInt8] { TraceFuzz.readFile(path) ?? [] }

func writeFile(_ path: String, _ bytes: [UInt8]) {
  let file = fopen(path, "w")!
  precondition(fwrite(bytes, 1, bytes.count, file) == bytes.count)
  fclose(file)
}

/// A child of ours.
struct Process {
  let id: pid_t
  init?(_ program: String, _ arguments: [String], output: String? = nil) {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    if let output { posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600) }
    defer { posix_spawn_file_actions_destroy(&actions) }
    var vector = ([program] + arguments).map { strdup($0) } + [nil]
    defer { for word in vector { free(word) } }
    var id = pid_t()
    if posix_spawn(&id, program, &actions, nil, &vector, environ) != 0 { return nil }
    self.id = id
  }
  /// Its wait status.
  func wait() -> Int32 {
    var status: Int32 = 0
    while waitpid(id, &status, 0) < 0 && errno == EINTR {}
    return status
  }
}

@discardableResult func run(_ program: String, _ arguments: [String], output: String? = nil) -> Int32 {
  Process(program, arguments, output: output)?.wait() ?? -1
}

/// The fuzzer's executable beside the test bundle.
let fuzzerPath: String = {
  var buffer = [CChar](repeating: 0, count: 4096)
  let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
  let path = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  return path[..<path.lastIndex(of: "/")!] + "/TraceFuzz"
}()

/// The trace that these records make.
func traceBytes(_ records: [Record], end: TraceEnd = TraceEnd()) throws -> [UInt8] {
  let directory = TemporaryDirectory()
  let path = directory.file("t.zst")
  try writeRecords(records, to: path, end: end)
  return readFile(path)
}

/// Records without the register hash and end that a writer adds.
func sampleRecords(seed: UInt64, _ count: Int) -> [Record] {
  var generator = RecordGenerator(seed: seed)
  return generator.records(count)
}

/// Records with content of at most `limit` bytes, for small traces.
func smallRecords(seed: UInt64, _ count: Int, limit: Int = 700) -> [Record] {
  sampleRecords(seed: seed, count).filter {
    switch $0 {
    case .memoryWrite(_, _, let b), .objectWrite(_, _, let b), .outputBytes(_, let b), .setExtendedState(_, let b):
      b.count <= limit
    default: true
    }
  }
}

func readAll(_ bytes: [UInt8], journal: [UInt8]? = nil) -> Outcome {
  readEverything(bytes, keeping: true, journal: journal)
}
