// Where searches are kept that can go on: files by key in a folder beside the kept translations.

import FoundationEssentials
import KeptFiles
import Kernel
import LinuxABI
import RecordReplay

/// The searches that a user has begun and not brought to an end.
public struct SearchFolder: Sendable {
  private let files: KeptFiles

  /// In the folder that translations are kept in; nil when nothing is kept, or cannot be.
  public init?() {
    guard let path = KeptFolder.path else { return nil }
    self.init(in: path)
  }

  /// In a folder of this folder.
  init?(in path: String) {
    guard KeptFiles(directory: path, suffix: Self.suffix, bytesMax: Self.bytesMax) != nil,
      let files = KeptFiles(
        directory: path + "/searches", suffix: Self.suffix, bytesMax: Self.bytesMax, filesMax: Self.filesMax)
    else { return nil }
    self.files = files
  }

  private static let suffix = ".search"
  /// The searches that were saved longest ago go.
  private static let bytesMax: Int64 = 64 << 20
  private static let filesMax = 100

  /// nil when there is none. Throws, in words, when there is one that cannot be used.
  public func load(_ key: KeptFiles.Key) throws(SessionError) -> SavedSearch? {
    guard let json = files.read(key, { [UInt8]($0) }) else {
      if files.has(key) { throw SessionError("the saved search is broken") }
      return nil
    }
    return try SavedSearch(json: json)
  }

  /// False when it could not be kept.
  @discardableResult
  public func save(_ key: KeptFiles.Key, _ search: SavedSearch) -> Bool {
    let json = search.json
    return json.withUnsafeBytes { files.save(key, $0) }
  }

  public func remove(_ key: KeptFiles.Key) { files.remove(key) }
  public func trim() { files.trim() }
}

/// What makes a search: two with the same key are the same, but for how many schedules they try, and how many at a time.
public enum SearchKey {
  /// `epoch`: the guest's time if the user chose it; otherwise it is that of the search that is gone on with. Libraries and
  /// other files that the program reads are not in it: what they change shows in the first execution, or not at all.
  public static func key(
    _ options: RunOptions, _ search: HuntOptions, input: CapturedInput?, epoch: Int64?
  ) -> KeptFiles.Key {
    var facts = Facts()
    facts.add("\(SavedSearch.currentVersion) \(Tool.version) \(search.strategy) \(search.preemptionsMax) \(search.seed)")
    let predicate = search.predicate
    facts.add("\(String(describing: predicate.exitStatus)) \(predicate.expectsSameOutput) \(predicate.expectsSameErrors)")
    facts.add(predicate.outputPatterns.map { Array($0.text.utf8) })
    facts.add("\(search.countsFailures) \(String(describing: epoch))")
    facts.add("\(options.engine) \(options.seed) \(options.policy) \(options.cpuCount) \(options.processor)")
    facts.add("\(String(describing: options.timeoutSeconds)) \(options.deadlockPolicy) \(options.waitsForAll)")
    facts.add(options.arguments)
    facts.add(options.environment)
    facts.add([options.workingDirectory, options.program])
    facts.add(options.hidden.trees)
    facts.add("\(String(describing: input?.kind))")
    facts.add([input?.bytes ?? []])
    facts.addFile(options.program)
    return facts.key
  }

  private struct Facts {
    private(set) var key = KeptFiles.Key([])

    mutating func add(_ text: String) { add([Array(text.utf8)]) }

    mutating func add(_ values: [[UInt8]]) {
      var words = [key.low, key.high, UInt64(values.count)]
      for value in values {
        words.append(UInt64(value.count))
        for start in stride(from: 0, to: value.count, by: 8) {
          words.append(value[start..<min(start + 8, value.count)].reduce(0) { $0 << 8 | UInt64($1) })
        }
      }
      key = KeptFiles.Key(words)
    }

    mutating func addFile(_ path: [UInt8]) {
      let host = PosixHostView(hidden: HiddenPaths())
      var offset: Int64 = 0
      while let piece = try? host.content(path, offset: offset, count: 1 << 20), !piece.isEmpty {
        add([piece])
        offset += Int64(piece.count)
      }
    }
  }
}
