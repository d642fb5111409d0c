// The fuzzer's command line, and the small tools that the trace tests run as another process.
// Unsafe because it calls into Glibc for files, clocks and signals; buffers are passed with their own counts.
import Glibc
import Platform
import Trace

/// Read by the signal handler, which may call nothing but write and _exit.
nonisolated(unsafe) private var current: (seed: UInt64, number: UInt64) = (0, 0)

@main struct TraceFuzz {
  static let usage = """
    usage: TraceFuzz [--executions N] [--seed S] [--corpus DIR]   mutate and read; default 100000, 1
           TraceFuzz --only K --seed S [--corpus DIR]             one execution again
           TraceFuzz --replay DIR                                 read every file of a corpus
           TraceFuzz --write FILE --syscalls N                    write a sample trace (0: until killed)
           TraceFuzz --write-random FILE --records N              write random records
           TraceFuzz --make-corpus DIR                            write the small corpus
           TraceFuzz --embed FILE PROGRAM...                      a trace that embeds these files
           TraceFuzz --alter FILE --from HEX --to HEX             change bytes of its content, checksums made good
           TraceFuzz --bench FILE                                 time and size of a loop of 1000000 syscalls

    """

  static func main() {
    var options: [String: String] = [:]
    var rest: [String] = []
    var arguments = CommandLine.arguments.dropFirst()
    while let argument = arguments.popFirst() {
      if argument.hasPrefix("--"), let value = arguments.popFirst() {
        options[argument] = value
      } else {
        rest.append(argument)
      }
    }
    func number(_ name: String, _ fallback: UInt64) -> UInt64 { options[name].flatMap { UInt64($0) } ?? fallback }
    do throws(TraceError) {
      if let directory = options["--replay"] {
        let files = corpus(directory)
        if files.isEmpty { fail("\(directory) holds no files\n") }
        let decompressor = FrameDecompressor()!
        for (index, bytes) in files.enumerated() { execute(bytes, number: UInt64(index), decompressor) }
        print("\(files.count) corpus files, 0 crashes")
      } else if let directory = options["--make-corpus"] {
        try makeCorpus(directory)
      } else if let path = options["--write"] {
        try write(path, number("--syscalls", 1000))
      } else if let path = options["--write-random"] {
        let writer = try TraceWriter(path: path, header: sampleHeader)
        var generator = RecordGenerator(seed: number("--seed", 1))
        for index in 0..<number("--records", 1000) {
          try writer.append(generator.record())
          // Something that does not compress.
          if index % 16 == 0 {
            let noise = (0..<512).flatMap { _ in withUnsafeBytes(of: generator.random.next()) { Array($0) } }
            try writer.memoryWrite(AddressSpaceID(rawValue: 1), GuestAddress(index), noise[...])
          }
        }
        try writer.close(TraceEnd())
      } else if let path = options["--embed"] {
        try embed(path, rest)
      } else if let path = options["--alter"] {
        try alter(path, options["--from"] ?? "", options["--to"] ?? "")
      } else if let path = options["--bench"] {
        try bench(path)
      } else if rest.isEmpty {
        fuzz(
          executions: number("--executions", 100_000), seed: number("--seed", 1),
          only: options["--only"].flatMap { UInt64($0) },
          directory: options["--corpus"])
      } else {
        fail(usage)
      }
    } catch { fail("\(error)\n") }
  }

  private static func fail(_ message: String) -> Never {
    complain(message)
    exit(1)
  }

  private static func complain(_ message: String) {
    let line = Array(message.utf8)
    _ = line.withUnsafeBytes { Glibc.write(2, $0.baseAddress, $0.count) }
  }

  // MARK: Fuzzing

  private static func fuzz(executions: UInt64, seed: UInt64, only: UInt64?, directory: String?) {
    let seeds = directory.map { corpus($0) } ?? builtInCorpus()
    let mutator = Mutator(corpus: seeds)
    if mutator.isEmpty { fail("the corpus holds no trace that can be taken apart\n") }
    installHandlers()
    let decompressor = FrameDecompressor()!
    let start = nanoseconds()
    var number = only ?? 0
    let end = only.map { $0 + 1 } ?? executions
    while number < end {
      current = (seed, number)
      if number % 1024 == 0 { alarm(60) }
      execute(mutator.trace(seed: seed, number: number), number: number, decompressor)
      number += 1
    }
    alarm(0)
    let seconds = Double(nanoseconds() - start) / 1e9
    print("\(only == nil ? executions : 1) executions, 0 crashes")
    complain("\(Int(Double(only == nil ? executions : 1) / max(seconds, 1e-9))) executions/s\n")
  }

  /// A crash or hang says which execution it was, and the process fails.
  private static func installHandlers() {
    for signal in [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGALRM] {
      Glibc.signal(signal) { signal in
        var line = [UInt8](repeating: 0, count: 0)
        line.append(contentsOf: signal == SIGALRM ? "hang".utf8 : "crash".utf8)
        line.append(contentsOf: ": run again with --seed \(current.seed) --only \(current.number)\n".utf8)
        _ = line.withUnsafeBytes { Glibc.write(2, $0.baseAddress, $0.count) }
        _exit(1)
      }
    }
  }

