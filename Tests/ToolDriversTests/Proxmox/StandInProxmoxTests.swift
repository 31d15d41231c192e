// SPDX-License-Identifier: Apache-2.0

import Gating
import Glibc
import Lab
import MeshHTTP
import MeshModel
import MeshSystem
import MeshTesting
import Testing

@testable import ToolDrivers

/// The whole way over the wire: the real client, TLS with a CA of the host's own, a server with the shapes of Proxmox', and the judge behind it.
@Suite("Proxmox over https, as it should be and in each way in which it is not", .serialized)
struct StandInProxmoxTests {
    /// A host `pve1` of a cluster, with one machine as planned.
    private final class Host {
        let path: String
        private let files = LinuxFileStore()
        private static let machine = """
            cores: 4
            cpu: host
            memory: 8192
            name: wrk-e-1
            net0: virtio=BC:24:11:00:00:01,bridge=v1500,mtu=9000
            virtio1: local-lvm:vm-101-disk-1,serial=wrk%2De-1-data,size=12G

            """

        init() throws {
            path = "/tmp/meshgate-proxmox-\(try KernelEntropy().hexID(byteCount: 6))"
            try files.createDirectory(path + "/pve")
            #expect(symlink("nodes/pve1", path + "/pve/local") == 0)
            try write(Self.machine, to: "nodes/pve1/qemu-server/101.conf")
            try write("name: somebody-else\n", to: "nodes/pve2/qemu-server/500.conf")
            try write("lvmthin: local-lvm\n\tvgname pve\n\tcontent images\n", to: "storage.cfg")
            try write(
                """
                pve2-node/pve1:9:c:0:0:8:0:0:34359738368:8589934592
                pve2.3-vm/101:9:wrk-e-1:running:0:0:4:0
                pve2-storage/pve1/local-lvm:0:1000:100
                """, to: ".rrd")
            try write("vlan: lab\n\tbridge vmbr0\n", to: "sdn/zones.cfg")
            try write("vnet: v1500\n\tzone lab\n\ttag 1500\n", to: "sdn/vnets.cfg")
            try LabStandInProxmox.prepare(path + "/identity")
        }

        func write(_ text: String, to name: String) throws {
            let full = "\(path)/pve/\(name)"
            try files.createDirectory("/" + full.split(separator: "/").dropLast().joined(separator: "/"))
            try files.write(Array(text.utf8), to: full)
        }

        func edit(_ old: String, _ new: String) throws {
            try write(Self.machine.replacing(old, with: new), to: "nodes/pve1/qemu-server/101.conf")
        }
    }

    private let name: NodeID
    private let planned: PlannedMachine

    init() throws {
        name = try SmallMesh.need(NodeID("pve-1"))
        planned = PlannedMachine(
            name: try SmallMesh.need(NodeID("wrk-e-1")), vmid: 101, cores: 4, memory: .gibibytes(8),
            cards: [.init(mac: MACAddress("bc:24:11:00:00:01"), bridge: "v1500", vlan: 1500, mtu: 9000)],
            disks: [.init(name: "vdb", serial: "wrk-e-1-data", size: .gibibytes(12))])
    }

