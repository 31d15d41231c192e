// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import Testing

@testable import ToolDrivers

@Suite("Tables and resources of talosctl")
struct TalosTableTests {
    /// The documentation's own sample (siderolabs/docs, etcd-maintenance), as v1.11 prints it.
    private static let status = """
        NODE         MEMBER             DB SIZE   IN USE            LEADER             RAFT INDEX   RAFT TERM   RAFT APPLIED INDEX   LEARNER   PROTOCOL   STORAGE   ERRORS
        172.20.0.2   a49c021e76e707db   17 MB     4.5 MB (26.10%)   ecebb05b59a776f1   53391        4           53389                false     3.6.4      3.6.0     
        """
    private static let members = """
        NODE         ID                 HOSTNAME   PEER URLS                 CLIENT URLS               LEARNER
        172.20.0.2   a49c021e76e707db   cp-2       https://172.20.0.3:2380   https://172.20.0.3:2379   false
        172.20.0.2   1c2b3a4d5e6f7081              https://172.20.0.4:2380                             true
        """
    private static let services = """
        NODE         SERVICE      STATE       HEALTH   LAST CHANGE   LAST EVENT
        172.20.0.2   apid         Running     OK       19m27s ago    Health check successful
        172.20.0.2   etcd         Preparing   ?        1m2s ago      Running pre state
        """

    @Test("are read by the places of their columns: spaces in names and cells, and empty cells")
    func reading() throws {
        let status = try SmallMesh.need(try EtcdObserver.status(Self.status))
        #expect(status.member == "a49c021e76e707db" && status.leader == "ecebb05b59a776f1" && status.raftTerm == 4)
        #expect(status.unapplied == 2 && !status.isLearner && status.errors.isEmpty)
        let members = try EtcdObserver.members(Self.members)
        #expect(members.map(\.id) == ["1c2b3a4d5e6f7081", "a49c021e76e707db"])
        #expect(members.map(\.hostname) == ["", "cp-2"] && members.map(\.isLearner) == [true, false])
        #expect(try EtcdObserver.service(Self.services) == ("Preparing", true))
        #expect(try EtcdObserver.service(Self.services.replacing("1m2s ago ", with: "29s ago  ")) == ("Preparing", false))
        #expect(try EtcdObserver.service(Self.services.replacing("etcd", with: "cri ")) == ("absent", false))
        #expect(try EtcdObserver.alarms("").isEmpty)
        #expect(try EtcdObserver.alarms("MEMBER             ALARM\na49c021e76e707db   NOSPACE\n") == ["a49c021e76e707db: NOSPACE"])
    }

    @Test("without the node's column are read as well, and a status without rows is none")
    func otherForms() throws {
        let cut = Self.status.split(separator: "\n").map { String($0.dropFirst(13)) }.joined(separator: "\n")
        #expect(try EtcdObserver.status(cut) == EtcdObserver.status(Self.status))
        #expect(try EtcdObserver.status(String(Self.status.prefix { $0 != "\n" })) == nil)
    }

    @Test("that are something else are refused with the line")
    func faults() {
        let cases: [(String, String)] = [
            ("hello\n", "line 1 of the table: it has no column MEMBER"),
            (Self.status.replacing("a49c021e76e707db", with: "not-a-member-idx"), "line 2 of the table: \"not-a-member-idx\" is no member"),
            (Self.status.replacing("53391", with: "5339x"), "is no number"),
            (Self.status.replacing("false", with: "maybe"), "LEARNER is \"maybe\""),
            (
                Self.status.replacing("172.20.0.2   a4", with: "172.20.0.2.111a4"),
                "line 2 of the table: what stands before MEMBER reaches into it"
            ),
            (String(repeating: "x", count: 20_000), "longer than 16384"),
        ]
        for (text, problem) in cases {
            let fault = #expect(throws: TalosTable.Fault.self, "\(problem)") { _ = try EtcdObserver.status(text) }
            #expect(fault?.description.contains(problem) == true, "\(problem): \(fault?.description ?? "")")
        }
    }

