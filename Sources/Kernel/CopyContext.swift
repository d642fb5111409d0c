// Deep copies of the whole kernel. A hunt starts its executions from such a copy, and save/restore writes one, so
// every class of kernel state is `DeepCopyable`, and a test walks both graphs to see that they share nothing.
//
// A copy is made in two steps, because the graph has cycles: first a new instance with the same fields, then every
// field that refers to another kernel object is replaced by that object's copy.

import Platform

/// A class whose instances are kernel state.
public protocol DeepCopyable: AnyObject {
  /// A new instance with the same field values; references still point at the originals.
  func shallowCopy() -> Self
  /// Replaces every reference to kernel state by its copy. Called once, on the new instance.
  func copyReferences(_ context: CopyContext)
}

/// Remembers which object was copied to which, during one deep copy.
public final class CopyContext {
  private var copies: [ObjectIdentifier: AnyObject] = [:]
  private var keepAlive: [AnyObject] = []
  /// The machine of the copy: the same identifiers name its own address spaces, contexts and objects.
  public let machine: any Machine

  public init(machine: any Machine) { self.machine = machine }

  public func copy<T: DeepCopyable>(_ original: T) -> T {
    if let known = copies[ObjectIdentifier(original)] { return unsafeDowncast(known, to: T.self) }
    let new = original.shallowCopy()
    copies[ObjectIdentifier(original)] = new
    keepAlive.append(original)
    new.copyReferences(self)
    return new
  }

  @_disfavoredOverload
  public func copy<T: DeepCopyable>(_ original: T?) -> T? {
    guard let original else { return nil }
    return copy(original)
  }

  public func copy<T: DeepCopyable>(_ originals: [T]) -> [T] { originals.map { copy($0) } }

  /// For a protocol existential: the same, with the dynamic type.
  public func copyAny<T>(_ original: T) -> T {
    guard let object = original as? any DeepCopyable else { return original }
    return copyOpened(object) as! T
  }

  private func copyOpened<O: DeepCopyable>(_ object: O) -> any DeepCopyable { copy(object) }
}
