// Which task of one build is which of another.

import Kernel
import Platform

enum TaskMatching {
  /// The new build's task for each of the old one's: the n-th that began in the same function of the program; where that is not known, or
  /// there are fewer of them, the one that was created as the how manieth it was. Both in order of creation. `roots`: by task the
  /// outermost function of the program that it was seen in first.
  static func tasks(
    _ old: [Int32], roots oldRoots: [Int32: String], in new: [TaskID], roots newRoots: [Int32: String]
  ) -> [Int32: TaskID] {
    var matched: [Int32: TaskID] = [:]
    for (index, task) in old.enumerated() where matched[task] == nil {
      // The first task was in the middle of something when it was first seen.
      if index > 0, let root = oldRoots[task] {
        let before = old[..<index].count { oldRoots[$0] == root }
        let alike = new.filter { newRoots[$0.rawValue] == root }
        if before < alike.count {
          matched[task] = alike[before]
          continue
        }
      }
      matched[task] = index < new.count ? new[index] : TaskID(task)
    }
    return matched
  }
}