    @Test("of any bytes never trap, whatever they make of them", arguments: [Self.status, Self.members, Self.services])
    func fuzz(sample: String) {
        var random = SplitMix(seed: 7)
        let bytes = Array(sample.utf8)
        for _ in 0..<3_000 {
            var copy = bytes
            for _ in 0..<random.next(upperBound: UInt64(6)) + 1 {
                let place = Int(random.next(upperBound: UInt64(copy.count)))
                switch random.next(upperBound: UInt64(4)) {
                case 0: copy[place] = UInt8(truncatingIfNeeded: random.next())
                case 1: copy.remove(at: place)
                case 2: copy.insert(UInt8(ascii: " "), at: place)
                default: copy = Array(copy.prefix(max(1, place)))
                }
                if copy.isEmpty { copy = [10] }
            }
            let text = String(decoding: copy, as: UTF8.self)
            _ = try? EtcdObserver.status(text)
            _ = try? EtcdObserver.members(text)
            _ = try? EtcdObserver.service(text)
            _ = try? EtcdObserver.alarms(text)
            _ = EtcdObserver.hasEntries(text)
            _ = EtcdObserver.seconds(text)
        }
    }

    @Test("durations as Go writes them, and nothing else")
    func durations() {
        #expect(
            EtcdObserver.seconds("2m5s ago") == 125 && EtcdObserver.seconds("1h0m0s ago") == 3600 && EtcdObserver.seconds("0s ago") == 0)
        for text in ["", " ago", "5 ago", "soon ago", "5s", "-5s ago", "99999999999999999999s ago"] {
            #expect(EtcdObserver.seconds(text) == nil, "\(text)")
        }
    }

    @Test("a listing shows data, an empty directory, or nothing at all")
    func listing() {
        #expect(EtcdObserver.hasEntries(".\nNODE   NAME\n") == false)
        #expect(EtcdObserver.hasEntries("NODE         NAME\n172.20.0.2   .\n172.20.0.2   member\n") == true)
        #expect(EtcdObserver.hasEntries("NODE   NAME\n") == nil && EtcdObserver.hasEntries("") == nil)
    }

    @Test("resources without what they are asked for are a silence with a reason, not a guess")
    func resources() throws {
        let reading = TalosReading(node: try SmallMesh.need(NodeID("cp-1")))
        func json(_ text: String) throws -> [HelmValue] { [try SmallMesh.need(JSON.decode(Array(text.utf8)))] }
        let version = try json(#"{"spec": {"version": "v1.11.3"}}"#)
        let stage = try json(
            #"{"spec": {"stage": "running", "status": {"ready": false, "unmetConditions": [{"name": "nodeReady", "reason": "no"}]}}}"#)
        let machine = try reading.machine(version: version, stage: stage)
        #expect(machine.version == "v1.11.3" && machine.stage == "running" && !machine.ready && machine.unmet.map(\.name) == ["nodeReady"])
        for (versions, stages) in [([], stage), (version, []), (stage, stage), (version, version)] {
            #expect(throws: TalosSilence.self) { _ = try reading.machine(version: versions, stage: stages) }
        }
        let layers =
            try json(#"{"spec": {"metadata": {"name": "schematic", "version": "abc"}}}"#)
            + json(#"{"spec": {"metadata": {"name": "qemu-guest-agent", "version": "10.0.2"}}}"#)
            + json(#"{"spec": {"metadata": {"name": "modules.dep", "version": "6.12"}}}"#)
        let (schematic, extensions) = try reading.extensions(layers)
        #expect(schematic == "abc" && extensions.map(\.name) == ["qemu-guest-agent"])
        #expect(throws: TalosSilence.self) { _ = try reading.extensions(version) }
        let manifests = try reading.manifests(json(#"{"spec": {"proxyEnabled": true, "flannelEnabled": false, "cniName": "none"}}"#))
        #expect(manifests.proxyEnabled && !manifests.flannelEnabled && manifests.cni == "none")
        #expect(throws: TalosSilence.self) { _ = try reading.manifests(json(#"{"spec": {"proxyEnabled": "false"}}"#)) }
        #expect(reading.kubePrism([]) == nil)
        let long = try json("{\"spec\": {\"version\": \"\(String(repeating: "v", count: 5_000))\"}}")
        #expect(try reading.machine(version: long, stage: stage).version.count < 400)
    }
}
