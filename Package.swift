// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
//
// One target per room of docs/ARCHITECTURE.md. The dependency lists below are the arrows: CI builds with
// `--explicit-target-dependency-import-check error`, so an import that is not drawn here does not compile.

import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func room(
    _ name: String, in floor: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = [],
    plugins: [Target.PluginUsage] = []
) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Sources/\(floor)/\(name)", exclude: exclude, swiftSettings: strict, plugins: plugins)
}

func program(_ name: String, in floor: String, _ dependencies: [Target.Dependency], link: [LinkerSetting]? = nil) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, path: "Sources/\(floor)/\(name)", swiftSettings: strict, linkerSettings: link)
}

/// For a program of which each host runs several. What nobody calls is left out, for which no symbol may be exported, and relocations are packed
/// (glibc 2.36): both otherwise cost every process megabytes of pages. The Swift runtime finds its sections by their beginning and end.
let small = LinkerSetting.unsafeFlags(
    [
        "-use-ld=lld", "-Xlinker", "--gc-sections", "-Xlinker", "--no-export-dynamic", "-Xlinker", "-z", "-Xlinker", "nostart-stop-gc",
        "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs", "-Xlinker", "--icf=safe",
    ], .when(platforms: [.linux], configuration: .release))

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource]? = nil) -> Target {
    .testTarget(name: name, dependencies: dependencies, path: "Tests/\(name)", resources: resources, swiftSettings: strict)
}

