// swift-tools-version: 6.2
//
// replaysb: a deterministic record-replay sandbox. Imports run one way; the picture is in README.md.
import PackageDescription

let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  // What is shared between threads stands behind locks; checks of exclusive access at run time cost what is built to be fast some
  // 4 %. The tests, in the debug configuration, have them.
  .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
  // Metadata of generic types are made by the compiler: a short run would make some hundred of them, a millisecond's work.
  .unsafeFlags(["-Xfrontend", "-prespecialize-generic-metadata"], .when(configuration: .release)),
]
let strictC: [CSetting] = [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])]

let package = Package(
  name: "replaysb",
  products: [.executable(name: "replaysb", targets: ["replaysb"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
  ],
  targets: [
    // C: raw host calls, the blob that lives in the guest, and Debian's libraries (linked statically).
    .target(name: "CLinux", exclude: ["README.md"], cSettings: strictC),
    .target(name: "CStub", exclude: ["README.md"], cSettings: strictC),
    .systemLibrary(name: "CZstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CSeccomp", providers: [.apt(["libseccomp-dev"])]),
    .systemLibrary(name: "CXXHash", providers: [.apt(["libxxhash-dev"])]),
    // libdw and what it needs, in the order in which a linker asks for them.
    .target(
      name: "CDebugInfo", exclude: ["README.md"], cSettings: strictC,
      linkerSettings: [
        .linkedLibrary(":libdw.a"), .linkedLibrary(":libelf.a"), .linkedLibrary(":liblzma.a"), .linkedLibrary(":libbz2.a"),
        .linkedLibrary(":libz.a"), .linkedLibrary("stdc++"),
      ]),
    // For tests only, and not among Debian's static libraries.
    .systemLibrary(name: "CZydis", providers: [.apt(["libzydis-dev", "libzycore-dev"])]),
    .target(
      name: "CZydisFacts", dependencies: ["CZydis"], exclude: ["README.md"], cSettings: strictC,
      linkerSettings: [.linkedLibrary("Zydis")]),

    // Threads of the tool itself.
    .target(name: "HostThreads", dependencies: ["CLinux"], exclude: ["README.md"], swiftSettings: strict),

    // Bytes kept on disk between runs.
    .target(
      name: "KeptFiles", dependencies: ["CLinux", "CXXHash"], exclude: ["README.md"], swiftSettings: strict),

    // Guest-visible numbers and layouts; the seam; what stands on either side of it.
    .target(name: "LinuxABI", exclude: ["README.md"], swiftSettings: strict),
    .target(name: "Platform", dependencies: ["LinuxABI"], exclude: ["README.md"], swiftSettings: strict),
    // The translator's tables are members of classes that one thread uses: checks of exclusive access cost it a fifth.
    .target(
      name: "Translator", exclude: ["README.md"],
      swiftSettings: strict + [.unsafeFlags(["-enforce-exclusivity=unchecked"])]),
    .target(
      name: "PtracePlatform",
      dependencies: [
        "CLinux", "CStub", "CSeccomp", "CXXHash", "HostThreads", "KeptFiles", "LinuxABI", "Platform", "Translator",
      ],
      exclude: ["README.md"],
      swiftSettings: strict,
      linkerSettings: [.linkedLibrary(":libseccomp.a")]),
    .target(
      name: "Kernel",
      dependencies: [
        "LinuxABI", "Platform",
        .product(name: "OrderedCollections", package: "swift-collections"),
        .product(name: "DequeModule", package: "swift-collections"),
        .product(name: "HeapModule", package: "swift-collections"),
      ],
      exclude: ["README.md"],
      swiftSettings: strict),
    .target(
      name: "Trace",
      dependencies: ["CLinux", "CZstd", "CXXHash", "HostThreads", "KeptFiles", "LinuxABI", "Platform"],
      exclude: ["README.md"],
      swiftSettings: strict,
      linkerSettings: [.linkedLibrary(":libzstd.a")]),
    .target(name: "DebugInfo", dependencies: ["CDebugInfo"], exclude: ["README.md"], swiftSettings: strict),
    .target(
      name: "RecordReplay",
      dependencies: ["CLinux", "HostThreads", "KeptFiles", "Kernel", "LinuxABI", "Platform", "PtracePlatform", "Trace"],
      exclude: ["README.md"],
      swiftSettings: strict),
    .target(
      name: "Explore",
      dependencies: ["CLinux", "HostThreads", "KeptFiles", "Kernel", "LinuxABI", "Platform", "PtracePlatform", "RecordReplay", "Trace"],
      exclude: ["README.md"],
      swiftSettings: strict),
    .target(
      name: "Explain",
      dependencies: ["DebugInfo", "LinuxABI", "Platform", "RecordReplay", "Trace"],
      exclude: ["README.md"],
      swiftSettings: strict),
    .target(
      name: "Check",
      dependencies: ["CLinux", "DebugInfo", "Explore", "Kernel", "Platform", "RecordReplay", "Trace"],
      exclude: ["README.md"],
      swiftSettings: strict),
    .executableTarget(
      name: "replaysb",
      dependencies: [
        "Check", "Explain", "Explore", "KeptFiles", "RecordReplay", "Trace", "Kernel", "Platform", "PtracePlatform", "LinuxABI",
        "CLinux",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      exclude: ["README.md"],
      swiftSettings: strict,
      // Nothing to load, to look up or to relocate: half of what the start of the tool took. libdw asks for a library by dlopen(3)
      // when $DEBUGINFOD_URLS is set, which a static program should not load: it is told that there is none.
      linkerSettings: [
        .unsafeFlags(["-static-executable", "-use-ld=lld", "-Xlinker", "--wrap=dlopen"], .when(configuration: .release)),
      ]),
    .executableTarget(
      name: "TraceFuzz", dependencies: ["KeptFiles", "Trace"], exclude: ["README.md"], swiftSettings: strict),
    .executableTarget(
      name: "DecoderCheck", dependencies: ["Translator", "CZydisFacts"], exclude: ["README.md"], swiftSettings: strict),

    .testTarget(name: "LinuxABITests", dependencies: ["LinuxABI"], swiftSettings: strict),
    .testTarget(name: "KeptFilesTests", dependencies: ["KeptFiles"], swiftSettings: strict),
    .testTarget(
      name: "TraceTests", dependencies: ["Trace", "TraceFuzz", "KeptFiles", "Platform", "CLinux"], swiftSettings: strict),
    .testTarget(name: "TranslatorTests", dependencies: ["Translator", "DecoderCheck", "CZydisFacts"], swiftSettings: strict),
    .testTarget(name: "DebugInfoTests", dependencies: ["DebugInfo"], swiftSettings: strict),
    .testTarget(name: "KernelTests", dependencies: ["Kernel", "Platform", "LinuxABI"], swiftSettings: strict),
    .testTarget(
      name: "PtracePlatformTests", dependencies: ["PtracePlatform", "Platform", "LinuxABI", "CLinux", "Translator"],
      swiftSettings: strict),
    .testTarget(
      name: "RecordReplayTests",
      dependencies: ["RecordReplay", "Trace", "CLinux", "Kernel", "LinuxABI", "Platform", "PtracePlatform"], swiftSettings: strict),
    .testTarget(
      name: "ExploreTests",
      dependencies: [
        "Explain", "Explore", "CLinux", "KeptFiles", "Kernel", "LinuxABI", "Platform", "PtracePlatform", "RecordReplay", "Trace",
      ],
      swiftSettings: strict),
    .testTarget(name: "CheckTests", dependencies: ["Check", "Explore", "Kernel", "Platform", "Trace"], swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
