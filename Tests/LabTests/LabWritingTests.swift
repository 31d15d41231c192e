// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Synchronization
import Testing

@testable import Lab

@Suite("What a lab writes")
struct LabWritingTests {
    private let topology: LabTopology

    init() throws { topology = try LabTopology(LabPlan(directory: "/lab")) }

    @Test("mesh.yaml names every node with its address, and every data disk with its serial")
    func mesh() {
        let mesh = LabMeshFile(topology).mesh
        for node in topology.nodes {
            #expect(mesh.contains("- name: \(node.name)\n"))
            #expect(mesh.contains("address: \(node.address)\n"))
            if let disk = node.disk { #expect(mesh.contains("serial: \(disk.serial), size: 12GiB, use: rook-ceph")) }
        }
        #expect(mesh.contains("clustermesh: { serviceType: NodePort, nodePort: 32380 }"))
        #expect(!mesh.contains("\t"))
    }

    @Test("the kubeconfig has one context per cluster, each with its own server")
    func kubeconfig() throws {
        let text = try LabMeshFile(topology).kubeconfig(servers: ["talos-east": "http://127.0.0.1:1", "talos-west": "http://127.0.0.1:2"])
        #expect(text.contains("\"name\" : \"admin@talos-east\"") && text.contains("\"name\" : \"admin@talos-west\""))
        #expect(text.contains("\"server\" : \"http://127.0.0.1:1\"") && text.contains("\"server\" : \"http://127.0.0.1:2\""))
        #expect(text.contains("\"current-context\" : \"admin@talos-east\""))
    }

    @Test("Terraform has one machine per node")
    func terraform() {
        let text = LabMeshFile(topology).terraform
        #expect(text.split(separator: "\n").count { $0.hasPrefix("resource \"lab_machine\"") } == 6)
        #expect(text.contains("\"wrk_e_1\""))
    }

    @Test("the whole catalogue has a service that Terraform brings, in a phase of its own beside the machines'")
    func objectStore() {
        let file = LabMeshFile(topology, services: .catalogue)
        #expect(file.terraform.contains("resource \"lab_bucket\" \"traces\" {"))
        #expect(file.mesh.contains("- { name: object-store, terraform: { phase: object-store }, clusters: all }"))
        let machines = topology.nodes.map { "lab_machine." + $0.name.text.replacing("-", with: "_") }.joined(separator: ", ")
        #expect(
            file.mesh.contains(
                "phases: [{ name: machines, addresses: [\(machines)] }, { name: object-store, addresses: [lab_bucket.traces] }]"))
        #expect(!LabMeshFile(topology).mesh.contains("phases:"))
    }

    @Test("a seed says what a stand-in cluster is made of and can be read back")
    func seed() throws {
        let scratch = try Scratch()
        let seed = LabSeed(topology.clusters[1], hasForeignCA: true)
        try LabFiles.write(try seed.text, to: scratch.path + "/seed.json")
        #expect(try LabSeed.load(scratch.path) == seed)
        #expect(seed.nodes.map(\.podCIDR) == ["10.245.0.0/24", "10.245.1.0/24", "10.245.2.0/24"])
        #expect(seed.nodes.map(\.controlPlane) == [true, false, false])
    }

    @Test("the approver's key signs for meshgate-wipe, and ssh-keygen accepts that signature by the file that the nodes get")
    func approver() async throws {
        let scratch = try Scratch()
        let paths = LabPaths(scratch.path)
        try LabFiles.makeDirectory(paths.approver)
        let tools = LabTools(runner: ProcessCommandRunner())
        let approver = LabApprover(paths: paths, tools: tools)
        try await approver.prepare()
        let signature = try await approver.sign("MESHGATE-WIPE-WARRANT/1\nmesh: lab\n")
        try LabFiles.write(signature, to: scratch.path + "/sig")
        let verify = [
            "-Y", "verify", "-f", paths.allowedSigners, "-I", LabApprover.principal, "-n", "meshgate-wipe", "-s", scratch.path + "/sig",
        ]
        #expect(try await tools.attempt("ssh-keygen", verify, input: "MESHGATE-WIPE-WARRANT/1\nmesh: lab\n").succeeded)
        #expect(try await tools.attempt("ssh-keygen", verify, input: "MESHGATE-WIPE-WARRANT/1\nmesh: lax\n").succeeded == false)
    }

    @Test("a story without colour is plain text with the time in front, and keeps the length of its chapters")
    func story() {
        let lines = Mutex<[String]>([])
        let story = LabStory(colour: false) { line in lines.withLock { $0.append(line) } }
        story.chapter("begin")
        story.tell("two\nlines", .quote)
        story.tell("good", .good)
        let told = lines.withLock { $0 }
        #expect(told.count == 4)
        #expect(told.allSatisfy { !$0.contains("\u{1B}") && $0.hasSuffix("\n") })
        #expect(told[0].hasSuffix("s  == begin\n"))
        #expect(told[1] == "           two\n")
        #expect(story.times.map(\.title) == ["begin", "all of it"])
        #expect(LabStory.seconds(.milliseconds(12_345)) == "  12.3s")
    }

    @Test("a coloured story uses colours")
    func colour() {
        let lines = Mutex<[String]>([])
        LabStory(colour: true) { line in lines.withLock { $0.append(line) } }.tell("held", .held)
        #expect(lines.withLock { $0 }.first?.contains("\u{1B}[33mheld\u{1B}[0m") == true)
    }

    @Test("hidden commands take their options in pairs and a program after two dashes")
    func options() throws {
        let options = try LabOptions(["--node", "a", "--", "ls", "--node"], known: ["--node"])
        #expect(try options.value("--node") == "a")
        #expect(options.program == ["ls", "--node"])
        #expect(throws: LabError.self) { try LabOptions(["--nod", "a"], known: ["--node"]) }
        #expect(throws: LabError.self) { try LabOptions(["--node"], known: ["--node"]) }
        #expect(throws: LabError.self) { try options.value("--prefix") }
    }
}

@Suite("A wrong clock")
struct LabClockSkewTests {
    @Test(
        "a Swift program under it still gets its arguments",
        .enabled(if: LabPreflight.fakeTimeLibrary != nil && RealLab.isBuilt, "needs libfaketime and the built meshgate"))
    func arguments() async throws {
        let result = try await ProcessCommandRunner().run(
            Invocation(
                RealLab.program, ["lab", "enter", "--nod", "x"], environment: try LabClockSkew.environment(seconds: -30),
                deadline: .seconds(20)))
        #expect(result.errorText.contains("--nod"))
        #expect(result.exit == .exited(1))
    }
}
