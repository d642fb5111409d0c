// The environment that the guest gets: the caller's, without well-known secrets, since a trace keeps what a guest sees.

public struct EnvironmentFilter {
  /// NAME=value, in the order of the caller's environment.
  public private(set) var variables: [[UInt8]] = []
  public private(set) var names: [String] = []
  /// Names that were kept back, in order.
  public private(set) var withheld: [String] = []

  /// Sifts `environment` ("NAME=value" each). Names in `allowed` pass whatever they look like.
  public init(_ environment: [String], allowing allowed: [String]) {
    for variable in environment {
      guard let equals = variable.firstIndex(of: "=") else { continue }
      let name = String(variable[..<equals])
      // Ours: where translations are kept must not make two runs differ.
      if name == KeptFolder.variableName { continue }
      if Self.looksSecret(name) && !allowed.contains(name) {
        withheld.append(name)
      } else {
        variables.append(Array(variable.utf8))
        names.append(name)
      }
    }
  }

  private static let suffixes = [
    "_TOKEN", "_PASSWORD", "_PASSWD", "_PASSPHRASE", "_SECRET", "_SECRET_KEY", "_API_KEY", "_APIKEY", "_ACCESS_KEY",
    "_PRIVATE_KEY", "_CREDENTIALS", "_AUTH",
  ]
  private static let prefixes = ["AWS_", "AZURE_CLIENT_"]
  private static let exact = [
    "TOKEN", "PASSWORD", "PASSWD", "SECRET", "API_KEY", "APIKEY", "PGPASSWORD", "MYSQL_PWD", "REDISCLI_AUTH",
    "NPM_AUTH",
  ]

  static func looksSecret(_ name: String) -> Bool {
    // By bytes: as strings they would be compared as text, at each start, for every variable.
    let name = name.utf8.map { (0x61...0x7a).contains($0) ? $0 - 0x20 : $0 }
    return exact.contains { name.elementsEqual($0.utf8) } || suffixes.contains { name.suffix($0.utf8.count).elementsEqual($0.utf8) }
      || prefixes.contains { name.starts(with: $0.utf8) }
  }
}
