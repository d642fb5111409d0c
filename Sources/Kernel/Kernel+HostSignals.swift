// Signals that the tool received and passes on: Ctrl-C, SIGTERM, a resized terminal.

extension Kernel {
  /// Passes host signals to the first process's group, as a terminal does.
  func takeHostSignals() {
    while let signal = host.takeSignal() {
      guard let first = firstProcess else { continue }
      for group in tasks.members(of: first.processGroup.id) {
        send(SignalInfo(signal: signal, code: 0x80), to: group)
      }
    }
  }
}
