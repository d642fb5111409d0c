// Who is who in a replay: names for contexts, from the trace's annotations.

import Platform

/// One guest task as the trace tells it.
struct ReplayedTask {
  var task: Int32
  var process: Int32
  var parent: Int32
  var name: String
  var context: ContextID
  var executable = ""
  var arguments: [String] = []
  var hasEnded = false
}

/// All tasks of a trace so far, in order of creation.
struct ReplayedTasks {
  private(set) var tasks: [ReplayedTask] = []

  func task(of context: ContextID) -> ReplayedTask? {
    tasks.last { $0.context == context }
  }

  /// Living tasks of a process, in order of creation.
  func living(in process: Int32) -> [ReplayedTask] {
    tasks.filter { $0.process == process && !$0.hasEnded }
  }

  mutating func take(_ annotation: Annotation) {
    switch annotation {
    case .taskStarted(let task, let context, let process, let parent, let name):
      var new = ReplayedTask(task: task, process: process, parent: parent, name: name, context: context)
      // A thread runs the program of its process, a child that of its parent until it executes another.
      if let origin = tasks.last(where: { $0.process == (process == task ? parent : process) }) {
        new.executable = origin.executable
        new.arguments = origin.arguments
      }
      tasks.append(new)
    case .executed(let task, let path, let arguments):
      guard let index = tasks.lastIndex(where: { $0.task == task && !$0.hasEnded }) else { return }
      let name = path.split(separator: "/").last.map(String.init) ?? path
      tasks[index].name = String(name.prefix(15))
      tasks[index].executable = path
      tasks[index].arguments = arguments
    case .taskExited(let task, _):
      if let index = tasks.lastIndex(where: { $0.task == task && !$0.hasEnded }) { tasks[index].hasEnded = true }
    default: break
    }
  }
}
