// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshSystem
import Testing

@Suite("The bundle for somebody else", .timeLimit(.minutes(2)))
struct BundleTests {
    @Test("holds status, plan, evidence and events of the coordinator, and nothing that looks like a secret")
    func whole() async throws {
        let stage = try await ServeStage()
        #expect(try await stage.ask("apply", "-f", stage.mesh, "--wait", "no").code == 0)
        // A key that somebody pasted into a comment, which is where such things are found.
        let text = ServeStage.meshText() + "# password: \"correct-horse-battery\"\n# dp.st.prd.0123456789abcdefghijklmnopqrstuvwxyzABCD\n"
        let mesh = try stage.place.put("noted.yaml", text)
        let out = stage.place.path + "/support.tar.gz"
        let made = try await stage.ask("bundle", "-f", mesh, "--out", out)
        #expect(made.code == 0 && made.output.contains(out), "\(made.all)")
        let listed = try await tar(["tzf", out])
        for name in ["README.txt", "status.json", "nodes.json", "evidence.json", "plan.json", "events.ndjson", "metrics.txt", "mesh.yaml"] {
            #expect(listed.contains("/\(name)\n"), "\(name) in \(listed)")
        }
        let all = try await tar(["xzOf", out])
        #expect(all.contains("\"east/cilium\"") && all.contains("meshgate_"))
        #expect(!all.contains("correct-horse-battery") && !all.contains("0123456789abcdefghijklmnopqrstuvwxyzABCD"))
        let mode = try FileManager.default.attributesOfItem(atPath: out)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let again = try await stage.ask("bundle", "--out", out)
        #expect(again.code == 74 && again.errors.contains("is there already"), "\(again.all)")
    }

    private func tar(_ arguments: [String]) async throws -> String {
        let result = try await ProcessCommandRunner().run(
            Invocation("tar", arguments, environment: ["PATH": "/usr/bin:/bin"], deadline: .seconds(30)))
        #expect(result.succeeded, "\(result.errorText)")
        return result.outputText
    }
}
