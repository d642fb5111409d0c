// Process groups and sessions: setpgid(2), setsid(2), credentials(7).

/// A session: the process groups that share a controlling terminal.
public final class Session: DeepCopyable {
  let id: TaskID
  init(id: TaskID) { self.id = id }
  public func shallowCopy() -> Session { Session(id: id) }
  public func copyReferences(_ context: CopyContext) {}
}

/// A process group: whom a terminal's or kill(2)'s group signal reaches. Members are found through `TaskSet`.
public final class ProcessGroup: DeepCopyable {
  let id: TaskID
  var session: Session
  init(id: TaskID, session: Session) {
    self.id = id
    self.session = session
  }
  public func shallowCopy() -> ProcessGroup { ProcessGroup(id: id, session: session) }
  public func copyReferences(_ context: CopyContext) { session = context.copy(session) }
}
