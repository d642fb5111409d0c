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
  /// Set while a kernel is taken apart instead of copied.
  private let graveyard: KernelGraveyard?

  public init(machine: any Machine) {
    self.machine = machine
    graveyard = nil
  }

  /// For taking a kernel apart.
  init(burying graveyard: KernelGraveyard) {
    machine = graveyard.machine
    self.graveyard = graveyard
  }

  public func copy<T: DeepCopyable>(_ original: T) -> T {
    if let known = copies[ObjectIdentifier(original)] { return unsafeDowncast(known, to: T.self) }
    if let graveyard { return bury(original, in: graveyard) }
    let new = original.shallowCopy()
    copies[ObjectIdentifier(original)] = new
    keepAlive.append(original)
    new.copyReferences(self)
    return new
  }

  /// Instead of a copy: the object loses its own references, and whoever refers to it gets the stand-in of its class.
  private func bury<T: DeepCopyable>(_ original: T, in graveyard: KernelGraveyard) -> T {
    let standIn = graveyard.standIn(for: original)
    copies[ObjectIdentifier(original)] = standIn
    // Until all are visited, so that no address is met twice.
    keepAlive.append(original)
    original.copyReferences(self)
    return standIn
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
