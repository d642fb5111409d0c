// A search that is interrupted and goes on comes to the very same end as one that is not; and what is saved is what is read.

import CLinux
import Glibc
import KeptFiles
import Kernel
import Platform
import PtracePlatform
import Testing
import Trace

@testable import Explore
@testable import RecordReplay

extension Guest {
  /// Fails with one pair of sums of many only: some hundred schedules to try.
  fileprivate static let rareSum = Guest(
    "rare-sum",
    """
    static volatile int counter, other;
    static void *work(void *unused) {
      for (int i = 0; i < 3; i++) {
        int before = counter;
        other = other + before;
        counter = before + 1;
      }
      return unused;
    }
    int main(void) {
      pthread_t a, b;
      pthread_create(&a, NULL, work, NULL);
      pthread_create(&b, NULL, work, NULL);
      pthread_join(a, NULL);
      pthread_join(b, NULL);
      return counter == 3 && other == 5 ? 1 : 0;
    }
    """)

  fileprivate static let shortCounter = Guest(
    "short-counter",
    """
    static volatile int counter;
    static void *work(void *unused) {
      for (int i = 0; i < 3; i++) counter = counter + 1;
      return unused;
    }
    int main(void) {
      pthread_t a, b;
      pthread_create(&a, NULL, work, NULL);
      pthread_create(&b, NULL, work, NULL);
      pthread_join(a, NULL);
      pthread_join(b, NULL);
      return counter == 6 ? 0 : 1;
    }
    """)
}

/// What a search came to, and what it leaves when it ends.
private struct Ending {
  var result = HuntResult()
  var saved: SavedSearch?
  /// What a later search was told when it was to go on from something.
  var resumed: [UInt64?] = []
}

/// A search that is interrupted when the executor was asked so often (nil: never), and goes on from what was saved.
private func search(
  _ guest: Guest, from saved: SavedSearch? = nil, stopsAfter asked: Int? = nil, _ change: (inout HuntOptions) -> Void
) throws -> Ending {
  let runOptions = try options(guest)
  var search = HuntOptions()
  change(&search)
  nonisolated(unsafe) var ending = Ending()
  nonisolated(unsafe) var failure: SessionError?
  nonisolated(unsafe) var left = asked
  onTracerThread {
    var watcher = HuntWatcher()
    watcher.isInterrupted = {
      guard let count = left else { return false }
      left = max(0, count - 1)
      return count <= 0
    }
    watcher.resumed = { ending.resumed.append($0) }
    watcher.ended = { ending.saved = $0.saved(epochNanoseconds: runOptions.epochNanoseconds) }
    do throws(SessionError) {
      ending.result = try HuntSession.run(runOptions, search, from: saved, watcher: watcher) { _ in true }
    } catch { failure = error }
  }
  if let failure { throw failure }
  return ending
}

/// What a search says, without how long it took.
private func summary(_ result: HuntResult) -> String {
  let first = result.first.map { "\($0.number) \($0.kind) \($0.schedule) \($0.reorderings) \($0.outcome.fingerprint.value)" }
  return """
    \(result.schedulesTried) tried, \(result.failures) failed, \(result.schedulingPoints) points, \(result.steps) steps
    \(result.distinct) \(result.exhausted ?? "") \(first ?? "")
    """
}

extension ExploreTests {
  @Suite(.serialized) struct ResumeTests {
    /// Interrupted before the groups with these numbers of requests, one search after the other, each from what the last left.
    private func check(
      _ guest: Guest, _ stops: [Int], jobs: Int, whole known: Ending? = nil, _ change: (inout HuntOptions) -> Void
    ) throws {
      let children = countChildren()
      let whole = try known ?? search(guest) { change(&$0) }
      #expect(!whole.result.isInterrupted)
      var saved: SavedSearch?
      for stop in stops {
        let part = try search(guest, from: saved, stopsAfter: stop) {
          change(&$0)
          $0.jobs = jobs
        }
        #expect(part.result.isInterrupted, "\(stop) requests were all")
        let left: SavedSearch = try #require(part.saved, "nothing to go on from after \(stop) requests")
        let read = try SavedSearch(json: left.json)
        #expect(read == left)
        saved = read
      }
      let rest = try search(guest, from: saved) {
        change(&$0)
        $0.jobs = jobs
      }
      #expect(rest.resumed == [saved!.schedulesTried])
      #expect(!rest.result.isInterrupted)
      #expect(summary(rest.result) == summary(whole.result))
      #expect(countChildren() == children)
    }

    @Test(.timeLimit(.minutes(5)), arguments: [1, 2]) func sameFind(_ jobs: Int) throws {
      let whole = try search(.rareSum) { $0.schedulesMax = 3000 }
      let found = try #require(whole.result.first, "rare-sum was not found")
      let groups = Int(found.number / 8)
      try #require(groups > 6, "too easy for this test: \(found.number)")
      // Three requests lie before the first group. The last one stops behind the find, while it is shrunk.
      try check(.rareSum, [4, 3, groups / 2, groups + 20], jobs: jobs, whole: whole) { $0.schedulesMax = 3000 }
    }

    @Test(.timeLimit(.minutes(5)), arguments: [1, 2]) func sameCounts(_ jobs: Int) throws {
      try check(.shortCounter, [6, 4], jobs: jobs) {
        $0.schedulesMax = 92
        $0.countsFailures = true
      }
    }

    @Test(.timeLimit(.minutes(5)), arguments: [1, 2]) func sameEnumeration(_ jobs: Int) throws {
      try check(.shortCounter, [5, 7, 4], jobs: jobs) {
        $0.strategy = .bounded
        $0.preemptionsMax = 1
        $0.countsFailures = true
      }
    }

