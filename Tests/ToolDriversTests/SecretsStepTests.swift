// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshHTTP
import MeshModel
import MeshSystem
import MeshTesting
import MeshTrust
import Planning
import Running
import ServerTesting
import Testing

@testable import ToolDrivers

@Suite("The step that stores the clusters' credentials, with a Doppler of our own over HTTP")
struct SecretsStepTests {
    private struct Stage: Sendable {
        let bench: TerraformBench
        let tools: Toolbox
        let build: Plan
        let teardown: Plan
        let store: DopplerStore

        init(_ bench: TerraformBench, port: Int, kind: String) throws {
            var spec = try SmallMesh.spec()
            spec.secrets = .init(dopplerProject: "a b&c", dopplerConfig: "dev")
            spec.provision = .init(terraformDirectory: "tf")
            let http = try CurlHTTPClient()
            let store = try DopplerStore(
                http: http, token: Secret("dp.st.\(kind).hushhush-token"), project: "a b&c", config: "dev",
                server: "http://127.0.0.1:\(port)", wait: { _ in })
            var tools = try bench.tools
            tools.secretStore = { _ in store }
            tools.credential = { Secret("hushhush-\($0.rawValue)-\($1.name)") }
            self.bench = bench
            self.tools = tools
            self.store = store
            build = try Planner.plan(spec) { Digest.sha256(try JSON.encode(.string("\($0.spec)"))) }
            teardown = try Planner.takingDown(spec, .machines) { Digest.sha256(try JSON.encode(.string("down \($0.spec)"))) }
        }

        func seen(_ plan: Plan) async -> (judge: Judge, evidence: Evidence) {
            let evidence = await StepDriver(tools: tools, signers: Bench.nobody).observe(EvidenceKey(.mesh, .secrets), plan: plan)
            var table = EvidenceTable()
            table.take(evidence)
            return (Judge(evidence: table, maxAge: .seconds(600), now: SystemClock.now()), evidence)
        }
    }

    private func with(_ kind: String, _ body: @escaping @Sendable (Stage) async throws -> Void) async throws {
        try await PythonServer.with(SecretStoreTests.server) { server in
            try await TerraformBench.with("", tool: "exit 1") { bench in
                try await body(try Stage(bench, port: Int(server.port), kind: kind))
            }
        }
    }

    @Test("stores what differs, sees it there, and a teardown takes these names away and no other; no value is left anywhere")
    func wholeWay() async throws {
        try await with("good") { stage in
            let step = try #require(stage.build.step(StepID("mesh", "secrets")))
            #expect(step.after.map(\.text) == ["east/nodes", "west/nodes"])
            let names = SecretNames.planned(stage.build.spec)
            #expect(names.count == 4)
            let before = await stage.seen(stage.build)
            #expect(before.judge.judge(.secretsReadable(names)) == .pass)
            #expect(before.judge.judge(step.done).reasons.map(\.gate) == Array(repeating: .secretsStored, count: 4))

            let driver = StepDriver(tools: stage.tools, signers: Bench.nobody)
            var words: [String] = []
            let stored = await driver.carryOut(step, plan: stage.build)
            #expect(stored == .succeeded("4 stored in Doppler a b&c/dev and read back"))
            words.append("\(stored)")
            let after = await stage.seen(stage.build)
            #expect(after.judge.judge(step.done) == .pass)

            // Somebody changes one: it is seen by digest, and put right.
            try await stage.store.write([names[0]: Secret("another")])
            #expect(await stage.seen(stage.build).judge.judge(step.done).reasons.count == 1)
            guard case .succeeded = await driver.carryOut(step, plan: stage.build) else { return #expect(Bool(false), "not stored") }

            let undo = try #require(stage.teardown.step(StepID("mesh", "secrets", "undo")))
            #expect(undo.after.map(\.text) == ["mesh/provision/undo"])
            #expect(await stage.seen(stage.teardown).judge.judge(undo.done).reasons.map(\.gate) == Array(repeating: .secretsGone, count: 4))
            let teardown = TeardownDriver(tools: stage.tools, signers: Bench.nobody)
            let removed = await teardown.carryOut(undo, plan: stage.teardown, warrant: nil)
            #expect(removed == .succeeded("4 removed from Doppler a b&c/dev"))
            #expect(await teardown.carryOut(undo, plan: stage.teardown, warrant: nil) == .succeeded("none was there"))
            let gone = await stage.seen(stage.teardown)
            #expect(gone.judge.judge(undo.done) == .pass)
            #expect(try await stage.store.names() == ["OTHER"])

            for evidence in [before.evidence, after.evidence, gone.evidence] {
                words.append(String(decoding: try CanonicalJSON.encode(evidence), as: UTF8.self))
            }
            words += [
                try stage.bench.written, String(decoding: try CanonicalJSON.encode(stage.build), as: UTF8.self),
                String(decoding: try CanonicalJSON.encode(stage.teardown), as: UTF8.self),
            ]
            words += stage.bench.progress.lines
            #expect(!words.joined().contains("hushhush"))
            #expect(words.joined().contains(names[0]))
        }
    }

    @Test("secrets that this kind of token is not shown hold the step, and a store that lies fails it")
    func hidden() async throws {
        try await with("shy") { stage in
            let names = SecretNames.planned(stage.build.spec)
            try await stage.store.write([names[0]: Secret("x")])
            let verdict = await stage.seen(stage.build).judge.judge(.secretsReadable(names))
            #expect(verdict.reasons.map(\.gate) == [.secretsReadable])
            #expect(verdict.reasons.first?.detail.contains(names[0]) == true)
        }
        try await with("liar") { stage in
            let step = try #require(stage.build.step(StepID("mesh", "secrets")))
            guard case .failed(let why) = await StepDriver(tools: stage.tools, signers: Bench.nobody).carryOut(step, plan: stage.build)
            else {
                return #expect(Bool(false), "believed")
            }
            #expect(why.contains("not what was written") && !why.contains("hushhush"))
        }
    }

    @Test("a store that does not answer is no evidence, and says nothing of its token")
    func away() async throws {
        try await with("gone") { stage in
            let (judge, evidence) = await stage.seen(stage.build)
            guard case .unknown = judge.judge(.secretsReadable(["A"])) else { return #expect(Bool(false), "known") }
            let text = String(decoding: try CanonicalJSON.encode(evidence), as: UTF8.self)
            #expect(text.contains("does not know this service token") && !text.contains("hushhush"))
        }
    }
}
