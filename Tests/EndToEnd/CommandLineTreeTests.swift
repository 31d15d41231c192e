// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import MeshSystem
import Testing

@Suite("Trees at the command line", .timeLimit(.minutes(3)))
struct CommandLineTreeTests {
    private static let script =
        "#!/bin/bash\ncilium install --version 1.18.5 --context x --set clustermesh.apiserver.service.nodeprt=32001\n"

    private func tree(in place: Place) throws -> String {
        for directory in ["tree", "tree/.git", "tree/.terraform", "tree/infra", "outside"] {
            try FileManager.default.createDirectory(atPath: "\(place.path)/\(directory)", withIntermediateDirectories: true)
        }
        try place.put("tree/run.sh", Self.script)
        try place.put("tree/infra/a b.tf", "resource \"helm_release\" \"x\" {\n  chart = \"csi-digitalocean\"\n  version = \"4.0.0\"\n}\n")
        return "\(place.path)/tree"
    }

    @Test("findings in files have their path from here; JSON and SARIF parse; exit 0, 1, 64 or 65")
    func forms() async throws {
        let place = try Place()
        _ = try tree(in: place)
        let text = try await Programs.run(["lint", "--tree", "tree"], home: place.path)
        #expect(text.code == 1 && text.output.contains("tree/infra/a b.tf:1:1: error L-CSI-1: "), "\(text.all)")
        #expect(text.output.contains("1 error, 1 warning"), "\(text.all)")
        let json = try await Programs.run(["lint", "--tree", "tree", "-o", "json"], home: place.path).json()
        #expect(json["tree"] as? String == "tree")
        let findings = try #require(json["findings"] as? [[String: Any]])
        #expect(findings.compactMap { $0["file"] as? String } == ["infra/a b.tf", "infra/a b.tf"])
        let sarif = try await Programs.run(["lint", "--tree", ".", "-o", "sarif"], home: place.path + "/tree").json()
        #expect("\(sarif)".contains("infra/a%20b.tf") && !"\(sarif)".contains("tree/"))
        try place.put("tree/infra/a b.tf", "locals {}\n")
        let clean = try await Programs.run(["lint", "--tree", "tree"], home: place.path)
        #expect(clean.code == 0 && clean.output.contains("tree: nothing to complain about"), "\(clean.all)")
        #expect(try await Programs.run(["lint", "--tree", "none"], home: place.path).code == 65)
        #expect(try await Programs.run(["lint", "--tree", "tree/run.sh"], home: place.path).code == 65)
    }

    @Test("what tools put there, what links lead to and what is no file is not read; what cannot be read is told")
    func bounds() async throws {
        let place = try Place()
        let root = try tree(in: place)
        let bad = "export KUBECONFIG=rel\nkubectl delete x\n"
        for path in ["tree/.git/x.sh", "tree/.terraform/x.sh", "outside/x.sh"] { try place.put(path, bad) }
        try place.put("tree/infra/a b.tf", "locals {}\n")
        #expect(symlink("../outside", root + "/linked") == 0 && symlink("../outside/x.sh", root + "/x.sh") == 0)
        #expect(symlink(".", root + "/loop") == 0 && mkfifo(root + "/pipe.sh", 0o600) == 0)
        #expect(try await Programs.run(["lint", "--tree", "tree"], home: place.path, deadline: .seconds(20)).code == 0)
        try Data([0x23, 0xFF, 0xFE]).write(to: URL(fileURLWithPath: root + "/latin.sh"))
        try Data(count: (4 << 20) + 1).write(to: URL(fileURLWithPath: root + "/big.tf"))
        let told = try await Programs.run(["lint", "--tree", "tree"], home: place.path)
        #expect(told.code == 0 && told.output.contains("tree/latin.sh:1:1: warning L-READ-1"), "\(told.all)")
        #expect(told.output.contains("tree/big.tf:1:1: warning L-READ-1") && told.output.contains("0 errors, 2 warnings"), "\(told.all)")
    }

    @Test("a chart as tar packs it tells which values it reads; what is no chart is refused in a sentence")
    func charts() async throws {
        let place = try Place()
        _ = try tree(in: place)
        try place.put("tree/infra/a b.tf", "locals {}\n")
        try FileManager.default.createDirectory(atPath: "\(place.path)/cilium/templates", withIntermediateDirectories: true)
        try place.put("cilium/Chart.yaml", "name: cilium\nversion: 1.18.5\n")
        try place.put("cilium/values.yaml", "cluster:\n  id: 0\n")
        try place.put("cilium/templates/a.yaml", "{{ .Values.clustermesh.apiserver.service.nodePort }}")
        let packed = try await ProcessCommandRunner().run(
            Invocation(
                "/usr/bin/tar", ["czf", "cilium.tgz", "cilium"], environment: ["PATH": "/usr/bin:/bin"], workingDirectory: place.path,
                standardInput: [], deadline: .seconds(20)))
        #expect(Ending(packed).code == 0)
        let told = try await Programs.run(["lint", "--tree", "tree", "--chart", "cilium.tgz"], home: place.path)
        #expect(told.code == 1 && told.output.contains("tree/run.sh:2:"), "\(told.all)")
        #expect(
            told.output.contains(
                "L-HELM-1: chart 1.18.5 never reads \"clustermesh.apiserver.service.nodeprt\"; did you mean \"clustermesh.apiserver.service.nodePort\"?"
            ), "\(told.all)")
        let mesh = try place.put("mesh.yaml", ServeStage.meshText())
        #expect(try await Programs.run(["lint", "-f", mesh, "--chart", "cilium.tgz"], home: place.path).code == 0)
        try place.put("no.tgz", "not gzip")
        let refused = try await Programs.run(["lint", "--tree", "tree", "--chart", "no.tgz"], home: place.path)
        #expect(refused.code == 65 && refused.errors.contains("no.tgz is not a chart archive as `helm pull` leaves it"), "\(refused.all)")
    }
}
