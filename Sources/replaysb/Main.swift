import ArgumentParser

@main struct Replaysb: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "replaysb")
}
