// Walks everything that a kernel holds, to compare a deep copy with its original: the same values in the same shape,
// and not one object in common.

import LinuxABI
import Platform
import Testing

@testable import Kernel

/// An object that may be gone.
struct WeakObject {
  weak var object: AnyObject?
  let path: String
}

/// The objects reachable from a kernel and a text of all their values, objects named by order of first visit.
struct ObjectGraph {
  private(set) var text: [String] = []
  private(set) var objects: [ObjectIdentifier: String] = [:]
  private(set) var weakObjects: [WeakObject] = []
  private var numbers: [ObjectIdentifier: Int] = [:]
  private var waiting: [(path: String, object: AnyObject)] = []

  /// Fields of Kernel that are doors or immutable, and therefore may be shared.
  private static let doors: Set<String> = ["machine", "host", "decisions", "observer", "configuration", "syscalls"]

  init(of kernel: Kernel) {
    numbers[ObjectIdentifier(kernel)] = 0
    for child in Mirror(reflecting: kernel).children where !Self.doors.contains(child.label ?? "") {
      visit(child.value, path: "kernel." + (child.label ?? "?"))
    }
    while let (path, object) = waiting.popLast() {
      var mirror: Mirror? = Mirror(reflecting: object)
      while let level = mirror {
        for child in level.children where child.label != "machine" {
          visit(child.value, path: path + "." + (child.label ?? "?"))
        }
        mirror = level.superclassMirror
      }
    }
  }

  private mutating func visit(_ value: Any, path: String) {
    let mirror = Mirror(reflecting: value)
    if mirror.displayStyle == .class {
      let object = value as AnyObject
      let id = ObjectIdentifier(object)
      if let number = numbers[id] {
        text.append("\(path) -> #\(number)")
        return
      }
      let number = numbers.count
      numbers[id] = number
      weakObjects.append(WeakObject(object: object, path: "\(path): \(type(of: object))"))
      objects[id] = "\(path): \(type(of: object))"
      text.append("\(path) = #\(number) \(type(of: object))")
      waiting.append((path, object))
      return
    }
    if mirror.displayStyle == .dictionary {
      // Order is not part of a dictionary's value.
      let entries = mirror.children.map { child -> (String, Any) in
        let pair = Array(Mirror(reflecting: child.value).children)
        return ("\(pair[0].value)", pair[1].value)
      }
      for (key, value) in entries.sorted(by: { $0.0 < $1.0 }) { visit(value, path: "\(path)[\(key)]") }
      return
    }
    if mirror.displayStyle == .set {
      text.append("\(path) = {\(mirror.children.map { "\($0.value)" }.sorted().joined(separator: ","))}")
      return
    }
    if mirror.children.isEmpty {
      text.append("\(path) = \(value)")
      return
    }
    for (index, child) in mirror.children.enumerated() {
      visit(child.value, path: "\(path).\(child.label ?? String(index))")
    }
  }
}

/// Copies the kernel and compares: equal in every value, and not one object in common.
func expectIndependentCopy(of fixture: KernelFixture) {
  let copy = fixture.kernel.deepCopy(
    machine: FakeMachine(), host: fixture.host, decisions: fixture.kernel.decisions, observer: SilentObserver())
  let (left, right) = (ObjectGraph(of: fixture.kernel), ObjectGraph(of: copy))
  #expect(left.text.count == right.text.count)
  for (a, b) in zip(left.text, right.text) where a != b {
    Issue.record("\(a)  became  \(b)")
    break
  }
  let shared = left.objects.keys.filter { right.objects[$0] != nil }.map { left.objects[$0]! }.sorted()
  #expect(Array(shared.prefix(3)) == [], "\(shared.count) objects in common")
}

@Suite struct ObjectGraphTests {
  @Test func anEpollOnAStandardStreamIsCopiedWithIt() {
    let host = FakeHostView()
    host.streamKinds[0] = .pipe
    let f = KernelFixture(host: host)
    let epoll = f.call(SyscallNumber.epoll_create1, 0)!
    var event: [UInt8] = []
    event.appendInteger(UInt32(1))
    event.appendInteger(UInt64(7))
    #expect(f.call(SyscallNumber.epoll_ctl, UInt64(epoll), 1, 0, f.put(event)) == 0)
    expectIndependentCopy(of: f)
  }
}
