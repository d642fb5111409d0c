// What is read is what was saved, or nothing.
import Glibc
import Testing

@testable import KeptFiles

@Suite(.serialized) struct KeptFilesTests {
  private final class Folder {
    let path: String
    init() {
      var template = Array("/tmp/kept-files.XXXXXX".utf8CString)
      precondition(mkdtemp(&template) != nil)
      path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    deinit {
      for name in names { unlink(path + "/" + name) }
      rmdir(path)
    }
    var names: [String] {
      guard let stream = opendir(path) else { return [] }
      defer { closedir(stream) }
      var names: [String] = []
      while let entry = readdir(stream) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if !name.hasPrefix(".") { names.append(name) }
      }
      return names.sorted()
    }
    func write(_ name: String, _ bytes: [UInt8], age_s: Int = 0) {
      let file = fopen(path + "/" + name, "w")!
      fwrite(bytes, 1, bytes.count, file)
      fclose(file)
      var times = [timespec(), timespec()]
      clock_gettime(CLOCK_REALTIME, &times[0])
      times[0].tv_sec -= age_s
      times[1] = times[0]
      utimensat(AT_FDCWD, path + "/" + name, times, 0)
    }
    func bytes(_ name: String) -> [UInt8] {
      let file = fopen(path + "/" + name, "r")!
      defer { fclose(file) }
      var buffer = [UInt8](repeating: 0, count: 1 << 20)
      return Array(buffer.prefix(fread(&buffer, 1, buffer.count, file)))
    }
  }

  private func kept(_ folder: Folder, suffix: String = ".x", bytesMax: Int64 = 1 << 20) -> KeptFiles {
    KeptFiles(directory: folder.path, suffix: suffix, bytesMax: bytesMax)!
  }
  private func save(_ files: KeptFiles, _ key: KeptFiles.Key, _ bytes: [UInt8]) {
    #expect(bytes.withUnsafeBytes { files.save(key, $0) })
  }
  private func read(_ files: KeptFiles, _ key: KeptFiles.Key) -> [UInt8]? { files.read(key) { Array($0) } }

  @Test func whatWasSavedIsRead() {
    let folder = Folder()
    let files = kept(folder)
    let keys = (0..<5 as Range<UInt64>).map { KeptFiles.Key([$0, 7]) }
    for (index, key) in keys.enumerated() {
      #expect(read(files, key) == nil)
      save(files, key, Array(repeating: UInt8(index), count: 1 + index * 5000))
    }
    for (index, key) in keys.enumerated() {
      #expect(read(files, key) == Array(repeating: UInt8(index), count: 1 + index * 5000))
    }
    save(files, keys[0], [9, 9])
    #expect(read(kept(folder), keys[0]) == [9, 9])
    #expect(read(kept(folder, suffix: ".y"), keys[0]) == nil)
    #expect(folder.names.count == 5)
    #expect(![].withUnsafeBytes { files.save(keys[0], $0) })
  }

  /// Two make a file under one name: what one says of its own does not count for the other's.
  @Test func filesAreVouchedForByWhatIsOpen() throws {
    let folder = Folder()
    let files = try #require(MappableFiles(directory: folder.path, suffix: ".m", bytesMax: 1 << 20))
    let key = KeptFiles.Key([1])
    func keep(_ content: UInt8, _ words: [UInt64]) -> Int32 {
      let file = files.make(key) { write($0, [content], 1) == 1 }!
      files.keep(key, file, words)
      return file
    }
    func found() -> MappableFiles.Found? {
      let found = files.open(key, size: 1)
      if let found { close(found.descriptor) }
      return found
    }
    let first = keep(1, [11])
    #expect(found()?.isUntouched == true && found()?.words == [11])
    let second = keep(2, [22])
    #expect(found()?.isUntouched == true && found()?.words == [22])
    #expect(files.open(key, size: 2) == nil)
    let whole = try #require(files.open(key))
    #expect(whole.size == 1 && files.lend(whole) { Array($0) } == [2])
    close(whole.descriptor)
    files.vouch(key, first, [11])
    #expect(found()?.isUntouched == false)
    files.vouch(key, second, [22])
    #expect(found()?.isUntouched == true && found()?.words == [22])
    close(first)
    close(second)
  }

