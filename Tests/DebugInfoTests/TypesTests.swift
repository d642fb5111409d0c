// Members, elements and kinds of values, by the types of programs that gcc and g++ build here.

import Foundation
import Testing

@testable import DebugInfo

@Suite(.serialized) struct TypesTests {
  private static let source = """
    #include <pthread.h>
    #include <semaphore.h>
    #include <stdbool.h>
    enum state { EMPTY, FULL, BROKEN = -3 };
    struct item { enum state state; char name[6]; struct { short low, high; }; bool is_ready; unsigned flag : 3; };
    struct queue { int alive; pthread_mutex_t lock; struct item items[4]; long matrix[2][3]; double rate; struct item *first; sem_t left; };
    struct queue queues[2];
    union { int whole; unsigned char parts[4]; } both;
    const volatile unsigned limit = 7;
    int main(void) {
      static _Thread_local int of_thread;
      static unsigned long calls;
      calls++;
      return of_thread + both.whole + (int)limit + (int)queues[1].items[3].state;
    }

    """
  private static let builds: [[String]] = [["-O0"], ["-O2", "-static"], ["-O1", "-gdwarf-4"], ["-O2", "-gz"]]

  @Test(arguments: builds) func members(flags: [String]) throws {
    let program = try Program(flags, source: Self.source)
    let bias: UInt64 = flags.contains("-static") ? 0 : 0x5555_0000_0000
    let images = try program.images(bias: bias)
    let queues = try #require(program.symbols["queues"]).address + bias
    let size = try #require(program.symbols["queues"]).size / 2
    // As gcc lays it out on x86-64.
    let item: UInt64 = 16
    let items: UInt64 = 48
    let matrix = items + 4 * item
    func at(_ offset: UInt64, _ count: Int) -> MemberPlace? { images.member(at: queues + size + offset, size: count) }
    #expect(at(0, 4) == MemberPlace(path: "[1].alive", kind: .signed, size: 4, offset: 0))
    #expect(at(items + 2 * item, 4) == MemberPlace(path: "[1].items[2].state", kind: .enumeration, size: 4, offset: 0))
    #expect(at(items + 4 + 5, 1) == MemberPlace(path: "[1].items[0].name[5]", kind: .character, size: 1, offset: 0))
    #expect(at(items + 12, 2) == MemberPlace(path: "[1].items[0].high", kind: .signed, size: 2, offset: 0))
    #expect(at(items + item + 14, 1) == MemberPlace(path: "[1].items[1].is_ready", kind: .bool, size: 1, offset: 0))
    #expect(at(matrix + 8 * 5, 8) == MemberPlace(path: "[1].matrix[1][2]", kind: .signed, size: 8, offset: 0))
    #expect(at(matrix + 48, 8) == MemberPlace(path: "[1].rate", kind: .float, size: 8, offset: 0))
    #expect(at(matrix + 56, 8) == MemberPlace(path: "[1].first", kind: .pointer, size: 8, offset: 0))
    // The inside of locks is nobody's business.
    #expect(at(8 + 8, 4) == MemberPlace(path: "[1].lock", kind: .opaque, size: 40, offset: 8))
    #expect(at(matrix + 64, 4) == MemberPlace(path: "[1].left", kind: .opaque, size: 32, offset: 0))
    // More than one member: as far as they are one.
    #expect(at(items, 16)?.path == "[1].items[0]" && at(items, 16)?.kind == .unknown)
    #expect(at(matrix, 16)?.path == "[1].matrix")
    // A part of a number.
    #expect(at(1, 2) == MemberPlace(path: "[1].alive", kind: .signed, size: 4, offset: 1))
    // Padding, and what lies outside.
    #expect(at(4, 4)?.path == "[1]")
    #expect(images.member(at: queues + 2 * size - 4, size: 8) == nil)
    #expect(images.member(at: 0x10, size: 4) == nil)
    #expect(images.enumerator(at: queues + items, size: 4, value: 1) == "FULL")
    #expect(images.enumerator(at: queues + items, size: 4, value: -3) == "BROKEN")
    #expect(images.enumerator(at: queues + items, size: 4, value: 2) == nil)
    #expect(images.enumerator(at: queues, size: 4, value: 1) == nil)
    let both = try #require(program.symbols["both"]).address + bias
    #expect(images.member(at: both, size: 4)?.path == ".whole")
    let limit = try #require(program.symbols["limit"]).address + bias
    #expect(images.member(at: limit, size: 4) == MemberPlace(path: "", kind: .unsigned, size: 4, offset: 0))
    if let calls = program.symbols.first(where: { $0.key.hasPrefix("calls") })?.value {
      #expect(images.member(at: calls.address + bias, size: 8)?.kind == .unsigned)
    }
  }

  /// Without debug information there are no members; with nonsense in it no crash.
  @Test func missingAndBroken() throws {
    let stripped = try Program(["-O0"], source: Self.source, change: Program.strip)
    #expect(try stripped.images().member(at: try #require(stripped.symbols["queues"]).address, size: 4) == nil)
    let program = try Program(["-O0"], source: Self.source)
    let queues = try #require(program.symbols["queues"])
    var state: UInt64 = 1
    for _ in 0..<60 {
      var bytes = program.bytes
      for _ in 0..<400 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        // Behind the code and data: symbols and debug information.
        let place = bytes.count / 2 + Int((state >> 33) % UInt64(bytes.count / 2 - 4096))
        bytes[place] = UInt8(truncatingIfNeeded: state >> 25)
      }
      guard let file = ElfFile(bytes), let images = DebugImages(), images.add(file, name: "/nowhere/known", bias: 0) else { continue }
      for offset in stride(from: 0, to: queues.size, by: 4) { _ = images.member(at: queues.address + offset, size: 4) }
      _ = images.places(at: try #require(program.symbols["main"]).address)
    }
  }

  /// Two statements that begin with one instruction, as optimised code has them; a function's own line is none.
  @Test func linesThatShareAnInstruction() throws {
    let source = """
      extern volatile int sink;
      volatile int sink;
      int pushed, top;
      __attribute__((noinline)) void consumer(void) {
        int available = pushed; // the load is a part of the next line's statement, too
        if (available && --top < 0) sink = 1;
      }
      int main(void) {
        consumer();
        return 0;
      }

      """
    let program = try Program(["-O2"], source: source)
    let images = try program.images()
    let consumer = try #require(program.symbols["consumer"])
    let places = (0..<consumer.size).compactMap { images.places(at: consumer.address + $0).first }
    #expect(places.contains { Set([$0.line, $0.alsoLine]) == [5, 6] }, "\(places)")
    #expect(!places.contains { $0.alsoLine == 4 })
    let plain = try Program(["-O0"], source: source)
    let symbol = try #require(plain.symbols["consumer"])
    let plainImages = try plain.images()
    #expect((0..<symbol.size).allSatisfy { plainImages.places(at: symbol.address + $0).first?.alsoLine == nil })
  }
}
