// Every task and process of the run, by id, in order of creation; the PID namespace gives the ids.

import OrderedCollections

/// The tasks of the PID namespace. Ids count up from 1 (init) and are not reused in a run.
struct TaskSet {
  private(set) var tasks: OrderedDictionary<TaskID, Task> = [:]
  private(set) var groups: OrderedDictionary<TaskID, ThreadGroup> = [:]
  private var lastID: Int32 = 0

  /// The next free id.
  mutating func allocateID() -> TaskID {
    lastID += 1
    return TaskID(lastID)
  }

  mutating func add(_ task: Task) { tasks[task.id] = task }
  mutating func remove(_ task: Task) { tasks.removeValue(forKey: task.id) }
  mutating func add(_ group: ThreadGroup) { groups[group.id] = group }
  mutating func remove(_ group: ThreadGroup) { groups.removeValue(forKey: group.id) }

  /// The task with this id, also a zombie.
  subscript(_ id: TaskID) -> Task? { tasks[id] }
  func group(_ id: TaskID) -> ThreadGroup? { groups[id] }
  /// The processes of a process group, in order of creation.
  func members(of processGroup: TaskID) -> [ThreadGroup] {
    groups.values.filter { $0.processGroup.id == processGroup && $0.exitStatus == nil }
  }

  mutating func copyReferences(_ context: CopyContext) {
    for (id, task) in tasks { tasks[id] = context.copy(task) }
    for (id, group) in groups { groups[id] = context.copy(group) }
  }
}
