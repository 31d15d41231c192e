// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshModel
import Planning
import Running
import Testing

/// One entry of every kind, with all optional parts present somewhere.
struct SampleEntries {
    let node: NodeID
    let cluster: ClusterName
    let step: StepID
    let run: RunID
    let boot: BootID
    let warrant: WarrantID
    let noon = Moment(wall: Timestamp(seconds: 1_795_000_000), boot: 86_400_000)

    init() throws {
        node = try #require(NodeID("wrk-e-1"))
        cluster = try #require(ClusterName("talos-east"))
        step = StepID("talos-east", "wrk-e-1", "wipe-vdb")
        run = try #require(RunID("run-1"))
        boot = try #require(BootID("0f4d1c2e-8a57-4d3c-9a53-6a5f2f2f9c11"))
        warrant = try #require(WarrantID("00112233445566778899aabbccddeeff"))
    }

    private var reason: Reason {
        Reason(.warrant, .node(node), .needsWarrant, "no warrant", remedy: "sign one", since: noon.wall)
    }

    func plan() throws -> Plan {
        let disk = MeshSpec.Node.Disk(name: "vdb", serial: "east-1", size: .gibibytes(128))
        let spec = MeshSpec(
            name: "home", versions: .init(talos: .init(1, 11, 3), cilium: .init(1, 18, 5)),
            clusters: [
                .init(
                    name: cluster, id: 1, context: "admin@talos-east", endpoint: "https://192.168.15.5:6443",
                    podCIDRs: [try #require(CIDR("10.1.0.0/16"))], serviceCIDRs: [try #require(CIDR("10.101.0.0/16"))],
                    cilium: .init(),
                    nodes: [.init(name: node, role: .worker, address: try #require(IPAddress("192.168.15.21")), disks: [disk])])
            ],
            // As plans were before wipes had a policy.
            policy: .init(wipes: nil))
        let planned = Requirement.PlannedDisk(name: "vdb", serial: "east-1", size: .gibibytes(128))
        let wipe = Step(
            id: step, title: "wipe vdb", place: .node(node), action: .wipe(node, planned, .labels), after: [],
            gates: [.bootStable(node), .warranted(step, node, planned)],
            done: [.diskIdentity(node, planned), .diskBlank(node, planned, cluster: cluster)], destroys: ["everything on vdb"],
            deadline: TimeSpan(.seconds(7200)))
        return Plan(body: Plan.Body(spec: spec, planner: 1, steps: [wipe]), digest: .zero)
    }

    func all() throws -> [JournalEntry] {
        let evidence = Evidence(
            subject: .node(node), probe: .host, bootID: boot, takenAt: noon,
            facts: [
                .host(
                    HostFact(
                        hostname: "wrk-e-1", bootID: boot, uptime: TimeSpan(.seconds(3600)), kernelRelease: "6.12.57-talos",
                        machine: "x86_64", agentVersion: "0.1.0"))
            ], task: TaskID("probe-1"))
        return [
            .coordinatorStarted(epoch: Generation(1), boot: boot),
            .runStarted(run: run, plan: try plan(), by: "uid:1000"),
            .evidenceTaken(evidence),
            .evidenceRenewed(key: evidence.key, takenAt: noon),
            .warrantTaken(
                step: step, id: warrant, notAfter: noon.wall, envelope: WarrantEnvelope(text: "MESHGATE\n", signatures: ["SSH"])),
            .overrideGranted(GateOverride(step: step, gate: .clock, by: "ada", reason: "known", until: noon.wall)),
            .stepHeld(step: step, verdict: .hold([reason])),
            .stepSkipped(step: step),
            .stepStarted(step: step, attempt: 1),
            .stepReported(step: step, attempt: 1, outcome: .succeeded("cleared")),
            .stepFinished(step: step, attempt: 1),
            .stepFailed(step: step, attempt: 1, problem: "timed out"),
            .stepUnsettled(step: step, attempt: 1),
            .stepReturned(step: step, attempt: 1),
            .stepRegressed(step: step, verdict: .hold([reason])),
            .stepRecovered(step: step),
            .runFinished(run: run, ending: .succeeded),
            .bootSeen(node: node, boot: boot),
            .agentEnrolled(node: node, serial: "4a", by: "token"),
            .agentRevoked(node: node, serial: "4a", by: "ada", reason: "lost"),
            .alarm(subject: .cluster(cluster), text: "two sessions"),
        ]
    }

    /// `count` small entries, each different.
    func many(_ count: Int) -> [JournalEntry] {
        (1...count).map { .stepFailed(step: step, attempt: $0, problem: "attempt \($0) timed out") }
    }
}
