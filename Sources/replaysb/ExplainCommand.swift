// explain: what raced in a recorded execution.

import ArgumentParser
import Explain

struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Says what raced in a recorded execution, from the trace alone.",
    discussion: "Best for traces of hunt, which say where the schedule was changed. Exit status: 0, or 125 when the tool cannot go on.")
  @Flag(help: "One JSON object.") var json = false
  @Argument(help: "The trace (default: trace.zst).") var trace = "trace.zst"

  func run() throws {
    let explanation = try ExplainSession.explain(trace)
    print(json ? try Outcome.json(explanation) : explanation.text)
  }
}
