// SPDX-License-Identifier: Apache-2.0

import Foundation
import Gating
import MeshHTTP
import MeshModel
import OperatorAPI
import Synchronization
import Testing

@Suite("The admin surface on its Unix socket")
struct OperatorServerTests {
    /// What the server refuses, as the client tells it.
    private func refusal(_ body: () async throws -> some Sendable) async throws -> (status: Int, code: String, text: String) {
        do {
            _ = try await body()
            return (200, "", "")
        } catch OperatorClientError.refused(let status, let reply) {
            return (status, reply.error.code, reply.description)
        }
    }

    private func send(_ lab: SurfaceLab, _ method: MeshHTTP.HTTPRequest.Method, _ path: String, _ body: String = "") async throws
        -> HTTPResponse
    {
        try await CurlHTTPClient().send(
            MeshHTTP.HTTPRequest(method, "http://localhost" + path, unixSocket: lab.socket, body: Array(body.utf8)))
    }

    @Test("questions are answered, and the caller is known by uid")
    func answers() async throws {
        try await SurfaceLab().serve { lab, listeners in
            #expect(listeners == [.unixSocket(path: lab.socket)])
            let client = try lab.client
            #expect(try await client.status().mesh == "home")
            #expect(try await client.explain(lab.backend.step).step.state == "held")
            #expect(try await client.metrics() == "meshgate_epoch 1\n")
            #expect(try await client.health() == "ok\n")
            let plan = try PlanSample.plan()
            #expect(try await client.apply(ApplyRequest(plan: plan)).run.text == "run-1")
            let node = try #require(NodeID("wrk-e-1"))
            #expect(try await client.invite(node, InviteRequest(life: TimeSpan(.seconds(900)))).token == "mgj1.x")
            #expect(try await client.revoke(node, RevokeRequest(reason: "lost")).serials == ["lost"])
            _ = try await client.evidence(about: "node wrk-e-1")
            #expect(
                lab.backend.asked == ["apply by uid \(getuid())", "invite wrk-e-1 for 15m", "evidence about node wrk-e-1"])
        }
    }

    @Test("the socket is for its owner alone, and is gone after the end")
    func mode() async throws {
        let lab = try SurfaceLab()
        try await lab.serve { lab, _ in
            let attributes = try FileManager.default.attributesOfItem(atPath: lab.socket)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
        #expect(!FileManager.default.fileExists(atPath: lab.socket))
    }

    @Test("what the run refuses keeps its status, its word and its remedy")
    func refusals() async throws {
        try await SurfaceLab().serve { lab, _ in
            let client = try lab.client
            let plan = try PlanSample.plan()
            #expect(try await refusal { try await client.stop() }.status == 404)
            _ = try await client.apply(ApplyRequest(plan: plan))
            let again = try await refusal { try await client.apply(ApplyRequest(plan: plan)) }
            #expect(again.status == 409 && again.code == "runActive" && again.text.contains("run run-1 is still going"))
            let unknown = try await refusal { try await client.explain(StepID("talos-east", "moon")) }
            #expect(unknown.status == 404 && unknown.code == "noSuchStep")
            let guarded = OverrideRequest(step: lab.backend.step, gate: .diskBlank, reason: "x", life: TimeSpan(.seconds(60)))
            #expect(try await refusal { try await client.override(guarded) }.status == 403)
            let warrant = WarrantRequest(step: lab.backend.step, envelope: WarrantEnvelope(text: "", signatures: []))
            let answer = try await refusal { try await client.submit(warrant) }
            #expect(answer.code == "warrantMalformed" && answer.text.hasSuffix("request another"))
        }
    }

    @Test("a plan whose digest is not that of its body is not carried out")
    func digest() async throws {
        try await SurfaceLab().serve { lab, _ in
            let client = try lab.client
            let digest = try #require(Digest(Array(repeating: 7, count: 32)))
            let answer = try await refusal { try await client.apply(ApplyRequest(plan: try PlanSample.plan(digest: digest))) }
            #expect(answer.status == 400 && answer.code == "digestMismatch")
            #expect(lab.backend.asked.isEmpty)
        }
    }

    @Test("what cannot be understood is refused with its place")
    func badJSON() async throws {
        try await SurfaceLab().serve { lab, _ in
            let broken = try await send(lab, .post, "/v1/nodes/wrk-e-1/invite", #"{"life": "#)
            #expect(broken.status == 400 && broken.text.contains("badJSON"))
            let unit = try await send(lab, .post, "/v1/nodes/wrk-e-1/invite", #"{"life": "soon"}"#)
            #expect(unit.status == 400 && unit.text.contains("life") && unit.text.contains("soon"))
            let deep = try await send(lab, .post, "/v1/overrides", #"{"step":"a/b","gate":"G-XXX","reason":"r","life":"1m"}"#)
            #expect(deep.status == 400 && deep.text.contains("gate"))
            #expect(try await send(lab, .post, "/v1/nodes/-x/invite", #"{"life":"1m"}"#).text.contains("badNode"))
            #expect(try await send(lab, .get, "/v1/explain?step=A%20b").text.contains("badStep"))
            #expect(try await send(lab, .get, "/v1/events?since=now").text.contains("badSince"))
            let nowhere = try await send(lab, .get, "/v1/moon")
            #expect(nowhere.status == 404 && nowhere.text.contains("noSuchRoute") && nowhere.header("content-type") == "application/json")
        }
    }

    @Test("too large a body is refused before it is taken in")
    func oversized() async throws {
        try await SurfaceLab().serve({ $0.limits.bodyBytes = 1000 }) { lab, _ in
            let answer = try await send(lab, .post, "/v1/overrides", String(repeating: " ", count: 100_000))
            #expect(answer.status == 413 && answer.text.contains("tooLarge"))
            #expect(try await lab.client.status().mesh == "home")
        }
    }

    @Test("a uid without a role is told so")
    func stranger() async throws {
        let lab = try SurfaceLab()
        try await lab.serve({ $0.unixSocket?.role = { _ in nil } }) { lab, _ in
            let answer = try await send(lab, .get, "/v1/status")
            #expect(answer.status == 403 && answer.text.contains("uid \(getuid()) may not use this socket"))
        }
    }

    @Test("a viewer may look but not change anything")
    func viewer() async throws {
        let lab = try SurfaceLab()
        try await lab.serve({ $0.unixSocket?.role = { _ in .viewer } }) { lab, _ in
            #expect(try await lab.client.status().mesh == "home")
            for route in OperatorRoute.allCases where route.method == .post {
                let answer = try await send(lab, .post, route.path.replacingOccurrences(of: "{node}", with: "wrk-e-1"), "not even JSON")
                #expect(answer.status == 403 && answer.text.contains("viewerOnly"), "\(route)")
            }
            #expect(lab.backend.asked.isEmpty)
        }
    }

    @Test("an unwell coordinator says so with 503")
    func unhealthy() async throws {
        try await SurfaceLab().serve { lab, _ in
            lab.backend.state.withLock { $0.isHealthy = false }
            let answer = try await send(lab, .get, "/healthz")
            #expect(answer.status == 503 && answer.text == "the disk is full\n")
        }
    }

    @Test("a second coordinator on the same socket is refused, and a leftover of a killed one is replaced")
    func taken() async throws {
        let lab = try SurfaceLab()
        #expect(FileManager.default.createFile(atPath: lab.socket, contents: nil))
        try await lab.serve { lab, _ in
            await #expect(throws: OperatorServerError.socketInUse(path: lab.socket)) {
                try await SurfaceLab().serve({ $0.unixSocket = .init(path: lab.socket) }) { _, _ in }
            }
            let mesh = try await lab.client.status().mesh
            #expect(mesh == "home")
        }
    }
}
