// A kernel that holds, is copied and goes on does exactly what one does that never held: the recordings are equal, byte for byte.

import CLinux
import Glibc
import Kernel
import PtracePlatform
import Testing

@testable import RecordReplay

extension ExploreTests {
  @Suite(.serialized) struct HeldRecordingTests {
    @Test(.timeLimit(.minutes(2)), arguments: ExecutionTests.branching.map(\.name))
    func holdingChangesNoRecording(_ name: String) throws {
      var options = try options(ExecutionTests.branching.first { $0.name == name }!)
      options.seed = 11
      // Not among what the guest looks at.
      let folder = try Folder.path + "-traces"
      mkdir(folder, 0o700)
      var traces: [[UInt8]] = []
      for copies in [false, true] {
        options.copiesKernelAtClones = copies
        let path = "\(folder)/\(name)-\(copies).zst"
        var failure: SessionError?
        onTracerThread {
          do throws(SessionError) {
            let input = CapturedInput(bytes: [], kind: .null)
            _ = try RecordSession.record(options, to: path, input: .captured(input), outputs: .keep(KeptOutput()))
          } catch { failure = error }
        }
        if let failure { throw failure }
        let file = try #require(fopen(path, "r"))
        defer {
          fclose(file)
          unlink(path)
        }
        var bytes = [UInt8](repeating: 0, count: 64 << 20)
        bytes.removeLast(bytes.count - fread(&bytes, 1, bytes.count, file))
        traces.append(bytes)
      }
      rmdir(folder)
      #expect(!traces[0].isEmpty && traces[0] == traces[1])
    }
  }
}