    /// Reasons for which the host's gates hold; empty when all of them pass.
    private func reasons(patience: Duration = .seconds(15), _ change: (Host) throws -> Void = { _ in }) async throws -> [String] {
        let host = try Host()
        try change(host)
        let facts = try await withThrowingTaskGroup(of: [Fact]?.self) { group in
            let (ports, sink) = AsyncStream.makeStream(of: Int.self)
            let path = host.path
            group.addTask {
                defer { sink.finish() }
                try await LabStandInProxmox.run(root: path + "/pve", directory: path + "/identity") { sink.yield($0) }
                return nil
            }
            var port: Int?
            for await announced in ports {
                port = announced
                break
            }
            let facts = await look(at: try #require(port), host, patience)
            group.cancelAll()
            return facts
        }
        _ = try await ProcessCommandRunner().run(Invocation("rm", ["-rf", host.path], deadline: .seconds(10)))
        let now = Moment(wall: Timestamp(seconds: 1_800_000_000), boot: 0)
        var table = EvidenceTable()
        table.take(Evidence(subject: .node(name), probe: .hypervisor, bootID: nil, takenAt: now, facts: facts))
        let judge = Judge(evidence: table, maxAge: .seconds(60), now: now)
        return judge.judge([
            .guestUnique(planned, hypervisor: name), .guestAsPlanned(planned, hypervisor: name), .room(name, [planned]),
        ]).reasons.map(\.detail)
    }

    private func look(at port: Int, _ host: Host, _ patience: Duration) async -> [Fact] {
        do {
            var spec = try SmallMesh.spec()
            let hypervisor = MeshSpec.Hypervisor(
                name: name, address: try SmallMesh.need(IPAddress("127.0.0.1")),
                api: .init(
                    server: "https://127.0.0.1:\(port)", node: "pve1", authority: host.path + "/identity/ca.pem",
                    token: .file(path: host.path + "/identity/token")))
            spec.hypervisors = [hypervisor]
            spec.clusters[0].nodes[0].vmid = 101
            let tools = Toolbox(
                runner: ProcessCommandRunner(), http: try CurlHTTPClient(), files: LinuxFileStore(), now: SystemClock.now, searchPath: [],
                kubeconfig: "", baseDirectory: "/nowhere", workDirectory: "/nowhere", environment: [:], contexts: { [:] },
                meshCA: { ("", "") }, progress: { _, _ in })
            let client = try ProxmoxClient(try #require(hypervisor.api), of: name, tools: tools, deadline: patience)
            return [.hypervisor(try await ProxmoxObserver(client: client, host: hypervisor, spec: spec).observe())]
        } catch {
            return [.unavailable("\(error)")]
        }
    }

    @Test("a machine as planned passes, over a certificate of the host's own CA")
    func whole() async throws { #expect(try await reasons() == []) }

    @Test(
        "each difference is told with what was wanted",
        arguments: [
            ("bridge=v1500", "bridge=vmbr9", "net0 is on vmbr9, the plan wants v1500"),
            (",mtu=9000", "", "net0 has MTU 1500, the plan wants 9000"), (",mtu=9000", ",mtu=9000,tag=7", "is tagged twice"),
            ("wrk%2De-1-data", "other", "has no disk with serial wrk-e-1-data"),
            ("size=12G", "size=11G", "has 11GiB, the plan wants 12GiB"),
            ("cpu: host\n", "", "kvm64, Proxmox' default"), ("cores: 4", "cores: 2", "has 2 cores, the plan wants 4"),
            ("memory: 8192", "memory: 4096", "has 4GiB of memory, the plan wants 8GiB"),
            ("virtio=BC:24:11:00:00:01", "virtio=BC:24:11:00:00:02", "has no network card with address bc:24:11:00:00:01"),
        ])
    func differences(old: String, new: String, told: String) async throws {
        let reasons = try await reasons { try $0.edit(old, new) }
        #expect(reasons.count == 1 && reasons[0].contains(told), "\(reasons)")
    }

    @Test("what waits for the next start, and what a snapshot has, is not what runs")
    func pending() async throws {
        #expect(try await reasons { try $0.edit("cores: 4\n", "cores: 4\n\n") } == [])
        let later = try await reasons { try $0.edit("size=12G\n", "size=12G\n\n[PENDING]\ncores: 2\n\n[old]\ncores: 1\n") }
        #expect(later == [])
    }

    @Test("a vnet elsewhere or gone, a full pool, a number that is taken")
    func host() async throws {
        let elsewhere = try await reasons { try $0.write("vlan: lab\n\tbridge vmbr0\n\tnodes pve2\n", to: "sdn/zones.cfg") }
        #expect(elsewhere.count == 1 && elsewhere[0].contains("zone lab, which does not reach pve1"))
        let other = try await reasons { try $0.write("vnet: v1500\n\tzone lab\n\ttag 1501\n", to: "sdn/vnets.cfg") }
        #expect(other.count == 1 && other[0].contains("is in VLAN 1501, the plan wants 1500"))
        let full = try await reasons {
            try $0.write(
                """
                pve2-node/pve1:9:c:0:0:8:0:0:34359738368:8589934592
                pve2.3-vm/101:9:wrk-e-1:running:0:0:4:0
                pve2-storage/pve1/local-lvm:0:1000:900
                """, to: ".rrd")
        }
        #expect(full.count == 1 && full[0].contains("storage local-lvm of pve-1 is 90 % full"))
        let clash = try await reasons { try $0.write("name: windows\n", to: "nodes/pve2/qemu-server/101.conf") }
        #expect(clash.count == 1 && clash[0].contains("number 101 of wrk-e-1 belongs to machine 101 windows on pve2"), "\(clash)")
    }

    @Test("an API that refuses, fails or is slow is told, and opens nothing")
    func broken() async throws {
        func faults(_ text: String) throws -> (Host) throws -> Void { { try $0.write(text, to: "stand-in-faults.json") } }
        for (text, told) in [(#"{"status":500}"#, "was answered with 500"), (#"{"status":401}"#, "does not know the API token")] {
            let reasons = try await reasons(faults(text))
            #expect(reasons.count == 3 && reasons.allSatisfy { $0.contains(told) }, "\(reasons)")
        }
        let slow = try await reasons(patience: .milliseconds(150), faults(#"{"slow":2000}"#))
        #expect(slow.count == 3 && slow.allSatisfy { $0.contains("could not answer hypervisor") }, "\(slow)")
        let stranger = try await reasons { host in
            try LabStandInProxmox.prepare(host.path + "/second")
            // The client is given the CA of another host.
            let other = try #require(try LinuxFileStore().read(host.path + "/second/ca.pem", limit: 1 << 20))
            try LinuxFileStore().write(other, to: host.path + "/identity/ca.pem")
        }
        #expect(stranger.count == 3 && stranger.allSatisfy { $0.contains("could not answer hypervisor") })
    }

    @Test("the stand-in answers GET alone, and only to its token")
    func door() {
        let proxmox = StandInProxmox(root: "/nonexistent", token: "a@b!c=d")
        #expect(proxmox.answer("GET", "/api2/json/version", authorization: nil).status == 401)
        #expect(proxmox.answer("GET", "/api2/json/version", authorization: "PVEAPIToken=a@b!c=e").status == 401)
        #expect(proxmox.answer("GET", "/api2/json/version", authorization: "PVEAPIToken=a@b!c=d").status == 200)
        for (method, path) in [
            ("POST", "/api2/json/version"), ("GET", "/version"), ("GET", "/api2/json/nodes/x/qemu/1/config"), ("GET", ""),
        ] {
            #expect(proxmox.answer(method, path, authorization: "PVEAPIToken=a@b!c=d").status == 501, "\(method) \(path)")
        }
    }
}
