// SPDX-License-Identifier: Apache-2.0

import Gating
import MeshHTTP
import MeshModel
import MeshSystem
import MeshTesting
import Planning
import Synchronization
import Testing

@testable import ToolDrivers

/// Answers like Proxmox VE's API, by path; a stand-in, with the shapes of its own answers.
private final class ProxmoxStandIn: HTTPClient {
    let answers: Mutex<[String: (Int, String)]>
    let asked = Mutex<[HTTPRequest]>([])

    init(_ answers: [String: String]) { self.answers = Mutex(answers.mapValues { (200, $0) }) }

    func stream(_ request: HTTPRequest, onChunk: @Sendable (HTTPHead, [UInt8]) async throws -> Void) async throws -> HTTPHead {
        HTTPHead(status: 404, headers: [])
    }

    func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        asked.withLock { $0.append(request) }
        let path = String(request.url.dropFirst("https://10.20.0.5:8006/api2/json".count))
        let (status, text) = answers.withLock { $0[path] } ?? (501, #"{"data":null,"message":"Method 'GET \#(path)' not implemented"}"#)
        return HTTPResponse(status: status, headers: [HTTPHeader("Content-Type", "application/json")], body: Array(text.utf8))
    }

    static let whole: [String: String] = [
        "/version": #"{"data":{"release":"8.4","repoid":"b","version":"8.4.1"}}"#,
        "/nodes":
            #"{"data":[{"node":"pve1","status":"online","maxcpu":8,"mem":8589934592,"maxmem":34359738368,"uptime":1},{"node":"pve2"}]}"#,
        "/cluster/resources?type=vm": """
        {"data":[
          {"vmid":101,"node":"pve1","name":"wrk-e-1","status":"running","type":"qemu","maxcpu":4,"maxmem":4294967296,"template":0},
          {"vmid":102,"node":"pve1","name":"windows","status":"running","type":"qemu","maxcpu":2,"maxmem":1},
          {"vmid":103,"node":"pve1","name":"thief","status":"stopped","type":"qemu","maxcpu":16,"maxmem":1},
          {"vmid":9000,"node":"pve1","name":"talos","status":"stopped","type":"qemu","maxcpu":1,"template":1},
          {"vmid":300,"node":"pve1","name":"ct","status":"running","type":"lxc","maxcpu":1},
          {"vmid":111,"node":"pve2","name":"cp-e-1","status":"running","type":"qemu","maxcpu":2},
          {"vmid":500,"node":"pve2","name":"other","status":"running","type":"qemu","maxcpu":2}]}
        """,
        "/nodes/pve1/qemu/101/config?current=1": #"""
        {"data":{"name":"wrk-e-1","cores":4,"sockets":1,"memory":"4096","cpu":"x86-64-v2-AES","agent":"1","digest":"ab","boot":"order=virtio0",
          "net0":"virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=1500,firewall=1","virtio0":"local-lvm:vm-101-disk-0,iothread=1,size=32G",
          "virtio1":"local-lvm:vm-101-disk-1,discard=on,serial=wrk-e-1-data,size=12G","ide2":"none,media=cdrom"}}
        """#,
        "/nodes/pve1/qemu/102/config?current=1":
            #"{"data":{"name":"windows","net0":"e1000=BC:24:11:00:00:99,bridge=vmbr0","scsi0":"local:1,size=9G"}}"#,
        "/nodes/pve1/qemu/103/config?current=1": #"{"data":{"name":"thief","scsi1":"ceph:vm-103-disk-1,serial=wrk-e-1-data,size=12G"}}"#,
        "/nodes/pve1/storage": """
        {"data":[{"storage":"local-lvm","type":"lvmthin","content":"rootdir,images","active":1,"enabled":1,"used":900,"total":1000},
          {"storage":"ceph","type":"rbd","active":1,"used":1,"total":1000},{"storage":"off","active":0,"used":1,"total":1}]}
        """,
        "/nodes/pve1/storage/local-lvm/content?content=images": """
        {"data":[{"volid":"local-lvm:vm-101-disk-0","vmid":101,"size":34359738368,"format":"raw"},
          {"volid":"local-lvm:vm-101-disk-1","vmid":101,"size":12884901888},{"volid":"local-lvm:vm-101-disk-7","vmid":101,"size":4096},
          {"volid":"local-lvm:vm-102-disk-9","vmid":102,"size":4096},{"volid":"local-lvm:base-9000-disk-0","vmid":9000,"size":1}]}
        """,
        "/access/permissions": #"{"data":{"/vms":{"VM.Audit":1,"VM.Config.Disk":1},"/storage":{"Datastore.Audit":1}}}"#,
        "/nodes/pve1/qemu/101/snapshot": #"{"data":[{"name":"current","running":1}]}"#,
        "/cluster/sdn/zones":
            #"{"data":[{"zone":"lab","type":"vlan","bridge":"vmbr0","nodes":"pve2,pve3"},{"zone":"all","type":"simple"}]}"#,
        "/cluster/sdn/vnets?pending=1":
            #"{"data":[{"vnet":"v1500","zone":"lab","tag":1500},{"vnet":"v9","zone":"all","state":"new","pending":{"zone":"all","tag":9}}]}"#,
    ]
}

@Suite("Looking at Proxmox")
struct ProxmoxObserverTests {
    private let token = "meshgate@pve!read=0f0f0f0f-secret"

    private func look(
        _ server: ProxmoxStandIn, node: String? = "pve1", token: String? = nil, authority: String? = nil
    ) async throws -> HypervisorFact {
        var spec = try SmallMesh.spec()
        let reference = MeshSpec.Service.SecretReference.environment(variable: "PVE_TOKEN")
        let host = MeshSpec.Hypervisor(
            name: try SmallMesh.need(NodeID("pve-1")), address: try SmallMesh.need(IPAddress("10.20.0.5")),
            api: .init(server: "https://10.20.0.5:8006", node: node, authority: authority, token: reference))
        spec.hypervisors = [host]
        // It stands on another host of the Proxmox cluster.
        spec.clusters[0].nodes[0].vmid = 111
        let text = token ?? self.token
        var tools = Toolbox(
            runner: ProcessCommandRunner(), http: server, files: LinuxFileStore(), now: SystemClock.now, searchPath: [], kubeconfig: "",
            baseDirectory: "/nowhere", workDirectory: "/nowhere", environment: [:], contexts: { [:] }, meshCA: { ("", "") },
            progress: { _, _ in })
        tools.variable = { $0 == "PVE_TOKEN" ? text : nil }
        let client = try ProxmoxClient(try #require(host.api), of: host.name, tools: tools)
        return try await ProxmoxObserver(client: client, host: host, spec: spec).observe()
    }

    private func evidence(_ fact: HypervisorFact) -> Evidence {
        Evidence(
            subject: .mesh, probe: .hypervisor, bootID: nil, takenAt: Moment(wall: Timestamp(seconds: 0), boot: 0),
            facts: [.hypervisor(fact)])
    }

    @Test("its means, the guests that concern the plan, storages of these, and where vnets are")
    func whole() async throws {
        let server = ProxmoxStandIn(ProxmoxStandIn.whole)
        let fact = try await look(server)
        #expect(fact.host == "pve1" && fact.version == "8.4.1" && fact.cores == 8 && fact.memory.percent == 25)
        #expect(fact.coresInUse == 7, "of what runs: 4, 2 and a container's 1")
        #expect(fact.guests.map(\.vmid) == [101, 103] && fact.unread.isEmpty)
        let worker = try #require(fact.guests.first)
        #expect(worker.cores == 4 && worker.memory == .gibibytes(4) && worker.cpu == "x86-64-v2-AES" && worker.isRunning)
        let mac = MACAddress("bc:24:11:00:00:01")
        #expect(
            worker.cards == [.init(slot: "net0", model: "virtio", mac: mac, bridge: "vmbr0", tag: 1500, mtu: nil, isDown: false)])
        #expect(worker.disks.map(\.serial) == [nil, "wrk-e-1-data"] && worker.disks[1].size == .gibibytes(12))
        #expect(fact.neighbours == [.init(vmid: 111, name: "cp-e-1", host: "pve2")])
        #expect(fact.stores.keys.sorted() == ["ceph", "local-lvm"] && fact.stores["local-lvm"]?.percent == 90)
        #expect(
            fact.vnets == [
                .init(name: "v1500", zone: "lab", tag: 1500, isHere: false, isPending: false),
                .init(name: "v9", zone: "all", tag: 9, isHere: true, isPending: true),
            ])
        #expect(fact.orphans == [.init(volume: "local-lvm:vm-101-disk-7", vmid: 101, size: ByteCount(bytes: 4096))])
        let requests = server.asked.withLock { $0 }
        #expect(requests.allSatisfy { $0.method == .get && $0.headers.contains(HTTPHeader("Authorization", "PVEAPIToken=" + token)) })
        // What changes within a percent is no news.
        var later = fact
        later.memory.used = ByteCount(bytes: later.memory.used.bytes + 1000)
        #expect(evidence(later).says(sameAs: evidence(fact)))
        later.guests[0].isRunning = false
        #expect(!evidence(later).says(sameAs: evidence(fact)))
    }

    @Test("a serial with %XX is what the guest sees, and what waits for the next start is not what runs")
    func running() async throws {
        let server = ProxmoxStandIn(ProxmoxStandIn.whole)
        let path = "/nodes/pve1/qemu/101/config"
        server.answers.withLock {
            $0[path + "?current=1"] = (
                200, #"{"data":{"name":"wrk-e-1","memory":"2048","virtio1":"local-lvm:vm-101-disk-1,serial=wrk%2De-1%2Cdata,size=12G"}}"#
            )
            $0[path] = (200, #"{"data":{"name":"wrk-e-1","memory":"9999"}}"#)
        }
        let guest = try #require(try await look(server).guests.first)
        #expect(guest.memory == .gibibytes(2) && guest.disks.map(\.serial) == ["wrk-e-1,data"])
    }

    @Test("a volume that a snapshot may name, one of a machine elsewhere, and one that nobody may list are no orphans")
    func orphans() async throws {
        let volume = #"{"volid":"local-lvm:vm-111-disk-0","vmid":111,"size":1}"#
        func orphans(_ change: (inout [String: (Int, String)]) -> Void) async throws -> [String]? {
            let server = ProxmoxStandIn(ProxmoxStandIn.whole)
            server.answers.withLock { change(&$0) }
            return try await look(server).orphans?.map(\.volume)
        }
        #expect(try await orphans { _ in } == ["local-lvm:vm-101-disk-7"])
        let snapshot = #"{"data":[{"name":"before"},{"name":"current"}]}"#
        #expect(try await orphans { $0["/nodes/pve1/qemu/101/snapshot"] = (200, snapshot) } == [])
        #expect(try await orphans { $0["/nodes/pve1/qemu/101/snapshot"] = (403, "{}") } == [])
        let auditor = #"{"data":{"/vms":{"VM.Audit":1},"/storage":{"Datastore.Audit":1}}}"#
        #expect(try await orphans { $0["/access/permissions"] = (200, auditor) } == nil, "it would be shown an empty list")
        #expect(try await orphans { $0["/access/permissions"] = (501, "{}") } == nil)
        let list = "/nodes/pve1/storage/local-lvm/content?content=images"
        #expect(try await orphans { $0[list] = (403, "{}") } == nil)
        #expect(try await orphans { $0[list] = (200, #"{"data":[\#(volume)]}"#) } == [])
    }

    @Test("numbers that no host has overflow nothing")
    func absurd() async throws {
        let server = ProxmoxStandIn(ProxmoxStandIn.whole)
        server.answers.withLock {
            $0["/nodes/pve1/qemu/101/config?current=1"] = (
                200,
                #"{"data":{"name":"wrk-e-1","cores":9223372036854775807,"sockets":"9223372036854775807","memory":"-5","net0":"virtio,tag=-1"}}"#
            )
            $0["/nodes"] = (200, #"{"data":[{"node":"pve1","maxcpu":9223372036854775807,"mem":-1,"maxmem":9223372036854775807}]}"#)
        }
        let fact = try await look(server)
        #expect(fact.guests.first?.memory == nil && fact.guests.first?.cards.first?.tag == nil && fact.memory.percent == 0)
    }

    @Test("without SDN, and with a guest that may not be read, the rest is seen")
    func partly() async throws {
        let server = ProxmoxStandIn(ProxmoxStandIn.whole.filter { !$0.key.contains("sdn") })
        server.answers.withLock {
            $0["/nodes/pve1/qemu/102/config?current=1"] = (403, #"{"data":null,"message":"Permission check failed"}"#)
        }
        let fact = try await look(server)
        #expect(fact.vnets.isEmpty && fact.guests.count == 2)
        #expect(fact.unread.count == 1 && fact.unread[0].hasPrefix("102 windows: ") && fact.unread[0].contains("PVEAuditor"))
    }

    @Test("what is wrong is told with the way out, and never with the token")
    func refused() async throws {
        func problem(_ path: String, _ status: Int, _ text: String, node: String? = "pve1", token: String? = nil) async -> String {
            let server = ProxmoxStandIn(ProxmoxStandIn.whole)
            server.answers.withLock { $0[path] = (status, text) }
            do {
                _ = try await look(server, node: node, token: token)
                return "no problem"
            } catch {
                return "\(error)"
            }
        }
        #expect(await problem("/nodes", 401, "").contains("does not know the API token"))
        let forbidden = await problem("/nodes/pve1/storage", 403, #"{"message":"no \#(token)\u001b[31m"}"#)
        #expect(forbidden.contains("PVEAuditor") && !forbidden.contains("0f0f0f0f") && !forbidden.contains("\u{1b}"), "\(forbidden)")
        #expect(await problem("/nodes", 200, "<html>").contains("is not Proxmox'"))
        #expect(await problem("/nodes", 200, "[]").contains("is not Proxmox'"))
        #expect(await problem("/version", 595, #"{"errors":{"node":"no route"}}"#).contains("595 node: no route"))
        #expect(await problem("/x", 200, "", node: nil).contains("has no node \"pve-1\"; it has pve1, pve2"))
        for bad in ["", "secret", "me=1", "me@pve=x", "me@pve!id=", "me@pve!id=a\r\nX: y"] {
            let words = await problem("/x", 200, "", token: bad)
            #expect(words.contains("token") && !words.contains("secret\""), "\(words)")
        }
        await #expect(throws: ProxmoxError.self) { try await look(ProxmoxStandIn([:]), authority: "missing.pem") }
    }

    @Test("lines of a guest's configuration, honest and hostile")
    func lines() throws {
        typealias Card = HypervisorFact.Guest.Card
        typealias Disk = HypervisorFact.Guest.Disk
        #expect(Card(slot: "net1", "model=virtio,macaddr=BC:24:11:00:00:02,link_down=1,mtu=1")?.isDown == true)
        #expect(Card(slot: "net1", "model=virtio,macaddr=BC:24:11:00:00:02,mtu=1")?.mac == MACAddress("bc:24:11:00:00:02"))
        #expect(Card(slot: "net0", "")?.model == nil)
        #expect(Card(slot: "net0", "virtio=not-a-mac,tag=x,mtu=-")?.mac == nil)
        #expect(ProxmoxDrive(slot: "ide2", "none,media=cdrom") == nil && ProxmoxDrive(slot: "ide2", "local:iso/a.iso,media=cdrom") == nil)
        #expect(ProxmoxDrive(slot: "scsi0", "file=local:1,size=99999999999999999T")?.size == nil)
        #expect(ProxmoxDrive(slot: "scsi0", "/dev/sdb,serial=s").map(Disk.init)?.store == nil)
        #expect(
            !ProxmoxDrive.isSlot("scsihw") && !ProxmoxDrive.isSlot("virtio") && !ProxmoxDrive.isSlot("virtio123")
                && ProxmoxDrive.isSlot("sata5"))
        var generator = SplitMix(seed: 7)
        let alphabet = Array("virtio=,:;tagBC24%\u{0}\u{ff}-9.")
        for _ in 0..<2000 {
            let text = String((0..<Int.random(in: 0..<40, using: &generator)).map { _ in alphabet.randomElement(using: &generator) ?? "x" })
            _ = Card(slot: "net0", text)
            _ = ProxmoxDrive(slot: "scsi0", text).map(Disk.init)
        }
    }
}
