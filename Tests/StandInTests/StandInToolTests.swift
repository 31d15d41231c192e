// SPDX-License-Identifier: Apache-2.0

import Lab
import MeshModel
import MeshSystem
import MeshTesting
import StandInTesting
import Testing

@Suite("The other stand-in tools")
struct StandInToolTests {
    private func with(_ body: @escaping @Sendable (StandInWorld) async throws -> Void) async throws {
        try await StandInWorld.with(SmallMesh.spec(), body)
    }

    @Test("a program knows by its name which tool it plays")
    func names() {
        #expect(LabStandIns.toolName("/lab/bin/cilium") == .cilium)
        #expect(LabStandIns.toolName("ansible-playbook") == .ansiblePlaybook)
        #expect(LabStandIns.toolName("/usr/bin/meshgate") == nil)
        #expect(LabStandIns.Tool.allCases.map(\.rawValue).sorted() == LabStandInClusters.tools.sorted())
    }

    @Test("every tool says that it is a stand-in")
    func help() async throws {
        try await with { world in
            for tool in LabStandIns.Tool.allCases {
                let result = try await world.call(tool.rawValue, ["--help"])
                #expect(result.outputText.contains("stand-in"), "\(tool)")
                #expect(result.outputText.contains("Meshgate Lab"), "\(tool)")
            }
        }
    }

    @Test("kubectl deletes with the flags before the verb, and says when there is nothing")
    func kubectlDelete() async throws {
        try await with { world in
            let delete = ["--context", "admin@east", "--namespace", "kube-system", "delete", "secret", "cilium-ca"]
            let none = try await world.call("kubectl", delete)
            #expect(none.exit == .exited(1))
            #expect(none.errorText == "Error from server (NotFound): secrets \"cilium-ca\" not found\n")
            _ = try await world.call("cilium", ["--context", "admin@east", "install", "--set", "cluster.name=east,cluster.id=1"])
            let gone = try await world.call("kubectl", delete)
            #expect(gone.outputText == "secret \"cilium-ca\" deleted\n")
        }
    }

    @Test("kubectl opens no address")
    func noNetwork() async throws {
        try await with { world in
            let other = try await world.call("kubectl", ["apply", "-f", "https://example.org/x.yaml"])
            #expect(other.exit == .exited(1))
            #expect(other.errorText.contains("no network"))
        }
    }

    @Test("helm counts revisions and supersedes the one before")
    func helm() async throws {
        try await with { world in
            let upgrade = [
                "upgrade", "--install", "demo", "chart", "--version", "1.0.0", "--namespace", "demo", "--create-namespace",
                "--kube-context",
                "admin@east", "--wait",
            ]
            let first = try await world.call("helm", upgrade)
            #expect(first.outputText.hasPrefix("Release \"demo\" does not exist. Installing it now."))
            let second = try await world.call("helm", upgrade)
            #expect(second.outputText.contains("REVISION: 2"))
            let list = try await world.call("helm", ["list", "--kube-context", "admin@east"])
            #expect(list.outputText == "NAME\tNAMESPACE\tREVISION\tSTATUS\ndemo\tdemo\t2\tdeployed\n")
        }
    }

    @Test("talosctl health wants every node registered, and asks one node only")
    func talosctl() async throws {
        try await with { world in
            let health = ["--context", "east", "health", "--wait-timeout", "0s", "--control-plane-nodes", "192.168.15.11"]
            #expect(try await world.call("talosctl", health).exit == .exited(0))
            let missing = try await world.call("talosctl", health + ["--worker-nodes", "192.168.15.99"])
            #expect(missing.exit == .exited(1))
            #expect(missing.errorText.contains("192.168.15.99"))
            let many = try await world.call("talosctl", health + ["--nodes", "192.168.15.11,192.168.15.21"])
            #expect(many.errorText == "command \"health\" is not supported with multiple nodes\n")
        }
    }

    @Test("terraform plans what is named, applies it, and refuses a plan that has become stale")
    func terraform() async throws {
        try await with { world in
            func write(_ text: String) throws { try LinuxFileStore().write(Array(text.utf8), to: world.directory + "/main.tf") }
            try write("resource \"lab_machine\" \"a\" {\n  x = 1\n}\nresource \"lab_machine\" \"b\" {\n}\n")
            let plan = try await world.call("terraform", ["plan", "-out=one.plan"])
            #expect(plan.outputText == "Plan: 2 to add, 0 to change, 0 to destroy.\n")
            _ = try await world.call("terraform", ["plan", "-out=two.plan"])
            #expect(try await world.call("terraform", ["apply", "-json", "one.plan"]).exit == .exited(0))
            let stale = try await world.call("terraform", ["apply", "-json", "two.plan"])
            #expect(stale.exit == .exited(1))
            #expect(stale.errorText.contains("Saved plan is stale"))
            try write("resource \"lab_machine\" \"a\" {\n  x = 2\n}\n")
            let next = try await world.call("terraform", ["plan", "-out=three.plan"])
            #expect(next.outputText == "Plan: 0 to add, 1 to change, 1 to destroy.\n")
        }
    }
}