    /// With a number that is no whole count of groups.
    @Test(.timeLimit(.minutes(5))) func goesOnWithMore() throws {
      let whole = try search(.rareSum) { $0.schedulesMax = 150 }
      let part = try search(.rareSum) { $0.schedulesMax = 51 }
      #expect(!part.result.isInterrupted && part.result.schedulesTried == 51)
      #expect(part.saved?.schedulesTried == 48)
      let rest = try search(.rareSum, from: part.saved) { $0.schedulesMax = 150 }
      #expect(rest.resumed == [48])
      #expect(summary(rest.result) == summary(whole.result))
      // The same number again: the same result.
      let again = try search(.rareSum, from: part.saved) { $0.schedulesMax = 51 }
      #expect(summary(again.result) == summary(part.result))
    }

    @Test(.timeLimit(.minutes(2))) func anotherProgramBeginsAnew() throws {
      let other = try search(.rareSum) { $0.schedulesMax = 16 }
      let saved = try #require(other.saved)
      let whole = try search(.shortCounter) { $0.schedulesMax = 40 }
      let anew = try search(.shortCounter, from: saved) { $0.schedulesMax = 40 }
      #expect(anew.resumed == [nil])
      #expect(summary(anew.result) == summary(whole.result))
    }

    @Test(.timeLimit(.minutes(2))) func interruptedAtOnce() throws {
      for stop in 0..<3 {
        let ending = try search(.shortCounter, stopsAfter: stop) { $0.schedulesMax = 40 }
        #expect(ending.result.isInterrupted)
        #expect(ending.saved == nil)
        #expect(ending.result.first == nil)
      }
    }

    /// What was changed is refused or reads as something else; nothing crashes.
    @Test(.timeLimit(.minutes(2))) func brokenIsRefused() throws {
      let saved = try #require(try search(.shortCounter) { ($0.schedulesMax, $0.countsFailures) = (40, true) }.saved)
      let json = saved.json
      #expect(throws: SessionError.self) { try SavedSearch(json: Array(json.dropLast(3))) }
      #expect(throws: SessionError.self) { try SavedSearch(json: Array("{}".utf8)) }
      var future = saved
      future.version += 1
      #expect(throws: SessionError.self) { try SavedSearch(json: future.json) }
      let corpus = [UInt8](saved.corpus), memory = [UInt8](saved.memory)
      #expect(try Corpus(packed: corpus).packed == corpus)
      #expect(try SharedMemory(packed: memory).packed == memory)
      for index in corpus.indices {
        #expect(throws: BrokenSearch.self) { try Corpus(packed: Array(corpus[..<index])) }
        var changed = corpus
        changed[index] ^= 0x55
        if let read = try? Corpus(packed: changed) { #expect(read != (try Corpus(packed: corpus))) }
      }
      for index in memory.indices.prefix(2000) {
        var changed = memory
        changed[index] ^= 0x55
        _ = try? SharedMemory(packed: changed)
      }
    }

    @Test func numbers() throws {
      var writer = NumberWriter()
      let values: [UInt64] = [0, 1, 127, 128, 1 << 35, .max - 1, .max]
      for value in values { writer.add(value) }
      for value in values { writer.add(GuestAddress(rawValue: value)) }
      for value in values.reversed() { writer.add(GuestAddress(rawValue: value)) }
      writer.add(TaskID(-1))
      var reader = NumberReader(writer.bytes)
      for value in values { #expect(try reader.number() == value) }
      for value in values + values.reversed() { #expect(try reader.address().rawValue == value) }
      #expect(try reader.task() == TaskID(-1))
      #expect(reader.isAtEnd)
      #expect(throws: BrokenSearch.self) { try reader.number() }
    }

    @Test func folder() throws {
      let path = try Folder.path + "-kept"
      let folder = try #require(SearchFolder(in: path))
      let options = try options(.shortCounter)
      var search = HuntOptions()
      let key = SearchKey.key(options, search, input: nil, epoch: nil)
      search.schedulesMax = 7
      search.jobs = 9
      #expect(SearchKey.key(options, search, input: nil, epoch: nil) == key)
      search.seed = 2
      #expect(SearchKey.key(options, search, input: nil, epoch: nil) != key)
      #expect(SearchKey.key(options, HuntOptions(), input: nil, epoch: 0) != key)
      var other = options
      other.environment.append(Array("A=b".utf8))
      #expect(SearchKey.key(other, HuntOptions(), input: nil, epoch: nil) != key)

      #expect(try folder.load(key) == nil)
      let saved = try #require(try ExploreTests.saved())
      #expect(folder.save(key, saved))
      #expect(try folder.load(key) == saved)
      let file = try #require(files(in: path + "/searches").first)
      #expect(truncate(file, 100) == 0)
      #expect(throws: SessionError.self) { try folder.load(key) }
      folder.remove(key)
      #expect(try folder.load(key) == nil)
      // The oldest go.
      for number in 0..<120 {
        var search = HuntOptions()
        search.seed = UInt64(number)
        folder.save(SearchKey.key(options, search, input: nil, epoch: nil), saved)
      }
      folder.trim()
      #expect(files(in: path + "/searches").count == 100)
      for file in files(in: path + "/searches") { unlink(file) }
      rmdir(path + "/searches")
      rmdir(path)
    }

    private func files(in folder: String) -> [String] {
      guard let directory = opendir(folder) else { return [] }
      defer { closedir(directory) }
      var paths: [String] = []
      while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if !name.hasPrefix(".") { paths.append(folder + "/" + name) }
      }
      return paths
    }
  }

  fileprivate static func saved() throws -> SavedSearch? {
    try search(.shortCounter) { ($0.schedulesMax, $0.countsFailures) = (16, true) }.saved
  }
}
