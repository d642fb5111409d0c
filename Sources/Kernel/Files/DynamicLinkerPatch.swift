// One thing in the C library's dynamic linker is not deterministic: _dl_runtime_resolve_xsavec stores the processor's
// in-use bits on the guest's stack, and those depend on when the host happened to switch tasks. The direct engine cannot
// hide XSAVE (CPUID is not trapped), so the two instructions become FXSAVE and FXRSTOR, as on a processor without XSAVE:
// the linker itself touches no more than what these keep. sysdeps/x86_64/dl-trampoline.h of glibc. Where CPUID is trapped
// the linker does so by itself: no processor model shows leaf 0xD.

enum DynamicLinkerPatch {
  /// xsavec disp8(%rsp) or xsave disp8(%rsp), without the displacement.
  private static let saves: [[UInt8]] = [[0x0f, 0xc7, 0x64, 0x24], [0x0f, 0xae, 0x64, 0x24]]
  private static let restore: [UInt8] = [0x0f, 0xae, 0x6c, 0x24]
  /// How far behind the save the restore may be: a call and a few moves lie between.
  private static let distanceMax = 64

  /// Whether a file is a dynamic linker, by its name: ld-linux-x86-64.so.2, ld-2.31.so.
  static func isLinker(_ path: [UInt8]) -> Bool {
    let start = path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
    return path[start...].starts(with: "ld-".utf8)
  }

  /// The file's bytes as mappings shall have them.
  static func apply(_ bytes: [UInt8]) -> [UInt8] {
    var result = bytes
    var index = 0
    while index + 5 + distanceMax <= bytes.count {
      // All start with 0x0f; the loop is over a megabyte at most, once in a run.
      guard bytes[index] == 0x0f, saves.contains(where: { bytes[index..<index + 4].elementsEqual($0) }),
        let other = (index + 5..<index + distanceMax).first(where: {
          bytes[$0..<$0 + 4].elementsEqual(restore) && bytes[$0 + 4] == bytes[index + 4]
        })
      else {
        index += 1
        continue
      }
      // fxsave disp8(%rsp), fxrstor disp8(%rsp).
      result.replaceSubrange(index..<index + 4, with: [0x0f, 0xae, 0x44, 0x24])
      result.replaceSubrange(other..<other + 4, with: [0x0f, 0xae, 0x4c, 0x24])
      index = other + 5
    }
    return result
  }
}