  private static func nanoseconds() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
  }

  // MARK: Corpus

  /// The files of a directory, by name.
  static func corpus(_ directory: String) -> [[UInt8]] {
    guard let stream = opendir(directory) else { fail("cannot open \(directory)\n") }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      if entry.pointee.d_type == UInt8(DT_DIR) { continue }
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted().compactMap { readFile(directory + "/" + $0) }
  }

  static func readFile(_ path: String) -> [UInt8]? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let n = fread(&buffer, 1, buffer.count, file)
      if n == 0 { return bytes }
      bytes += buffer[..<n]
    }
  }

  /// Small traces, each of another kind: few records, many kinds, several blocks, shared content.
  private static func makeCorpus(_ directory: String) throws(TraceError) {
    for (seed, count) in [(1, 3), (2, 40), (3, 200)] {
      var generator = RecordGenerator(seed: UInt64(seed))
      let records = generator.records(count).filter {
        if case .memoryWrite(_, _, let b) = $0 { return b.count < 5000 }
        if case .objectWrite(_, _, let b) = $0 { return b.count < 5000 }
        if case .outputBytes(_, let b) = $0 { return b.count < 5000 }
        if case .setExtendedState(_, let b) = $0 { return b.count < 5000 }
        return true
      }
      try writeRecords(records, to: directory + "/records-\(count).zst")
    }
    let writer = try TraceWriter(path: directory + "/loop.zst", header: sampleHeader)
    var loop = SyscallLoop()
    for _ in 0..<100 { try loop.turn(writer) }
    try writer.fileEmbedded(path: "/bin/true", object: MemoryObjectID(rawValue: 1), size: 10)
    try writer.close(TraceEnd())
    try makeFileTrace(directory + "/files.zst")
  }

  /// Blocks of several frames.
  private static func makeFileTrace(_ path: String) throws(TraceError) {
    let writer = try TraceWriter(path: path, header: sampleHeader)
    var loop = SyscallLoop()
    for (id, size) in [(1, 17_000), (2, 16_384), (3, 300), (4, 20_000), (1, 17_000)] as [(UInt32, Int)] {
      let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 / 500) ^ UInt8(id) }
      try writer.createObject(MemoryObjectID(rawValue: id), content: content)
      try writer.fileEmbedded(path: "/lib/\(id)", object: MemoryObjectID(rawValue: id), size: UInt64(size))
      for _ in 0..<10 { try loop.turn(writer) }
    }
    try writer.close(TraceEnd())
  }

  private static func builtInCorpus() -> [[UInt8]] {
    var template = Array("/tmp/trace-fuzz.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { fail("cannot make a temporary directory\n") }
    let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    do throws(TraceError) { try makeCorpus(directory) } catch { fail("\(error)\n") }
    let files = corpus(directory)
    for name in ["records-3", "records-40", "records-200", "loop", "files"] { unlink("\(directory)/\(name).zst") }
    rmdir(directory)
    return files
  }

  // MARK: Samples

  private static func write(_ path: String, _ syscalls: UInt64) throws(TraceError) {
    let writer = try TraceWriter(path: path, header: sampleHeader)
    var loop = SyscallLoop()
    while syscalls == 0 || loop.syscalls < syscalls {
      try loop.turn(writer)
      // What a killed recorder must not lose is what it had said before.
      if syscalls == 0 && loop.syscalls % 64 == 0 {
        print(writer.lastEvent)
        fflush(nil)
      }
    }
    try writer.close(TraceEnd())
  }

  private static func embed(_ path: String, _ files: [String]) throws(TraceError) {
    let writer = try TraceWriter(path: path, header: sampleHeader)
    for (index, name) in files.enumerated() {
      guard let bytes = readFile(name) else { fail("cannot read \(name)\n") }
      let id = MemoryObjectID(rawValue: UInt32(index + 1))
      try writer.createObject(id, content: bytes)
      try writer.fileEmbedded(path: name, object: id, size: UInt64(bytes.count))
    }
    try writer.close(TraceEnd())
    print("\(readFile(path)!.count) bytes")
  }

  private static func alter(_ path: String, _ from: String, _ to: String) throws(TraceError) {
    guard let from = bytes(hexadecimal: from), let to = bytes(hexadecimal: to), from.count == to.count else {
      fail(usage)
    }
    guard let trace = readFile(path) else { fail("cannot read \(path)\n") }
    guard let result = try altered(trace, from, to) else { fail("these bytes are not in \(path)\n") }
    guard let file = fopen(path, "w") else { fail("cannot write \(path)\n") }
    let written = fwrite(result, 1, result.count, file)
    if fclose(file) != 0 || written != result.count { fail("cannot write \(path)\n") }
  }

  private static func bench(_ path: String) throws(TraceError) {
    let writer = try TraceWriter(path: path, header: sampleHeader)
    var loop = SyscallLoop()
    let start = nanoseconds()
    while loop.syscalls < 1_000_000 { try loop.turn(writer) }
    let appended = nanoseconds()
    try writer.close(TraceEnd())
    let closed = nanoseconds()
    let reader = try TraceReader(path: path)
    while try reader.next() != nil {}
    let read = nanoseconds()
    print("append: \(Double(appended - start) / 1e6) ns a syscall; close: \(Double(closed - appended) / 1e6) ms")
    print("read: \(Double(read - closed) / 1e6) ns a syscall")
    print("size: \(Double(readFile(path)!.count) / 1e6) bytes a syscall")
  }
}