func system(_ name: String, pkgConfig: String, apt: String) -> Target {
    .systemLibrary(name: name, path: "Sources/Shared/\(name)", pkgConfig: pkgConfig, providers: [.apt([apt])])
}

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let grpc: [Target.Dependency] = [
    .product(name: "GRPCCore", package: "grpc-swift-2"),
    .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
]
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "meshgate",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "meshgate", targets: ["meshgate"]),
        .executable(name: "meshgate-agent", targets: ["meshgate-agent"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.2"),
    ],
    targets: [
        // Shared
        room("MeshModel", in: "Shared"),
        room("Telemetry", in: "Shared", ["MeshModel"]),
        room(
            "MeshWire", in: "Shared",
            ["MeshModel", "Telemetry", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
            exclude: ["agent.proto", "telemetry.proto"]),
        system("COpenSSL", pkgConfig: "openssl", apt: "libssl-dev"),
        system("CCurl", pkgConfig: "libcurl", apt: "libcurl4-openssl-dev"),
        system("CZlib", pkgConfig: "zlib", apt: "zlib1g-dev"),
        system("CBlkid", pkgConfig: "blkid", apt: "libblkid-dev"),
        system("CBpf", pkgConfig: "libbpf", apt: "libbpf-dev"),
        .target(name: "CLinux", path: "Sources/Shared/CLinux"),
        room("MeshTrust", in: "Shared", ["MeshModel", "COpenSSL"]),
        room("MeshSystem", in: "Shared", ["MeshModel", "CZlib", "CLinux"]),
        room("MeshHTTP", in: "Shared", ["MeshModel", "CCurl"]),
        // Agent
        room("AgentCore", in: "Agent", ["MeshModel"]),
        room("TelemetrySpool", in: "Agent", ["MeshModel", "Telemetry", "MeshSystem", "CLinux"]),
        room("LocalLink", in: "Agent", ["MeshModel", "MeshSystem", "CLinux"]),
        room("HostProbe", in: "Agent", ["MeshModel", "MeshTrust", "MeshSystem", "LocalLink", "CLinux"]),
        // The records that HostTrace's programs write, for both sides, and a shim. The plugin compiles those programs with the toolchain's clang.
        .target(name: "CHostTrace", dependencies: ["CBpf"], path: "Sources/Agent/CHostTrace"),
        .executableTarget(name: "embed", path: "Plugins/EmbedObject"),
        .plugin(name: "BPFObject", capability: .buildTool(), dependencies: ["embed"]),
        room(
            "HostTrace", in: "Agent", ["MeshModel", "Telemetry", "MeshSystem", "LocalLink", "CHostTrace", "CBpf"], exclude: ["bpf"],
            plugins: ["BPFObject"]),
        room("GRPCStream", in: "Agent", ["Telemetry", nioCore, nioPosix] + grpc),
        room("Tetragon", in: "Agent", ["MeshModel", "Telemetry", "MeshSystem", "GRPCStream", nioCore, nioPosix, nioHTTP1]),
        room("Hubble", in: "Agent", ["MeshModel", "Telemetry", "MeshSystem", "GRPCStream"]),
        room("DiskWipe", in: "Agent", ["MeshModel", "AgentCore", "LocalLink", "MeshTrust", "MeshSystem", "CLinux", "CBlkid"]),
        room(
            "AgentLink", in: "Agent",
            ["MeshModel", "Telemetry", "AgentCore", "MeshWire", "MeshSystem", nioCore, nioPosix, nioTLS, nioSSL, logging]),
        program(
            "meshgate-agent", in: "Agent",
            [
                "MeshModel", "Telemetry", "TelemetrySpool", "HostProbe", "HostTrace", "GRPCStream", "Tetragon", "Hubble", "DiskWipe",
                "AgentLink", "LocalLink", "MeshTrust", "MeshSystem", arguments, logging, lifecycle, signals,
            ], link: [small]),
        // Coordinator
        room("Rendering", in: "Coordinator", ["MeshModel"]),
        room("MeshConfig", in: "Coordinator", ["MeshModel", "Rendering", "TreeLinting", "Yams"]),
        room("Import", in: "Coordinator", ["MeshModel"]),
        room("Linting", in: "Coordinator", ["MeshModel"]),
        room("TreeLinting", in: "Coordinator", ["MeshModel", "Linting"]),
        room("Gating", in: "Coordinator", ["MeshModel"]),
        room("Planning", in: "Coordinator", ["MeshModel", "Rendering", "Gating"]),
        room("Running", in: "Coordinator", ["MeshModel", "Gating", "Planning"]),
        room("Rehearsal", in: "Coordinator", ["MeshModel", "Gating", "Planning", "Running"]),
        room(
            "JournalSQLite", in: "Coordinator",
            [
                "MeshModel", "Gating", "Planning", "Running", "MeshTrust", "MeshSystem",
                .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        room(
            "TrustAuthority", in: "Coordinator",
            ["MeshModel", "MeshTrust", "MeshSystem"]),
        room(
            "FleetGateway", in: "Coordinator",
            ["MeshModel", "Telemetry", "MeshWire", nioCore, nioPosix, nioTLS, nioSSL, logging]),
        room(
            "ToolDrivers", in: "Coordinator",
            ["MeshModel", "Rendering", "Gating", "Planning", "Running", "MeshTrust", "MeshSystem", "MeshHTTP"]),
        room("TelemetryStore", in: "Coordinator", ["MeshModel", "Telemetry", "MeshSystem", "CLinux"]),
        room("FeedExport", in: "Coordinator", ["MeshModel", "Telemetry", "Gating", "Planning", "Running"]),
        room("OTLPExport", in: "Coordinator", ["MeshModel", "Telemetry", "MeshSystem", "MeshHTTP", logging] + grpc),
        room(
            "OperatorAPI", in: "Coordinator",
            [
                "MeshModel", "Telemetry", "Gating", "Planning", "Running", "MeshHTTP", logging, lifecycle, nioCore, nioSSL,
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
            ]),
        room(
            "Lab", in: "Coordinator",
            [
                "MeshModel", "MeshTrust", "MeshSystem", "MeshHTTP", "CLinux", nioCore, nioPosix, nioSSL,
                .product(name: "Hummingbird", package: "hummingbird"), .product(name: "HummingbirdTLS", package: "hummingbird"), logging,
            ]),
        program(
            "meshgate", in: "Coordinator",
            [
                "MeshModel", "Import", "MeshConfig", "Rendering", "Linting", "TreeLinting", "Gating", "Planning", "Running", "Rehearsal",
                "JournalSQLite", "TrustAuthority",
                "FleetGateway", "ToolDrivers", "FeedExport", "OTLPExport", "TelemetryStore", "Telemetry", "OperatorAPI", "Lab", "MeshTrust",
                "MeshSystem",
                "MeshHTTP", arguments,
                logging,
                lifecycle, signals,
            ]),
        // Benchmarks: `make bench`, never part of a test.
        .executableTarget(
            name: "meshgate-bench",
            dependencies: [
                "MeshModel", "Telemetry", "TelemetrySpool", "TelemetryStore", "HostTrace", "MeshConfig", "Linting", "TreeLinting", "Gating",
                "Planning", "Running", "Rehearsal", "JournalSQLite",
                "FleetGateway", "ToolDrivers", "MeshHTTP", "FeedExport", "MeshWire", "MeshTrust", "MeshSystem", "DiskWipe", "MeshTesting",
                "FeedTesting",
                nioCore, nioPosix, nioTLS, nioSSL, logging,
                .product(name: "Yams", package: "Yams"),
            ],
            path: "Benchmarks/meshgate-bench", swiftSettings: strict),
        // The program that `make test-vm` runs inside its virtual machines, never part of `make test`.
        .executableTarget(
            name: "meshgate-vm-guest",
            dependencies: ["DiskWipe", "HostProbe", "HostTrace", "LocalLink", "MeshModel", "MeshSystem", "MeshTrust", "Telemetry"],
            path: "Tests/VM/Guest",
            swiftSettings: strict),
        // Tests
        .target(name: "MeshTesting", dependencies: ["MeshModel"], path: "Tests/Support/MeshTesting", swiftSettings: strict),
        tests("MeshModelTests", ["MeshModel", "MeshTesting"]),
        tests("TelemetryTests", ["MeshModel", "Telemetry", "MeshTesting"]),
        tests("MeshConfigTests", ["MeshModel", "MeshConfig", "MeshTesting"], resources: [.copy("Fixtures")]),
        tests(
            "TreeLintingTests", ["MeshModel", "MeshConfig", "MeshSystem", "Linting", "TreeLinting", "Gating", "MeshTesting"],
            resources: [.copy("Fixtures")]),
        tests(
            "RenderingTests",
            [
                "MeshModel", "MeshConfig", "Rendering", "MeshTrust", "MeshTesting", .product(name: "Yams", package: "Yams"),
            ]),
        tests("LintingTests", ["MeshModel", "MeshConfig", "Linting", "MeshTesting"], resources: [.copy("Fixtures")]),
        tests("ImportTests", ["Import", "Linting", "MeshConfig", "MeshModel", "MeshTesting"], resources: [.copy("Fixtures")]),
        tests("DiskWipeTests", ["DiskWipe", "LocalLink", "MeshModel", "MeshTrust", "MeshSystem"]),
        tests(
            "MeshWireTests",
            ["MeshModel", "Telemetry", "MeshWire", "MeshTesting", .product(name: "SwiftProtobuf", package: "swift-protobuf")]),
        tests("TelemetrySpoolTests", ["MeshModel", "Telemetry", "TelemetrySpool", "MeshSystem", "MeshTesting", "CLinux"]),
        tests("AgentCoreTests", ["MeshModel", "AgentCore", "MeshTesting"]),
        tests(
            "AgentLinkTests",
            [
                "MeshModel", "Telemetry", "TelemetrySpool", "TelemetryStore", "MeshWire", "AgentCore", "AgentLink", "FleetGateway",
                "MeshTrust",
                "MeshSystem", "MeshTesting", "CLinux", nioCore, nioPosix, nioTLS, nioSSL, logging,
            ]),
        .testTarget(
            name: "JournalSQLiteTests",
            dependencies: [
                "MeshModel", "Gating", "Planning", "Running", "MeshTrust", "MeshSystem", "JournalSQLite",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            path: "Tests/JournalSQLiteTests", exclude: ["Golden"], swiftSettings: strict),
        tests("TelemetryStoreTests", ["MeshModel", "Telemetry", "TelemetryStore", "MeshSystem", "MeshTesting", "CLinux"]),
        tests("FeedExportTests", ["MeshModel", "Telemetry", "Gating", "Planning", "Running", "FeedExport", "MeshTesting"]),
        tests(
            "OTLPExportTests",
            [
                "MeshModel", "Telemetry", "Gating", "Planning", "Running", "FeedExport", "OTLPExport", "MeshSystem", "MeshHTTP",
                "ServerTesting", logging,
            ] + grpc, resources: [.copy("Fixtures")]),
        tests(
            "OperatorAPITests",
            [
                "MeshModel", "Telemetry", "Gating", "Planning", "Running", "MeshTrust", "MeshSystem", "MeshHTTP", "OperatorAPI", logging,
                lifecycle,
            ]),
        .target(
            name: "StandInTesting", dependencies: ["Lab", "MeshModel", "MeshSystem"], path: "Tests/Support/StandInTesting",
            swiftSettings: strict),
        tests("StandInTests", ["Lab", "MeshModel", "MeshSystem", "MeshHTTP", "MeshTesting", "StandInTesting"]),
        tests(
            "ToolDriversTests",
            [
                "ToolDrivers", "Rendering", "Lab", "Gating", "Planning", "Running", "MeshModel", "MeshSystem", "MeshHTTP", "MeshTrust",
                "MeshTesting", "StandInTesting", "ServerTesting",
            ]),
        tests("LabTests", ["Lab", "MeshModel", "MeshSystem", "MeshTrust", "MeshConfig", "Linting", "Planning", "Gating"]),
        .target(
            name: "FeedTesting", dependencies: ["Telemetry"] + grpc, path: "Tests/Support/FeedTesting",
            resources: [.copy("Fixtures")], swiftSettings: strict),
        tests("GRPCStreamTests", ["GRPCStream", "Telemetry", nioCore, nioEmbedded]),
        tests("TetragonTests", ["Tetragon", "GRPCStream", "Telemetry", "MeshTesting", "FeedTesting", "ServerTesting"]),
        tests(
            "HubbleTests", ["Hubble", "GRPCStream", "MeshModel", "Telemetry", "TelemetryStore", "MeshTesting", "FeedTesting"],
            resources: [.copy("Fixtures")]),
        tests("HostTraceTests", ["HostTrace", "CHostTrace", "LocalLink", "MeshModel", "MeshSystem", "Telemetry"]),
        tests("HostProbeTests", ["HostProbe", "LocalLink", "MeshModel", "MeshTrust", "MeshSystem", "CLinux"]),
        tests(
            "AgentMainTests",
            [
                "meshgate-agent", "AgentLink", "GRPCStream", "HostTrace", "MeshModel", "MeshSystem", "MeshTrust", "FleetGateway",
                "TrustAuthority", logging,
            ]),
        tests("MeshTrustTests", ["MeshTrust", "MeshModel"]),
        tests("TrustAuthorityTests", ["MeshModel", "MeshSystem", "MeshTrust", "TrustAuthority", "MeshTesting"]),
        tests("MeshSystemTests", ["MeshSystem", "MeshModel", "MeshTesting"]),
        .target(name: "ServerTesting", dependencies: ["MeshSystem"], path: "Tests/Support/ServerTesting", swiftSettings: strict),
        tests("MeshHTTPTests", ["MeshHTTP", "MeshSystem", "ServerTesting"]),
        tests("GatingTests", ["MeshModel", "Gating", "MeshTesting"]),
        tests("PlanningTests", ["MeshModel", "Gating", "Planning", "MeshTesting"]),
        tests("RunningTests", ["MeshModel", "Gating", "Planning", "Running", "Rehearsal", "MeshTesting"]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "meshgate", "meshgate-agent", "MeshModel", "Gating", "Planning", "Running", "Rehearsal", "JournalSQLite", "OperatorAPI",
                "FeedExport", "OTLPExport", "FleetGateway", "MeshSystem", "ToolDrivers", "Telemetry", "TelemetrySpool", "TelemetryStore",
                "AgentLink", "MeshTrust", "TrustAuthority", "MeshHTTP", "MeshTesting", "FeedTesting", "ServerTesting",
                .product(name: "GRDB", package: "GRDB.swift"), logging,
            ],
            path: "Tests/EndToEnd", swiftSettings: strict),
        .testTarget(
            name: "RehearsalTests", dependencies: ["Gating", "MeshModel", "Planning", "Running", "Rehearsal", "MeshTesting"],
            path: "Tests/Rehearsals", exclude: ["Scripts"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