  /// Large files are mapped, smaller ones read.
  @Test(arguments: [(256 << 10) - KeptFiles.prefixSize, (256 << 10) - KeptFiles.prefixSize + 1, 700_000]) func largeFiles(size: Int) {
    let folder = Folder()
    let files = kept(folder)
    let key = KeptFiles.Key([3])
    let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    save(files, key, content)
    #expect(read(files, key) == content)
    var whole = folder.bytes(key.name + ".x")
    folder.write(key.name + ".x", whole.dropLast())
    #expect(read(files, key) == nil)
    whole[whole.count - 1] ^= 1
    folder.write(key.name + ".x", whole)
    #expect(read(files, key) == nil)
  }

  @Test func wrongFilesAreIgnored() {
    let folder = Folder()
    let files = kept(folder)
    let key = KeptFiles.Key([1])
    let other = KeptFiles.Key([2])
    let content = (0..<100).map { UInt8($0) }
    save(files, key, content)
    save(files, other, content)
    let whole = folder.bytes(key.name + ".x")
    #expect(whole.count == content.count + KeptFiles.prefixSize)
    for length in 0..<whole.count {
      folder.write(key.name + ".x", Array(whole[..<length]))
      #expect(read(files, key) == nil)
    }
    for bit in 0..<whole.count * 8 {
      var bytes = whole
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      folder.write(key.name + ".x", bytes)
      #expect(read(files, key) == nil, "bit \(bit)")
    }
    for wrong in [whole + [0], folder.bytes(other.name + ".x"), [UInt8](repeating: 0, count: 5000)] {
      folder.write(key.name + ".x", wrong)
      #expect(read(files, key) == nil)
    }
    save(files, key, content)
    #expect(read(files, key) == content)
  }

  @Test func theOldestGoFirst() {
    let folder = Folder()
    let files = kept(folder, bytesMax: 350)
    for number in 0..<6 { folder.write("\(number).x", [UInt8](repeating: 1, count: 100), age_s: 1000 - number) }
    folder.write("a.y", [UInt8](repeating: 1, count: 1000), age_s: 5000)
    folder.write("0.y.1.part", [UInt8](repeating: 1, count: 1000), age_s: 5000)
    folder.write("0.x.1.part", [1], age_s: 5000)
    folder.write("5.x.1.part", [1], age_s: 10)
    files.trim()
    // Another kind's files are another's matter; a temporary file of a killed writer goes after an hour.
    #expect(folder.names == ["0.y.1.part", "3.x", "4.x", "5.x", "5.x.1.part", "a.y"])
    files.trim()
    #expect(folder.names.count == 6)
  }

  @Test func unusableFolders() {
    let folder = Folder()
    folder.write("file", [1])
    for path in ["/proc/none", "/nonexistent/below", folder.path + "/file"] {
      let files = KeptFiles(directory: path, suffix: ".x", bytesMax: 100)
      // Something there may be entered; then saving fails.
      if let files {
        #expect(![UInt8(1)].withUnsafeBytes { files.save(KeptFiles.Key([1]), $0) })
        #expect(read(files, KeptFiles.Key([1])) == nil)
        files.trim()
      }
    }
  }

  /// Two processes, or threads, that save under one key: a reader finds one of the two, whole, or what was there before.
  @Test func writersAtOnce() async {
    let folder = Folder()
    let files = kept(folder)
    let key = KeptFiles.Key([3])
    save(files, key, [UInt8](repeating: 0, count: 50_000))
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        for turn in 1...200 as ClosedRange<UInt8> {
          _ = [UInt8](repeating: turn, count: 50_000).withUnsafeBytes { files.save(key, $0) }
        }
      }
      group.addTask {
        for _ in 0..<400 {
          let found = files.read(key) { Array($0) }
          #expect(found != nil && found!.count == 50_000 && found!.allSatisfy { $0 == found![0] })
        }
      }
    }
  }
}
