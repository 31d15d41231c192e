// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshHTTP
import MeshModel
import MeshSystem
import Running
import Synchronization
import Testing

@testable import ToolDrivers

/// A directory with a Terraform configuration, and a driver that works in it with a terraform of the test's choice.
struct TerraformBench: Sendable {
    let root: String
    let progress = Progress()
    let bars = Bars()
    let searchPath: [String]
    var provision = MeshSpec.Provision(terraformDirectory: "tf")
    var variables: [String: String] = [:]
    var dryRun = false

    /// What people were shown.
    final class Progress: Sendable {
        private let seen = Mutex<[String]>([])
        private let (stream, news) = AsyncStream<String>.makeStream()
        var lines: [String] { seen.withLock { $0 } }
        func hear(_ line: String) {
            seen.withLock { $0.append(line) }
            news.yield(line)
        }
        /// Waits for a line with this text.
        func wait(for text: String) async { for await line in stream where line.contains(text) { return } }
    }

    /// How far the step was said to have come.
    final class Bars: Sendable {
        private let seen = Mutex<[StepProgress]>([])
        var all: [StepProgress] { seen.withLock { $0 } }
        func hear(_ progress: StepProgress) { seen.withLock { $0.append(progress) } }
    }

    static let files = LinuxFileStore()
    /// Where the real terraform is; `nil` when this machine has none.
    static let real: String? = {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        return path.split(separator: ":").map(String.init).first { FileManager.default.isExecutableFile(atPath: $0 + "/terraform") }
    }()
    static var step: StepID { StepID("mesh", "provision") }

    /// Runs `body` with a bench and removes everything afterwards.
    /// - Parameter tool: a shell script in the place of terraform; the real one when absent.
    static func with(_ configuration: String, tool: String? = nil, _ body: (TerraformBench) async throws -> Void) async throws {
        let root = FileManager.default.temporaryDirectory.path + "/tf-" + (try KernelEntropy().hexID(byteCount: 6))
        defer { try? FileManager.default.removeItem(atPath: root) }
        for directory in ["/tf", "/work", "/bin"] {
            try FileManager.default.createDirectory(atPath: root + directory, withIntermediateDirectories: true)
        }
        if let tool {
            try files.write(Array(("#!/bin/sh\n" + tool).utf8), to: root + "/bin/terraform", mode: 0o755)
        }
        let bench = TerraformBench(
            root: root, searchPath: tool == nil ? [real ?? "/nowhere", "/usr/bin", "/bin"] : [root + "/bin", "/usr/bin", "/bin"])
        try bench.configure(configuration)
        try await body(bench)
    }

    func configure(_ text: String) throws { try Self.files.write(Array(text.utf8), to: root + "/tf/main.tf") }

    var tools: Toolbox {
        get throws {
            let variables = variables
            var tools = Toolbox(
                runner: ProcessCommandRunner(), http: try CurlHTTPClient(), files: Self.files, now: SystemClock.now, searchPath: searchPath,
                kubeconfig: root + "/kubeconfig", baseDirectory: root, workDirectory: root + "/work", environment: ["LANG": "C"],
                lookUp: { variables[$0] }, dryRun: dryRun, contexts: { [:] }, meshCA: { ("", "") },
                progress: { [progress] _, line in progress.hear(line) })
            tools.advanced = { [bars] _, news in bars.hear(news) }
            return tools
        }
    }

    var driver: TerraformDriver {
        get throws {
            var driver = TerraformDriver(tools: try tools, provision: provision)
            driver.grace = .seconds(20)
            return driver
        }
    }

    func apply(_ phase: String? = nil, deadline: Duration = .seconds(60)) async throws -> Outcome {
        try await driver.apply(phase: phase, step: Self.step, deadline: deadline, permitted: nil)
    }

    func facts() async throws -> (ground: TerraformFact, phases: [ProvisionFact]) {
        let facts = try await driver.observe(provision.phasesOrWhole)
        guard case .terraform(let ground)? = facts.first else { throw NoFact() }
        return (ground, facts.compactMap { if case .provision(let fact) = $0 { fact } else { nil } })
    }
    struct NoFact: Error {}

    /// Every byte that was written below the work directory, transcripts and all.
    var written: String {
        get throws {
            var text = ""
            for name in try #require(FileManager.default.subpaths(atPath: root + "/work")) {
                if let bytes = FileManager.default.contents(atPath: root + "/work/" + name) {
                    text += String(decoding: bytes, as: UTF8.self)
                }
            }
            return text
        }
    }

    /// The addresses in the state.
    var state: [String] {
        get throws {
            guard let bytes = FileManager.default.contents(atPath: root + "/tf/terraform.tfstate") else { return [] }
            var addresses: [String] = []
            for resource in try #require(JSON.decode(Array(bytes)))["resources"]?.list ?? [] {
                let name = "\(resource["type"]?.string ?? "?").\(resource["name"]?.string ?? "?")"
                addresses += Array(repeating: name, count: resource["instances"]?.list.count ?? 0)
            }
            return addresses
        }
    }
}
