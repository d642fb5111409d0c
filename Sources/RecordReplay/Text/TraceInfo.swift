// `info`: what a trace says about itself.

import CLinux
import Trace

public struct TraceInfo: Encodable, Sendable {
  public struct File: Encodable, Sendable {
    public var path: String
    public var size: UInt64
  }
  public var path: String
  public var bytes: Int64
  public var formatVersion: UInt32
  public var toolVersion: String
  public var engine: String
  /// nil for an engine without ticks.
  public var tickDefinition: UInt32?
  public var processor: String
  public var seed: UInt64
  public var epochNanoseconds: UInt64
  public var scheduler: String
  public var cpus: UInt32
  public var arguments: [String]
  public var workingDirectory: String
  public var environment: [String]
  public var withheld: [String]
  public var options: [String]
  public var isWhole: Bool
  public var events: UInt64
  public var outcome: String
  public var filesEmbedded: UInt64?
  public var bytesEmbedded: UInt64?
  public var filesChanged: UInt64?
  public var virtualNanoseconds: UInt64?
  public var files: [File]?

  public init(path: String, listsFiles: Bool) throws(SessionError) {
    let reader = try ReplaySession.opened(path)
    let header = reader.header
    self.path = path
    var status = rsb_host_status()
    bytes = rsb_host_status_follow(path, &status) == 0 ? status.size : 0
    formatVersion = header.formatVersion
    toolVersion = header.toolVersion
    engine = header.engine
    tickDefinition = header.tickDefinition == 0 ? nil : header.tickDefinition
    processor = header.cpuFingerprint
    seed = header.seed
    epochNanoseconds = header.epochNanoseconds
    scheduler = header.scheduler
    cpus = header.guestCPUCount
    arguments = header.arguments
    workingDirectory = header.workingDirectory
    environment = header.environmentNames
    withheld = header.withheldNames
    options = header.options
    var end = listsFiles ? nil : reader.findEnd()
    events = end?.eventCount ?? 0
    if end == nil {
      // Cut, or its files are wanted: read it all.
      var list: [File] = []
      do throws(TraceError) {
        while let record = try reader.next() {
          if case .fileEmbedded(let path, _, let size) = record { list.append(File(path: path, size: size)) }
        }
      } catch { throw SessionError(error.description) }
      end = reader.end
      events = reader.lastEvent.rawValue
      if listsFiles { files = list.sorted { $0.path < $1.path } }
    }
    isWhole = end != nil
    outcome = end.map { $0.verdict.isEmpty ? TrapText.ending($0.status) : $0.verdict } ?? "cut: its recorder was killed"
    filesEmbedded = end?.filesEmbedded
    bytesEmbedded = end?.bytesEmbedded
    filesChanged = end?.filesChanged
    virtualNanoseconds = end?.virtualNanoseconds
  }

  public var text: String {
    var lines = [
      "trace:       \(path), \(bytes) bytes, format \(formatVersion), written by replaysb \(toolVersion)",
      "program:     \(arguments.joined(separator: " "))",
      "directory:   \(workingDirectory)",
      "outcome:     \(outcome), \(events) events",
      "seed:        \(seed), epoch \(epochNanoseconds), scheduler \(scheduler), \(cpus) cpus",
      "engine:      \(engine)\(tickDefinition.map { ", ticks by definition \($0)" } ?? "")",
      "processor:   \(processor.isEmpty ? "any" : processor)",
      "environment: \(environment.joined(separator: " "))",
    ]
    if !withheld.isEmpty { lines.append("withheld:    \(withheld.joined(separator: " "))") }
    if !options.isEmpty { lines.append("options:     \(options.joined(separator: " "))") }
    if let filesEmbedded, let bytesEmbedded {
      lines.append("embedded:    \(filesEmbedded) files, \(bytesEmbedded) bytes")
    }
    if let filesChanged { lines.append("changed:     \(filesChanged) files") }
    if let files { lines += files.map { "  \($0.path) (\($0.size) bytes)" } }
    return lines.joined(separator: "\n")
  }
}
