// The golden traces of Recordings/ replay here, whatever this version records: traces outlive changes of the kernel.
import CLinux
import FoundationEssentials
import PtracePlatform
import Testing

@testable import RecordReplay
@testable import Trace

private struct GoldenTrace: Decodable {
  var trace: String
  var status: Int32
  var stdout: String
}

@Suite(.serialized) struct GoldenTests {
  private static let folder = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 } + "/Recordings"

  private func contents(_ path: String) throws -> [UInt8] {
    let file = Int32(rsb_host_open(path, 0, 0))
    defer { _ = rsb_host_close(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = rsb_host_read(file, &bytes, bytes.count)
    return Array(bytes.prefix(max(0, count)))
  }

  @Test func allReplay() throws {
    let manifest = try contents(Self.folder + "/manifest.json")
    let traces = try JSONDecoder().decode([GoldenTrace].self, from: Data(manifest))
    #expect(!traces.isEmpty)
    for golden in traces {
      let kept = KeptOutput()
      let outcome: Result<ReplayResult, SessionError> = onTracerThread {
        do throws(SessionError) {
          return .success(
            try ReplaySession.replay(ReplayOptions(path: Self.folder + "/" + golden.trace), outputs: .keep(kept)))
        } catch { return .failure(error) }
      }
      let result = try outcome.get()
      #expect(result.divergence == nil, "\(golden.trace): \(result.divergence?.description ?? "")")
      #expect(result.status.map { RunEnd.exited(status: $0).toolStatus } == golden.status, "\(golden.trace)")
      #expect(String(decoding: kept.standardOutput, as: UTF8.self) == golden.stdout, "\(golden.trace)")
    }
  }

  /// Every prefix of a golden trace is refused with a reason or replays as far as it goes.
  @Test func everyPrefixReplaysOrIsRefused() throws {
    let bytes = try contents(Self.folder + "/threads.zst")
    #expect(bytes.count > 1000)
    let path = "/tmp/replaysb-test-\(rsb_host_process())-prefix.zst"
    defer { _ = rsb_host_unlink(path) }
    for length in stride(from: 0, through: bytes.count, by: 131) + [bytes.count - 1] {
      let file = Int32(rsb_host_open(path, 0o1101, 0o600))
      _ = rsb_host_write(file, bytes, length)
      _ = rsb_host_close(file)
      let outcome: Result<ReplayResult, SessionError> = onTracerThread {
        do throws(SessionError) {
          return .success(try ReplaySession.replay(ReplayOptions(path: path), outputs: .keep(KeptOutput())))
        } catch { return .failure(error) }
      }
      if case .success(let result) = outcome {
        #expect(result.divergence == nil)
        #expect(result.isTruncated || length >= bytes.count - 100)
      }
    }
  }
}
