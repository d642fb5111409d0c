// The dynamic linker's lazy binding must not store the processor's in-use bits.
import Testing

@testable import Kernel

@Suite struct DynamicLinkerPatchTests {
  private let padding = [UInt8](repeating: 0x90, count: 100)

  @Test func theSaveAndItsRestoreAreReplaced() {
    let save: [UInt8] = [0x0f, 0xc7, 0x64, 0x24, 0x40], restore: [UInt8] = [0x0f, 0xae, 0x6c, 0x24, 0x40]
    let between: [UInt8] = [0xe8, 1, 2, 3, 4, 0x49, 0x89, 0xc3]
    let patched = DynamicLinkerPatch.apply(padding + save + between + restore + padding)
    #expect(patched == padding + [0x0f, 0xae, 0x44, 0x24, 0x40] + between + [0x0f, 0xae, 0x4c, 0x24, 0x40] + padding)
  }

  @Test func aSaveWithoutItsRestoreStays() {
    let other = padding + [0x0f, 0xc7, 0x64, 0x24, 0x40, 0x0f, 0xae, 0x6c, 0x24, 0x48] + padding
    #expect(DynamicLinkerPatch.apply(other) == other)
    #expect(DynamicLinkerPatch.apply([]) == [])
  }

  @Test func linkersAreKnownByName() {
    #expect(DynamicLinkerPatch.isLinker(Array("/usr/lib64/ld-linux-x86-64.so.2".utf8)))
    #expect(!DynamicLinkerPatch.isLinker(Array("/usr/lib/libc.so.6".utf8)))
    #expect(!DynamicLinkerPatch.isLinker(Array("/ld-folder/prog".utf8)))
  }
}
